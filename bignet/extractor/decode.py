"""Image bytes -> the network's input squares, as uint8. Runs in threads: Pillow decodes and resizes without the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bignet import images
from bignet.extractor import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from torch import Tensor

    from bignet.extractor.resize import Pixels
    from bignet.images import Limits
    from bignet.spec import Preprocess

# A resized side longer than this many crops is never made: a 1 x 5000 strip would fill the memory.
_LONGEST_IN_CROPS = 8
# The fast decoder's picture is at least this many times the resized one: resizing hides the cruder scaling.
_DRAFT_OVER_RESIZED = 2


def decode(data: bytes, preprocess: Preprocess, limits: Limits) -> tuple[Tensor, int, int]:
    """A whole image file -> ((V, 3, crop, crop) uint8, width, height of the upright picture, whole, in pixels).

    V is ``preprocess.n_views``; the memory is channels-last.

    Raises:
        RejectedImage: with a reason of the closed list.
    """
    image = images.open_header(data, limits)
    draft = _draft_size(image.size, preprocess) if preprocess.decode == "fast" else None
    picture, size = images.load_rgb(image, draft)
    return squares(picture, preprocess, size), *size


def decode_all(data: bytes, wanted: Sequence[Preprocess], limits: Limits) -> tuple[list[Tensor], int, int]:
    """The same for several networks at once: the pixels are decoded once, but for those who want them decoded fast.

    Returns:
        ``decode``'s squares for each of ``wanted``, and width and height.

    Raises:
        RejectedImage: with a reason of the closed list.
    """
    header = images.open_header(data, limits)
    drafts = [_draft_size(header.size, each) if each.decode == "fast" else None for each in wanted]
    pictures = {draft: images.load_rgb(images.open_header(data, limits), draft) for draft in dict.fromkeys(drafts)}
    found = [squares(pictures[draft][0], each, pictures[draft][1]) for each, draft in zip(wanted, drafts, strict=True)]
    return found, *pictures[drafts[0]][1]


def squares(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int] | None = None) -> Tensor:
    """RGB picture -> (V, 3, crop, crop) uint8, channels-last in memory.

    Mode ``crop`` with the centre is torchvision's presets on Pillow pictures: on tensors its resize rounds every sixth
    pixel the other way, which a trained network turns into a cosine of 0.9989 where these give 1.0.

    Args:
        picture: at its own size, or smaller if it was decoded so.
        preprocess: see Preprocess.
        size: (width, height) of which the resized size is to be computed; the picture's own if None.
    """
    resized = _resized_size(size or picture.size, preprocess)
    if preprocess.mode == "crop":
        views = _cropped(picture, preprocess, resized)
    else:
        views = [_padded(picture, preprocess, resized)]
    if preprocess.views == "flip":
        views.append(_mirrored(views[0]))
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)


def _draft_size(size: tuple[int, int], preprocess: Preprocess) -> tuple[int, int]:
    """(width, height) below which the fast decoder must not go, of a picture that may yet have to be turned."""
    width, height = _resized_size(size, preprocess)
    return _DRAFT_OVER_RESIZED * width, _DRAFT_OVER_RESIZED * height


def _resized_size(size: tuple[int, int], preprocess: Preprocess) -> tuple[int, int]:
    """(width, height) of a picture -> those of the resized one, in each mode."""
    if preprocess.mode == "squash":
        return preprocess.crop, preprocess.crop
    if preprocess.mode == "pad":
        longer = max(size)
        return tuple(max(round(preprocess.crop * side / longer), 1) for side in size)  # type: ignore[return-value] # a pair
    shorter = min(size)
    return tuple(int(preprocess.resize * side / shorter) for side in size)  # type: ignore[return-value] # a pair, rounded as torchvision does


def _padded(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int]) -> Pixels:
    """The whole picture, resized to (width, height), in the middle of a square of the mean colour."""
    side, (width, height) = preprocess.crop, size
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = [round(255 * share) for share in preprocess.mean]
    left, top = (side - width) // 2, (side - height) // 2
    resized = resize.part(picture, size, (0, 0, width, height), preprocess.interpolation)
    square[top : top + height, left : left + width] = resized
    return square


def _cropped(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int]) -> list[Pixels]:
    """Squares of ``crop`` of the picture resized to (width, height)."""
    (width, height), crop = size, preprocess.crop
    right, bottom = width - crop, height - crop
    centre = round(right / 2), round(bottom / 2)  # as torchvision's center_crop
    if preprocess.views in ("centre", "flip"):
        return [_square(picture, preprocess, size, centre)]
    places = [(0, 0), (right, 0), (0, bottom), (right, bottom), centre]
    if preprocess.views == "ten":
        # Those of the mirrored picture: its corners are the others, its centre may be one off.
        places += [(right - left, top) for left, top in places]
    if max(size) > _LONGEST_IN_CROPS * crop:
        views = [_square(picture, preprocess, size, place) for place in places]
    else:
        whole = resize.part(picture, size, (0, 0, width, height), preprocess.interpolation)
        views = [whole[top : top + crop, left : left + crop] for left, top in places]
    return [*views[:5], *map(_mirrored, views[5:])]


def _square(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int], place: tuple[int, int]) -> Pixels:
    """The square at (left, top) of the picture resized to (width, height); black where there is none."""
    (width, height), (left, top), crop = size, place, preprocess.crop
    box = (max(left, 0), max(top, 0), min(left + crop, width), min(top + crop, height))
    found = resize.part(picture, size, box, preprocess.interpolation)
    if found.shape[:2] == (crop, crop):
        return found
    square = np.zeros((crop, crop, 3), dtype=np.uint8)
    square[box[1] - top : box[3] - top, box[0] - left : box[2] - left] = found
    return square


def _mirrored(square: Pixels) -> Pixels:
    return square[:, ::-1]
