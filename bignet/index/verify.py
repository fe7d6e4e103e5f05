"""Checking the indexes of a store: every byte of them, and whether they are of what the store holds now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bignet.index import identity, state
from bignet.index.state import Standing
from bignet.store import layout
from bignet.store.verify import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.index.state import IndexState
    from bignet.store.snapshot import Snapshot
    from bignet.store.verify import Verdict

_LEFT_OVER = "no record names it: left by a build that was cut off, unless one is under way; it can be deleted"
_NOBODYS = "the store has no such embedding, so that nothing reads it; it can be deleted"


@dataclass
class _Found:
    """What checking came to so far."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    n_indexes: int = 0
    n_bytes: int = 0


def with_indexes(verdict: Verdict, snapshot: Snapshot) -> Verdict:
    """A verdict on a store and what is found of its indexes.

    Damaged ones and those of something else are findings; one older than the store is a note, and so is what nobody
    reads.
    """
    found = _Found()
    known = {spec.name for spec in snapshot.embeddings}
    for folder in _folders(snapshot.path / layout.INDEX):
        if folder.name in known:
            _check(snapshot, folder, found)
        else:
            found.notes.append(Finding(f"{layout.INDEX}/{folder.name}", _NOBODYS))
    return replace(
        verdict,
        findings=(*verdict.findings, *found.findings),
        notes=(*verdict.notes, *found.notes),
        n_indexes=found.n_indexes,
        n_files=verdict.n_files + found.n_indexes,
        n_bytes=verdict.n_bytes + found.n_bytes,
    )


def _folders(parent: Path) -> list[Path]:
    return sorted(item for item in parent.iterdir() if item.is_dir()) if parent.is_dir() else []


def _check(snapshot: Snapshot, folder: Path, found: _Found) -> None:
    index = state.look_at(snapshot, folder.name, every_byte=True)
    if index is not None:
        _add(snapshot, index, found)
    if index is None or index.record is not None:  # else which file is the index's is not known
        named = index.record.file if index is not None and index.record is not None else ""
        left = {item.name for item in folder.iterdir()} - {identity.FILE_NAME, named}
        found.notes += [Finding(f"{layout.INDEX}/{folder.name}/{name}", _LEFT_OVER) for name in sorted(left)]


def _add(snapshot: Snapshot, index: IndexState, found: _Found) -> None:
    found.n_indexes += 1
    found.n_bytes += index.record.n_bytes if index.record is not None else 0
    if index.standing is Standing.CURRENT:
        return
    problem = f"{index.standing}: {index.why}"
    if index.standing is Standing.DAMAGED:
        problem = index.why
    known = index.standing is not Standing.UNKNOWN
    finding = Finding(index.file, problem, state.mend(snapshot, index) if known else ())
    (found.notes if index.standing in (Standing.OLDER, Standing.UNKNOWN) else found.findings).append(finding)
