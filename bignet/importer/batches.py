"""Vectors and what is known of them -> rows of a store; what has no direction is rejected."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bignet.images import Reason
from bignet.importer import pictures
from bignet.store import shards
from bignet.store.writer import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.importer.pictures import Picture
    from bignet.spec import EmbeddingSpec

_SHARD_BYTES = 32 << 20
_MOST_ROWS = 1 << 16  # what is known of them fills memory too, where vectors are short


def rows_a_shard(dims: int, dtype: str) -> int:
    """How many vectors are read, and written, at a time."""
    return max(min(_SHARD_BYTES // (dims * np.dtype(dtype).itemsize), _MOST_ROWS), 1)


def make(known: pa.Table, vectors: NDArray[np.floating], spec: EmbeddingSpec, images: Path | None) -> Batch:
    """What is known of n vectors, and (n, D) vectors -> what to commit, in path order.

    Args:
        known: see rows.read_rows.
        vectors: of any float type.
        spec: what they become.
        images: folder to look for the pictures in; None = nowhere.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        stored = vectors.astype(spec.dtype, order="C", copy=False)
    wrong = ~np.isfinite(stored)
    bad = wrong.any(axis=1) | ~stored.any(axis=1)
    order = pc.sort_indices(known["path"]).to_numpy()
    good, refused = order[~bad[order]], order[bad[order]]
    return Batch(
        rows=_rows(known.take(pa.array(good)), stored[good], spec, images) if len(good) else None,
        rejected=_rejected(known.take(pa.array(refused)), wrong[refused], spec.dtype) if len(refused) else None,
    )


def _rows(known: pa.Table, vectors: NDArray[np.floating], spec: EmbeddingSpec, images: Path | None) -> pa.Table:
    paths = known["path"].cast(pa.binary())
    seen: Sequence[Picture | None] = [None] * len(known)
    if images is not None:
        seen = pictures.look(images, paths.to_pylist())
    columns = [
        known["id"],
        paths,
        _digests(known["sha256"], seen, vectors),
        pa.array([item.n_bytes if item else 0 for item in seen], pa.int64()),
        _pixels(known["width"], [item.width if item else 0 for item in seen]),
        _pixels(known["height"], [item.height if item else 0 for item in seen]),
        pa.array([item.mtime_ns if item else 0 for item in seen], pa.int64()),
        known["label"].cast(pa.string()),
        shards.vector_array(vectors, spec),
    ]
    return pa.Table.from_arrays(columns, schema=shards.schema([spec]))


def _digests(told: pa.ChunkedArray, seen: Sequence[Picture | None], vectors: NDArray[np.floating]) -> pa.Array:
    """What was told, else of the file, else of the vector's own bytes as stored."""
    values = [
        digest or (picture.sha256 if picture else hashlib.sha256(vector).digest())
        for digest, picture, vector in zip(told.to_pylist(), seen, vectors, strict=True)
    ]
    return pa.array(values, pa.binary(32))


def _pixels(told: pa.ChunkedArray, seen: Sequence[int]) -> pa.Array:
    known = told.cast(pa.int32())
    return pc.coalesce(pc.if_else(pc.equal(known, 0), None, known), pa.array(seen, pa.int32()))


def _rejected(known: pa.Table, wrong: NDArray[np.bool_], dtype: str) -> pa.Table:
    n, dims = wrong.shape
    details = [
        f"{count:,} of {dims:,} numbers are not finite as {dtype}" if count else f"all numbers are 0 as {dtype}"
        for count in wrong.sum(axis=1).tolist()
    ]
    columns = [
        known["path"].cast(pa.binary()),
        pa.array([str(Reason.NON_FINITE_VECTOR)] * n, pa.string()),
        pa.array(details, pa.string()),
        pa.array(np.zeros(n, np.int64)),
        pa.array(np.zeros(n, np.int64)),
    ]
    return pa.Table.from_arrays(columns, schema=shards.REJECTED_SCHEMA)
