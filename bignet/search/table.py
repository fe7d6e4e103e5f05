"""Answers as rows, written while they come: Parquet or JSON lines by the name of the file."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from bignet.errors import UsageError
from bignet.search.filters import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bignet.files import HashingFile
    from bignet.search.results import Answer

ENDINGS = (".parquet", ".jsonl")
NOTHING_FOUND = "nothing_found"


@dataclass(frozen=True)
class AnswerRow:
    """One hit; or, with a reason and nothing else, a query without hits.

    Attributes:
        query: path of the image below its folder.
        rank: from 1.
        id: of the hit.
        path: of the hit, below the store's image folder.
        score: cosine similarity.
        label: of the hit.
        group: value of ``group_by``, as text.
        reason: why there is no hit: that of a rejected image, or ``nothing_found``.
    """

    query: str
    rank: int | None = None
    id: int | None = None
    path: str | None = None
    score: float | None = None
    label: str | None = None
    group: str | None = None
    reason: str | None = None


SCHEMA = pa.schema(
    [
        pa.field("query", pa.string(), nullable=False),
        ("rank", pa.int32()),
        ("id", pa.int64()),
        ("path", pa.string()),
        ("score", pa.float64()),
        ("label", pa.string()),
        ("group", pa.string()),
        ("reason", pa.string()),
    ]
)


def rows_of(query: bytes, answer: Answer) -> list[AnswerRow]:
    """A query's rows, at least one."""
    name = as_text(query)
    if not answer.hits:
        return [AnswerRow(name, reason=NOTHING_FOUND)]
    return [
        AnswerRow(name, rank, hit.id, as_text(os.fsencode(hit.path)), hit.score, hit.label, _text(hit.group))
        for rank, hit in enumerate(answer.hits, start=1)
    ]


def refused(query: bytes, reason: str) -> AnswerRow:
    """The row of an image that is no query."""
    return AnswerRow(as_text(query), reason=reason)


class Sink(Protocol):
    """Takes rows."""

    def write(self, rows: Sequence[AnswerRow]) -> None:
        """Append rows."""


def check_ending(out: Path) -> None:
    """Whether answers can be written under a name.

    Raises:
        UsageError: another ending.
    """
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"answers cannot be written to '{out}'; end its name in one of {', '.join(ENDINGS)}")


@contextmanager
def sink(out: Path, file: HashingFile) -> Iterator[Sink]:
    """What writes rows to an open file in the format that ``out`` names."""
    if out.suffix.lower() == ".jsonl":
        yield _Lines(file)
        return
    with pq.ParquetWriter(pa.PythonFile(file, mode="w"), SCHEMA, compression="zstd") as writer:
        yield _Parquet(writer)


class _Lines:
    def __init__(self, file: HashingFile) -> None:
        self._file = file

    def write(self, rows: Sequence[AnswerRow]) -> None:
        lines = [json.dumps(dict(zip(SCHEMA.names, astuple(row), strict=True)), allow_nan=False) for row in rows]
        self._file.write("".join(f"{line}\n" for line in lines).encode())


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, rows: Sequence[AnswerRow]) -> None:
        columns = zip(*(astuple(row) for row in rows), strict=True) if rows else [[]] * len(SCHEMA)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
