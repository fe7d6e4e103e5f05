"""Files of vectors, opened without reading them: an .npy file, or a column of a Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PARQUET_SUFFIXES = (".parquet", ".pq")
ALLOWED = "an .npy file of shape (vectors, dims) or a .parquet file with a column of lists, both of floats"
_READ_BYTES = 1 << 20


class VectorFile(Protocol):
    """N vectors of D numbers in a file, and whatever stands beside them."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def rows(self) -> int:
        """N, at least 1."""

    @property
    def dims(self) -> int:
        """D, at least 1."""

    @property
    def dtype(self) -> str:
        """Of the numbers in the file: ``float64``."""

    def blocks(self, n_rows: int) -> Iterator[NDArray[np.floating]]:
        """Runs of at most ``n_rows`` vectors, (n, D) each, in order; a row without a vector is NaN.

        Raises:
            UsageError: the file cannot be read to its end, or a vector has another length than the first.
        """

    def beside(self, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """The columns of those names that are there."""


def open_vectors(path: Path, column: str | None = None) -> VectorFile:
    """A file of vectors.

    Args:
        path: ``.npy``, ``.parquet`` or ``.pq``.
        column: of a Parquet file with several columns of vectors.

    Raises:
        UsageError: no such file, or none that holds vectors.
    """
    if not path.is_file():
        raise UsageError(f"vectors '{path}' are not a file; give {ALLOWED}")
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return _Parquet(path, column)
    if path.suffix.lower() != ".npy":
        raise UsageError(f"vectors '{path}' are of no kind that is read; give {ALLOWED}")
    if column is not None:
        raise UsageError(f"vectors '{path}' have no columns, '{column}' was asked for; leave --column out")
    return _Npy(path)


def open_npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file, mapped into memory and not read; nothing in it is executed.

    Raises:
        UsageError: it holds Python objects, is cut short, or is no .npy file.
    """
    try:
        with np.errstate(all="ignore"):  # a header may claim more numbers than can be counted
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # the header is parsed as Python: hostile bytes raise nearly anything
        raise UsageError(f"'{path}' cannot be read as .npy ({_npy_trouble(error)}); {_SAVE}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise UsageError(f"'{path}' is an archive of arrays, not one array; {_SAVE}")
    return array


def _npy_trouble(error: Exception) -> str:
    text = first_line(error)  # NumPy's own advice is to unpickle, which would run what the file says
    if "Python objects" in text:
        return "it holds Python objects; ARRAY.astype(str) or ARRAY.astype('float32') is plain"
    return "Python objects, or no array at all" if "pickle" in text else text


_SAVE = "write one plain array with numpy.save(FILE, ARRAY, allow_pickle=False)"


class _Npy:
    """An (N, D) array on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        array = open_npy(path)
        if array.ndim != 2 or 0 in array.shape:  # rows of numbers
            shape = " x ".join(map(str, array.shape)) or "a single number"
            raise UsageError(f"vectors '{path}' have shape {shape}; give {ALLOWED}")
        if array.dtype.kind != "f":
            raise UsageError(f"vectors '{path}' are of type {array.dtype}; allowed: float16, float32, float64")
        self.rows, self.dims = array.shape
        self.dtype = array.dtype.name

    def blocks(self, n_rows: int) -> Iterator[NDArray[np.floating]]:
        """See VectorFile."""
        for start in range(0, self.rows, n_rows):
            yield np.array(open_npy(self.path)[start : start + n_rows])  # mapped anew, so that pages read are let go

    def beside(self, _names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """Nothing."""
        return {}


class _Parquet:
    """A column of lists of floats."""

    def __init__(self, path: Path, column: str | None) -> None:
        self.path = path
        with self._reading(), self._file() as file:
            schema, self.rows = file.schema_arrow, file.metadata.num_rows
        if not self.rows:
            raise UsageError(f"vectors '{path}' hold no rows; give {ALLOWED}")
        field = schema.field(_vector_column(path, schema, column))
        self._column = field.name
        self.dtype = str(np.dtype(field.type.value_type.to_pandas_dtype()))
        self.dims = field.type.list_size if pa.types.is_fixed_size_list(field.type) else self._first_length()
        if not self.dims:
            raise UsageError(f"vectors '{path}', column '{field.name}': every row is empty; give {ALLOWED}")

    def blocks(self, n_rows: int) -> Iterator[NDArray[np.floating]]:
        """See VectorFile."""
        start = 0
        for lists in self._lists(n_rows):
            self._check_lengths(lists, start)
            start += len(lists)
            if start <= self.rows:
                yield _matrix(lists, self.dims)
        if start != self.rows:
            raise UsageError(f"vectors '{self.path}' are {start:,} rows, {self.rows:,} in the file's own words")

    def beside(self, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """See VectorFile."""
        with self._reading(), self._file() as file:
            there = [name for name in names if name in file.schema_arrow.names and name != self._column]
            table = file.read(columns=there)
            return {name: table[name] for name in there}

    def _file(self) -> pq.ParquetFile:
        # Row groups may be as large as the file: their pages are read one by one.
        return pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_READ_BYTES)

    def _reading(self) -> _Reading:
        return _Reading(self.path)

    def _lists(self, n_rows: int) -> Iterator[pa.Array]:
        with self._reading(), self._file() as file:
            for batch in file.iter_batches(batch_size=n_rows, columns=[self._column]):
                yield batch.column(self._column)

    def _first_length(self) -> int:
        for lists in self._lists(1024):
            lengths = lists.value_lengths().drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
        return 0

    def _check_lengths(self, lists: pa.Array, start: int) -> None:
        if pa.types.is_fixed_size_list(lists.type):
            return
        lengths = lists.value_lengths().fill_null(self.dims).to_numpy()
        other = np.flatnonzero(lengths != self.dims)
        if len(other):
            row = int(other[0])
            raise UsageError(
                f"vectors '{self.path}', column '{self._column}': row {start + row:,} (the first is 0) has "
                f"{lengths[row]:,} numbers, others have {self.dims:,}; all rows of an embedding have equally many"
            )


class _Reading:
    """Turns what the Parquet reader raises into an error that says which file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            raise UsageError(f"'{self._path}' cannot be read as Parquet ({first_line(error)})") from None


def _vector_column(path: Path, schema: pa.Schema, wanted: str | None) -> str:
    found = [field.name for field in schema if _holds_vectors(field.type)]
    listed = ", ".join(f"'{name}'" for name in found) or "none"
    if wanted is not None and wanted not in found:
        raise UsageError(f"column '{wanted}' of '{path}' holds no vectors; columns of lists of floats there: {listed}")
    if wanted is None and len(found) != 1:
        mend = "say which with --column" if found else f"give {ALLOWED}"
        raise UsageError(f"vectors '{path}' have {len(found)} columns of lists of floats ({listed}); {mend}")
    name = wanted or found[0]
    if schema.names.count(name) > 1:
        raise UsageError(f"column '{name}' occurs twice in '{path}'; give a file where names are different")
    return name


def _holds_vectors(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and pa.types.is_floating(kind.value_type)


def _matrix(lists: pa.Array, dims: int) -> NDArray[np.floating]:
    """Lists of ``dims`` numbers, or none -> (n, dims); what is not there is NaN."""
    values: NDArray[np.floating] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, dims)
    if not lists.null_count:
        return values
    whole = np.full((len(lists), dims), np.nan, values.dtype)
    whole[lists.is_valid().to_numpy(zero_copy_only=False)] = values
    return whole


def first_line(error: BaseException) -> str:
    """What went wrong, short enough for a message of one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
