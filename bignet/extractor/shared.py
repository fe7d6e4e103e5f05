"""One file read and decoded for several encoders, each of which has claims of its own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.extractor import decode
from bignet.extractor.ahead import Ahead
from bignet.extractor.outcomes import Decoded, Outcome, Refused, SameBytes, Shared
from bignet.extractor.trial import Trials
from bignet.extractor.workers import Claims, Loader
from bignet.images import Limits, read_image_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bignet.extractor.journal import Journal
    from bignet.extractor.sources import Entry
    from bignet.extractor.workers import StageSeconds
    from bignet.images import ImageFile
    from bignet.spec import Preprocess


@dataclass(frozen=True, eq=False)
class Wish:
    """What one encoder wants of the files.

    Attributes:
        preprocess: how it sees them.
        claims: which contents it has, or gets from another file.
        wants: whether it has need of a file at all.
    """

    preprocess: Preprocess
    claims: Claims
    wants: Callable[[Entry], bool]


@dataclass(frozen=True)
class SharedLoader:
    """What a thread does with one file: read, hash and decode it once, and resize it once for each preprocessing."""

    root: Path
    limits: Limits
    seconds: StageSeconds

    def load(self, entry: Entry, wishes: Sequence[Wish]) -> Shared:
        """One file -> its outcomes; never raises for what a file can hold."""
        start = time.perf_counter()
        asking = [wish if wish.wants(entry) else None for wish in wishes]
        try:
            file = read_image_file(os.path.join(os.fsencode(self.root), entry.path), self.limits)
        except Exception as error:  # memory may run out, too
            refused = Refused.because(error, entry)
            return Shared(entry, tuple(refused if wish else None for wish in asking))
        read, decoding = time.perf_counter(), time.thread_time()
        first = [wish for wish in asking if wish is not None and wish.claims.take(file.sha256)]
        found = self._found(entry, file, list(dict.fromkeys(wish.preprocess for wish in first)))
        self.seconds.add(read - start, time.thread_time() - decoding)
        known = SameBytes(entry, file.sha256, file.n_bytes, file.mtime_ns)
        each = (None if wish is None else found[wish.preprocess] if wish in first else known for wish in asking)
        return Shared(entry, tuple(each))

    def _found(self, entry: Entry, file: ImageFile, wanted: Sequence[Preprocess]) -> Mapping[Preprocess, Outcome]:
        """Each preprocessing's square of a file that was read, or the same refusal for all."""
        if not wanted:
            return {}
        try:
            squares, width, height = decode.decode_all(file.data, wanted, self.limits)
        except Exception as error:
            return dict.fromkeys(wanted, Refused.because(error, entry, file.sha256))
        return {
            preprocess: Decoded(entry, file.sha256, file.n_bytes, file.mtime_ns, width, height, square)
            for preprocess, square in zip(wanted, squares, strict=True)
        }


class _SharedTrials:
    """The same in child processes, one for each preprocessing: such files are few."""

    def __init__(self, loader: SharedLoader, timeout: float) -> None:
        self._loader = loader
        self._timeout = timeout
        self._trials: dict[Preprocess, Trials] = {}

    def load(self, entry: Entry, wishes: Sequence[Wish]) -> Shared:
        """See SharedLoader.load."""
        asking = [wish if wish.wants(entry) else None for wish in wishes]
        found = {
            preprocess: self._of(preprocess).load(entry, Claims(lambda _sha256: False))
            for preprocess in dict.fromkeys(wish.preprocess for wish in asking if wish)
        }
        each = (None if wish is None else _claimed(found[wish.preprocess], wish.claims) for wish in asking)
        return Shared(entry, tuple(each))

    def close(self) -> None:
        """End the children."""
        for trials in self._trials.values():
            trials.close()

    def _of(self, preprocess: Preprocess) -> Trials:
        if preprocess not in self._trials:
            alone = Loader(self._loader.root, preprocess, self._loader.limits, self._loader.seconds)
            self._trials[preprocess] = Trials(alone, self._timeout)
        return self._trials[preprocess]


def _claimed(outcome: Outcome, claims: Claims) -> Outcome:
    if isinstance(outcome, Decoded) and not claims.take(outcome.sha256):
        return SameBytes(outcome.entry, outcome.sha256, outcome.n_bytes, outcome.mtime_ns)
    return outcome


class SharedPool(Ahead["Sequence[Wish]", Shared]):
    """Threads that decode files for several encoders."""

    def __init__(self, loader: SharedLoader, n_workers: int, timeout: float, journal: Journal | None = None) -> None:
        super().__init__(loader, _SharedTrials(loader, timeout), n_workers, timeout, journal)
