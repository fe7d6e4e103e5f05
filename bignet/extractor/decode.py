"""Image bytes -> the network's input square, as uint8. Runs in threads: decoding and resizing release the GIL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

from bignet import images

if TYPE_CHECKING:
    from PIL import Image

    from bignet.images import Limits
    from bignet.spec import Preprocess

# torchvision's JPEG decoder is 1.5 to 2 times as fast as Pillow's and equal to it; its PNG decoder crashes on broken
# files, so every other format goes through Pillow.
_FAST_MODES = frozenset({"RGB", "L"})
# A resized side longer than this many crops: only its middle is resized, or a 1 x 5000 strip would fill the memory.
_LONGEST_IN_CROPS = 8


def decode(data: bytes, preprocess: Preprocess, limits: Limits) -> tuple[Tensor, int, int]:
    """A whole image file -> ((3, crop, crop) uint8, width, height of the upright picture).

    Raises:
        RejectedImage: with a reason of the closed list.
    """
    header = images.open_header(data, limits)
    picture = _decode_jpeg(header, data) if _is_plain_jpeg(header) else None
    if picture is None:
        picture = _from_pillow(images.decode_rgb(header, data))
    _, height, width = picture.shape
    return fit(picture, preprocess), width, height


def _is_plain_jpeg(header: Image.Image) -> bool:
    return header.format in images.JPEG_FORMATS and header.mode in _FAST_MODES


def _decode_jpeg(header: Image.Image, data: bytes) -> Tensor | None:
    """(3, H, W) uint8, upright; None if this decoder refuses, so that Pillow has the last word."""
    try:
        picture = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)
    except RuntimeError:
        return None
    return upright(picture, images.orientation(header))


def _from_pillow(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture, dtype=np.uint8)).permute(2, 0, 1)


def upright(picture: Tensor, orientation: int) -> Tensor:
    """(3, H, W) as stored -> as seen, by EXIF orientation 1 to 8."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture.flip(2)
    if orientation in (3, 4, 7, 8):
        picture = picture.flip(1)
    return picture


def fit(picture: Tensor, preprocess: Preprocess) -> Tensor:
    """(3, H, W) uint8 -> (3, crop, crop) uint8: shorter side to ``resize`` (antialiased), then the central square."""
    picture = _without_far_ends(picture, preprocess)
    resized = F.resize(
        picture,
        [preprocess.resize],
        interpolation=InterpolationMode(preprocess.interpolation),
        antialias=True,
    )
    square: Tensor = F.center_crop(resized, [preprocess.crop, preprocess.crop])
    return square


def _without_far_ends(picture: Tensor, preprocess: Preprocess) -> Tensor:
    """Extreme strips: drop what the central crop cannot see, with a margin for the resizing filter."""
    _, height, width = picture.shape
    scale = preprocess.resize / min(height, width)
    if max(height, width) * scale <= _LONGEST_IN_CROPS * preprocess.crop:
        return picture
    keep = math.ceil(2 * preprocess.crop / scale)
    keep += (max(height, width) - keep) % 2  # cut equally at both ends: the centre stays where it was
    middle: Tensor = F.center_crop(picture, [min(height, keep), min(width, keep)])
    return middle
