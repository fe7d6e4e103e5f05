"""What calls of BigNet's C kernels (``native``) have in common; of convolutions, bias and what is fused into them."""

from __future__ import annotations

import ctypes
import math
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from threading import Event
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bignet.extractor import machine, native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bignet.extractor.onednn import Activation, Site

_FUSED = {"none": 0, "relu": 1, "hardtanh": 2}  # numbers of vectors.h; BigNet's hardtanh is ReLU6
_AFTER: dict[str, Callable[..., Tensor]] = {"swish": F.silu, "hardswish": F.hardswish}


class Convolution(nn.Module):
    """A convolution; given a second input, it adds its result to that one, in place where its channels are last."""

    def __init__(self, convolution: nn.Conv2d, site: Site) -> None:
        super().__init__()
        weight, bias = convolution.weight.detach(), convolution.bias
        self._padding, self._stride = site.geometry[:2]
        self._taps = weight.shape[2:]
        self._activation = site.activation[0]
        self.is_fused = is_fused(site.activation)
        self.n_channels = len(weight)
        self._bias = torch.zeros(len(weight)) if bias is None else bias.detach()

    def forward(self, batch: Tensor, into: Tensor | None = None) -> Tensor:
        """(N, in, H, W) float32 -> (N, out, H, W), channels last in memory."""
        batch = batch.contiguous(memory_format=torch.channels_last)
        if into is None:
            shape = (len(batch), self.n_channels, *self.sides(batch))
            result = torch.empty(shape, memory_format=torch.channels_last)
        else:
            result = into.contiguous(memory_format=torch.channels_last)
        self._convolve(batch, result, (self.n_channels, _FUSED.get(self._activation, 0), int(into is not None)))
        after = _AFTER.get(self._activation)
        return result if after is None else after(result, inplace=True)

    def fill(self, batch: Tensor, whole: Tensor, first: int) -> None:
        """Its result as channels of a map that has others too: (N, channels, H, W), channels last in memory.

        Only with an activation that ``is_fused``.
        """
        batch = batch.contiguous(memory_format=torch.channels_last)
        part = whole[:, first : first + self.n_channels]
        self._convolve(batch, part, (whole.shape[1], _FUSED[self._activation], 0))

    def sides(self, batch: Tensor) -> list[int]:
        """Rows and columns of its result."""
        across = zip(batch.shape[2:], self._padding, self._taps, self._stride, strict=True)
        return [(size + 2 * pad - taps) // stride + 1 for size, pad, taps, stride in across]

    def _convolve(self, batch: Tensor, result: Tensor, ending: tuple[int, int, int]) -> None:
        """Fill ``result``.

        Args:
            batch: (N, in, H, W), channels last in memory.
            result: (N, out, H, W), perhaps some of the channels of a map.
            ending: numbers between one of its pixels and the next, the activation's number, whether to add to it.
        """
        raise NotImplementedError


def is_fused(activation: Activation) -> bool:
    """Whether it is computed while results are in registers, not in a pass of its own."""
    return activation[0] in _FUSED


def library(name: str) -> ctypes.CDLL:
    """A library that is there."""
    found = native.load(name)
    if found is None:
        raise RuntimeError(f"{name}.c was not built; ask `suits` first")
    return found


def fields(pointers: Iterable[str], sizes: Iterable[str]) -> tuple[tuple[str, type], ...]:
    """The fields of a structure of pointers, then ints."""
    return (*((name, ctypes.c_void_p) for name in pointers), *((name, ctypes.c_int) for name in sizes))


def in_parallel(run: Callable[[int, int, ctypes.c_void_p], object], number: int, block: int, n_scratch: int) -> None:
    """All of so many pieces of work, by as many threads as torch would take; each takes whole blocks.

    Nobody is still at work when it returns or raises, so that what the work points to may go.

    Args:
        run: does the pieces from the first number up to the second, with room to write into.
        number: of pieces.
        block: pieces that are done together.
        n_scratch: numbers of room that a thread needs.
    """
    n_blocks = -(-number // block)
    threads = max(1, min(torch.get_num_threads(), n_blocks))
    each = math.ceil(n_blocks / threads) * block
    starts = range(0, number, each) if number else ()
    rooms = torch.empty((len(starts), n_scratch))
    work = [
        (at, min(at + each, number), ctypes.c_void_p(room.data_ptr())) for at, room in zip(starts, rooms, strict=True)
    ]
    if len(work) == 1:
        run(*work[0])
        return
    running: list[Future[object]] = []
    try:
        running += (_threads().submit(run, *piece) for piece in work)
    finally:
        _wait(running)
    for done in running:
        done.result()


def _wait(running: Sequence[Future[object]]) -> None:
    """Until all are done, which takes milliseconds; Ctrl-C waits for that too."""
    stopped: BaseException | None = None
    while not all(each.done() for each in running):
        try:
            wait(running)
        except BaseException as error:
            stopped = error
    if stopped is not None:
        raise stopped


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads that have all been started: one that cannot be would leave its work to another, unnoticed."""
    number = machine.available_cores()
    pool, started = ThreadPoolExecutor(number, "bignet-convolution"), Event()
    try:
        for _ in range(number):  # none is idle before it is set, so each takes a thread of its own
            pool.submit(started.wait)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        started.set()
    return pool
