"""What a run has to do: the files on disk held against the store's rows, by name and time; no picture is decoded."""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bignet.extractor.clock import RunningClock
from bignet.images import Limits, Reason, RejectedImage, read_image_file

if TYPE_CHECKING:
    from bignet.extractor.settings import ExtractSettings
    from bignet.extractor.sources import Entry, Scan
    from bignet.store.snapshot import Snapshot

# Refusals that say nothing about the content: read again in every run, and decoded only if that works now.
_WORTH_ANOTHER_LOOK = frozenset({Reason.UNREADABLE, Reason.CHANGED_WHILE_READING})


class Place(NamedTuple):
    """Where a vector is: a shard's name and the row in it."""

    shard: str
    row: int


class Known(NamedTuple):
    """A row of the store, as far as a run must know it."""

    id: int
    n_bytes: int
    mtime_ns: int
    sha256: bytes


class Refusal(NamedTuple):
    """A rejected row of the store, as far as a run must know it."""

    n_bytes: int
    mtime_ns: int
    reason: str


@dataclass
class Plan:
    """What to do.

    Attributes:
        pending: files to look at, in path order.
        left: files beyond the run's limit.
        unchanged: files that are as the store has them, embedded or rejected.
        still_rejected: of those, the rejected ones.
        by_path: the store's rows by path.
        by_content: where the vectors of each content are.
        gone: paths in the store that are no longer on disk, by content: a new path with the same bytes is a rename.
        rejected: the store's rejected files by path.
        gone_rejected: those no longer on disk.
    """

    pending: list[Entry] = field(default_factory=list)
    left: int = 0
    unchanged: int = 0
    still_rejected: int = 0
    by_path: dict[bytes, Known] = field(default_factory=dict)
    by_content: dict[bytes, Place] = field(default_factory=dict)
    gone: dict[bytes, list[bytes]] = field(default_factory=dict)
    rejected: dict[bytes, Refusal] = field(default_factory=dict)
    gone_rejected: set[bytes] = field(default_factory=set)

    @property
    def nothing_to_do(self) -> bool:
        """Whether the store already says what is on disk."""
        return not (self.pending or self.gone or self.gone_rejected)


def plan(scan: Scan, snapshot: Snapshot | None, settings: ExtractSettings) -> Plan:
    """Compare what is on disk with what is stored, by path, size and time (or by content, if asked to rehash)."""
    result = Plan()
    if snapshot is not None:
        _read_rows(snapshot, result)
    again = _AnotherLook(os.fsencode(scan.root), settings.limits, settings.image_timeout)
    on_disk = set()
    for entry in scan.entries:
        on_disk.add(entry.path)
        if _is_stored(entry, result, settings):
            result.unchanged += 1
        elif _is_still_refused(entry, again, result, settings):
            result.unchanged += 1
            result.still_rejected += 1
        else:
            result.pending.append(entry)
    for path, row in result.by_path.items():
        if path not in on_disk:
            result.gone.setdefault(row.sha256, []).append(path)
    result.gone_rejected = set(result.rejected) - on_disk
    if settings.limit:
        result.left = max(len(result.pending) - settings.limit, 0)
        del result.pending[settings.limit :]
    return result


def _read_rows(snapshot: Snapshot, result: Plan) -> None:
    """Fill in what the store has."""
    columns = ["id", "path", "sha256", "bytes", "mtime_ns"]
    for record in snapshot.manifest.shards:
        table = snapshot.read_shard(record, columns)
        rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
        for number, (row_id, path, sha256, n_bytes, mtime_ns) in enumerate(rows):
            result.by_path[path] = Known(row_id, n_bytes, mtime_ns, sha256)
            result.by_content.setdefault(sha256, Place(record.name, number))
    rejected = snapshot.rejected()
    names = ("path", "bytes", "mtime_ns", "reason")
    for path, *row in zip(*(rejected[name].to_pylist() for name in names), strict=True):
        result.rejected[path] = Refusal(*row)


def _is_stored(entry: Entry, result: Plan, settings: ExtractSettings) -> bool:
    row = result.by_path.get(entry.path)
    if row is None or settings.rehash:
        return False
    return (entry.n_bytes, entry.mtime_ns) == (row.n_bytes, row.mtime_ns)


def _is_still_refused(entry: Entry, again: _AnotherLook, result: Plan, settings: ExtractSettings) -> bool:
    refusal = result.rejected.get(entry.path)
    if refusal is None or settings.retry_rejected or settings.rehash:
        return False
    if refusal.reason in _WORTH_ANOTHER_LOOK:
        return again.is_refused(entry.path, refusal.reason)
    return (entry.n_bytes, entry.mtime_ns) == (refusal.n_bytes, refusal.mtime_ns)


class _AnotherLook:
    """Reads files that could not be read before, each in a thread that is left behind when its time is up.

    One that outlasts its time ends the looking: the run itself, which reads several at a time, decides on the others.
    """

    def __init__(self, root: bytes, limits: Limits, seconds: float) -> None:
        self._root = root
        self._limits = limits
        self._seconds = seconds
        self._over = False

    def is_refused(self, path: bytes, reason: str) -> bool:
        """Whether a file is refused as before; False also where that cannot be found out in time."""
        if self._over:
            return False
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(path, answers), name="bignet-look", daemon=True).start()
        clock = RunningClock(self._seconds)
        deadline = clock.now() + self._seconds
        while clock.now() < deadline:
            with suppress(queue.Empty):
                return answers.get(timeout=clock.step) == reason
        self._over = True
        return False

    def _read(self, path: bytes, answers: queue.SimpleQueue[str | None]) -> None:
        answers.put(_refusal_to_be_read(os.path.join(self._root, path), self._limits))


def _refusal_to_be_read(path: bytes, limits: Limits) -> str | None:
    try:
        read_image_file(path, limits)
    except RejectedImage as refusal:
        return refusal.reason
    return None
