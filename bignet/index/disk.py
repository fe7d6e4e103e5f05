"""Index files: built from a store, written so that a crash leaves the old one, opened only when they check out."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet import files
from bignet.errors import BigNetError, IntegrityError, explain_os_error
from bignet.index import identity
from bignet.index.flat import FlatIndex, normalised
from bignet.index.identity import IndexIdentity
from bignet.store import layout

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.store.snapshot import Snapshot


def folder_of(snapshot: Snapshot, embedding: str) -> Path:
    """Where an embedding's index lives."""
    return snapshot.path / layout.INDEX / embedding


def build(snapshot: Snapshot, embedding: str | None = None) -> IndexIdentity:
    """Build an exact index of one embedding and publish it in place of an older one.

    The record is written last: until then the older index answers.

    Raises:
        ResourceError: the disk refused; the older index stands.
    """
    start = time.perf_counter()
    spec = snapshot.embedding(embedding)
    folder = folder_of(snapshot, spec.name)
    ids = snapshot.ids()
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(spec.dims))
    index.add_with_ids(normalised(snapshot.vectors(spec.name)), ids)
    name = f"index-{os.urandom(4).hex()}.faiss"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Through our own file object: faiss.write_index(path) returns normally when the disk is full.
        written = files.publish_new(folder / name, lambda file: _write(index, file))
        record = IndexIdentity(
            store_uuid=snapshot.manifest.store_uuid,
            snapshot=snapshot.manifest.number,
            embedding=spec.name,
            fingerprint=spec.fingerprint,
            dims=spec.dims,
            metric="cosine",
            kind="flat",
            rows=len(ids),
            ids_sha256=identity.digest_of_ids(ids),
            file=name,
            n_bytes=written.n_bytes,
            sha256=written.sha256,
            build_seconds=round(time.perf_counter() - start, 3),
        )
        files.replace(folder / identity.FILE_NAME, files.whole(record.dump().encode()))
    except OSError as error:
        if not _is_named(folder, name):
            with suppress(OSError):
                (folder / name).unlink()
        raise explain_os_error(error, f"write the index {folder}") from error
    _remove_others(folder, name)
    return record


def exists(snapshot: Snapshot, embedding: str | None = None) -> bool:
    """Whether an index of that embedding was built."""
    return (folder_of(snapshot, snapshot.embedding(embedding).name) / identity.FILE_NAME).exists()


def open_index(snapshot: Snapshot, embedding: str | None = None, *, stale_ok: bool = False) -> FlatIndex:
    """The index of an embedding, every byte checked before FAISS reads it.

    Raises:
        MismatchError: it belongs to something else, or is older than the store and ``stale_ok`` is False.
        IntegrityError: its bytes are not those that were written.
    """
    folder = folder_of(snapshot, snapshot.embedding(embedding).name)
    record = identity.load(folder)
    identity.check(record, snapshot, folder, stale_ok=stale_ok)
    path = folder / record.file
    try:
        digest = files.sha256_of(path)
    except OSError as error:
        raise IntegrityError(f"index {path} cannot be read ({error.strerror}); {identity.REBUILD}") from None
    if digest != record.sha256:
        raise IntegrityError(f"index {path} was altered: its SHA-256 does not match its record; {identity.REBUILD}")
    return _flat(faiss.read_index(str(path)), record, path)


def _flat(index: Any, record: IndexIdentity, path: Path) -> FlatIndex:
    if (index.ntotal, index.d) != (record.rows, record.dims):
        raise IntegrityError(f"index {path} holds {index.ntotal} x {index.d}, not {record.rows} x {record.dims}")
    ids = faiss.vector_to_array(index.id_map).astype(np.int64)
    inner: Any = faiss.downcast_index(index.index)
    vectors = faiss.rev_swig_ptr(inner.get_xb(), record.rows * record.dims).reshape(record.rows, record.dims)
    return FlatIndex(vectors.copy(), ids)


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
