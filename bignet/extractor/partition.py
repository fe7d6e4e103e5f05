"""Partitions of the input -> rows and rejections. A local run is a loop over this, a cluster a map over it.

Decoding, forward passes and whatever the caller does with a finished partition run side by side: passes in streams of
their own, each on its own cores, while the next partition is being decoded already.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bignet.extractor.workers import Claims, Decoded, DecodePool, Outcome, Refused, SameBytes
from bignet.images import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.extractor.forward import Passed, Seat
    from bignet.extractor.sources import Entry
    from bignet.spec import EmbeddingSpec

# Decoded pictures that wait, in batches for each stream: enough to hide uneven files, little memory.
BATCHES_AHEAD = 3
# Batches handed to the network, for each stream: one in it, and half of the time one that waits.
_SUBMITTED_AHEAD = 1.5


@dataclass
class Partition:
    """What became of a partition's files.

    Attributes:
        decoded: files with vectors, in path order, their pixels let go.
        vectors: embedding name -> (len(decoded), dims) float32.
        same_bytes: files whose bytes were met before, in this partition or earlier.
        refused: files without vectors.
        forward_seconds: core seconds in the network.
    """

    decoded: list[Decoded] = field(default_factory=list)
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    same_bytes: list[SameBytes] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    forward_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.decoded) + len(self.same_bytes) + len(self.refused)


class _Open:
    """A partition some of whose batches are still in the network."""

    def __init__(self) -> None:
        self.partition = Partition()
        self.parts: list[dict[str, NDArray[np.float32]]] = []
        self.batches: deque[tuple[list[Decoded], Future[Passed]]] = deque()
        self.all_decoded = False

    def take(self) -> int:
        """Wait for the oldest batch and put it in its place -> its number of images."""
        batch, future = self.batches.popleft()
        passed = future.result()
        self.partition.forward_seconds += passed.seconds
        for item, usable in zip(batch, passed.usable, strict=True):
            if usable:
                self.partition.decoded.append(item.without_pixels())
            else:
                detail = "the network gives numbers that are not finite, or only zeros"
                self.partition.refused.append(Refused(item.entry, Reason.NON_FINITE_VECTOR, detail, item.sha256))
        everything = bool(passed.usable.all())
        kept = {name: values if everything else values[passed.usable] for name, values in passed.vectors.items()}
        self.parts.append(kept)
        return len(batch)

    def finished(self, specs: Sequence[EmbeddingSpec]) -> Partition:
        """The partition, its vectors in one piece."""
        self.partition.vectors = {
            spec.name: np.concatenate([part[spec.name] for part in self.parts])
            if self.parts
            else np.empty((0, spec.dims), np.float32)
            for spec in specs
        }
        return self.partition


@dataclass
class Embedder:
    """Everything that embeds partitions.

    Attributes:
        seats: places where a forward pass can run, at least one.
        pool: the decoding threads.
        batch_size: images a pass.
        on_progress: told how many more files are done.
        wait_seconds: time in which nothing was ready to be handed on.
    """

    seats: Sequence[Seat]
    pool: DecodePool
    batch_size: int
    on_progress: Callable[[int], None]
    wait_seconds: float = 0.0

    def embed(self, partitions: Iterable[Sequence[Entry]], claims: Claims) -> Iterator[Partition]:
        """Embed partitions, yielding each, whole and in order, while later ones are under way."""
        free: queue.SimpleQueue[Seat] = queue.SimpleQueue()
        for seat in self.seats:
            free.put(seat)
        opened: deque[_Open] = deque()
        with ThreadPoolExecutor(len(self.seats), "bignet-forward") as executor:
            for entries in partitions:
                opened.append(_Open())
                for batch in self._batches(entries, claims, opened[-1].partition):
                    opened[-1].batches.append((batch, executor.submit(_pass, batch, free)))
                    yield from self._finished(opened, int(_SUBMITTED_AHEAD * len(self.seats)))
                opened[-1].all_decoded = True
                self.on_progress(len(opened[-1].partition.same_bytes))
            yield from self._finished(opened, 0)

    def _finished(self, opened: deque[_Open], n_waiting: int) -> Iterator[Partition]:
        """Partitions that are done, once no more than so many batches wait."""
        start = time.perf_counter()
        while opened:
            first = opened[0]
            if first.batches and (first.batches[0][1].done() or sum(len(item.batches) for item in opened) > n_waiting):
                self.on_progress(first.take())
            elif first.all_decoded and not first.batches:
                self.wait_seconds += time.perf_counter() - start
                yield opened.popleft().finished(self.seats[0].encoder.specs)
                start = time.perf_counter()
            else:
                break
        self.wait_seconds += time.perf_counter() - start

    def _batches(self, entries: Sequence[Entry], claims: Claims, partition: Partition) -> Iterator[list[Decoded]]:
        """Decoded files in batches, the last ones as many for each seat; the others go where they belong."""
        batch: list[Decoded] = []
        ahead = BATCHES_AHEAD * self.batch_size * len(self.seats)
        last_from, size_of_last = self._last_batches(len(entries))
        for number, outcome in enumerate(self._timed(self.pool.outcomes(entries, claims, ahead=ahead)), 1):
            if isinstance(outcome, Decoded):
                batch.append(outcome)
            elif isinstance(outcome, SameBytes):
                partition.same_bytes.append(outcome)
            else:
                partition.refused.append(outcome)
                self.on_progress(1)
            if len(batch) >= (size_of_last if number > last_from else self.batch_size):
                yield batch
                batch = []
        if batch:
            yield batch

    def _last_batches(self, n_files: int) -> tuple[int, int]:
        """From which file on batches are smaller, and how large they are: no seat is to wait long for the others."""
        a_round = self.batch_size * len(self.seats)
        n_last = n_files % a_round or min(n_files, a_round)
        return n_files - n_last, -(-n_last // len(self.seats))

    def _timed(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        while True:
            start = time.perf_counter()
            outcome = next(outcomes, None)
            self.wait_seconds += time.perf_counter() - start
            if outcome is None:
                return
            yield outcome


def _pass(batch: list[Decoded], free: queue.SimpleQueue[Seat]) -> Passed:
    seat = free.get()
    try:
        return seat.run([item.square for item in batch])
    finally:
        free.put(seat)
