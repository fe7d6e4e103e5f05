"""Parts of pictures of another size, as Pillow's ``resize`` makes them, to the bit; the kernel is ``native/resize.c``.

Runs in threads: what takes time is done without the GIL.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import pyarrow as pa
from PIL import Image

from bignet.extractor import kernels, native

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float64]

# The picture's edges (left, upper, right, lower), or those of a part.
Box = tuple[int, int, int, int]

# Of a picture as Pillow holds it.
_BYTES_A_PIXEL = 4
# What a picture may take to be read where Pillow holds it: a larger one may lie there in several pieces.
_LARGEST_WHOLE = 4 << 20
# What is copied of a larger one at a time; it stays in a core's cache.
_STRIP = 1 << 19
# Weights of one pass: of a picture so much larger than its result that there would be more, there are few.
_MOST_WEIGHTS = 1 << 14
# Sides whose weights are kept: photographs share their sizes, and the weights take longer than the pixels.
_MOST_SIDES = 256
# Pixels of the resized picture for each that is wanted, beyond which Pillow is given only a part to resize.
_MOST_IN_VAIN = 8
# Pixels beyond its own place that a resized pixel is made of, as many times as it is smaller: of the cubic filter.
_REACH = 3
# The weights of a pixel add up to this.
_ONE = 1 << 22
_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def part(picture: Image.Image, size: tuple[int, int], box: Box, interpolation: str) -> Pixels:
    """What lies within ``box`` of a picture resized with antialiasing; the rest of it is not made.

    Args:
        picture: RGB.
        size: (width, height) of the resized picture.
        box: (left, upper, right, lower) in the resized picture.
        interpolation: the filter.

    Returns:
        (height, width, 3), of the box.
    """
    found = _by_kernel(picture, size, box, interpolation)
    return _by_pillow(picture, size, box, _RESAMPLING[interpolation]) if found is None else found


def _rows_first(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether rows are made fewer before columns are: of (width, height), as Pillow 13 decides it."""
    fewer_columns, fewer_rows = before[0] - after[0], before[1] - after[1]
    return fewer_rows > 0 and fewer_rows > 2 * fewer_columns


class _Side(NamedTuple):
    """One side of a part: pixels ``start:stop`` of a side of ``n_pixels`` resized to ``n_resized``."""

    n_pixels: int
    n_resized: int
    start: int
    stop: int

    @property
    def scale(self) -> float:
        """Pixels of the picture for each of the resized one."""
        return self.n_pixels / self.n_resized


def _sides(picture: Image.Image, size: tuple[int, int], box: Box) -> tuple[_Side, _Side]:
    """Width and height."""
    return _Side(picture.width, size[0], box[0], box[2]), _Side(picture.height, size[1], box[1], box[3])


class _Pass(ctypes.Structure):
    """The structure ``pass`` of resize.c."""

    _fields_ = kernels.fields(("input", "first", "weights", "output"), ("rows", "columns", "taps", "n_out", "wanted"))


def _by_kernel(picture: Image.Image, size: tuple[int, int], box: Box, interpolation: str) -> Pixels | None:
    """``part`` by the kernel; None where it is not there or not made for it."""
    library = native.load("resize")
    if library is None or not hasattr(picture, "__arrow_c_array__") or _rows_first(picture.size, size):
        return None
    width, height = _sides(picture, size, box)
    across = _sums_across(width, interpolation, library.multiple_of_taps(), library.multiple_of_columns())
    down = _sums(height, interpolation)
    if across is None or down is None:
        return None
    between = np.empty((down.end - down.begin, len(across.first), _BYTES_A_PIXEL), dtype=np.uint8)
    try:
        _resize_across(library, picture, (across, down), between)
    except ValueError:  # Pillow holds it in pieces, small as it is: its blocks may be set smaller
        return None
    result = np.empty((height.stop - height.start, width.stop - width.start, 3), dtype=np.uint8)
    sizes = (*between.shape[:2], down.taps, len(result), result.shape[1])
    library.down(ctypes.byref(_Pass(between.ctypes.data, *down.pointers, result.ctypes.data, *sizes)))
    return result


def _resize_across(library: ctypes.CDLL, picture: Image.Image, passes: tuple[_Sums, _Sums], between: Pixels) -> None:
    """The rows that are needed, made narrower: (rows, columns, 4)."""
    across, down = passes
    whole = picture.width * picture.height * _BYTES_A_PIXEL <= _LARGEST_WHOLE
    n_columns = across.end - across.begin
    step = len(between) if whole else max(_STRIP // (n_columns * _BYTES_A_PIXEL), 1)
    for row in range(0, len(between), step):
        n_rows = min(step, len(between) - row)
        upper = down.begin + row
        strip = picture if whole else picture.crop((across.begin, upper, across.end, upper + n_rows))
        pixels = _held(strip)
        start = pixels[upper:, across.begin :] if whole else pixels
        sizes = (n_rows, strip.width, across.taps, len(across.first), 0)
        library.across(ctypes.byref(_Pass(start.ctypes.data, *across.pointers, between[row:].ctypes.data, *sizes)))


def _held(picture: Image.Image) -> Pixels:
    """A picture's pixels where Pillow holds them: (rows, columns, 4).

    Raises:
        ValueError: they lie in several pieces.
    """
    values: Pixels = pa.array(picture).flatten().to_numpy(zero_copy_only=True)
    return values.reshape(picture.height, picture.width, _BYTES_A_PIXEL)


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the pixels of a resized side are made of.

    Attributes:
        begin: the first pixel of the side that is needed.
        first: (n,) int32, where each one's pixels begin, counted from there.
        weights: (n, taps) int32, those of the pixels from there on; or each of them four times.
        taps: pixels of each sum.
    """

    begin: int
    first: NDArray[np.int32]
    weights: NDArray[np.int32]
    taps: int

    @property
    def end(self) -> int:
        """The pixel after the last that is needed."""
        return self.begin + int(self.first[-1]) + self.taps

    @property
    def pointers(self) -> tuple[int, int]:
        return self.first.ctypes.data, self.weights.ctypes.data


def _linear(distance: Floats) -> Floats:
    return np.where(distance < 1, 1 - distance, 0)


def _cubic(distance: Floats) -> Floats:
    """Keys, Cubic convolution interpolation for digital image processing (1981), with a = -0.5."""
    a = -0.5
    near, far = ((a + 2) * distance - (a + 3)) * distance * distance + 1, ((distance - 5) * distance + 8) * distance - 4
    return np.where(distance < 1, near, np.where(distance < 2, far * a, 0))


# Of each filter, and how far it reaches.
_FILTERS: dict[str, tuple[Callable[[Floats], Floats], int]] = {"bilinear": (_linear, 1), "bicubic": (_cubic, 2)}


@lru_cache(maxsize=_MOST_SIDES)
def _sums(side: _Side, interpolation: str, multiple: int = 1) -> _Sums | None:
    """Of a part's pixels; None if they are of too many pixels, or the picture has too few.

    In Pillow's order, so that not even the last bit of a weight differs.

    Args:
        side: of the part.
        interpolation: the filter.
        multiple: what the number of taps is a multiple of; the weights of those in excess are 0.
    """
    weigh, reach = _FILTERS[interpolation]
    wider = max(side.scale, 1.0)
    if (side.stop - side.start) * (2 * reach * wider + multiple) > _MOST_WEIGHTS:
        return None
    centres = (np.arange(side.start, side.stop) + 0.5) * side.scale
    low = np.maximum((centres - reach * wider + 0.5).astype(np.int64), 0)
    high = np.minimum((centres + reach * wider + 0.5).astype(np.int64), side.n_pixels)
    taps = math.ceil((high - low).max() / multiple) * multiple
    if taps > side.n_pixels:
        return None
    first = np.minimum(low, side.n_pixels - taps)
    places = first[:, None] + np.arange(taps)
    weights = weigh(np.abs((places - centres[:, None] + 0.5) * (1.0 / wider)))
    weights[(places < low[:, None]) | (places >= high[:, None])] = 0
    weights /= np.add.accumulate(weights, axis=1)[:, -1:]
    whole = np.where(weights < 0, weights * _ONE - 0.5, weights * _ONE + 0.5).astype(np.int32)
    return _Sums(int(first[0]), (first - first[0]).astype(np.int32), whole, taps)


@lru_cache(maxsize=_MOST_SIDES)
def _sums_across(side: _Side, interpolation: str, taps: int, columns: int) -> _Sums | None:
    """The same for the kernel's ``across``: each weight once for every byte of a pixel.

    Args:
        side: of the part.
        interpolation: the filter.
        taps: what their number is a multiple of.
        columns: what the number of sums is a multiple of; those in excess mean nothing.
    """
    found = _sums(side, interpolation, taps)
    if found is None:
        return None
    missing = (0, -len(found.first) % columns)
    weights = np.pad(found.weights, (missing, (0, 0))).repeat(_BYTES_A_PIXEL, axis=1)
    return _Sums(found.begin, np.pad(found.first, missing, mode="edge"), weights, found.taps)


def _by_pillow(picture: Image.Image, size: tuple[int, int], box: Box, resampling: Image.Resampling) -> Pixels:
    """``part`` by Pillow: to the bit unless the part is small, then with two roundings of each pixel."""
    left, upper, right, lower = box
    if math.prod(size) > _MOST_IN_VAIN * (right - left) * (lower - upper):
        return np.asarray(_resized_alone(picture, size, box, resampling))
    if _rows_first(picture.size, size):  # as Pillow did not before its release 13
        picture = picture.resize((picture.width, size[1]), resampling)
    return np.asarray(picture.resize(size, resampling).crop(box))


def _resized_alone(picture: Image.Image, size: tuple[int, int], box: Box, resampling: Image.Resampling) -> Image.Image:
    """The part, of what its pixels are made of."""
    across, down = (_Span.of(side) for side in _sides(picture, size, box))
    near = picture.crop((across.first, down.first, across.last, down.last))
    edges = (across.low - across.first, down.low - down.first, across.high - across.first, down.high - down.first)
    return near.resize((box[2] - box[0], box[3] - box[1]), resampling, box=edges)


class _Span(NamedTuple):
    """Where a side of a part comes from: ``low`` to ``high`` of the picture, made of its pixels ``first:last``."""

    first: int
    last: int
    low: float
    high: float

    @classmethod
    def of(cls, side: _Side) -> Self:
        low, high, reach = side.start * side.scale, side.stop * side.scale, _REACH * max(side.scale, 1)
        first, last = max(math.floor(low - reach), 0), min(math.ceil(high + reach), side.n_pixels)
        return cls(first, last, low, min(high, side.n_pixels))
