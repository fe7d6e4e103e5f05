"""Decoding threads: files in, outcomes out in the same order, a bounded number ahead, none able to hold the run."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from bignet.extractor import decode
from bignet.extractor.clock import RunningClock
from bignet.extractor.journal import Journal
from bignet.extractor.trial import Trials
from bignet.images import Limits, Reason, RejectedImage, read_image_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from torch import Tensor

    from bignet.extractor.sources import Entry
    from bignet.spec import Preprocess


@dataclass(frozen=True)
class Decoded:
    """A file that became pixels.

    Attributes:
        entry: the file.
        sha256: of its bytes, 32 bytes.
        n_bytes: their number.
        mtime_ns: modification time when it was read.
        width: of the upright picture, pixels.
        height: likewise.
        square: (views, 3, crop, crop) uint8.
    """

    entry: Entry
    sha256: bytes
    n_bytes: int
    mtime_ns: int
    width: int
    height: int
    square: Tensor

    def without_pixels(self) -> Decoded:
        """The same once the network has seen it."""
        return replace(self, square=_NO_PIXELS)


_NO_PIXELS = torch.empty(0, dtype=torch.uint8)


@dataclass(frozen=True)
class SameBytes:
    """A file whose bytes were met before: it needs no decoding."""

    entry: Entry
    sha256: bytes
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Refused:
    """A file that cannot be embedded."""

    entry: Entry
    reason: Reason
    detail: str
    sha256: bytes | None = None


Outcome = Decoded | SameBytes | Refused


@dataclass
class StageSeconds:
    """Seconds spent in each stage, summed over threads: all of a read, a core's time of decoding."""

    read: float = 0.0
    decode: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, read: float, decode: float) -> None:
        """Count one file."""
        with self._lock:
            self.read += read
            self.decode += decode


class Claims:
    """Which contents are already someone's to decode: the first to claim a digest decodes it."""

    def __init__(self, is_known: Callable[[bytes], bool]) -> None:
        self._is_known = is_known
        self._claimed: set[bytes] = set()
        self._lock = threading.Lock()

    def take(self, sha256: bytes) -> bool:
        """Whether the caller is the first with these bytes."""
        with self._lock:
            if sha256 in self._claimed or self._is_known(sha256):
                return False
            self._claimed.add(sha256)
            return True

    def settle(self, digests: Iterable[bytes]) -> None:
        """Forget claims that came to something: what is embedded is known by now."""
        with self._lock:
            self._claimed.difference_update(digests)


@dataclass(frozen=True)
class Loader:
    """What a thread does with one file: read, hash, and decode unless its bytes were met before."""

    root: Path
    preprocess: Preprocess
    limits: Limits
    seconds: StageSeconds

    def load(self, entry: Entry, claims: Claims) -> Outcome:
        """One file -> its outcome; never raises for what a file can hold."""
        start = time.perf_counter()
        try:
            file = read_image_file(os.path.join(os.fsencode(self.root), entry.path), self.limits)
        except RejectedImage as refusal:
            return Refused(entry, refusal.reason, refusal.detail)
        read, decoding = time.perf_counter(), time.thread_time()
        if not claims.take(file.sha256):
            return SameBytes(entry, file.sha256, file.n_bytes, file.mtime_ns)
        try:
            square, width, height = decode.decode(file.data, self.preprocess, self.limits)
        except RejectedImage as refusal:
            return Refused(entry, refusal.reason, refusal.detail, file.sha256)
        except Exception as error:
            detail = " ".join(str(error).split()) or type(error).__name__
            return Refused(entry, Reason.CORRUPT, detail, file.sha256)
        finally:
            self.seconds.add(read - start, time.thread_time() - decoding)
        return Decoded(entry, file.sha256, file.n_bytes, file.mtime_ns, width, height, square)


class _Slot:
    """The place where one file's outcome will appear."""

    def __init__(self, entry: Entry, work: Callable[[Entry], Outcome]) -> None:
        self.entry = entry
        self.work = work
        self.started: float | None = None
        self.outcome: Outcome | None = None
        self.done = threading.Event()
        self._given_up = False
        self._lock = threading.Lock()

    def finish(self, outcome: Outcome) -> bool:
        """Put the outcome in its place -> whether somebody still waits for it."""
        with self._lock:
            self.outcome = outcome
            self.done.set()
            return not self._given_up

    def give_up(self) -> bool:
        """Wait no longer -> False if the outcome came at the last moment."""
        with self._lock:
            self._given_up = not self.done.is_set()
            return self._given_up


_SECONDS_TO_END = 2.0  # for the files in work; a thread that is stuck is left behind


class DecodePool:
    """Daemon threads that decode ahead of the network.

    A file that takes longer than the time limit is refused and its thread left behind, replaced by a fresh one: a
    stuck disk or decoder costs one file, not the run.
    """

    def __init__(self, loader: Loader, n_workers: int, timeout: float, journal: Journal | None = None) -> None:
        self._loader = loader
        self._timeout = timeout
        self._journal = journal or Journal()
        self._trials = Trials(loader, timeout)
        self._clock = RunningClock(timeout)
        self._queue: queue.SimpleQueue[_Slot | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        for _ in range(n_workers):
            self._start_thread()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_error: object) -> None:
        """Let the threads end: one that is in native code when Python shuts down would abort the process."""
        self._closing.set()
        self._trials.close()
        for _thread in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + _SECONDS_TO_END
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def outcomes(self, entries: Iterable[Entry], claims: Claims, ahead: int) -> Iterator[Outcome]:
        """The outcome of each entry, in order, with at most ``ahead`` files in work or waiting."""
        waiting: deque[_Slot] = deque()
        for entry in entries:
            slot = _Slot(entry, lambda item: self._loader.load(item, claims))
            waiting.append(slot)
            self._give(slot, claims)
            if len(waiting) >= ahead:
                yield self._wait(waiting.popleft())
        while waiting:
            yield self._wait(waiting.popleft())

    def _give(self, slot: _Slot, claims: Claims) -> None:
        """To a thread, unless the file is known to kill whoever decodes it, or under suspicion: then to a child."""
        refusal = self._journal.refused.get(slot.entry)
        if refusal is not None:
            slot.finish(Refused(slot.entry, *refusal))
        elif slot.entry in self._journal.apart:
            slot.finish(self._trials.load(slot.entry, claims))
        else:
            self._queue.put(slot)

    def _wait(self, slot: _Slot) -> Outcome:
        while not slot.done.wait(self._clock.step):
            if self._left(slot) <= 0 and slot.give_up():
                self._start_thread()
                detail = f"reading and decoding took longer than {self._timeout:g} s"
                return Refused(slot.entry, Reason.TIMEOUT, detail)
        if slot.outcome is None:
            raise RuntimeError("a decoding thread ended without an outcome")
        return slot.outcome

    def _left(self, slot: _Slot) -> float:
        """Seconds until a file's time is up; a file that waits for a thread has all of it."""
        now = self._clock.now()
        return self._timeout if slot.started is None else slot.started + self._timeout - now

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._serve, args=(self._journal.slot(),), name="bignet-decode", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, number: int) -> None:
        while (slot := self._queue.get()) is not None and not self._closing.is_set():
            slot.started = self._clock.now()
            self._journal.begin(number, slot.entry.path)
            wanted = slot.finish(slot.work(slot.entry))
            self._journal.end(number)
            if not wanted:
                return  # it was given up on and replaced meanwhile
