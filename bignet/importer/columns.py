"""Ids, paths and labels from files beside the vectors: text with one a line, .npy, Parquet or CSV."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bignet.errors import UsageError
from bignet.importer.vectors import PARQUET_SUFFIXES, first_line, open_npy

if TYPE_CHECKING:
    import os

_WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}  # the others end at 2 GB of text
_CSV_TYPES = {"id": pa.string(), "path": pa.binary(), "label": pa.string()}

_NPY_KINDS = {"id": "iuUS", "path": "US", "label": "iufUS"}


class Column(NamedTuple):
    """Values as they were found, and how to call the place in a message."""

    values: pa.Array
    where: str


def read_column(file: str | os.PathLike[str], name: str) -> Column:
    """The column of a file: ``.parquet`` and ``.csv`` have one of that name, ``.npy`` and text have no other.

    Raises:
        UsageError: unreadable, or no such column; the message lists those there are.
    """
    path = Path(file)
    where = f"{name}s file '{path}'"
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Column(_from_npy(path, name, where), where)
    if suffix in (*PARQUET_SUFFIXES, ".csv"):
        return Column(_from_table(path, name, where), where)
    return Column(_from_text(path), where)


def as_column(values: pa.ChunkedArray, where: str) -> Column:
    """A column of a Parquet file in one piece, dictionaries written out."""
    plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    wide = plain.cast(_WIDE.get(plain.type, plain.type))
    return Column(pa.concat_arrays([pa.array([], wide.type), *wide.chunks]), where)


def _from_npy(path: Path, name: str, where: str) -> pa.Array:
    array = open_npy(path)
    if array.ndim != 1 or array.dtype.kind not in _NPY_KINDS[name]:
        shape = " x ".join(map(str, array.shape)) or "a single value"
        raise UsageError(f"{where} holds {array.dtype} of shape {shape}; allowed: one row of integers or text")
    try:
        return pa.array(np.array(array, array.dtype.newbyteorder("=")))
    except (pa.ArrowException, UnicodeError) as error:
        raise UsageError(f"{where} cannot be read ({first_line(error)})") from None


def _from_table(path: Path, name: str, where: str) -> pa.Array:
    try:
        table = _read_csv(path, name) if path.suffix.lower() == ".csv" else pq.ParquetFile(path)
        there = table.column_names if isinstance(table, pa.Table) else table.schema_arrow.names
        if there.count(name) != 1:
            found = ", ".join(f"'{item}'" for item in there)
            raise UsageError(f"{where} must have one column '{name}'; found: {found or 'no columns'}")
        values = table[name] if isinstance(table, pa.Table) else table.read(columns=[name])[name]
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise UsageError(f"{where} cannot be read ({first_line(error)})") from None
    return as_column(values, where).values


def _read_csv(path: Path, name: str) -> pa.Table:
    options = pa_csv.ConvertOptions(column_types={name: _CSV_TYPES[name]}, null_values=[""], strings_can_be_null=True)
    return pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(newlines_in_values=True), convert_options=options)


def _from_text(path: Path) -> pa.Array:
    """One a line, or parted by NUL if there is one, as ``find -print0`` writes."""
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in data else b"\n"
    lines = data.removesuffix(separator).split(separator) if data else []
    return pa.array([line.removesuffix(b"\r") for line in lines] if separator == b"\n" else lines, pa.large_binary())


def as_ids(column: Column) -> pa.Array:
    """Values -> int64 ids.

    Raises:
        UsageError: one that is no whole number of 0 and more, missing, or there twice; up to five are named.
    """
    values, where = column
    if _is_text(values.type):
        _refuse(column, pc.invert(pc.match_substring_regex(values, r"\A0*[0-9]{1,19}\z")), _NO_ID)
        values = values.cast(pa.large_string()).cast(pa.uint64())
    if not pa.types.is_integer(values.type):
        raise UsageError(f"{where} holds {values.type}; ids are whole numbers of 0 and more")
    signed = pa.types.is_signed_integer(values.type)
    outside = pc.less(values, 0) if signed else pc.greater(values.cast(pa.uint64()), pa.scalar(_LARGEST, pa.uint64()))
    _refuse(Column(values, where), outside, _NO_ID)
    ids = Column(values.cast(pa.int64()), where)
    _refuse_twice(ids)
    return ids.values


_LARGEST = 2**63 - 1
_NO_ID = "is no id; allowed: whole numbers from 0 to 2^63 - 1"


def as_paths(column: Column) -> pa.Array:
    """Values -> paths as bytes.

    Raises:
        UsageError: one that is missing, empty, holds a NUL, or is there twice; up to five are named.
    """
    if not _is_text(column.values.type):
        raise UsageError(f"{column.where} holds {column.values.type}; paths are text or bytes")
    paths = column.values.cast(pa.large_binary())
    empty = pc.equal(pc.binary_length(paths), 0)
    _refuse(column, pc.or_(empty, pc.match_substring(paths, b"\0")), "is no path")
    _refuse_twice(Column(paths, column.where))
    return paths


def as_labels(column: Column) -> pa.Array:
    """Values -> labels as text, null where there is none: an empty text is none, a whole number is its digits.

    Raises:
        UsageError: numbers with a fraction, bytes that are no UTF-8, or a label that cannot be one.
    """
    from bignet.evaluate.labels import check_labels, whole_labels

    values, where = column
    numbers = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if not (_is_text(values.type) or numbers or pa.types.is_null(values.type)):
        raise UsageError(f"{where} holds {values.type}; labels are text or whole numbers")
    try:
        coded = (values if numbers else values.cast(pa.large_string())).dictionary_encode()
    except pa.ArrowInvalid:
        raise UsageError(f"{where} holds bytes that are no UTF-8; write labels as UTF-8") from None
    different = whole_labels([label if label != "" else None for label in coded.dictionary.to_pylist()], where)
    try:
        names = check_labels(range(len(different)), different)
    except UsageError as error:
        raise UsageError(f"{where}: {str(error).partition(': ')[2]}") from None
    return pa.array(names, pa.large_string()).take(coded.indices)


def _is_text(kind: pa.DataType) -> bool:
    known = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(is_kind(kind) for is_kind in known)


def _refuse(column: Column, wrong: pa.Array, why: str) -> None:
    """The first value that is wrong or missing, by its row."""
    row = pc.index(pc.fill_null(wrong, True), True).as_py()
    if row >= 0:
        raise UsageError(f"{column.where}, row {row:,} (the first is 0): {_shown(column.values[row])} {why}")


def _refuse_twice(column: Column) -> None:
    if pc.count_distinct(column.values).as_py() == len(column.values):
        return
    counts = column.values.value_counts()
    twice = counts.field(0).filter(pc.greater(counts.field(1), 1))
    named = ", ".join(_shown(value) for value in twice[:_NAMED])
    more = ", ..." if len(twice) > _NAMED else ""
    values = "1 value" if len(twice) == 1 else f"{len(twice):,} values"
    raise UsageError(f"{column.where} has {values} more than once: {named}{more}; each row needs its own")


_NAMED = 5  # enough to see what kind they are


def _shown(value: pa.Scalar) -> str:
    found = value.as_py()
    if found is None:
        return "nothing"
    text = found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else str(found)
    return f"'{text}'"
