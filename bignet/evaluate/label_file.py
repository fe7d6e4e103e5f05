"""A file of labels, groups and parts -> one of each a store row, matched by id or by path."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bignet.errors import UsageError
from bignet.evaluate.labels import join_labels, whole_labels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("label", "group", "split")
ALLOWED = "a .csv or .parquet file with the columns 'id' or 'path', and 'label', 'group' or 'split'"
_SHOWN = 5
_AT_ONCE = 4096  # values of a column read together

Texts = tuple[str | None, ...]


@dataclass(frozen=True)
class LabelTable:
    """What a file says of a store's rows; of each column N values in store order, None where it says nothing.

    Attributes:
        name: the file's own name, without its folders.
        labels: None if the file has no such column: then the store's own hold.
        groups: rows of one group are never each other's neighbours; None if there is no such column, or nothing in it.
        split: which side each row is on; None likewise.
        not_in_file: store ids that the file does not name.
        not_in_store: ids or paths that the file names and the store does not hold.
    """

    name: str
    labels: Texts | None
    groups: Texts | None
    split: Texts | None
    not_in_file: tuple[int, ...]
    not_in_store: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is on one side only, in a sentence each."""
        found = []
        if self.not_in_file:
            found.append(f"{_images(len(self.not_in_file))} not in {self.name}: {_shown(self.not_in_file)}")
        if self.not_in_store:
            lines = f"{len(self.not_in_store):,} line{'' if len(self.not_in_store) == 1 else 's'}"
            found.append(f"{lines} of {self.name} about nothing in the store: {_shown(self.not_in_store)}")
        return tuple(found)


def read_label_table(file: Path, ids: NDArray[np.int64], paths: Sequence[bytes]) -> LabelTable:
    """A CSV or Parquet file -> labels, groups and split of N store rows, never matched by position.

    Args:
        file: with a column ``id`` or ``path`` (relative, as in the store), and ``label``, ``group``, ``split`` or
            several of them; an empty field means none. Labels are text or whole numbers, see ``whole_labels``.
        ids: (N,) the store's ids.
        paths: N relative paths as bytes.

    Raises:
        UsageError: no such file, columns missing, an id or path twice, labels such as 1.5, or nothing in it is in the
            store.
    """
    table = _read(file)
    names = set(table.column_names)
    if not names & set(COLUMNS) or not names & {"id", "path"}:
        raise UsageError(f"label file '{file}' has columns {', '.join(table.column_names)}; give {ALLOWED}")
    keys = _ids_of(table, file, dict(zip(paths, ids.tolist(), strict=True)))
    given = whole_labels(_values(table, "label") or [None] * len(keys), f"label file '{file}'")
    joined = join_labels(ids.tolist(), keys, given)
    if len(ids) and len(joined.not_in_table) == len(ids):
        raise UsageError(f"label file '{file}' names none of the store's {len(ids):,} images; give {ALLOWED}")
    line_of = {key: line for line, key in enumerate(keys)}
    lines = [line_of.get(row_id) for row_id in ids.tolist()]
    return LabelTable(
        name=file.name,
        labels=joined.labels if "label" in names else None,
        groups=_in_store_order(table, "group", lines),
        split=_in_store_order(table, "split", lines),
        not_in_file=joined.not_in_table,
        not_in_store=_named(table, [line_of[key] for key in joined.not_in_store]),
    )


def _read(file: Path) -> pa.Table:
    if not file.is_file():
        raise UsageError(f"label file '{file}' is not a file; give {ALLOWED}")
    try:
        table = pq.read_table(file) if file.suffix.lower() == ".parquet" else _read_csv(file)
        return table.rename_columns([str(name) for name in table.column_names])  # names that are no text fail here
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"label file '{file}' cannot be read ({str(error).splitlines()[0]}); give {ALLOWED}") from None


def _read_csv(file: Path) -> pa.Table:
    as_text = dict.fromkeys((*COLUMNS, "path"), pa.string())
    options = pa_csv.ConvertOptions(column_types=as_text, null_values=[""])
    # In one thread and with malloc: Arrow's own pool would keep what each of its threads has read.
    alone, pool = pa_csv.ReadOptions(use_threads=False), pa.system_memory_pool()
    return pa_csv.read_csv(file, alone, convert_options=options, memory_pool=pool)


def _values(table: pa.Table, column: str) -> list[Any] | None:
    """A column as it is, empty text as None; None if there is no such column."""
    if column not in table.column_names:
        return None
    return [None if value == "" else value for value in plain_values(table[column])]


def plain_values(column: pa.ChunkedArray) -> list[Any]:
    """A column of few different values as Python objects, one for each value and not one for each row."""
    known: dict[Any, Any] = {}
    parts = (column.slice(start, _AT_ONCE) for start in range(0, len(column), _AT_ONCE))
    return [known.setdefault(value, value) for part in parts for value in part.to_pylist()]


def _in_store_order(table: pa.Table, column: str, lines: Sequence[int | None]) -> Texts | None:
    values = _values(table, column)
    if values is None:
        return None
    texts = [None if value is None else str(value) for value in values]
    ordered = tuple(None if line is None else texts[line] for line in lines)
    return None if all(text is None for text in ordered) else ordered


def _ids_of(table: pa.Table, file: Path, id_of: dict[bytes, int]) -> list[int]:
    """The store id each line means; lines about images elsewhere get ids below zero, which no store has."""
    if "id" in table.column_names:
        if not pa.types.is_integer(table["id"].type) or table["id"].null_count:
            raise UsageError(f"label file '{file}' has ids that are not whole numbers; give {ALLOWED}")
        ids: list[int] = table["id"].to_pylist()
        _check_once(file, "id", ids)
        return ids
    paths = [item if isinstance(item, bytes) else os.fsencode(item or "") for item in table["path"].to_pylist()]
    _check_once(file, "path", paths)
    return [id_of.get(path, -1 - line) for line, path in enumerate(paths)]


def _check_once(file: Path, column: str, keys: Sequence[int] | Sequence[bytes]) -> None:
    twice = [key for key, times in Counter(keys).items() if times > 1]
    if twice:
        first = os.fsdecode(twice[0]) if isinstance(twice[0], bytes) else twice[0]
        raise UsageError(f"label file '{file}' has the {column} '{first}' more than once; give each image one line")


def _named(table: pa.Table, lines: Sequence[int]) -> tuple[str, ...]:
    """How the file names what is on those lines."""
    key = table["id" if "id" in table.column_names else "path"].take(pa.array(lines, pa.int64())).to_pylist()
    return tuple(os.fsdecode(item) if isinstance(item, bytes) else "" if item is None else str(item) for item in key)


def _images(number: int) -> str:
    return "1 image of the store is" if number == 1 else f"{number:,} images of the store are"


def _shown(items: Sequence[object]) -> str:
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return f"{', '.join(str(item) for item in items[:_SHOWN])}{more}"
