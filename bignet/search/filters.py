"""Filters: SQL expressions over a store's columns, worked out by DuckDB.

The columns are those of the store's metadata: ``path`` as text, ``sha256`` in hexadecimal, the others as they are.
DuckDB sees nothing but them: it can open no file, no connection and no variable of the program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bignet.errors import UsageError
from bignet.store.shards import METADATA_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot

# No file, no connection, no extension, no variable of the program: only the table that it is given.
_ALONE: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": False}
_LISTED = ", ".join(METADATA_COLUMNS)


def matching(snapshot: Snapshot, where: str) -> NDArray[np.bool_]:
    """(N,) rows of the store for which a condition is true; null is not.

    Raises:
        UsageError: it is no condition over the columns.
    """
    found = _evaluated(snapshot, where, "where")
    if not pa.types.is_boolean(found.type):
        raise _refused("where", where, f"it gives {found.type} values, not true or false")
    mask: NDArray[np.bool_] = pc.fill_null(found, fill_value=False).to_numpy(zero_copy_only=False)
    return mask


def grouped(snapshot: Snapshot, expression: str) -> tuple[NDArray[np.int64], list[Any]]:
    """A column or an expression -> (N,) number of each row's value, and the values by number; null is one of them.

    Raises:
        UsageError: it is no expression over the columns.
    """
    found = _evaluated(snapshot, expression, "group-by")
    if not (pa.types.is_string(found.type) or pa.types.is_integer(found.type) or pa.types.is_boolean(found.type)):
        found = _evaluated(snapshot, f"CAST(({expression}\n) AS VARCHAR)", "group-by")
    coded = found.dictionary_encode(null_encoding="encode")
    codes: NDArray[np.int64] = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, coded.dictionary.to_pylist()


def _evaluated(snapshot: Snapshot, expression: str, option: str) -> pa.Array:
    """(N,) one value a row."""
    import duckdb

    table = _columns(snapshot, expression)
    try:
        with duckdb.connect(":memory:", config=_ALONE) as database:
            wanted = duckdb.SQLExpression(expression), duckdb.ColumnExpression("id")
            found = database.from_arrow(table).select(*wanted).to_arrow_table()
    except duckdb.Error as error:
        raise _refused(option, expression, _why(option, error, expression)) from None
    places = _places(found.column(found.num_columns - 1).to_numpy(), table["id"].to_numpy())
    if found.num_columns != len(wanted) or places is None:
        raise _refused(option, expression, "it does not give one value for each row")
    return found.column(0).combine_chunks().take(places)


def _places(found: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Where each id was found: a subquery may have changed the order. None unless each was, once."""
    order, rising = np.argsort(found, kind="stable"), np.argsort(ids, kind="stable")
    if not np.array_equal(found[order], ids[rising]):
        return None
    places = np.empty(len(ids), np.int64)
    places[rising] = order
    return places


def _columns(snapshot: Snapshot, expression: str) -> pa.Table:
    """The columns that are named in an expression, as DuckDB is to see them, and the ids."""
    words = expression.lower()
    named = [name for name in METADATA_COLUMNS if name == "id" or name in words or "columns" in words]
    table = snapshot.metadata(named)
    return pa.table({name: _readable(table[name]) for name in named})


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_fixed_size_binary(column.type):
        return pa.chunked_array([[value.hex() for value in column.to_pylist()]], pa.string())
    if not pa.types.is_binary(column.type):
        return column
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:  # a name with bytes that are no UTF-8
        return pa.chunked_array([[as_text(value) for value in column.to_pylist()]], pa.string())


def as_text(path: bytes) -> str:
    r"""A path as text that any program reads; bytes that are no UTF-8 become ``\xff``."""
    return path.decode("utf-8", "backslashreplace")


def _refused(option: str, expression: str, why: str) -> UsageError:
    return UsageError(f'--{option} "{expression}" cannot be used: {why}; columns: {_LISTED}')


_QUOTED = re.compile(r"'(?:[^']|'')*'")
_SUBQUERY = re.compile(r"\b(?:select|from)\b", re.IGNORECASE)
_MISSING_TABLE = re.compile(r"Table with name|Permission Error")


def _why(option: str, error: Exception, expression: str) -> str:
    """A subquery over a table fails in as many ways as there are names of tables; what helps is one thing."""
    if _SUBQUERY.search(_QUOTED.sub("", expression)) and _MISSING_TABLE.search(str(error)):
        what = "a condition on the columns" if option == "where" else "a column or an expression of columns"
        return f"it takes {what}, and no subquery: there is no table or file to select from"
    return _in_one_line(error)


def _in_one_line(error: Exception) -> str:
    """DuckDB's message without its drawing of the place and its own list of columns."""
    text = str(error).split("\n\nLINE ")[0].split("\nCandidate")[0]
    return " ".join(text.split()).rstrip("!.")
