"""Decoding threads: files in, outcomes out in the same order, a bounded number ahead, none able to hold the run."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from bignet.extractor.clock import RunningClock
from bignet.extractor.journal import Journal
from bignet.extractor.outcomes import Refused
from bignet.images import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bignet.extractor.sources import Entry

# Who asks: the claims of one encoder, or of each of several; and what they are told.
_Claims = TypeVar("_Claims", contravariant=True)
_Outcome = TypeVar("_Outcome", covariant=True)


class _Slot(Generic[_Outcome]):
    """The place where one file's outcome will appear."""

    def __init__(self, entry: Entry, work: Callable[[Entry], _Outcome]) -> None:
        self.entry = entry
        self.work = work
        self.started: float | None = None
        self.outcome: _Outcome | Refused | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._given_up = False
        self._lock = threading.Lock()

    def finish(self, outcome: _Outcome | Refused) -> bool:
        """Put the outcome in its place -> whether somebody still waits for it."""
        with self._lock:
            self.outcome = outcome
            self.done.set()
            return not self._given_up

    def fail(self, error: BaseException) -> None:
        """Nothing came of it, by no fault of the file."""
        with self._lock:
            self.error = error
            self.done.set()

    def give_up(self) -> bool:
        """Wait no longer -> False if the outcome came at the last moment."""
        with self._lock:
            self._given_up = not self.done.is_set()
            return self._given_up


_SECONDS_TO_END = 2.0  # for the files in work; a thread that is stuck is left behind


class Loads(Protocol[_Claims, _Outcome]):
    """Whoever reads and decodes a file."""

    def load(self, entry: Entry, claims: _Claims, /) -> _Outcome:
        """One file -> what became of it; never raises for what a file can hold."""


class LoadsApart(Loads[_Claims, _Outcome], Protocol[_Claims, _Outcome]):
    """The same where a file can do no harm."""

    def close(self) -> None:
        """End what was started for it."""


class Ahead(Generic[_Claims, _Outcome]):
    """Daemon threads that decode ahead of the network.

    A file that takes longer than the time limit is refused and its thread left behind, replaced by a fresh one: a
    stuck disk or decoder costs one file, not the run.
    """

    def __init__(
        self,
        loader: Loads[_Claims, _Outcome],
        apart: LoadsApart[_Claims, _Outcome],
        n_workers: int,
        timeout: float,
        journal: Journal | None = None,
    ) -> None:
        self._loader = loader
        self._timeout = timeout
        self._journal = journal or Journal()
        self._apart = apart
        self._clock = RunningClock(timeout)
        self._queue: queue.SimpleQueue[_Slot[_Outcome] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        for _ in range(n_workers):
            self._start_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Let the threads end: one that is in native code when Python shuts down would abort the process."""
        self._closing.set()
        self._apart.close()
        for _thread in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + _SECONDS_TO_END
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def outcomes(self, entries: Iterable[Entry], claims: _Claims, ahead: int) -> Iterator[_Outcome | Refused]:
        """The outcome of each entry, in order, with at most ``ahead`` files in work or waiting."""
        waiting: deque[_Slot[_Outcome]] = deque()
        for entry in entries:
            slot: _Slot[_Outcome] = _Slot(entry, lambda item: self._loader.load(item, claims))
            waiting.append(slot)
            self._give(slot, claims)
            if len(waiting) >= ahead:
                yield self._wait(waiting.popleft())
        while waiting:
            yield self._wait(waiting.popleft())

    def _give(self, slot: _Slot[_Outcome], claims: _Claims) -> None:
        """To a thread, unless the file is known to kill whoever decodes it, or under suspicion: then to a child."""
        refusal = self._journal.refused.get(slot.entry)
        if refusal is not None:
            slot.finish(Refused(slot.entry, *refusal))
        elif slot.entry in self._journal.apart:
            slot.finish(self._apart.load(slot.entry, claims))
        else:
            self._queue.put(slot)

    def _wait(self, slot: _Slot[_Outcome]) -> _Outcome | Refused:
        while not slot.done.wait(self._clock.step):
            if self._left(slot) <= 0 and slot.give_up():
                self._start_thread()
                detail = f"reading and decoding took longer than {self._timeout:g} s"
                return Refused(slot.entry, Reason.TIMEOUT, detail)
        if slot.outcome is None:
            raise slot.error or RuntimeError("a decoding thread ended without an outcome")
        return slot.outcome

    def _left(self, slot: _Slot[_Outcome]) -> float:
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
            try:
                self._journal.begin(number, slot.entry.path)
                wanted = slot.finish(slot.work(slot.entry))
                self._journal.end(number)
            except BaseException as error:  # whoever waits for the file raises it
                slot.fail(error)
                continue
            if not wanted:
                return  # it was given up on and replaced meanwhile
