"""Where a derived store's parent is now, and whether it has moved on since."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bignet.errors import BigNetError
from bignet.store import manifest

if TYPE_CHECKING:
    from bignet.store.snapshot import Snapshot


@dataclass(frozen=True)
class ParentNow:
    """A derived store's parent as it is on disk.

    Attributes:
        path: where it was found.
        number: of its newest manifest.
        rows: it has now.
    """

    path: Path
    number: int
    rows: int


def parent_of(snapshot: Snapshot) -> ParentNow | None:
    """A derived store's parent, where it was or beside the store if both moved; None if neither is it."""
    parent = snapshot.manifest.parent
    if parent is None:
        return None
    beside = Path(os.path.normpath(snapshot.path.resolve() / parent.path_from_store))
    for path in (Path(parent.path), beside):
        try:
            newest = manifest.newest(path)
        except (BigNetError, OSError):
            continue
        if newest.store_uuid == parent.store_uuid:
            return ParentNow(path, newest.number, newest.rows)
    return None


def update_command(snapshot: Snapshot, parent: Path) -> tuple[str, ...]:
    """The words of the command that brings a derived store up to date with its parent."""
    spec = snapshot.embedding()
    steps = spec.derived.steps if spec.derived else ""
    which = ("--embedding", spec.before.name)
    return ("bignet", "derive", str(parent), str(snapshot.path), "--steps", steps, *which, "--update")
