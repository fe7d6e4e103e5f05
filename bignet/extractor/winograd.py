"""Convolutions with a third of the multiplications: Winograd's minimal filtering, in float32.

Formula: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4, for tiles of 4 x 4
results. Sums are of transformed numbers, so rounding is some ten times that of a plain convolution: about 1e-5 of the
largest result. The loops are in ``native/winograd.c``.
"""

from __future__ import annotations

import ctypes
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bignet.extractor import machine, native

if TYPE_CHECKING:
    from collections.abc import Callable

    from bignet.extractor.onednn import Site

_TILE = 4
# Tiles, and channels of the result, worked on at a time: what is between fits a core's cache.
_BLOCK = 48
_BLOCK_CHANNELS = 64
# Where filters are transformed to; the last point is infinity. The second number divides the values there.
_POINTS: dict[int, list[tuple[float, float]]] = {
    3: [(0, 4), (1, -6), (-1, -6), (2, 24), (-2, 24)],
    5: [(0, 1), (1, -4.5), (-1, -4.5), (2, 90), (-2, 90), (0.5, 1.40625), (-0.5, 1.40625)],
}
# The largest transformed filters of one convolution: reading more would take as long as what is saved.
_LARGEST_BYTES = 64 << 20
_INSIDE = {"none": 0, "relu": 1, "hardtanh": 2}  # numbers of winograd.c; BigNet's hardtanh is ReLU6
_AFTER: dict[str, Callable[..., Tensor]] = {"swish": F.silu, "hardswish": F.hardswish}


class _Convolution(ctypes.Structure):
    """The structure of that name in winograd.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("input", "filters", "bias", "zeros", "output")),
        *((name, ctypes.c_int) for name in ("taps", "rows", "columns", "channels_in", "pad_rows", "pad_columns")),
        *((name, ctypes.c_int) for name in ("rows_out", "columns_out", "channels_out", "block", "block_panels")),
        *((name, ctypes.c_int) for name in ("activation", "add")),
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
    return plain and square and whole and 4 * math.prod(channels) * (taps + _TILE - 1) ** 2 <= _LARGEST_BYTES


class Convolution(nn.Module):
    """A convolution that ``suits``; given a second input, it adds its result to that one in place."""

    def __init__(self, convolution: nn.Conv2d, site: Site) -> None:
        super().__init__()
        self._taps = convolution.kernel_size[0]
        self._channels = (convolution.in_channels, convolution.out_channels)
        self._padding = site.geometry[0]
        self._activation = site.activation[0]
        weight, bias = convolution.weight.detach(), convolution.bias
        self._bias = torch.zeros(len(weight)) if bias is None else bias.detach()
        self._zeros = torch.zeros(self._channels[0])
        self._filters = _in_panels(transformed(weight), _library().panel())

    def forward(self, batch: Tensor, into: Tensor | None = None) -> Tensor:
        """(N, in, H, W) float32 -> (N, out, H, W), channels last in memory."""
        batch = batch.contiguous(memory_format=torch.channels_last)
        sides = [size + 2 * pad - self._taps + 1 for size, pad in zip(batch.shape[2:], self._padding, strict=True)]
        shape = (len(batch), self._channels[1], *sides)
        result = torch.empty(shape, memory_format=torch.channels_last) if into is None else into
        self._convolve(batch, result, add=into is not None)
        after = _AFTER.get(self._activation)
        return result if after is None else after(result, inplace=True)

    def _convolve(self, batch: Tensor, result: Tensor, *, add: bool) -> None:
        panels = _BLOCK_CHANNELS // _library().panel()
        pointers = (each.data_ptr() for each in (batch, self._filters, self._bias, self._zeros, result))
        sizes = (*batch.shape[2:], self._channels[0], *self._padding, *result.shape[2:], self._channels[1])
        activation = _INSIDE.get(self._activation, 0)
        work = _Convolution(*pointers, self._taps, *sizes, _BLOCK, panels, activation, int(add))
        n_tiles = len(batch) * math.prod(-(-size // _TILE) for size in result.shape[2:])
        channels = self._channels[0] + _BLOCK_CHANNELS
        n_scratch = (self._taps + _TILE - 1) ** 2 * (_BLOCK * channels + 2 * _library().apart())

        def run(first: int, end: int) -> None:
            scratch = torch.empty(n_scratch)
            _library().convolve(ctypes.byref(work), first, end, ctypes.c_void_p(scratch.data_ptr()))

        _in_turns(run, n_tiles)


def transformed(weight: Tensor) -> Tensor:
    """(out, in, taps, taps) filters -> (side * side, in, out) float32: their values at the points, in both directions.

    ``side`` is taps + 3.
    """
    n_out, n_in, taps, _taps = weight.shape
    rows = [[point**power / scale for power in range(taps)] for point, scale in _POINTS[taps]]
    values = torch.tensor([*rows, [0.0] * (taps - 1) + [1.0]], dtype=torch.float64)
    both = torch.einsum("ik,jl->ijkl", values, values).reshape(-1, taps * taps)
    flat = weight.double().permute(2, 3, 1, 0).reshape(taps * taps, -1)
    return (both @ flat).float().reshape(-1, n_in, n_out)


def _in_panels(filters: Tensor, panel: int) -> Tensor:
    """(points, in, out) -> the numbers in the order that winograd.c reads them."""
    points, n_in, n_out = filters.shape
    padded = F.pad(filters, (0, -n_out % panel))
    blocks = (padded[:, :, at : at + _BLOCK_CHANNELS] for at in range(0, padded.shape[2], _BLOCK_CHANNELS))
    return torch.cat([block.reshape(points, n_in, -1, panel).transpose(1, 2).flatten() for block in blocks])


def _in_turns(run: Callable[[int, int], None], n_tiles: int) -> None:
    """All tiles, by as many threads as torch would take."""
    threads = min(torch.get_num_threads(), -(-n_tiles // _BLOCK))
    if threads == 1:
        run(0, n_tiles)
        return
    each = -(-n_tiles // threads)
    for _done in _threads().map(lambda first: run(first, min(first + each, n_tiles)), range(0, n_tiles, each)):
        pass


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(machine.available_cores(), "bignet-winograd")


def _library() -> ctypes.CDLL:
    library = native.load("winograd")
    if library is None:
        raise RuntimeError("winograd.c was not built; ask `suits` first")
    return library
