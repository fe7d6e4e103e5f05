"""Image bytes -> the network's input square, as uint8. Runs in threads: Pillow decodes and resizes without the GIL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

from bignet import images

if TYPE_CHECKING:
    from PIL import Image

    from bignet.images import Limits
    from bignet.spec import Preprocess

# A resized side longer than this many crops: only its middle is resized, or a 1 x 5000 strip would fill the memory.
_LONGEST_IN_CROPS = 8


def decode(data: bytes, preprocess: Preprocess, limits: Limits) -> tuple[Tensor, int, int]:
    """A whole image file -> ((3, crop, crop) uint8, width, height of the upright picture).

    The very steps of torchvision's presets on Pillow pictures: on tensors its resize rounds every sixth pixel the
    other way, which a trained network turns into a cosine of 0.9989 where these give 1.0.

    Raises:
        RejectedImage: with a reason of the closed list.
    """
    picture = images.open_rgb(data, limits)
    return fit(picture, preprocess)[None], picture.width, picture.height


def fit(picture: Image.Image, preprocess: Preprocess) -> Tensor:
    """RGB picture -> (3, crop, crop) uint8: shorter side to ``resize`` (antialiased), then the central square."""
    picture = _without_far_ends(picture, preprocess)
    resized = F.resize(picture, [preprocess.resize], interpolation=InterpolationMode(preprocess.interpolation))
    square = F.center_crop(resized, [preprocess.crop, preprocess.crop])
    return torch.from_numpy(np.array(square, dtype=np.uint8)).permute(2, 0, 1)


def _without_far_ends(picture: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Extreme strips: drop what the central crop cannot see, with a margin for the resizing filter."""
    longer, shorter = max(picture.size), min(picture.size)
    scale = preprocess.resize / shorter
    if longer * scale <= _LONGEST_IN_CROPS * preprocess.crop:
        return picture
    keep = max(math.ceil(2 * preprocess.crop / scale), shorter)
    keep += (longer - keep) % 2  # cut equally at both ends: the centre stays where it was
    middle: Image.Image = F.center_crop(picture, [min(picture.height, keep), min(picture.width, keep)])
    return middle
