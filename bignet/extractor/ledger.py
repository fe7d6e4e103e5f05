"""The ledger of a run: which row each file becomes, under which id, with whose vector, in place of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bignet.extractor.outcomes import Decoded, Refused, SameBytes
from bignet.extractor.plan import Known, Place, Plan
from bignet.extractor.sources import label_of
from bignet.images import Reason
from bignet.store import shards
from bignet.store.writer import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from bignet.extractor.partition import Partition
    from bignet.spec import EmbeddingSpec
    from bignet.store.manifest import Manifest, ShardRecord
    from bignet.store.snapshot import Snapshot


@dataclass
class Tally:
    """What the run did, counted in images."""

    embedded: int = 0
    copied: int = 0
    renamed: int = 0
    removed: int = 0
    rejected: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class _Row:
    """A row to be: the file, its size in pixels, and where its vectors are: in the store, or in the batch by number."""

    file: Decoded | SameBytes
    width: int
    height: int
    vectors: Place | int
    keep_id: int | None = None


class Ledger:
    """Turns partitions into commits and remembers what has been committed."""

    def __init__(self, plan: Plan, specs: Sequence[EmbeddingSpec], base: Manifest) -> None:
        self.plan = plan
        self.tally = Tally()
        self._specs = specs
        self._refused: dict[bytes, Refused] = {}
        self._next_id = base.next_id
        self._records = {record.name: record for record in base.shards}

    def is_known(self, sha256: bytes) -> bool:
        """Whether the store holds vectors of these bytes."""
        return sha256 in self.plan.by_content

    def batch(self, partition: Partition, store: Snapshot) -> Batch:
        """A whole partition -> what to commit; empty if the store has it all already."""
        by_content = {item.sha256: number for number, item in enumerate(partition.decoded)}
        refused = list(partition.refused)
        self._refused |= {item.sha256: item for item in refused if item.sha256 is not None}
        rows = [_Row(item, item.width, item.height, number) for number, item in enumerate(partition.decoded)]
        copies: list[SameBytes] = []
        for item in partition.same_bytes:
            if item.sha256 in by_content:
                first = partition.decoded[by_content[item.sha256]]
                rows.append(_Row(item, first.width, first.height, by_content[item.sha256]))
            elif item.sha256 in self._refused:
                first_refusal = self._refused[item.sha256]
                refused.append(Refused(item.entry, first_refusal.reason, first_refusal.detail, item.sha256))
            elif not self.is_known(item.sha256):
                detail = "another file with the same bytes took too long to decode"
                refused.append(Refused(item.entry, Reason.TIMEOUT, detail, item.sha256))
            elif self._is_as_stored(item):
                self.tally.unchanged += 1
            else:
                copies.append(item)
        stored = _Copies(store, self._records, self.plan, copies)
        rows += [self._copied_row(item, stored) for item in copies]
        return self._batch(rows, refused, partition, stored)

    def last_batch(self) -> Batch:
        """What remains at the end: rows of files that are gone."""
        drop = [self.plan.by_path[path].id for paths in self.plan.gone.values() for path in paths]
        self.tally.removed += len(drop) + len(self.plan.gone_rejected)
        return Batch(drop_ids=drop, drop_rejected=self.plan.gone_rejected)

    def committed(self, manifest: Manifest, batch: Batch) -> None:
        """Remember where the new vectors are."""
        self._records |= {record.name: record for record in manifest.shards}
        if batch.rows is None:
            return
        self._next_id = manifest.next_id
        name = manifest.shards[-1].name
        for number, sha256 in enumerate(batch.rows["sha256"].to_pylist()):
            self.plan.by_content.setdefault(sha256, Place(name, number))

    def _is_as_stored(self, item: SameBytes) -> bool:
        row = self.plan.by_path.get(item.entry.path)
        return row is not None and row[1:] == (item.n_bytes, item.mtime_ns, item.sha256)

    def _copied_row(self, item: SameBytes, stored: _Copies) -> _Row:
        place = self.plan.by_content[item.sha256]
        width, height = stored.size(place)
        return _Row(item, width, height, place, keep_id=self._id_to_keep(item))

    def _id_to_keep(self, item: SameBytes) -> int | None:
        """The id of the same picture at the same path (only its time changed), or at a path that is gone (renamed)."""
        row = self.plan.by_path.get(item.entry.path)
        if row is not None and row.sha256 == item.sha256:
            return row.id
        gone = self.plan.gone.get(item.sha256)
        if not gone:
            return None
        old = gone.pop(0)
        if not gone:
            del self.plan.gone[item.sha256]
        self.tally.renamed += 1
        return self.plan.by_path[old].id

    def _is_refused_already(self, item: Refused) -> bool:
        row = self.plan.rejected.get(item.entry.path)
        return row is not None and row == (item.entry.n_bytes, item.entry.mtime_ns, item.reason)

    def _batch(self, rows: list[_Row], refused: list[Refused], partition: Partition, stored: _Copies) -> Batch:
        rows.sort(key=lambda row: row.file.entry.path)
        self._count(rows, refused)
        refused = sorted((item for item in refused if not self._is_refused_already(item)), key=_path_of)
        replaced = [self.plan.by_path[path] for path in _paths(rows, refused) if path in self.plan.by_path]
        return Batch(
            rows=self._table(rows, partition, stored) if rows else None,
            rejected=_rejected_table(refused) if refused else None,
            drop_ids=self._dropped_ids(rows, replaced),
            drop_rejected=[path for path in _paths(rows, refused) if path in self.plan.rejected],
        )

    def _dropped_ids(self, rows: list[_Row], replaced: list[Known]) -> set[int]:
        return {row.id for row in replaced} | {row.keep_id for row in rows if row.keep_id is not None}

    def _count(self, rows: list[_Row], refused: list[Refused]) -> None:
        decoded = sum(isinstance(row.file, Decoded) for row in rows)
        self.tally.embedded += decoded
        self.tally.copied += len(rows) - decoded
        self.tally.rejected += len(refused)

    def _table(self, rows: list[_Row], partition: Partition, stored: _Copies) -> pa.Table:
        schema = shards.schema(self._specs)
        columns: list[pa.Array] = [
            pa.array(self._ids(rows), pa.int64()),
            pa.array([row.file.entry.path for row in rows], pa.binary()),
            pa.array([row.file.sha256 for row in rows], pa.binary(32)),
            pa.array([row.file.n_bytes for row in rows], pa.int64()),
            pa.array([row.width for row in rows], pa.int32()),
            pa.array([row.height for row in rows], pa.int32()),
            pa.array([row.file.mtime_ns for row in rows], pa.int64()),
            pa.array([label_of(row.file.entry.path) for row in rows], pa.string()),
        ]
        columns += [shards.vector_array(self._vectors(rows, spec, partition, stored), spec) for spec in self._specs]
        return pa.Table.from_arrays(columns, schema=schema)

    def _ids(self, rows: list[_Row]) -> list[int]:
        ids = []
        next_id = self._next_id
        for row in rows:
            if row.keep_id is None:
                ids.append(next_id)
                next_id += 1
            else:
                ids.append(row.keep_id)
        return ids

    def _vectors(
        self, rows: list[_Row], spec: EmbeddingSpec, partition: Partition, stored: _Copies
    ) -> NDArray[np.float32]:
        made = partition.vectors.get(spec.name)
        if made is not None and [row.vectors for row in rows] == list(range(len(made))):
            return made  # the usual case: as they were decoded
        out = np.empty((len(rows), spec.dims), np.float32)
        for number, row in enumerate(rows):
            at = row.vectors
            out[number] = stored.vector(at, spec) if isinstance(at, Place) else partition.vectors[spec.name][at]
        return out


class _Copies:
    """Rows of the store that this commit copies, each shard read once."""

    def __init__(
        self, store: Snapshot, records: dict[str, ShardRecord], plan: Plan, items: Iterable[SameBytes]
    ) -> None:
        wanted: dict[str, list[int]] = {}
        for item in items:
            place = plan.by_content[item.sha256]
            wanted.setdefault(place.shard, []).append(place.row)
        self._row_in_table: dict[Place, tuple[str, int]] = {}
        self._tables: dict[str, pa.Table] = {}
        for name, numbers in wanted.items():
            unique = sorted(set(numbers))
            self._tables[name] = store.read_shard(records[name]).take(unique)
            self._row_in_table |= {Place(name, row): (name, number) for number, row in enumerate(unique)}

    def size(self, place: Place) -> tuple[int, int]:
        """Width and height, pixels."""
        name, row = self._row_in_table[place]
        return self._tables[name]["width"][row].as_py(), self._tables[name]["height"][row].as_py()

    def vector(self, place: Place, spec: EmbeddingSpec) -> NDArray[np.float32]:
        """(dims,) float32."""
        name, row = self._row_in_table[place]
        return np.asarray(self._tables[name][spec.name][row].as_py(), dtype=np.float32)


def _path_of(item: Refused) -> bytes:
    return item.entry.path


def _paths(rows: list[_Row], refused: list[Refused]) -> list[bytes]:
    return [row.file.entry.path for row in rows] + [item.entry.path for item in refused]


def _rejected_table(refused: list[Refused]) -> pa.Table:
    columns = [
        pa.array([item.entry.path for item in refused], pa.binary()),
        pa.array([str(item.reason) for item in refused], pa.string()),
        pa.array([item.detail for item in refused], pa.string()),
        pa.array([item.entry.n_bytes for item in refused], pa.int64()),
        pa.array([item.entry.mtime_ns for item in refused], pa.int64()),
    ]
    return pa.Table.from_arrays(columns, schema=shards.REJECTED_SCHEMA)
