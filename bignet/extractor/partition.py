"""Partitions of the input -> rows and rejections. A local run is a loop over this, a cluster a map over it.

Decoding, forward passes and whatever the caller does with a finished partition run side by side: passes in streams of
their own, each on its own cores, while the next partition is being decoded already.
"""

from __future__ import annotations

import itertools
import queue
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from bignet.extractor.outcomes import Decoded, Outcome, Refused, SameBytes, Shared
from bignet.images import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from bignet.extractor.forward import Passed, Seat
    from bignet.extractor.sources import Entry
    from bignet.spec import EmbeddingSpec

# Decoded pictures that wait, in batches for each stream: enough to hide uneven files, little memory.
BATCHES_AHEAD = 3
# Batches handed to the network, for each stream: one in it, and half of the time one that waits.
_SUBMITTED_AHEAD = 1.5
_Claims = TypeVar("_Claims", contravariant=True)


class Decodes(Protocol[_Claims]):
    """Whoever says what becomes of files, in their order, a bounded number ahead."""

    def outcomes(self, entries: Iterable[Entry], claims: _Claims, ahead: int) -> Iterator[Outcome | Shared]:
        """The outcome of each entry; one that is not shared is that of everyone who wants the file."""


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


class _Batch(NamedTuple):
    """Files in the network, numbered in the order in which they went in."""

    number: int
    files: list[Decoded]
    future: Future[Passed]


class _Open:
    """A partition some of whose batches are still in the network."""

    def __init__(self) -> None:
        self.partition = Partition()
        self.parts: list[dict[str, NDArray[np.float32]]] = []
        self.batches: deque[_Batch] = deque()
        self.all_decoded = False

    def take(self) -> int:
        """Wait for the oldest batch and put it in its place -> its number of images."""
        batch = self.batches.popleft()
        passed = batch.future.result()
        self.partition.forward_seconds += passed.seconds
        for item, usable in zip(batch.files, passed.usable, strict=True):
            if usable:
                self.partition.decoded.append(item.without_pixels())
            else:
                detail = "the network gives numbers that are not finite, or only zeros"
                self.partition.refused.append(Refused(item.entry, Reason.NON_FINITE_VECTOR, detail, item.sha256))
        everything = bool(passed.usable.all())
        kept = {name: values if everything else values[passed.usable] for name, values in passed.vectors.items()}
        self.parts.append(kept)
        return len(batch.files)

    def finished(self, specs: Sequence[EmbeddingSpec]) -> Partition:
        """The partition, its vectors in one piece."""
        self.partition.vectors = {
            spec.name: np.concatenate([part[spec.name] for part in self.parts])
            if self.parts
            else np.empty((0, spec.dims), np.float32)
            for spec in specs
        }
        return self.partition


class Lane:
    """One encoder's part: the files it wants in batches of its own, the batches in its seats, its partitions."""

    def __init__(self, seats: Sequence[Seat], batch_size: int, wants: Callable[[Entry], bool] | None = None) -> None:
        self.seats = seats
        self.batch_size = batch_size
        self.wants = wants
        self._free: queue.SimpleQueue[Seat] = queue.SimpleQueue()
        for seat in seats:
            self._free.put(seat)
        self._opened: deque[_Open] = deque()
        self._batch: list[Decoded] = []
        self._n_files = self._last_from = self._size_of_last = 0

    @property
    def ahead(self) -> int:
        """Decoded files that may wait for it."""
        return BATCHES_AHEAD * self.batch_size * len(self.seats)

    @property
    def n_waiting(self) -> int:
        """Batches whose vectors were not taken yet."""
        return sum(len(item.batches) for item in self._opened)

    @property
    def oldest(self) -> int:
        """The number of the first of them."""
        return next(item.batches[0].number for item in self._opened if item.batches)

    def begin(self, entries: Sequence[Entry]) -> None:
        """Open a partition."""
        n_files = len(entries) if self.wants is None else sum(map(self.wants, entries))
        self._opened.append(_Open())
        self._n_files = 0
        self._last_from, self._size_of_last = self._last_batches(n_files)

    def put(self, outcome: Outcome) -> bool:
        """Put an outcome where it belongs -> whether its batch is to be handed on."""
        partition = self._opened[-1].partition
        self._n_files += 1
        if isinstance(outcome, Decoded):
            self._batch.append(outcome)
        elif isinstance(outcome, SameBytes):
            partition.same_bytes.append(outcome)
        else:
            partition.refused.append(outcome)
        return len(self._batch) >= (self._size_of_last if self._n_files > self._last_from else self.batch_size)

    def hand_on(self, executor: Executor, number: int) -> None:
        """The batch so far, to whichever seat is free."""
        if self._batch:
            future = executor.submit(_pass, self._batch, self._free)
            self._opened[-1].batches.append(_Batch(number, self._batch, future))
            self._batch = []

    def end(self) -> int:
        """No file of the partition is to come -> how many had bytes that were met before."""
        self._opened[-1].all_decoded = True
        return len(self._opened[-1].partition.same_bytes)

    def take_oldest(self) -> int:
        """Wait for the first batch -> its number of images."""
        return next(item for item in self._opened if item.batches).take()

    def take_done(self) -> Iterator[int | Partition]:
        """Numbers of images of batches that are done, and partitions that are whole."""
        while self._opened:
            first = self._opened[0]
            if first.batches and first.batches[0].future.done():
                yield first.take()
            elif first.all_decoded and not first.batches:
                yield self._opened.popleft().finished(self.seats[0].encoder.specs)
            else:
                return

    def _last_batches(self, n_files: int) -> tuple[int, int]:
        """From which file on batches are smaller, and how large they are: no seat is to wait long for the others."""
        a_round = self.batch_size * len(self.seats)
        n_last = n_files % a_round or min(n_files, a_round)
        return n_files - n_last, -(-n_last // len(self.seats))


class Convoy(Generic[_Claims]):
    """Several lanes behind the same decoded files; their passes share the machine.

    Args:
        lanes: at least one.
        pool: the decoding threads.
        on_progress: told how many more files are done; a file that two lanes want counts twice.
    """

    def __init__(self, lanes: Sequence[Lane], pool: Decodes[_Claims], on_progress: Callable[[int], None]) -> None:
        self.lanes = lanes
        self.pool = pool
        self.on_progress = on_progress
        self._n_seats = max(len(lane.seats) for lane in lanes)
        self._numbers = itertools.count()

    def embed(self, partitions: Iterable[Sequence[Entry]], claims: _Claims) -> Iterator[tuple[int, Partition]]:
        """Embed partitions, yielding each with its lane's number, a lane's in order, while later ones are under way."""
        n_waiting = int(_SUBMITTED_AHEAD * self._n_seats)
        ahead = max(lane.ahead for lane in self.lanes)
        with ThreadPoolExecutor(self._n_seats, "bignet-forward") as executor:
            for entries in partitions:
                for lane in self.lanes:
                    lane.begin(entries)
                for outcome in self.pool.outcomes(entries, claims, ahead=ahead):
                    if self._put(outcome, executor):
                        yield from self._finished(n_waiting)
                for lane in self.lanes:
                    lane.hand_on(executor, next(self._numbers))
                    yield from self._finished(n_waiting)
                    self.on_progress(lane.end())
            yield from self._finished(0)

    def _put(self, outcome: Outcome | Shared, executor: Executor) -> bool:
        """An outcome to whom it concerns -> whether a batch was handed on."""
        handed_on = False
        for lane, mine in zip(self.lanes, self._each(outcome), strict=True):
            if mine is None:
                continue
            if isinstance(mine, Refused):
                self.on_progress(1)
            if lane.put(mine):
                lane.hand_on(executor, next(self._numbers))
                handed_on = True
        return handed_on

    def _each(self, outcome: Outcome | Shared) -> Iterable[Outcome | None]:
        if isinstance(outcome, Shared):
            return outcome.each
        entry = outcome.entry
        return [outcome if lane.wants is None or lane.wants(entry) else None for lane in self.lanes]

    def _finished(self, n_waiting: int) -> Iterator[tuple[int, Partition]]:
        """Partitions that are done, once no more than so many batches wait."""
        while True:
            for number, lane in enumerate(self.lanes):
                for item in lane.take_done():
                    if isinstance(item, Partition):
                        yield number, item
                    else:
                        self.on_progress(item)
            busy = [lane for lane in self.lanes if lane.n_waiting]
            if sum(lane.n_waiting for lane in busy) <= n_waiting:
                return
            self.on_progress(min(busy, key=lambda lane: lane.oldest).take_oldest())


@dataclass
class Embedder(Generic[_Claims]):
    """Everything that embeds partitions for one encoder.

    Attributes:
        seats: places where a forward pass can run, at least one.
        pool: the decoding threads.
        batch_size: images a pass.
        on_progress: told how many more files are done.
    """

    seats: Sequence[Seat]
    pool: Decodes[_Claims]
    batch_size: int
    on_progress: Callable[[int], None]

    def embed(self, partitions: Iterable[Sequence[Entry]], claims: _Claims) -> Iterator[Partition]:
        """Embed partitions, yielding each, whole and in order, while later ones are under way."""
        convoy = Convoy([Lane(self.seats, self.batch_size)], self.pool, self.on_progress)
        for _lane, partition in convoy.embed(partitions, claims):
            yield partition


def _pass(batch: list[Decoded], free: queue.SimpleQueue[Seat]) -> Passed:
    seat = free.get()
    try:
        return seat.run([item.square for item in batch])
    finally:
        free.put(seat)
