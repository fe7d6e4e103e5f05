"""Parquet shards: their columns, and reading and writing them with checksums."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bignet import files
from bignet.errors import IntegrityError
from bignet.names import shell_word
from bignet.store.manifest import ShardRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.spec import EmbeddingSpec

METADATA_FIELDS = (
    pa.field("id", pa.int64(), nullable=False),
    pa.field("path", pa.binary(), nullable=False),
    pa.field("sha256", pa.binary(32), nullable=False),
    pa.field("bytes", pa.int64(), nullable=False),
    pa.field("width", pa.int32(), nullable=False),
    pa.field("height", pa.int32(), nullable=False),
    pa.field("mtime_ns", pa.int64(), nullable=False),
    pa.field("label", pa.string(), nullable=True),
)
METADATA_COLUMNS = tuple(field.name for field in METADATA_FIELDS)

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
    ]
)

FITTED_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.int64()), nullable=False),
        pa.field("numbers", pa.list_(pa.float64()), nullable=False),
    ]
)  # of a derived store: an array a row

_ROWS_AT_ONCE = 512  # of vectors, beside the page that they are in

_VALUE_TYPES = {"float32": pa.float32(), "float16": pa.float16()}


def schema(embeddings: Sequence[EmbeddingSpec]) -> pa.Schema:
    """Columns of a shard: the metadata, then one fixed-size list of numbers an embedding, nothing nullable in it."""
    return pa.schema([*METADATA_FIELDS, *(_vector_field(spec) for spec in embeddings)])


def _vector_field(spec: EmbeddingSpec) -> pa.Field:
    item = pa.field("item", _VALUE_TYPES[spec.dtype], nullable=False)
    note = {"bignet.fingerprint": spec.fingerprint}
    return pa.field(spec.name, pa.list_(item, spec.dims), nullable=False, metadata=note)


def vector_array(vectors: NDArray[np.float32], spec: EmbeddingSpec) -> pa.FixedSizeListArray:
    """(N, D) numbers -> the Arrow column of that embedding."""
    values = pa.array(np.ascontiguousarray(vectors).reshape(-1), type=_VALUE_TYPES[spec.dtype])
    return pa.FixedSizeListArray.from_arrays(values, type=_vector_field(spec).type)


def matrix(column: pa.ChunkedArray, out: NDArray[np.float32]) -> None:
    """Copy a vector column into the rows of ``out`` (N, D)."""
    start = 0
    for chunk in column.chunks:
        out[start : start + len(chunk)] = chunk.flatten().to_numpy().reshape(len(chunk), -1)
        start += len(chunk)


_OWNER = b"bignet.shard"  # in the footer: store and name of the shard, so that one of another store is known


def write(path: Path, table: pa.Table, owner: str = "") -> ShardRecord:
    """Publish a table as a new Parquet file with page checksums, and with the store it is of.

    Raises:
        OSError: the disk refused; nothing is left behind.
    """
    # Floats do not compress; a dictionary would only slow the reading.
    compression = {field.name: "zstd" for field in table.schema if not pa.types.is_fixed_size_list(field.type)}

    def write_parquet(file: files.HashingFile) -> None:
        pq.write_table(
            table.replace_schema_metadata({_OWNER: f"{owner}/{path.name}"}) if owner else table,
            pa.PythonFile(file, mode="w"),
            compression=compression,
            use_dictionary=False,
            write_page_checksum=True,
            write_statistics=False,
        )

    written = files.publish_new(path, write_parquet)
    return ShardRecord(path.name, table.num_rows, written.n_bytes, written.sha256)


def read(
    path: Path, record: ShardRecord, expected: pa.Schema, columns: Sequence[str] | None = None, *, owner: str = ""
) -> pa.Table:
    """Columns of a shard, in the order asked for, every page checked against its checksum.

    Args:
        path: the shard.
        record: what the manifest says of it.
        expected: columns that it was written with.
        columns: those wanted; None for all.
        owner: the store that it must be of, if it says of which it is.

    Raises:
        IntegrityError: missing, of another size, store or place, damaged, not the recorded number of rows or not the
            expected columns.
    """
    wanted = expected.names if columns is None else list(columns)
    with _opened(path, record, owner) as file:
        table = file.read(columns=wanted, use_threads=False)
    _check_rows(path, record, table.num_rows)
    _check_columns(path, table.schema, wanted, expected)
    return table.select(wanted).replace_schema_metadata(None)


def read_matrix(
    path: Path, record: ShardRecord, expected: pa.Schema, name: str, out: NDArray[np.float32], *, owner: str = ""
) -> None:
    """Copy the vector column ``name`` of a shard into ``out`` (rows, D), a few rows at a time.

    Takes, checks and raises what ``read`` does, and holds no more than a page of the column.
    """
    with _opened(path, record, owner) as file:
        _check_rows(path, record, file.metadata.num_rows)
        _check_columns(path, file.schema_arrow, [name], expected)
        n_read = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[name], use_threads=False):
            matrix(pa.chunked_array([batch.column(0)]), out[n_read : n_read + len(batch)])
            n_read += len(batch)
        _check_rows(path, record, n_read)


@contextmanager
def _opened(path: Path, record: ShardRecord, owner: str) -> Iterator[pq.ParquetFile]:
    """A shard to be read; whatever is wrong with it becomes an IntegrityError."""
    try:
        found = path.stat().st_size
        if found != record.n_bytes:
            raise IntegrityError(f"shard {path} has {found:,} bytes, {record.n_bytes:,} were written{_mend(path)}")
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _check_owner(path, file, owner)
            yield file
    except FileNotFoundError:
        raise IntegrityError(f"shard {path} is missing{_mend(path)}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise IntegrityError(f"shard {path} is damaged: {_first_line(error)}{_mend(path)}") from None


def _check_rows(path: Path, record: ShardRecord, found: int) -> None:
    if found != record.rows:
        raise IntegrityError(f"shard {path} has {found} rows, {record.rows} were written{_mend(path)}")


def _check_columns(path: Path, found: pa.Schema, wanted: Sequence[str], expected: pa.Schema) -> None:
    """The footer has no checksum: where a bit of it changes anything, it is a column's name or type."""
    if set(wanted) - set(found.names) or not all(found.field(name).equals(expected.field(name)) for name in wanted):
        raise IntegrityError(f"shard {path} has other columns than were written{_mend(path)}")


def _check_owner(path: Path, file: pq.ParquetFile, owner: str) -> None:
    """Pages have checksums, and whole files of equal size may change places."""
    found = (file.schema_arrow.metadata or {}).get(_OWNER, b"").decode(errors="replace")
    if owner and found and found != f"{owner}/{path.name}":
        raise IntegrityError(f"shard {path} is another, {found}, and this is store {owner}{_mend(path)}")


def _mend(shard: Path) -> str:
    store = shell_word(str(shard.parent.parent))
    return (
        f"; bignet verify {store} --repair drops what is damaged, and the same extraction, import or derivation "
        "again fills the gap; until then search and report answer from the rest with --allow-partial"
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
