"""An import from beginning to end: open, check, write shard by shard, publish once."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bignet import files
from bignet.errors import UsageError
from bignet.imported import ImportedEncoder
from bignet.importer import batches
from bignet.importer.rows import check_images, read_rows, root_of
from bignet.importer.vectors import open_vectors
from bignet.spec import EmbeddingSpec
from bignet.store.manifest import Source
from bignet.store.writer import Batch, Progress, StoreWriter, writing

if TYPE_CHECKING:
    import pyarrow as pa

    from bignet.importer.settings import ImportSettings
    from bignet.importer.vectors import VectorFile
    from bignet.store.manifest import Manifest


@dataclass(frozen=True)
class Outcome:
    """What an import did.

    Attributes:
        embedding: what the vectors are now.
        rows: of the store.
        rejected: vectors that have no direction: a number that is not finite, or all zeros.
        n_bytes: size of the store's shards.
        seconds: wall time.
        done: False where the store held just that already.
    """

    embedding: EmbeddingSpec
    rows: int
    rejected: int
    n_bytes: int
    seconds: float
    done: bool


class Listener(Protocol):
    """Told what an import does, while it does it."""

    def opened(self, vectors: VectorFile) -> None:
        """The file was opened and its header read."""
        return

    def advanced(self, n_done: int, n_total: int) -> None:
        """So many of the vectors are written."""
        return

    def finished(self, outcome: Outcome) -> None:
        """The store is there."""
        return


class _Silent(Listener):
    """Nobody listens."""


def import_vectors(
    vectors: str | os.PathLike[str],
    store: str | os.PathLike[str],
    settings: ImportSettings,
    listener: Listener | None = None,
) -> Outcome:
    """Make a store of vectors that were computed elsewhere. It appears whole or not at all.

    Raises:
        UsageError: files that cannot be used, or a store that holds something else.
        LockedError: another run holds the store.
        ResourceError: disk full, read-only, ...; no store is left behind.
    """
    start, listener = time.perf_counter(), listener or _Silent()
    opened = open_vectors(Path(vectors), settings.column)
    listener.opened(opened)
    origin = ImportedEncoder(settings.encoder, opened.path.name, _digest(opened, settings))
    with writing(store) as writer:
        there = _already_there(writer, origin)
        after = there or _Import(opened, settings, listener, start).write(writer, origin)
    outcome = _outcome(after, done=there is None, seconds=time.perf_counter() - start)
    listener.finished(outcome)
    return outcome


class _Import:
    """The work of an import: what is known of all vectors first, then the vectors, a shard at a time."""

    def __init__(self, vectors: VectorFile, settings: ImportSettings, listener: Listener, start: float) -> None:
        self.vectors = vectors
        self.settings = settings
        self.listener = listener
        self.start = start

    def write(self, writer: StoreWriter, origin: ImportedEncoder) -> Manifest:
        """Fill the store -> its new snapshot."""
        spec = EmbeddingSpec(origin, self.settings.name, "", self.vectors.dims, self.settings.storage)
        known, root = read_rows(self.vectors, self.settings), root_of(self.vectors, self.settings)
        if self.settings.images is not None:
            check_images(known, root)
        if writer.manifest is None:
            writer.create((spec,), Source("import", str(root), os.path.relpath(root, writer.path.resolve())))
        else:
            writer.start_over()
        self._stage(writer, spec, known, root if self.settings.images is not None else None)
        seconds = {"total": round(time.perf_counter() - self.start, 3)}
        progress = Progress(self.vectors.rows, complete=True, timings=seconds, environment=_environment())
        return writer.commit(Batch(), progress)

    def _stage(self, writer: StoreWriter, spec: EmbeddingSpec, known: pa.Table, images: Path | None) -> None:
        done = 0
        for block in self.vectors.blocks(batches.rows_a_shard(spec.dims, spec.dtype)):
            writer.stage(batches.make(known.slice(done, len(block)), block, spec, images))
            done += len(block)
            self.listener.advanced(done, self.vectors.rows)


def _digest(vectors: VectorFile, settings: ImportSettings) -> str:
    """Of everything that decides what the store will hold: the contents of the files, and the settings."""
    told = asdict(settings)
    told |= {name: told[name] and files.sha256_of(Path(told[name])) for name in ("paths", "ids", "labels")}
    told["images"] = told["images"] and str(Path(told["images"]).resolve())
    told["vectors"] = files.sha256_of(vectors.path)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _already_there(writer: StoreWriter, origin: ImportedEncoder) -> Manifest | None:
    """The snapshot of a store that this very import has made; None where there is something to write.

    Raises:
        UsageError: the store holds something else.
    """
    before = writer.manifest
    if before is None:
        return None
    held = before.embeddings[0]
    if not held.derived and isinstance(held.encoder, ImportedEncoder) and held.encoder.sha256 == origin.sha256:
        return before if before.complete else None  # a repair has dropped some of it
    how = held.encoder.sentence if isinstance(held.encoder, ImportedEncoder) else f"of {held.encoder.model}"
    raise UsageError(
        f"store '{writer.path}' exists already: {before.rows:,} vectors '{held.name}' {how}; an import makes a new "
        "store, give another folder"
    )


def _outcome(manifest: Manifest, *, done: bool, seconds: float) -> Outcome:
    return Outcome(
        embedding=manifest.embeddings[0],
        rows=manifest.rows,
        rejected=manifest.counts.rejected,
        n_bytes=sum(item.n_bytes for item in (*manifest.shards, *manifest.rejected)),
        seconds=seconds,
        done=done,
    )


def _environment() -> dict[str, str]:
    return {name: version(name) for name in ("bignet", "numpy", "pyarrow")} | {"python": platform.python_version()}
