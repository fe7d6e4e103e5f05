"""How an embedding's index stands to its store; needs no FAISS, for not what it answers is asked but what it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bignet import files
from bignet.errors import IntegrityError, MismatchError, UsageError
from bignet.index import identity
from bignet.store import layout

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.index.identity import IndexIdentity
    from bignet.store.snapshot import Snapshot


class Standing(StrEnum):
    """What may be said of an index."""

    CURRENT = "current"
    OLDER = "older than the store"
    FOREIGN = "of another store"
    MISPLACED = "of another embedding"
    DAMAGED = "damaged"
    UNREAD = "of another version"
    UNKNOWN = "not compared with the store"


@dataclass(frozen=True)
class IndexState:
    """How an index stands to its store.

    Attributes:
        embedding: whose it is.
        standing: in a word.
        file: what that is said of, relative to the store.
        why: in a sentence; empty for a current one.
        record: beside the index; None if it cannot be read.
    """

    embedding: str
    standing: Standing
    file: str
    why: str = ""
    record: IndexIdentity | None = None


def mend(snapshot: Snapshot, state: IndexState) -> tuple[str, ...]:
    """The words of the command that builds an index again, or brings it up to date; none if it needs no mending."""
    if state.standing is Standing.CURRENT:
        return ()
    if state.standing is Standing.UNKNOWN:
        return ("bignet", "verify", str(snapshot.path))
    return identity.words(snapshot.path / layout.INDEX / state.embedding, state.record, snapshot)


def look_at(snapshot: Snapshot, embedding: str, *, every_byte: bool = False) -> IndexState | None:
    """The state of an embedding's index; None if none was built.

    Args:
        snapshot: the store.
        embedding: which of its embeddings.
        every_byte: compare the index's digest too, not its size alone.
    """
    folder = snapshot.path / layout.INDEX / embedding
    if not (folder / identity.FILE_NAME).exists():
        return None
    found = _looked_at(snapshot, folder, every_byte=every_byte)
    if found.standing is Standing.DAMAGED:  # or another index was published meanwhile
        found = _looked_at(snapshot, folder, every_byte=every_byte)
    return found


def _looked_at(snapshot: Snapshot, folder: Path, *, every_byte: bool) -> IndexState:
    name, where = folder.name, f"{layout.INDEX}/{folder.name}"
    try:
        record = identity.load(folder)
    except IntegrityError:
        return IndexState(name, Standing.DAMAGED, f"{where}/{identity.FILE_NAME}", "the record is not as written")
    except UsageError as error:
        return IndexState(name, Standing.UNREAD, f"{where}/{identity.FILE_NAME}", _version(error))
    damage = _damage(folder / record.file, record, every_byte=every_byte)
    if damage:
        return IndexState(name, Standing.DAMAGED, f"{where}/{record.file}", damage, record)
    standing, why = _compared(snapshot, folder, record)
    return IndexState(name, standing, where, why, record)


def _version(error: UsageError) -> str:
    return f"the record {str(error).partition(f'{identity.FILE_NAME} ')[2].partition(';')[0]}"


def _damage(path: Path, record: IndexIdentity, *, every_byte: bool) -> str:
    """What is wrong with an index file; empty if nothing is."""
    try:
        found = path.stat().st_size
        if found != record.n_bytes:
            return f"the file has {found:,} bytes, {record.n_bytes:,} were written"
        if every_byte and files.sha256_of(path) != record.sha256:
            return "its bytes differ from what was written (SHA-256)"
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
    return ""


def _compared(snapshot: Snapshot, folder: Path, record: IndexIdentity) -> tuple[Standing, str]:
    store, spec = snapshot.manifest, snapshot.embedding(folder.name)
    try:
        if identity.check(record, snapshot, folder, stale_ok=True):
            return Standing.CURRENT, ""
    except MismatchError:
        if record.store_uuid != store.store_uuid:
            return Standing.FOREIGN, f"it belongs to store {record.store_uuid}, this is {store.store_uuid}"
        return Standing.MISPLACED, f"it holds embedding {record.fingerprint}, this is {spec.fingerprint}"
    except IntegrityError:
        return Standing.UNKNOWN, "the store itself is damaged"
    was, now = f"{record.rows:,} rows of snapshot {record.snapshot}", f"{store.rows:,} rows of snapshot {store.number}"
    return Standing.OLDER, f"it has the {was}, the store the {now}"
