"""Rows of a parent and their new vectors -> rows of a derived store; what nothing is left of is rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bignet.derive.neighbours import augmented
from bignet.images import Reason
from bignet.store import layout, shards
from bignet.store.writer import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from bignet.derive.fitted import Fitted
    from bignet.spec import EmbeddingSpec
    from bignet.store.snapshot import Snapshot


def gallery(fitted: Fitted, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) vectors of a gallery -> (N, d) after all steps that are done to a gallery; zeros where nothing is left."""
    rows = fitted.apply(vectors)
    if fitted.dba is not None:
        left = rows.any(axis=1)
        rows[left] = augmented(rows[left], fitted.dba)
    return rows


def make(known: pa.Table, vectors: NDArray[np.float32], spec: EmbeddingSpec) -> Batch:
    """(n rows) of metadata in path order and their (n, d) vectors -> what to commit."""
    stored = vectors.astype(spec.dtype)
    left = pa.array(stored.any(axis=1))
    kept = known.filter(left)
    columns = [*kept.columns, shards.vector_array(stored[left.to_numpy(zero_copy_only=False)], spec)]
    lost = known.filter(pc.invert(left))
    return Batch(
        rows=pa.Table.from_arrays(columns, schema=shards.schema([spec])) if len(kept) else None,
        rejected=_rejected(lost, spec) if len(lost) else None,
    )


def refusals(parent: Snapshot) -> Iterator[pa.Table]:
    """The files that the parent rejected, as it keeps them."""
    for record in parent.manifest.rejected:
        path = parent.path / layout.REJECTED / record.name
        yield shards.read(path, record, shards.REJECTED_SCHEMA, owner=parent.manifest.store_uuid)


def _rejected(lost: pa.Table, spec: EmbeddingSpec) -> pa.Table:
    n, steps = len(lost), spec.derived.steps if spec.derived else ""
    columns = [
        lost["path"],
        pa.array([str(Reason.NON_FINITE_VECTOR)] * n, pa.string()),
        pa.array([f"all numbers are 0 after {steps}"] * n, pa.string()),
        lost["bytes"],
        lost["mtime_ns"],
    ]
    return pa.Table.from_arrays(columns, schema=shards.REJECTED_SCHEMA)
