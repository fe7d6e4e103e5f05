"""Convolutions with a quarter or a sixth of the multiplications: Winograd's minimal filtering, in float32.

Formula: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4, for tiles of 4 x 4
results. Sums are of transformed numbers, so rounding is some ten times that of a plain convolution: about 1e-5 of the
largest result. The kernel is ``native/winograd.c``.
"""

from __future__ import annotations

import ctypes
import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bignet.extractor import kernels, native

if TYPE_CHECKING:
    from bignet.extractor.onednn import Site

_TILE = 4
# Where filters are transformed to; the last point is infinity. The second number divides the values there.
_POINTS: dict[int, list[tuple[float, float]]] = {
    3: [(0, 4), (1, -6), (-1, -6), (2, 24), (-2, 24)],
    5: [(0, 1), (1, -4.5), (-1, -4.5), (2, 90), (-2, 90), (0.5, 1.40625), (-0.5, 1.40625)],
}
# Of one convolution's transformed filters, which take two to four times the memory of the filters themselves.
_LARGEST_BYTES = 64 << 20


class _Convolution(ctypes.Structure):
    """The structure of that name in winograd.c."""

    _fields_ = kernels.fields(
        ("input", "filters", "bias", "zeros", "output"),
        (
            *("taps", "rows", "columns", "channels_in", "pad_rows", "pad_columns"),
            *("rows_out", "columns_out", "channels_out", "apart", "activation", "add"),
        ),
    )


def suits(convolution: nn.Conv2d) -> bool:
    """Whether ``Convolution`` can take its place, and is there."""
    library = native.load("winograd")
    if library is None:
        return False
    taps, channels = convolution.kernel_size[0], (convolution.in_channels, convolution.out_channels)
    plain = convolution.stride == (1, 1) and convolution.dilation == (1, 1) and convolution.groups == 1
    square = convolution.kernel_size == (taps, taps) and taps in _POINTS
    whole = all(number % library.lanes() == 0 for number in channels)
    single = convolution.weight.dtype is torch.float32
    return single and plain and square and whole and 4 * math.prod(channels) * (taps + _TILE - 1) ** 2 <= _LARGEST_BYTES


class Convolution(kernels.Convolution):
    """A convolution that ``suits``."""

    def __init__(self, convolution: nn.Conv2d, site: Site) -> None:
        super().__init__(convolution, site)
        self._zeros = torch.zeros(convolution.in_channels)
        self._filters = _in_order(convolution.weight.detach())

    def _convolve(self, batch: Tensor, result: Tensor, ending: tuple[int, int, int]) -> None:
        library, taps, channels = kernels.library("winograd"), self._taps[0], len(self._zeros)
        pointers = (each.data_ptr() for each in (batch, self._filters, self._bias, self._zeros, result))
        sizes = (taps, *batch.shape[2:], channels, *self._padding, *result.shape[2:], len(self._bias))
        work = _Convolution(*pointers, *sizes, *ending)
        n_tiles = len(batch) * math.prod(-(-size // _TILE) for size in result.shape[2:])
        run = partial(library.convolve, ctypes.byref(work))
        kernels.in_parallel(run, n_tiles, library.block(), library.scratch_size(taps, channels))


def transformation(taps: int) -> Tensor:
    """(side * side, taps * taps) float64: a filter's numbers -> its values at the points in both directions.

    ``side`` is taps + 3.
    """
    rows = [[point**power / scale for power in range(taps)] for point, scale in _POINTS[taps]]
    values = torch.tensor([*rows, [0.0] * (taps - 1) + [1.0]], dtype=torch.float64)
    return torch.einsum("ik,jl->ijkl", values, values).reshape(-1, taps * taps)


def _in_order(weight: Tensor) -> Tensor:
    """(out, in, taps, taps) filters -> their values at the points, in the order that winograd.c reads them."""
    panel, block = kernels.library("winograd").panel(), kernels.library("winograd").block_channels()
    n_in, taps = weight.shape[1:3]
    values = transformation(taps)
    padded = F.pad(weight, (0, 0, 0, 0, 0, 0, 0, -len(weight) % panel))
    parts = []
    for at in range(0, len(padded), block):  # a block at a time stays in the caches
        panels = padded[at : at + block].reshape(-1, panel, n_in, taps * taps)
        parts.append((values @ panels.permute(3, 0, 2, 1).reshape(taps * taps, -1).double()).float().flatten())
    return torch.cat(parts)
