"""Max pooling in float32 without the places of the maxima, which torch writes too; the kernel is ``native/max_pool.c``.

It gives torch's numbers, to the bit.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from bignet.extractor import fusion, graph, kernels, native

if TYPE_CHECKING:
    from torch import fx


class _Pooling(ctypes.Structure):
    """The structure of that name in max_pool.c."""

    _fields_ = kernels.fields(
        ("input", "output"),
        (
            *("rows", "columns", "channels", "pad_rows", "pad_columns", "taps_down", "taps_across", "stride_down"),
            *("stride_across", "rows_out", "columns_out"),
        ),
    )


def suits(pooling: nn.Module, channels: int) -> TypeGuard[nn.MaxPool2d]:
    """Whether ``MaxPool`` can take its place, and is there."""
    library = native.load("max_pool")
    if library is None or not graph.is_just(pooling, nn.MaxPool2d) or pooling.return_indices:
        return False
    return _pair(pooling.dilation) == (1, 1) and channels % library.lanes() == 0


def put_in(module: fx.GraphModule) -> None:
    """A graph that ``fusion.pack`` has gone through in float32: what ``suits`` becomes ``MaxPool``."""
    for node in list(module.graph.nodes):
        if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
            continue
        pooling, meta = module.get_submodule(str(node.target)), node.args[0].meta.get("tensor_meta")
        single = meta is not None and meta.dtype is torch.float32 and len(meta.shape) == 4
        if single and suits(pooling, meta.shape[1]):
            fusion.put(module, node, MaxPool(pooling))
    fusion.tidy(module)


class MaxPool(nn.Module):
    """A max pooling that ``suits``."""

    def __init__(self, pooling: nn.MaxPool2d) -> None:
        super().__init__()
        self._taps, self._stride = _pair(pooling.kernel_size), _pair(pooling.stride)
        self._padding, self._rounds_up = _pair(pooling.padding), pooling.ceil_mode

    def forward(self, batch: Tensor) -> Tensor:
        """(N, C, H, W) float32 -> (N, C, rows, columns), channels last in memory."""
        batch = batch.contiguous(memory_format=torch.channels_last)
        number, channels, *sides = batch.shape
        sides_out = [self._size_out(size, axis) for axis, size in enumerate(sides)]
        result = torch.empty((number, channels, *sides_out), memory_format=torch.channels_last)
        sizes = (*sides, channels, *self._padding, *self._taps, *self._stride, *sides_out)
        work = _Pooling(batch.data_ptr(), result.data_ptr(), *sizes)
        pool = kernels.library("max_pool").pool
        kernels.in_parallel(lambda first, end, _: pool(ctypes.byref(work), first, end), number * sides_out[0], 1, 0)
        return result

    def _size_out(self, size: int, axis: int) -> int:
        """As torch.nn.MaxPool2d documents it: a window that would begin beyond the map and its padding is none."""
        taps, stride, padding = self._taps[axis], self._stride[axis], self._padding[axis]
        over = size + 2 * padding - taps + (stride - 1 if self._rounds_up else 0)
        number = over // stride + 1
        return number - int(self._rounds_up and (number - 1) * stride >= size + padding)


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    first, *others = (size,) if isinstance(size, int) else size
    return first, others[0] if others else first
