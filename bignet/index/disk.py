"""Index files: written so that a crash leaves the old one, opened only when they check out."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet import files
from bignet.errors import BigNetError, IntegrityError, explain_os_error
from bignet.index import identity
from bignet.index.candidates import Exact, candidates_of
from bignet.index.neighbors import NONE, normalise
from bignet.index.search import Index
from bignet.index.tuning import EVERYTHING
from bignet.index.vectors import FromShards, InMemory, Reconstructed
from bignet.store import layout

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.index.identity import IndexIdentity
    from bignet.index.vectors import Vectors
    from bignet.store.snapshot import Snapshot


def folder_of(snapshot: Snapshot, embedding: str) -> Path:
    """Where an embedding's index lives."""
    return snapshot.path / layout.INDEX / embedding


def exists(snapshot: Snapshot, embedding: str | None = None) -> bool:
    """Whether an index of that embedding was built."""
    return (folder_of(snapshot, snapshot.embedding(embedding).name) / identity.FILE_NAME).exists()


def publish(folder: Path, index: Any, draft: IndexIdentity) -> IndexIdentity:
    """Write a FAISS index with ids, then the record that makes it the one: until then the older index answers.

    Args:
        folder: the embedding's.
        index: an IndexIDMap2.
        draft: its record, without file, size and digest.

    Raises:
        ResourceError: the disk refused; the older index stands.
    """
    name = f"index-{os.urandom(4).hex()}.faiss"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Through our own file object: faiss.write_index(path) returns normally when the disk is full.
        written = files.publish_new(folder / name, lambda file: _write(index, file))
        record = replace(draft, file=name, n_bytes=written.n_bytes, sha256=written.sha256)
        files.replace(folder / identity.FILE_NAME, files.whole(record.dump()))
    except OSError as error:
        if not _is_named(folder, name):
            with suppress(OSError):
                (folder / name).unlink()
        raise explain_os_error(error, f"write the index {folder}") from error
    _remove_others(folder, name)
    return record


def open_index(
    snapshot: Snapshot, embedding: str | None = None, *, stale_ok: bool = False, in_memory: bool = False
) -> Index:
    """The index of an embedding, every byte checked before FAISS reads it.

    Args:
        snapshot: the store.
        embedding: its name; the first if None.
        stale_ok: answer from an index older than the store; rows removed since are no answers.
        in_memory: load the float vectors an index of codes is re-ranked by, rather than read them as they are needed:
            for many queries.

    Raises:
        MismatchError: it belongs to something else, or is older than the store and ``stale_ok`` is False.
        IntegrityError: its bytes are not those that were written.
    """
    folder = folder_of(snapshot, snapshot.embedding(embedding).name)
    record = identity.load(folder)
    if not (folder / record.file).exists():
        record = identity.load(folder)  # another was published meanwhile
    is_current = identity.check(record, snapshot, folder, stale_ok=stale_ok)
    index = as_index(read(folder, record), record, snapshot, in_memory=in_memory)
    return index if is_current else replace(index, older=identity.how_much_older(record, snapshot))


def read(folder: Path, record: IndexIdentity) -> Any:
    """The FAISS index that a record names, an IndexIDMap2.

    Raises:
        IntegrityError: its bytes are not those that were written.
    """
    path = folder / record.file
    try:
        digest = files.sha256_of(path)
    except OSError as error:
        mend = identity.rebuild(folder, record)
        raise IntegrityError(f"index {path} cannot be read ({error.strerror}); {mend}") from None
    if digest != record.sha256:
        mend = identity.rebuild(folder, record)
        raise IntegrityError(f"index {path} was altered: its SHA-256 does not match its record; {mend}")
    index = faiss.read_index(str(path))
    if (index.ntotal, index.d) != (record.rows_in_file, record.dims):
        found = f"{index.ntotal:,} x {index.d}"
        raise IntegrityError(f"index {path} holds {found}, not {record.rows_in_file:,} x {record.dims}")
    return index


def as_index(index: Any, record: IndexIdentity, snapshot: Snapshot, *, in_memory: bool = False) -> Index:
    """A FAISS index with ids -> ready for queries."""
    ids = faiss.vector_to_array(index.id_map).astype(np.int64)
    inner = faiss.downcast_index(index.index)
    rank = rows_of(ids, snapshot.ids())
    if record.tuning is None:
        held = InMemory(held_by(inner, record.dims), index)
        return Index(ids, held, Exact(held), EVERYTHING, rank)
    vectors = _vectors(inner, record, snapshot, rank, in_memory=in_memory)
    return Index(
        ids, vectors, candidates_of(inner, index), record.tuning.chosen.effort, rank, record.kind, record.tuning
    )


def _vectors(
    inner: Any, record: IndexIdentity, snapshot: Snapshot, rank: NDArray[np.int64], *, in_memory: bool
) -> Vectors:
    if record.keeps_vectors and isinstance(inner, faiss.IndexIVF):
        return Reconstructed(inner)
    if record.keeps_vectors:
        return InMemory(held_by(_flat_of(inner), record.dims), inner)
    rows = np.maximum(rank, 0)  # those that are gone are no answers
    if in_memory:
        return InMemory(normalise(snapshot.vectors(record.embedding)[rows]))
    return FromShards(snapshot, record.embedding, rows)


def _flat_of(index: Any) -> Any:
    if isinstance(index, faiss.IndexRefine):
        return index.refine_index
    return index.storage if isinstance(index, faiss.IndexHNSW) else index


def held_by(flat: Any, dims: int) -> NDArray[np.float32]:
    """(N, D) the vectors in a flat FAISS index, not copied: valid as long as that is."""
    flat = faiss.downcast_index(flat)
    return faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * dims).reshape(flat.ntotal, dims)


def rows_of(ids: NDArray[np.int64], stored: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) ids and (M,) ids of the store's rows -> the row of each, NONE where it is gone."""
    order = np.argsort(stored, kind="stable")
    places = np.searchsorted(stored, ids, sorter=order)
    if not len(stored):
        return np.full(len(ids), NONE)
    rows = order[np.minimum(places, len(stored) - 1)]
    return np.where(stored[rows] == ids, rows, NONE)


def _write(index: Any, file: files.HashingFile) -> None:
    writer: Any = getattr(faiss, "PyCallbackIOWriter")(file.write)  # noqa: B009 - its type stubs leave it out
    faiss.write_index(index, writer)


def _is_named(folder: Path, name: str) -> bool:
    """Whether the record got as far as naming that file: then it is the index, though the disk may yet lose it."""
    try:
        return identity.load(folder).file == name
    except BigNetError:
        return False


def _remove_others(folder: Path, name: str) -> None:
    for item in folder.iterdir():
        if item.name not in (name, identity.FILE_NAME):
            item.unlink(missing_ok=True)
