"""Checking a store against its manifest: every byte, every row, the conservation of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bignet import files
from bignet.errors import IntegrityError
from bignet.store import layout, shards

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.store.manifest import Manifest, ShardRecord
    from bignet.store.snapshot import Snapshot


@dataclass(frozen=True)
class Finding:
    """Something wrong, or worth a note.

    Attributes:
        file: where, relative to the store.
        problem: what.
        mend: words of the command that mends it; none where that is not one for this alone.
    """

    file: str
    problem: str
    mend: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """What a snapshot that was opened in part lacks: how many of its rows, and the files that are not as written."""

    rows: int
    of_rows: int
    files: tuple[Finding, ...]

    def __str__(self) -> str:
        named = [f"{item.file}: {item.problem.partition(';')[0]}" for item in self.files[:_MOST_NAMED]]
        more = len(self.files) - len(named)
        listed = "; ".join(named + ([f"{more:,} more"] if more else []))
        return f"{self.rows:,} of {self.of_rows:,} rows are left out ({listed})"


_MOST_NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """What verifying found; ``ok`` when nothing is wrong, whatever there is to note.

    Attributes:
        snapshot: its number.
        complete: whether the run that wrote it came to its end.
        embedded: rows.
        rejected: files without one.
        n_files: shards and index files that were read.
        n_bytes: theirs.
        findings: what is wrong.
        notes: what is not as it could be, and harms no answer.
        n_indexes: how many of the files are indexes.
    """

    snapshot: int
    complete: bool
    embedded: int
    rejected: int
    n_files: int
    n_bytes: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    n_indexes: int = 0

    @property
    def ok(self) -> bool:
        """Whether every byte and every row is as the manifest says."""
        return not self.findings


def verify(snapshot: Snapshot) -> Verdict:
    """Read everything and compare: digests, page checksums, row counts, ids, paths, vectors, counts."""
    described = snapshot.manifest
    findings: list[Finding] = []
    tables: list[pa.Table] = []
    rejected: list[pa.Table] = []
    for record in described.shards:
        columns = shards.schema(described.embeddings)
        findings += _check_file(snapshot.path / layout.SHARDS, record, columns, tables)
    for record in described.rejected:
        findings += _check_file(snapshot.path / layout.REJECTED, record, shards.REJECTED_SCHEMA, rejected)
    extra = () if described.fitted is None else (described.fitted,)
    for record in extra:
        findings += _check_file(snapshot.path / layout.SHARDS, record, shards.FITTED_SCHEMA, [])
    if not findings:
        findings += _check_rows(snapshot, tables, rejected)
    findings += _check_counts(described)
    every = (*described.shards, *described.rejected, *extra)
    return Verdict(
        snapshot=described.number,
        complete=described.complete,
        embedded=described.rows,
        rejected=sum(item.rows for item in described.rejected),
        n_files=len(every),
        n_bytes=sum(item.n_bytes for item in every),
        findings=tuple(findings),
    )


def undamaged(snapshot: Snapshot) -> tuple[Manifest, LeftOut | None]:
    """The manifest less the shards that are not as they were written, and what it lacks; None if all are."""
    described, folders = snapshot.manifest, (layout.SHARDS, layout.REJECTED)
    schemas = (shards.schema(described.embeddings), shards.REJECTED_SCHEMA)
    kept: list[tuple[ShardRecord, ...]] = []
    lost: list[Finding] = []
    for folder, schema, records in zip(folders, schemas, (described.shards, described.rejected), strict=True):
        found = [_check_file(snapshot.path / folder, record, schema, []) for record in records]
        kept.append(tuple(record for record, wrong in zip(records, found, strict=True) if not wrong))
        lost += [finding for wrong in found for finding in wrong]
    after = replace(described, shards=kept[0], rejected=kept[1])
    return after, LeftOut(described.rows - after.rows, described.rows, tuple(lost)) if lost else None


def _check_file(folder: Path, record: ShardRecord, expected: pa.Schema, tables: list[pa.Table]) -> list[Finding]:
    path = folder / record.name
    name = f"{folder.name}/{record.name}"
    try:
        if files.sha256_of(path) != record.sha256:
            return [Finding(name, "its bytes differ from what was written (SHA-256)")]
        table = shards.read(path, record, expected)
    except FileNotFoundError:
        return [Finding(name, "the file is missing")]
    except (IntegrityError, OSError) as error:
        return [Finding(name, str(error))]
    findings = _check_vectors(name, table)
    tables.append(table.select([item for item in ("id", "path") if item in table.schema.names]))
    return findings


def _check_vectors(name: str, table: pa.Table) -> list[Finding]:
    findings = []
    for column in table.schema:
        if pa.types.is_fixed_size_list(column.type):
            values = table[column.name].combine_chunks().flatten().to_numpy()
            if not np.isfinite(values).all():
                findings.append(Finding(name, f"column {column.name} holds numbers that are not finite"))
    return findings


def _check_rows(snapshot: Snapshot, tables: list[pa.Table], rejected: list[pa.Table]) -> list[Finding]:
    described = snapshot.manifest
    where = f"{layout.MANIFESTS}/{described.number:08d}.json"
    ids = [value for table in tables for value in table["id"].to_pylist()]
    paths = [value for table in (*tables, *rejected) for value in table["path"].to_pylist()]
    findings = []
    if len(set(ids)) != len(ids):
        findings.append(Finding(where, "an id occurs twice"))
    if len(set(paths)) != len(paths):
        findings.append(Finding(where, "a path occurs twice"))
    if ids and not 0 <= min(ids) <= max(ids) < described.next_id:
        findings.append(Finding(where, "an id lies outside those given out"))
    for table in (*tables, *rejected):
        order = table["path"].to_pylist()
        if order != sorted(order):
            findings.append(Finding(where, "a shard's rows are not in path order"))
    return findings


def _check_counts(described: Manifest) -> list[Finding]:
    counts = described.counts
    where = f"{layout.MANIFESTS}/{described.number:08d}.json"
    findings = []
    rejected = sum(item.rows for item in described.rejected)
    if (counts.embedded, counts.rejected) != (described.rows, rejected):
        findings.append(Finding(where, f"counts {counts} do not match {described.rows} and {rejected} rows"))
    if described.complete and counts.discovered != counts.embedded + counts.rejected:
        findings.append(Finding(where, f"images were lost: {counts}"))
    return findings
