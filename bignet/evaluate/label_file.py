"""A file of labels -> one label a store row, matched by id or by path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bignet.errors import UsageError
from bignet.evaluate.labels import join_labels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ALLOWED = "a .csv or .parquet file with the columns 'label' and 'id' or 'path'"


def read_labels(file: Path, ids: NDArray[np.int64], paths: Sequence[bytes]) -> tuple[str | None, ...]:
    """A CSV or Parquet file of labels -> N labels in store order, None where the file names none.

    Args:
        file: with a column ``label`` and one of ``id`` and ``path`` (relative, as in the store).
        ids: (N,) the store's ids.
        paths: N relative paths as bytes.

    Raises:
        UsageError: no such file, columns missing, an id or path twice, or nothing in it is in the store.
    """
    table = _read(file)
    if "label" not in table.column_names or not {"id", "path"} & set(table.column_names):
        raise UsageError(f"label file '{file}' has columns {', '.join(table.column_names)}; give {ALLOWED}")
    labels = [label if label != "" else None for label in table["label"].to_pylist()]
    keys = _ids_of(table, file, dict(zip(paths, ids.tolist(), strict=True)))
    joined = join_labels(ids.tolist(), keys, labels)
    if len(ids) and len(joined.not_in_table) == len(ids):
        raise UsageError(f"label file '{file}' names none of the store's {len(ids):,} images; give {ALLOWED}")
    return joined.labels


def _read(file: Path) -> pa.Table:
    if not file.is_file():
        raise UsageError(f"label file '{file}' is not a file; give {ALLOWED}")
    try:
        table = pq.read_table(file) if file.suffix.lower() == ".parquet" else _read_csv(file)
        return table.rename_columns([str(name) for name in table.column_names])  # names that are no text fail here
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"label file '{file}' cannot be read ({str(error).splitlines()[0]}); give {ALLOWED}") from None


def _read_csv(file: Path) -> pa.Table:
    as_text = pa_csv.ConvertOptions(column_types={"label": pa.string(), "path": pa.string()}, null_values=[""])
    return pa_csv.read_csv(file, convert_options=as_text)


def _ids_of(table: pa.Table, file: Path, id_of: dict[bytes, int]) -> list[int]:
    """The store id each line means; lines about images elsewhere get ids below zero, which no store has."""
    if "id" in table.column_names:
        if not pa.types.is_integer(table["id"].type) or table["id"].null_count:
            raise UsageError(f"label file '{file}' has ids that are not whole numbers; give {ALLOWED}")
        ids: list[int] = table["id"].to_pylist()
        return ids
    paths = [item if isinstance(item, bytes) else os.fsencode(item or "") for item in table["path"].to_pylist()]
    return [id_of.get(path, -1 - line) for line, path in enumerate(paths)]
