"""One partition of the input -> rows and rejections. A local run is a loop over this, a cluster a map over it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from bignet.extractor.workers import Claims, Decoded, DecodePool, Outcome, Refused, SameBytes
from bignet.images import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.extractor.encoder import Encoder
    from bignet.extractor.sources import Entry

# Batches that wait decoded while one is in the network: enough to hide uneven files, little memory.
BATCHES_AHEAD = 3


@dataclass
class Partition:
    """What became of a partition's files.

    Attributes:
        decoded: files with vectors, in path order, their pixels let go.
        vectors: embedding name -> (len(decoded), dims) float32.
        same_bytes: files whose bytes were met before, in this partition or earlier.
        refused: files without vectors.
        forward_seconds: time in the network.
        wait_seconds: time the network waited for pixels.
    """

    decoded: list[Decoded] = field(default_factory=list)
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    same_bytes: list[SameBytes] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    forward_seconds: float = 0.0
    wait_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.decoded) + len(self.same_bytes) + len(self.refused)


@dataclass(frozen=True)
class Embedder:
    """Everything that embeds a partition: the network, the decoding threads, the size of a batch."""

    encoder: Encoder
    pool: DecodePool
    batch_size: int

    def embed(self, entries: Sequence[Entry], claims: Claims) -> Iterator[Partition]:
        """Embed a partition, yielding it as it grows, after every batch; the last one yielded is whole."""
        partition = Partition()
        parts: list[dict[str, NDArray[np.float32]]] = []
        batch: list[Decoded] = []
        outcomes = self.pool.outcomes(entries, claims, ahead=BATCHES_AHEAD * self.batch_size)
        for outcome in _timed(outcomes, partition):
            _sort(outcome, partition, batch)
            if len(batch) == self.batch_size:
                parts.append(self._forward(batch, partition))
                batch = []
                yield partition
        if batch:
            parts.append(self._forward(batch, partition))
        partition.vectors = {
            spec.name: np.concatenate([part[spec.name] for part in parts])
            if parts
            else np.empty((0, spec.dims), np.float32)
            for spec in self.encoder.specs
        }
        yield partition

    def _forward(self, batch: list[Decoded], partition: Partition) -> dict[str, NDArray[np.float32]]:
        start = time.perf_counter()
        vectors = self.encoder.encode(torch.stack([item.square for item in batch]))
        partition.forward_seconds += time.perf_counter() - start
        usable = _usable(vectors)
        for item, fine in zip(batch, usable, strict=True):
            if fine:
                partition.decoded.append(_without_pixels(item))
            else:
                detail = "the network gives numbers that are not finite, or only zeros"
                partition.refused.append(Refused(item.entry, Reason.NON_FINITE_VECTOR, detail, item.sha256))
        return {name: values[usable] for name, values in vectors.items()}


def _timed(outcomes: Iterator[Outcome], partition: Partition) -> Iterator[Outcome]:
    while True:
        start = time.perf_counter()
        outcome = next(outcomes, None)
        partition.wait_seconds += time.perf_counter() - start
        if outcome is None:
            return
        yield outcome


def _sort(outcome: Outcome, partition: Partition, batch: list[Decoded]) -> None:
    if isinstance(outcome, Decoded):
        batch.append(outcome)
    elif isinstance(outcome, SameBytes):
        partition.same_bytes.append(outcome)
    else:
        partition.refused.append(outcome)


def _usable(vectors: dict[str, NDArray[np.float32]]) -> NDArray[np.bool_]:
    """(N,) whether every embedding of an image is finite and not all zero: only then has it a direction."""
    checks = [np.isfinite(values).all(axis=1) & (values != 0).any(axis=1) for values in vectors.values()]
    usable: NDArray[np.bool_] = np.logical_and.reduce(checks)
    return usable


_NO_PIXELS = torch.empty(0, dtype=torch.uint8)


def _without_pixels(item: Decoded) -> Decoded:
    return Decoded(item.entry, item.sha256, item.n_bytes, item.mtime_ns, item.width, item.height, _NO_PIXELS)
