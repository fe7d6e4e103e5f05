"""Image bytes -> the network's input squares, as uint8. Runs in threads: Pillow decodes and resizes without the GIL."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from bignet import images
from bignet.extractor.vision import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.images import Limits
    from bignet.spec import Preprocess

# A resized side longer than this many crops is never made: a 1 x 5000 strip would fill the memory.
_LONGEST_IN_CROPS = 8
# Pixels beyond its own place that a resized pixel is made of, as many times as it is smaller: of the cubic filter.
_REACH = 3
# The fast decoder's picture is at least this many times the resized one: resizing hides the cruder scaling.
_DRAFT_OVER_RESIZED = 2
# Columns and rows more on each side, among which a part's edges are chosen: a twentieth of the time of resizing.
_SPARE = 16
# Pillow 13 resizes pictures this much taller than wide rows first, all others columns first, as all did before it; of
# parts of pictures that are taller than wide it resizes some so, too. The order shows in every fifth pixel.
_TALL = 2
_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


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
    size = size or picture.size
    if preprocess.mode == "crop":
        return _stacked(_cropped(picture, preprocess, size))
    whole = _squashed(picture, preprocess) if preprocess.mode == "squash" else _padded(picture, preprocess, size)
    return _stacked([whole, ImageOps.mirror(whole)] if preprocess.views == "flip" else [whole])


def _stacked(views: Sequence[Image.Image]) -> Tensor:
    """V squares -> (V, 3, crop, crop) uint8; the memory is (V, crop, crop, 3), as convolutions like it."""
    pixels = np.empty((len(views), *reversed(views[0].size), 3), dtype=np.uint8)
    for place, view in zip(pixels, views, strict=True):
        place[:] = np.asarray(view)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


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


def _squashed(picture: Image.Image, preprocess: Preprocess) -> Image.Image:
    """The whole picture as a square. Strips that grow wider lose their height first: between, they were gigabytes."""
    side, resampling = preprocess.crop, _RESAMPLING[preprocess.interpolation]
    if picture.width < side and picture.height > _LONGEST_IN_CROPS * side:
        picture = picture.resize((picture.width, side), resampling)
    return picture.resize((side, side), resampling)


def _padded(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int]) -> Image.Image:
    """The whole picture in the middle of a square of the mean colour."""
    side = preprocess.crop
    resized = picture.resize(_resized_size(size, preprocess), _RESAMPLING[preprocess.interpolation])
    red, green, blue = (round(255 * share) for share in preprocess.mean)
    square = Image.new("RGB", (side, side), (red, green, blue))
    square.paste(resized, ((side - resized.width) // 2, (side - resized.height) // 2))
    return square


def _cropped(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int]) -> list[Image.Image]:
    """Shorter side to ``resize`` (antialiased), then the squares of ``crop``."""
    resized_size = _resized_size(size, preprocess)
    if max(resized_size) > _LONGEST_IN_CROPS * preprocess.crop:
        return _cropped_strip(picture, preprocess, resized_size)
    resampling = _RESAMPLING[preprocess.interpolation]
    if preprocess.views in ("centre", "flip"):
        square = _centre(picture, resized_size, preprocess.crop, resampling)
        return [square, ImageOps.mirror(square)] if preprocess.views == "flip" else [square]
    resized = picture.resize(resized_size, resampling)
    crop = [preprocess.crop, preprocess.crop]
    return list(F.five_crop(resized, crop) if preprocess.views == "five" else F.ten_crop(resized, crop))


def _cropped_strip(picture: Image.Image, preprocess: Preprocess, size: tuple[int, int]) -> list[Image.Image]:
    """The same squares of the picture resized to (width, height), each of them resized alone."""
    (width, height), crop = size, preprocess.crop
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    places = [(left, top)]
    if preprocess.views in ("five", "ten"):
        right, bottom = width - crop, height - crop
        places = [(0, 0), (right, 0), (0, bottom), (right, bottom), (left, top)]
    resampling = _RESAMPLING[preprocess.interpolation]
    views = [_square_alone(picture, size, place, crop, resampling) for place in places]
    if preprocess.views == "ten":
        # Those of the mirrored picture: its corners are the others, its centre may be one off.
        places = [(width - crop - left, top) for left, top in places]
        views += [ImageOps.mirror(_square_alone(picture, size, place, crop, resampling)) for place in places]
    return [*views, ImageOps.mirror(views[0])] if preprocess.views == "flip" else views


def _square_alone(
    picture: Image.Image, size: tuple[int, int], place: tuple[int, int], crop: int, resampling: Image.Resampling
) -> Image.Image:
    """A square of the picture resized to (width, height), of what its pixels are made of; black where there is none."""
    across, down = (_Span.of(*numbers, crop) for numbers in zip(picture.size, size, place, strict=True))
    part = picture.crop((across.first, down.first, across.last, down.last))
    box = (across.low - across.first, down.low - down.first, across.high - across.first, down.high - down.first)
    square = Image.new("RGB", (crop, crop))
    square.paste(part.resize((across.length, down.length), resampling, box=box), (across.at, down.at))
    return square


class _Span(NamedTuple):
    """One side of such a square: pixels ``low`` to ``high`` of the picture, made of ``first:last``, ``length`` resized.

    ``at`` is where they begin in the square.
    """

    first: int
    last: int
    low: float
    high: float
    at: int
    length: int

    @classmethod
    def of(cls, n_pixels: int, n_resized: int, start: int, crop: int) -> Self:
        begin, end, scale = max(start, 0), min(start + crop, n_resized), n_pixels / n_resized
        low, high, reach = begin * scale, end * scale, _REACH * max(scale, 1)
        first, last = max(math.floor(low - reach), 0), min(math.ceil(high + reach), n_pixels)
        return cls(first, last, low, min(high, n_pixels), begin - start, end - begin)


def _centre(picture: Image.Image, size: tuple[int, int], crop: int, resampling: Image.Resampling) -> Image.Image:
    """The central square of the picture resized to (width, height), without resizing what lies beyond it.

    Pillow resizes parts of a picture between edges that it holds in float32: they are put where that rounds them least.
    """
    width, height = size
    left, top = round((width - crop) / 2), round((height - crop) / 2)  # as torchvision's center_crop
    if min(left, top) < 0 or picture.height >= _TALL * picture.width:
        square: Image.Image = F.center_crop(picture.resize(size, resampling), [crop, crop])
        return square
    first, last = _edges(picture.width, width, left, left + crop)
    upper, lower = _edges(picture.height, height, top, top + crop)
    columns, rows = picture.width / width, picture.height / height
    box = (first * columns, upper * rows, last * columns, lower * rows)
    picture = _part(picture, box, (last - first, lower - upper), resampling)
    left, top = left - first, top - upper
    return picture.crop((left, top, left + crop, top + crop))


def _part(
    picture: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int], resampling: Image.Resampling
) -> Image.Image:
    """The part within (left, upper, right, lower) resized to (width, height), columns first."""
    if picture.width >= picture.height:
        return picture.resize(size, resampling, box=box)
    left, upper, right, lower = box
    narrow = picture.resize((size[0], picture.height), resampling, box=(left, 0, right, picture.height))
    return narrow.resize(size, resampling, box=(0, upper, size[0], lower))


@lru_cache(maxsize=1 << 14)
def _edges(n_pixels: int, n_resized: int, start: int, stop: int) -> tuple[int, int]:
    """Resized pixels start:stop of a side -> the first:last around them whose place in the picture float32 holds best.

    Args:
        n_pixels: length of the side in the picture.
        n_resized: its length when resized.
        start: first pixel needed of the resized side.
        stop: pixel after the last one needed.
    """
    first = np.arange(start, max(start - _SPARE, 0) - 1, -1)[:, None]
    last = np.arange(stop, min(stop + _SPARE, n_resized) + 1)
    scale = n_pixels / n_resized
    low, high = (first * scale).astype(np.float32), (last * scale).astype(np.float32)
    reached = low.astype(np.float64) + (high - low)  # Pillow adds up a length that is float32, too
    error = np.abs(low - first * scale) + np.abs(reached - last * scale)
    row, column = np.unravel_index(error.argmin(), error.shape)
    return int(first[row, 0]), int(last[column])
