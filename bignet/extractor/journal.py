"""The journal of a run: which files are being decoded right now, so that a crash can be laid at one file's door.

A decoder that dies in native code takes the whole process with it. What it was reading is then found here by the next
run, tried alone in a child process, and refused if it kills that too. One that is harmless alone and was in work all
the same whenever runs died may be innocent, of a kill -9 for instance: a child decodes it from then on. So a re-run
always makes progress, and only what kills a child is refused.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from bignet import files
from bignet.extractor.sources import Entry, entry_of
from bignet.extractor.trial import Trials
from bignet.images import Reason
from bignet.store import layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from bignet.extractor.workers import Loader

# A slot holds a path and a zero byte: just what the kernel lets a path be.
SLOT_BYTES = 4096
# A file that came through alone as often as this, and was in work when the run died all the same, is left to a child.
ACQUITTALS = 2


@dataclass(frozen=True)
class Suspect:
    """A file that was in work when a run died.

    Attributes:
        entry: the file as it was then.
        crashes: runs that died with it in work.
        reason: why it is refused; empty when it came through alone.
        detail: in words.
    """

    entry: Entry
    crashes: int = 1
    reason: str = ""
    detail: str = ""

    @property
    def is_kept_apart(self) -> bool:
        """Whether runs died with it in work too often, though it was harmless alone."""
        return not self.reason and self.crashes > ACQUITTALS


@dataclass
class Journal:
    """One slot for each decoding thread, in a file that outlives the process.

    Not synced: it is for crashes of the process, which leave the page cache alone, and it costs two short writes an
    image.

    Attributes:
        refused: files that killed earlier runs, with reason and detail.
        apart: files that were in work when earlier runs died, and are to be decoded in a child process.
    """

    refused: Mapping[Entry, tuple[Reason, str]] = field(default_factory=dict)
    descriptor: int | None = None
    apart: Collection[Entry] = frozenset()
    _slots: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def slot(self) -> int:
        """A slot for another thread; none is given out twice, so one left behind disturbs no other."""
        return next(self._slots)

    def begin(self, slot: int, path: bytes) -> None:
        """A thread starts to read a file."""
        self._write(slot, path[: SLOT_BYTES - 1] + b"\0")

    def end(self, slot: int) -> None:
        """It is done with it."""
        self._write(slot, b"\0")

    def close(self) -> None:
        """Write no more: a thread that was left behind may still try."""
        with self._lock:
            if self.descriptor is not None:
                os.close(self.descriptor)
                self.descriptor = None

    def _write(self, slot: int, data: bytes) -> None:
        with self._lock:
            if self.descriptor is not None:
                with suppress(OSError):  # a full disk is the next commit's to report
                    os.pwrite(self.descriptor, data, slot * SLOT_BYTES)


@contextmanager
def keep(store: Path, loader: Loader, seconds: float) -> Iterator[Journal]:
    """A journal for a run that holds the store's lock; it is gone when the run ends, however, short of dying.

    What an earlier run left is looked into first: each file in child processes, ``seconds`` for each.
    """
    suspects = _look_into(_suspects(store, os.fsencode(loader.root)), loader, seconds)
    if suspects:
        _save(store, suspects)
    refused = {item.entry: (Reason(item.reason), item.detail) for item in suspects if item.reason}
    apart = frozenset(item.entry for item in suspects if item.is_kept_apart)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    journal = Journal(refused, os.open(store / layout.JOURNAL, flags, 0o644), apart)
    try:
        yield journal
    finally:
        journal.close()
        forget(store)


def forget(store: Path) -> None:
    """Remove what an earlier run left: nothing is to be decoded, or the run came to an end."""
    for name in (layout.JOURNAL, layout.SUSPECTS):
        with suppress(FileNotFoundError):
            (store / name).unlink()


def in_flight(store: Path) -> list[bytes]:
    """Paths that were in work when the last run died, in order; empty after a proper end."""
    try:
        data = (store / layout.JOURNAL).read_bytes()
    except FileNotFoundError:
        return []
    slots = (data[start : start + SLOT_BYTES] for start in range(0, len(data), SLOT_BYTES))
    return sorted({path for slot in slots if (path := slot.partition(b"\0")[0])})


def _suspects(store: Path, root: bytes) -> list[Suspect]:
    """Those of the last run, and those of the runs before it that did not come to an end either."""
    known = {item.entry.path: item for item in _load(store)}
    for path in in_flight(store):
        entry = entry_of(os.path.join(root, path), path)
        before = known.get(path)
        known[path] = Suspect(entry, before.crashes + 1 if before and before.entry == entry else 1)
    return list(known.values())


def _look_into(suspects: list[Suspect], loader: Loader, seconds: float) -> list[Suspect]:
    with Trials(loader, seconds) as trials:
        return [_judged(item, trials) for item in suspects]


def _judged(suspect: Suspect, trials: Trials) -> Suspect:
    if suspect.reason or suspect.is_kept_apart:
        return suspect
    verdict = trials.verdict(suspect.entry.path)
    return Suspect(suspect.entry, suspect.crashes, *verdict) if verdict else suspect


def _save(store: Path, suspects: list[Suspect]) -> None:
    records = [asdict(item) | {"entry": (item.entry.path.hex(), *item.entry[1:])} for item in suspects]
    files.replace(store / layout.SUSPECTS, files.whole(json.dumps(records).encode()))


def _load(store: Path) -> list[Suspect]:
    try:
        records = json.loads((store / layout.SUSPECTS).read_bytes())
        return [Suspect(**record | {"entry": _entry(*record["entry"])}) for record in records]
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # damaged: a hint is lost, no image is
        return []


def _entry(path: str, n_bytes: int, mtime_ns: int) -> Entry:
    return Entry(bytes.fromhex(path), n_bytes, mtime_ns)
