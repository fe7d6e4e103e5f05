"""A derivation from beginning to end: fit the steps to a store's rows, apply them to each, write, publish once."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bignet.derivation import Derivation
from bignet.derive import parameters, rows
from bignet.derive.agreement import check_parent, check_same_fit, stand
from bignet.derive.fit import fit
from bignet.errors import UsageError
from bignet.store import shards
from bignet.store.manifest import Parent, Source
from bignet.store.writer import Batch, Progress, writing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.derive.agreement import Standing
    from bignet.derive.settings import DeriveSettings
    from bignet.spec import EmbeddingSpec
    from bignet.store.manifest import Manifest
    from bignet.store.snapshot import Snapshot
    from bignet.store.writer import StoreWriter


@dataclass(frozen=True)
class Outcome:
    """What a derivation did.

    Attributes:
        embedding: what the vectors are now.
        parent: what they were derived from.
        rows: of the store.
        rejected: files without a vector: the parent's, and rows of which the steps left nothing.
        n_bytes: size of the store's shards.
        seconds: wall time.
        done: False where the store held just that already.
        updated: whether it was there, and was brought up to date with its parent.
    """

    embedding: EmbeddingSpec
    parent: Parent
    rows: int
    rejected: int
    n_bytes: int
    seconds: float
    done: bool
    updated: bool


class Listener(Protocol):
    """Told what a derivation does, while it does it."""

    def advanced(self, n_done: int, n_total: int) -> None:
        """So many of the rows are written; with the first call none is, and fitting begins."""
        return


class _Silent(Listener):
    """Nobody listens."""


def derive(
    parent: Snapshot, store: str | os.PathLike[str], settings: DeriveSettings, listener: Listener | None = None
) -> Outcome:
    """Make a store of another's vectors after some steps. It appears whole or not at all; images are not read.

    Raises:
        UsageError: a parent that cannot be one, steps that do not fit it, or a store that holds something else.
        MismatchError: the parent has moved on since the store was made of it.
        LockedError: another run holds the store.
        ResourceError: disk full, read-only, ...; what was there stays as it was.
    """
    start, listener = time.perf_counter(), listener or _Silent()
    check_parent(parent, Path(store))
    with writing(store) as writer:
        standing = stand(writer, parent, settings)
        if not standing.up_to_date:
            _Derivation(parent, settings, listener, start).write(writer, standing)
        after = writer.manifest
    if after is None or after.parent is None:
        raise RuntimeError("a derivation ended without a manifest")
    seconds = time.perf_counter() - start
    return _outcome(after, after.parent, standing, seconds)


class _Derivation:
    """The work of a derivation."""

    def __init__(self, parent: Snapshot, settings: DeriveSettings, listener: Listener, start: float) -> None:
        self.parent = parent
        self.settings = settings
        self.listener = listener
        self.start = start
        self.before = parent.embedding(settings.embedding)

    def write(self, writer: StoreWriter, standing: Standing) -> None:
        """Fill the store and publish it."""
        self.listener.advanced(0, len(self.parent))
        vectors = self.parent.vectors(self.before.name)
        fitted = standing.fitted or fit(self.settings.parsed, vectors)
        found = rows.gallery(fitted, vectors)
        if not found.any():
            raise UsageError(
                f"steps '{self.settings.text}' leave nothing of any of the {len(vectors):,} vectors of "
                f"'{self.parent.path}': all are alike; give other steps, or a store of different images"
            )
        derived = Derivation(self.settings.text, fitted.sha256, self.before.dims, self.before.dtype)
        spec = replace(self.before, dims=fitted.dims_after, derived=derived)
        if writer.manifest is None:
            writer.create((spec,), self._source(writer.path))
        else:
            check_same_fit(writer.manifest.embeddings[0], spec, writer.path)
            writer.start_over()
        writer.stage_fitted(parameters.as_table(fitted))
        self._stage(writer, spec, found)
        writer.commit(Batch(), self._progress(writer.path))

    def _stage(self, writer: StoreWriter, spec: EmbeddingSpec, vectors: NDArray[np.float32]) -> None:
        """Write every row, a shard of the parent at a time, and what the parent rejected."""
        done = 0
        for record in self.parent.manifest.shards:
            known = self.parent.read_shard(record, shards.METADATA_COLUMNS)
            writer.stage(rows.make(known, vectors[done : done + record.rows], spec))
            done += record.rows
            self.listener.advanced(done, len(self.parent))
        for refused in rows.refusals(self.parent):
            writer.stage(Batch(rejected=refused))

    def _progress(self, store: Path) -> Progress:
        held, folder = self.parent.manifest, self.parent.path.resolve()
        origin = Parent(
            store_uuid=held.store_uuid,
            number=held.number,
            embedding=self.before.name,
            fingerprint=self.before.fingerprint,
            path=str(folder),
            path_from_store=os.path.relpath(folder, store.resolve()),
        )
        known = held.rows + sum(record.rows for record in held.rejected)
        seconds = {"total": round(time.perf_counter() - self.start, 3)}
        return Progress(known, complete=True, timings=seconds, environment=_environment(), parent=origin)

    def _source(self, store: Path) -> Source:
        """Where the parent's images are, seen from the new store."""
        root = self.parent.image_root().resolve()
        return Source(self.parent.manifest.source.kind, str(root), os.path.relpath(root, store.resolve()))


def _outcome(after: Manifest, origin: Parent, standing: Standing, seconds: float) -> Outcome:
    files = (*after.shards, *after.rejected, *(() if after.fitted is None else (after.fitted,)))
    return Outcome(
        embedding=after.embeddings[0],
        parent=origin,
        rows=after.rows,
        rejected=after.counts.rejected,
        n_bytes=sum(item.n_bytes for item in files),
        seconds=seconds,
        done=not standing.up_to_date,
        updated=standing.exists and not standing.up_to_date,
    )


def _environment() -> dict[str, str]:
    return {name: version(name) for name in ("bignet", "numpy", "pyarrow")} | {"python": platform.python_version()}
