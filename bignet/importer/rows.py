"""What is known of each vector before it is read: id, path, label, digest and size; N rows in the file's order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bignet.errors import UsageError
from bignet.importer.columns import Column, as_column, as_ids, as_labels, as_paths, read_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from bignet.importer.settings import ImportSettings
    from bignet.importer.vectors import VectorFile

_OF_THE_PICTURE = ("sha256", "width", "height")
_DIGEST_BYTES = 32


def read_rows(vectors: VectorFile, settings: ImportSettings) -> pa.Table:
    """(N rows) of id, path, label, sha256, width, height; null where nothing is said, which id and path never are.

    Raises:
        UsageError: values that cannot be used, ids or paths twice, more or fewer than there are vectors.
    """
    beside = vectors.beside(("id", "path", "label", *_OF_THE_PICTURE))

    def found(name: str, file: str | os.PathLike[str] | None) -> Column | None:
        if file is not None:
            return _as_many(vectors, read_column(file, name))
        return as_column(beside[name], _where(vectors, name)) if name in beside else None

    ids = found("id", settings.ids)
    id_values = pa.array(np.arange(vectors.rows)) if ids is None else as_ids(ids)
    paths, labels = found("path", settings.paths), found("label", settings.labels)
    sha256, width, height = (found(name, None) for name in _OF_THE_PICTURE)
    return pa.table(
        {
            "id": id_values,
            "path": id_values.cast(pa.large_string()).cast(pa.large_binary()) if paths is None else as_paths(paths),
            "label": _or_nothing(vectors, labels, as_labels),
            "sha256": _or_nothing(vectors, sha256, _as_digests),
            "width": _or_nothing(vectors, width, _as_pixels),
            "height": _or_nothing(vectors, height, _as_pixels),
        }
    )


def root_of(vectors: VectorFile, settings: ImportSettings) -> Path:
    """The folder that paths start from: where the images are, else where the file is that names them."""
    if settings.images is not None:
        return Path(settings.images).resolve()
    return (vectors.path if settings.paths is None else Path(settings.paths)).resolve().parent


def check_images(rows: pa.Table, root: Path) -> None:
    """Whether any path is a file there: the wrong folder must not pass for missing pictures.

    Raises:
        UsageError: none is.
    """
    folder = os.fsencode(root)
    if not any(os.path.isfile(os.path.join(folder, path.as_py())) for path in rows["path"]):  # noqa: PTH113 - bytes
        first = os.fsdecode(rows["path"][0].as_py())
        raise UsageError(f"none of the {len(rows):,} paths, such as '{first}', is a file in '{root}'; mend --images")


def _where(vectors: VectorFile, name: str) -> str:
    return f"column '{name}' of '{vectors.path}'"


def _as_many(vectors: VectorFile, column: Column) -> Column:
    if len(column.values) != vectors.rows:
        raise UsageError(
            f"{column.where} has {len(column.values):,} rows, '{vectors.path}' has {vectors.rows:,} vectors; "
            "give one for each vector, in the same order"
        )
    return column


def _or_nothing(vectors: VectorFile, column: Column | None, convert: Callable[[Column], pa.Array]) -> pa.Array:
    return pa.nulls(vectors.rows) if column is None else convert(column)


def _as_digests(column: Column) -> pa.Array:
    """32 bytes or 64 hex digits each."""
    try:
        raw = [bytes.fromhex(item) if isinstance(item, str) else item for item in column.values.to_pylist()]
        return pa.array(raw, pa.binary(_DIGEST_BYTES))
    except (ValueError, TypeError, pa.ArrowException):
        raise UsageError(f"{column.where} holds what is no SHA-256; allowed: 32 bytes or 64 hex digits each") from None


def _as_pixels(column: Column) -> pa.Array:
    try:
        pixels = column.values.cast(pa.int32())
    except pa.ArrowException:
        raise UsageError(f"{column.where} holds what is no length; allowed: whole numbers of pixels") from None
    if pc.any(pc.less(pixels, 0)).as_py():
        raise UsageError(f"{column.where} holds a length below 0; allowed: whole numbers of pixels, 0 = unknown")
    return pixels
