"""Rows of vectors as units: which of them can be, and reading them in pieces without ever copying the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Vectors = NDArray[Any]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Positions = NDArray[np.signedinteger[Any]]

_ROUND_CELLS = 2**20


def usable_rows(vectors: Vectors) -> tuple[Ints, Ints, Ints]:
    """(N, D) vectors -> positions of the usable, the non-finite and the all-zero rows."""
    finite = np.ones(len(vectors), dtype=bool)
    filled = np.ones(len(vectors), dtype=bool)
    for part in parts(len(vectors), vectors.shape[1]):
        finite[part] = np.isfinite(vectors[part]).all(axis=1)
        filled[part] = (vectors[part] != 0).any(axis=1)
    return np.flatnonzero(finite & filled), np.flatnonzero(~finite), np.flatnonzero(finite & ~filled)


class UnitRows:
    """Rows of (N, D) vectors of any real dtype, read as float64 without ever copying the whole.

    Args:
        vectors: (M, D), never written to; a memory map is fine.
        rows: positions to use, all finite and non-zero; None = every row.
    """

    def __init__(self, vectors: Vectors, rows: Ints | None = None) -> None:
        self._vectors = vectors
        self.rows = np.arange(len(vectors)) if rows is None else rows
        self.dim = int(vectors.shape[1])
        # A float64 square can overflow or vanish; a power of two out of each row costs no accuracy.
        self._exponents: NDArray[Any] | None = _exponents(self) if vectors.dtype.itemsize >= 8 else None
        self.norms = np.empty(len(self.rows))
        for part in parts(len(self.rows), self.dim):
            block = self.raw_span(part)
            self.norms[part] = np.sqrt(np.vecdot(block, block))

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, positions: Ints) -> UnitRows:
        """(P,) positions -> those rows of the same vectors."""
        return UnitRows(self._vectors, self.rows[positions])

    def raw(self, positions: Positions) -> Floats:
        """(P,) positions -> (P, D) float64, each row up to a power of two as it was given."""
        block = self.stored(positions).astype(np.float64)
        return block if self._exponents is None else np.ldexp(block, -self._exponents[positions, None], out=block)

    def stored(self, positions: Positions) -> Vectors:
        """(P,) positions -> (P, D) in the dtype they came in."""
        return np.asarray(self._vectors[self.rows[positions]])

    def span(self, part: slice) -> Vectors:
        """Positions start to stop -> (P, D) in the dtype they came in; without a copy where they lie side by side."""
        rows = self.rows[part]
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and np.all(np.diff(rows) == 1):
            return np.asarray(self._vectors[rows[0] : rows[-1] + 1])
        return np.asarray(self._vectors[rows])

    def raw_span(self, part: slice) -> Floats:
        """Positions start to stop -> as ``raw``."""
        block = self.span(part).astype(np.float64)
        return block if self._exponents is None else np.ldexp(block, -self._exponents[part, None], out=block)

    def unit(self, positions: Positions) -> Floats:
        """(P,) positions -> (P, D) float64 rows of length one."""
        block = self.raw(positions)
        block /= self.norms[positions, None]
        return block


def parts(n: int, width: int, cells: int = _ROUND_CELLS) -> Iterator[slice]:
    """Slices of n rows of so many numbers, about ``cells`` numbers each."""
    step = max(1, cells // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def _exponents(rows: UnitRows) -> NDArray[Any]:
    exponents = np.zeros(len(rows), dtype=np.int32)
    for part in parts(len(rows), rows.dim):
        largest = np.abs(rows.span(part).astype(np.float64)).max(axis=1)
        exponents[part] = np.frexp(largest)[1]
    return exponents
