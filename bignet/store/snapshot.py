"""Reading a store: one snapshot, whole, whatever a writer does meanwhile."""

from __future__ import annotations

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bignet.errors import UsageError, nearest
from bignet.store import layout, lock, manifest, shards, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from bignet.spec import EmbeddingSpec
    from bignet.store.manifest import Manifest, ShardRecord
    from bignet.store.verify import LeftOut


# Read side by side: copying into new memory takes a core about as long as reading does. Each holds its bytes once.
_MOST_SHARDS_AT_ONCE = 4
_WORTH_A_THREAD = 8


class Snapshot:
    """A store as its newest manifest describes it.

    Row order is that of the manifest's shards; ``id`` is what stays the same between snapshots.
    """

    def __init__(self, path: Path, described: Manifest, hold: int | None = None) -> None:
        self.path = path
        self.manifest = described
        self.left_out: LeftOut | None = None
        self._release = weakref.finalize(self, os.close, hold) if hold is not None else None

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, allow_partial: bool = False) -> Snapshot:
        """The newest snapshot; its files are kept until it is closed.

        Args:
            path: the store's folder.
            allow_partial: read every shard first and leave out those that are not as written; ``left_out`` says which.

        Raises:
            UsageError: no store there, or one of a later version.
            IntegrityError: its newest manifest is damaged.
        """
        store = Path(path)
        while True:
            described = manifest.newest(store)
            hold = lock.hold_for_reading(layout.manifest_path(store, described.number))
            if hold is not None:
                snapshot = cls(store, described, hold)
                if allow_partial:
                    snapshot.manifest, snapshot.left_out = verify.undamaged(snapshot)
                return snapshot

    def close(self) -> None:
        """Let a writer clean up behind this snapshot."""
        if self._release is not None:
            self._release()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return self.manifest.rows

    @property
    def embeddings(self) -> tuple[EmbeddingSpec, ...]:
        """The vector columns."""
        return self.manifest.embeddings

    def embedding(self, name: str | None = None) -> EmbeddingSpec:
        """The embedding of that name; the first if None.

        Raises:
            UsageError: no such embedding; the message lists those there are.
        """
        by_name = {spec.name: spec for spec in self.embeddings}
        if name is None:
            return self.embeddings[0]
        if name not in by_name:
            raise UsageError(f"embedding '{name}' is not in {self.path}; it has: {nearest(name, by_name, 12)}")
        return by_name[name]

    def metadata(self, columns: Sequence[str] = shards.METADATA_COLUMNS) -> pa.Table:
        """(N rows) of id, path, sha256, bytes, width, height, mtime_ns, label: those asked for."""
        return self._read(columns)

    def table(self) -> pa.Table:
        """Everything: metadata and every embedding."""
        return self._read(shards.schema(self.embeddings).names)

    def ids(self) -> NDArray[np.int64]:
        """(N,) stable ids in row order."""
        ids: NDArray[np.int64] = self.metadata(["id"])["id"].to_numpy()
        return ids

    def vectors(self, name: str | None = None) -> NDArray[np.float32]:
        """(N, D) float32 vectors as stored, not normalised, in row order."""
        spec = self.embedding(name)
        out = np.empty((len(self), spec.dims), dtype=np.float32)
        ends = np.cumsum([record.rows for record in self.manifest.shards])

        expected, owner = shards.schema(self.embeddings), self.manifest.store_uuid

        def read(record: ShardRecord, end: int) -> None:
            path, rows = self.path / layout.SHARDS / record.name, out[end - record.rows : end]
            shards.read_matrix(path, record, expected, spec.name, rows, owner=owner)
            pa.default_memory_pool().release_unused()  # else Arrow keeps what this thread read

        few = 1 + len(self.manifest.shards) // _WORTH_A_THREAD  # each thread holds a shard
        n_threads = min(len(os.sched_getaffinity(0)), _MOST_SHARDS_AT_ONCE, few)
        with ThreadPoolExecutor(n_threads, "bignet-read") as threads:
            list(threads.map(read, self.manifest.shards, ends))
        return out

    def vectors_at(self, rows: Sequence[int] | NDArray[np.int64], name: str | None = None) -> NDArray[np.float32]:
        """(len(rows), D) float32 vectors of some rows, reading only the shards they are in."""
        spec = self.embedding(name)
        out = np.empty((len(rows), spec.dims), dtype=np.float32)
        wanted = np.asarray(rows, dtype=np.int64)
        start = 0
        for record in self.manifest.shards:
            here = np.flatnonzero((wanted >= start) & (wanted < start + record.rows))
            if len(here):
                column = self.read_shard(record, [spec.name])[spec.name].take(wanted[here] - start)
                part = np.empty((len(here), spec.dims), dtype=np.float32)
                shards.matrix(column, part)
                out[here] = part
            start += record.rows
        return out

    def rejected(self) -> pa.Table:
        """Rejected files: path, reason, detail, bytes, mtime_ns."""
        folder, expected = self.path / layout.REJECTED, shards.REJECTED_SCHEMA
        owner = self.manifest.store_uuid
        parts = [shards.read(folder / item.name, item, expected, owner=owner) for item in self.manifest.rejected]
        return pa.concat_tables([expected.empty_table(), *parts])

    def read_shard(self, record: ShardRecord, columns: Sequence[str] | None = None) -> pa.Table:
        """Columns of one shard, checked."""
        path, owner = self.path / layout.SHARDS / record.name, self.manifest.store_uuid
        return shards.read(path, record, shards.schema(self.embeddings), columns, owner=owner)

    def image_root(self, override: str | os.PathLike[str] | None = None) -> Path:
        """The folder that paths are relative to: where it was, or beside the store if both moved together."""
        if override is not None:
            if not Path(override).is_dir():
                raise UsageError(f"'{os.fspath(override)}' is not a folder; give the one the images are in now")
            return Path(override)
        source = self.manifest.source
        beside = Path(os.path.normpath(self.path.resolve() / source.root_from_store))
        recorded = Path(source.root)
        return recorded if recorded.is_dir() or not beside.is_dir() else beside

    def _read(self, columns: Sequence[str]) -> pa.Table:
        wanted = shards.schema(self.embeddings)
        unknown = set(columns) - set(wanted.names)
        if unknown:
            raise UsageError(f"column {sorted(unknown)[0]!r} is not in {self.path}; it has: {', '.join(wanted.names)}")
        empty = wanted.empty_table().select(list(columns))
        parts = [self.read_shard(record, columns) for record in self.manifest.shards]
        return pa.concat_tables([empty, *(part.cast(empty.schema) for part in parts)])
