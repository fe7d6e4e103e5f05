"""Forward passes: pictures of a batch in, checked vectors out, in as many pieces as the memory allows."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bignet.errors import ResourceError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray
    from torch import Tensor

    from bignet.extractor.encoder import Encoder


@dataclass(frozen=True)
class Passed:
    """What a pass gave.

    Attributes:
        vectors: embedding name -> (N, dims) float32.
        usable: (N,) whether every vector of an image has a direction and fits what it is stored as.
        seconds: core seconds on a CPU, wall seconds on a GPU.
    """

    vectors: dict[str, NDArray[np.float32]]
    usable: NDArray[np.bool_]
    seconds: float


class Seat:
    """A place where one pass at a time runs: on a CPU some cores, on a GPU a stream."""

    def __init__(self, encoder: Encoder, threads: int = 1) -> None:
        self.encoder = encoder
        self._threads = threads
        self._largest = 0
        self._on_gpu = encoder.device.type == "cuda"
        self._stream = torch.cuda.Stream(encoder.device) if self._on_gpu else None  # type: ignore[no-untyped-call] # untyped in torch

    def run(self, squares: Sequence[Tensor]) -> Passed:
        """(views, 3, crop, crop) uint8 each -> their vectors.

        Raises:
            ResourceError: the memory does not suffice for a single image.
        """
        clock = time.perf_counter if self._on_gpu else time.thread_time
        start = clock()
        with self._in_stream():
            vectors = self._in_pieces(_stacked(squares, pin=self._on_gpu))
        seconds = (clock() - start) * (1 if self._on_gpu else self._threads)
        return Passed(vectors, _usable(vectors, self.encoder.specs[0].dtype), seconds)

    def _in_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _in_pieces(self, batch: Tensor) -> dict[str, NDArray[np.float32]]:
        """Halves for as long as the memory does not suffice; later batches start with what did."""
        size = min(self._largest or len(batch), len(batch))
        while True:
            try:
                parts = [self.encoder.encode(batch[at : at + size]) for at in range(0, len(batch), size)]
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    hint = "free some, or take a smaller --size or model"
                    raise ResourceError(f"out of memory for a single image on {self.encoder.device}; {hint}") from None
                size = self._largest = size // 2
                if self._on_gpu:
                    torch.cuda.empty_cache()
            else:
                if len(parts) == 1:
                    return parts[0]
                return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _stacked(squares: Sequence[Tensor], *, pin: bool) -> Tensor:
    """(N, views, 3, H, W) with channels last in memory, as the pictures have them."""
    rows = torch.stack([square.permute(0, 2, 3, 1) for square in squares])
    return (rows.pin_memory() if pin else rows).permute(0, 1, 4, 2, 3)


# Sums of squares, the lower ones a number: some number is not zero as stored, and all are finite.
_TELLING = {"float32": (0.0, np.inf), "float16": (1e-14, 65504.0**2)}


def _usable(vectors: dict[str, NDArray[np.float32]], dtype: str) -> NDArray[np.bool_]:
    """(N,) whether every embedding of an image is finite as stored and not all zero: only then has it a direction."""
    usable: NDArray[np.bool_] = np.logical_and.reduce([_has_direction(values, dtype) for values in vectors.values()])
    return usable


def _has_direction(values: NDArray[np.float32], dtype: str) -> NDArray[np.bool_]:
    """(N, D) -> (N,); one pass where the lengths can tell: squares that overflow or vanish are looked at one by one."""
    squares, (low, high) = np.einsum("nd,nd->n", values, values), _TELLING[dtype]
    clear: NDArray[np.bool_] = (squares > low * values.shape[1]) & (squares < high)
    doubtful = np.flatnonzero(~clear)
    if len(doubtful):
        with np.errstate(over="ignore"):
            stored = values[doubtful].astype(dtype, copy=False)
        clear[doubtful] = np.isfinite(stored).all(axis=1) & (stored != 0).any(axis=1)
    return clear
