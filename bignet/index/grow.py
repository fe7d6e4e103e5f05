"""Bringing an index up to date with its store: rows added to it, rows hidden from it, or all of it built again."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet import files
from bignet.errors import BigNetError, explain_os_error
from bignet.index import build, cores, disk, identity, kinds, tune
from bignet.index.identity import digest_of_ids
from bignet.index.neighbors import normalise
from bignet.index.tuning import ASKED_FOR, Aim
from bignet.index.vectors import InMemory
from bignet.store import layout, lock
from bignet.units import size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.index.build import IndexSettings
    from bignet.index.identity import IndexIdentity
    from bignet.index.search import Index
    from bignet.index.tuning import Tuning
    from bignet.spec import EmbeddingSpec
    from bignet.store.snapshot import Snapshot

# Beyond that the shape of an index, its lists, its graph, no longer fits what is in it.
_MOST_ADDED = 0.5
_MOST_REMOVED = 0.2
_FEWEST_FRESH = 100  # new rows that show whether the recall still holds


@dataclass(frozen=True)
class Outcome:
    """What was done about an index.

    Attributes:
        record: of the index as it is now.
        done: ``built``, ``grown``, ``unchanged``.
        why: in a sentence; empty if there was none before.
    """

    record: IndexIdentity
    done: str
    why: str = ""


class _BuildAgainError(Exception):
    """Why an index cannot be kept."""


def bring_up_to_date(snapshot: Snapshot, embedding: str | None, settings: IndexSettings) -> Outcome:
    """Build, grow or keep the index of an embedding.

    Raises:
        UsageError, ResourceError: see build.build.
        LockedError: another process is at it.
    """
    spec = snapshot.embedding(embedding)
    folder = snapshot.path / layout.INDEX
    try:
        folder.mkdir(exist_ok=True)
        with lock.exclusive(folder, "index"):
            return _brought_up_to_date(snapshot, spec, settings)
    except OSError as error:
        raise explain_os_error(error, f"write to {folder}") from error


def _brought_up_to_date(snapshot: Snapshot, spec: EmbeddingSpec, settings: IndexSettings) -> Outcome:
    if not disk.exists(snapshot, spec.name):
        return Outcome(build.build(snapshot, spec, settings), "built")
    try:
        return _kept_or_grown(snapshot, spec, settings)
    except _BuildAgainError as reason:
        return Outcome(build.build(snapshot, spec, settings), "built", str(reason))


def _kept_or_grown(snapshot: Snapshot, spec: EmbeddingSpec, settings: IndexSettings) -> Outcome:
    folder = disk.folder_of(snapshot, spec.name)
    try:
        record = identity.load(folder)
        identity.check(record, snapshot, folder, stale_ok=True)
        _check_asked(record, settings)
        _check_room(record, 0, settings.memory)
        record = _named(record, settings, folder)
        index = disk.read(folder, record)
    except BigNetError as error:
        raise _BuildAgainError(str(error).partition(";")[0]) from None
    ids = snapshot.ids()
    if record.ids_sha256 == digest_of_ids(ids):
        return Outcome(record, "unchanged")
    if record.tuning is None:
        raise _BuildAgainError("the store has changed")
    held = faiss.vector_to_array(index.id_map)
    added, n_removed = np.flatnonzero(~np.isin(ids, held)), int((~np.isin(held, ids)).sum())
    _check_shape(record, len(added), n_removed)
    _check_room(record, len(added), settings.memory)
    return _grown(snapshot, record, index, added, n_removed)


def _named(record: IndexIdentity, settings: IndexSettings, folder: Path) -> IndexIdentity:
    """A kind that ``auto`` took, and that is now asked for by name, is that from now on."""
    if settings.kind == record.asked:
        return record
    record = replace(record, asked=settings.kind, reason=ASKED_FOR)
    files.replace(folder / identity.FILE_NAME, files.whole(record.dump()))
    return record


def _check_asked(record: IndexIdentity, settings: IndexSettings) -> None:
    if settings.kind not in (record.asked, record.kind):
        raise _BuildAgainError(f"{settings.kind} was asked for, the index was {record.kind}")
    aim, before = settings.aim, record.aim
    if aim != before and record.asked != kinds.FLAT:
        raise _BuildAgainError(
            f"recall@{aim.k} {aim.recall} was asked for, the index was made for recall@{before.k} {before.recall}"
        )


def _check_room(record: IndexIdentity, n_added: int, memory: int | None) -> None:
    n_bytes = record.n_bytes * (record.rows_in_file + n_added) // max(record.rows_in_file, 1)
    if memory is not None and n_bytes > memory:
        raise _BuildAgainError(f"it would fill {size(n_bytes)}, more than {size(memory)}")


def _check_shape(record: IndexIdentity, n_added: int, n_removed: int) -> None:
    grown = record.rows_in_file + n_added - record.rows_built
    if grown > _MOST_ADDED * record.rows_built:
        raise _BuildAgainError(f"{grown:,} rows more than the {record.rows_built:,} it was shaped for")
    if n_removed > _MOST_REMOVED * record.rows_in_file:
        raise _BuildAgainError(f"{n_removed:,} of its {record.rows_in_file:,} rows are gone")


def _grown(snapshot: Snapshot, record: IndexIdentity, index: Any, added: NDArray[np.int64], n_removed: int) -> Outcome:
    """Add rows and hide those that are gone; the recall is shown again on the new rows before they are added."""
    unit, ids = normalise(snapshot.vectors(record.embedding)), snapshot.ids()
    tuning, how = record.tuning, f"{len(added):,} rows added, {n_removed:,} hidden"
    if tuning is not None and len(added):
        base = InMemory(unit[np.setdiff1d(np.arange(len(ids)), added)])
        if len(added) >= _FEWEST_FRESH:
            tuning = _shown_again(snapshot, record, index, base, unit[added])
        else:
            _check_found(disk.as_index(index, record, snapshot, in_memory=True), tuning, base, unit[added])
            how += ", too few to show the recall on: it is of before"
    start = time.perf_counter()
    cores.use_them()
    index.add_with_ids(unit[added], ids[added])
    draft = replace(
        record,
        snapshot=snapshot.manifest.number,
        rows=len(ids),
        rows_in_file=index.ntotal,
        ids_sha256=digest_of_ids(ids),
        build_seconds=round(record.build_seconds + time.perf_counter() - start, 3),
        tuning=tuning,
    )
    return Outcome(disk.publish(disk.folder_of(snapshot, record.embedding), index, draft), "grown", how)


def _check_found(opened: Index, tuning: Tuning, base: InMemory, fresh: NDArray[np.float32]) -> None:
    """Whether the neighbours of a few new rows are found as those of the others were.

    Raises:
        _BuildAgainError: they are not: the new rows are of another sort.
    """
    truth, _, _ = tune.find_truth(fresh, base, min(tuning.k, len(base)))
    recalls, _ = tune.recalls_of(opened, truth)
    if tuning.met and recalls.mean() < tuning.target:
        raise _BuildAgainError(f"of the neighbours of its new images it finds {recalls.mean():.3f} only")


def _shown_again(
    snapshot: Snapshot, record: IndexIdentity, index: Any, base: InMemory, fresh: NDArray[np.float32]
) -> Tuning:
    """Tuning repeated with new rows as queries.

    Raises:
        _BuildAgainError: the recall that was reached is reached no longer.
    """
    if record.tuning is None:
        raise TypeError("an exact index has no recall to show")
    chosen = np.random.default_rng(len(fresh)).permutation(len(fresh))[: tune.MOST_QUERIES]
    opened = disk.as_index(index, record, snapshot, in_memory=True)
    if record.tuning.k > len(base):
        raise _BuildAgainError(f"recall@{record.tuning.k:,} cannot be shown on the {len(base):,} rows left of it")
    kind = kinds.Kind(record.kind, record.factory)
    efforts = kind.efforts(index.index, len(base), record.tuning.k)
    aim = Aim(record.tuning.target, record.tuning.k)
    tuning = tune.tune(opened, efforts, fresh[chosen], base, aim)
    if record.tuning.met and not tuning.met:
        raise _BuildAgainError(
            f"with the new images its recall is {tuning.recall_low:.3f}, less than {tuning.target:g}"
        )
    return tuning
