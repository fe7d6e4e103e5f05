"""Altered copies against all originals: which find their own, and how far from it they lie."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.candidates import rounding_units
from bignet.evaluate.result import Excluded
from bignet.evaluate.spectrum import mean_cos
from bignet.evaluate.unit_rows import UnitRows, usable_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Vectors = NDArray[Any]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]

_CELLS = 2**21  # similarities worked out at a time: 8 MiB in float32
_SAME = 1e-12  # what differs by less is equal: far above the noise of a float64 sum
_USABLE, _NONFINITE, _ZERO = range(3)


class Copies:
    """A alterations of n of N originals under one embedding.

    Args:
        originals: (N, D) of any real type, never written to.
        altered: (A, n, D) copies.
        rows: (n,) positions among the originals that the copies are of.

    Raises:
        UsageError: shapes that do not fit.
    """

    def __init__(self, originals: Vectors, altered: Vectors, rows: Ints) -> None:
        _check(originals, altered, rows)
        state = _states(originals)
        good = np.flatnonzero(state == _USABLE)
        self.gallery = UnitRows(originals, good)
        self.counted: Flags = state[rows] == _USABLE
        flat = altered.reshape(-1, altered.shape[2])
        self._own_state = state[rows]
        self._copy_state = _states(flat).reshape(altered.shape[:2])
        self._usable: Flags = self.counted & (self._copy_state == _USABLE)
        self._copies = UnitRows(flat, np.flatnonzero(self._usable))
        self._own = np.broadcast_to(np.searchsorted(good, rows), self._usable.shape)[self._usable]

    @property
    def excluded(self) -> Excluded:
        """Images left out because their original has no direction."""
        return _excluded(self._own_state)

    def excluded_copies(self, alteration: int) -> Excluded:
        """Those, and images whose copy under that alteration has none."""
        return _excluded(np.where(self.counted, self._copy_state[alteration], self._own_state))

    @cached_property
    def hits(self) -> Flags:
        """(A, n) whether a copy's nearest original is its own."""
        found = np.zeros(self._usable.shape, dtype=bool)
        found[self._usable] = self._none_nearer()
        return found

    @cached_property
    def distances(self) -> Floats:
        """(A, n) squared distance of a copy from its own, on vectors of length one, 0 to 4; NaN without directions."""
        found = np.full(self._usable.shape, np.nan)
        found[self._usable] = np.clip(2 - 2 * self._similarity, 0.0, 4.0)
        return found

    @cached_property
    def mean_cosine(self) -> float | None:
        """Of all pairs of originals; None for fewer than two."""
        total = np.zeros(self.gallery.dim)
        for part in _parts(len(self.gallery), self.gallery.dim):
            total += _units(self.gallery, part, np.float64).sum(axis=0)
        return mean_cos(total, len(self.gallery))

    @cached_property
    def _similarity(self) -> Floats:
        """(Q,) usable copies -> cosine with their own, float64."""
        found = np.empty(len(self._own))
        for part in _parts(len(found), self._copies.dim):
            own = self.gallery.unit(self._own[part])
            found[part] = np.vecdot(_units(self._copies, part, np.float64), own)
        return found

    def _none_nearer(self) -> Flags:
        """(Q,) usable copies -> whether no other original is more similar; in float64 where float32 cannot tell."""
        slack = 2 * rounding_units(self._copies.dim) * 2.0**-24
        best = self._best_other(np.arange(len(self._own)), np.float32)
        found = best < self._similarity - slack
        doubtful = np.flatnonzero(np.abs(best - self._similarity) <= slack)
        if len(doubtful):
            found[doubtful] = self._best_other(doubtful, np.float64) <= self._similarity[doubtful] + _SAME
        return found

    def _best_other(self, queries: Ints, dtype: type[np.floating[Any]]) -> Floats:
        """(Q,) positions of usable copies -> the highest cosine with an original that is not their own."""
        left, own = self._copies.unit(queries).astype(dtype), self._own[queries]
        best = np.full(len(queries), -np.inf)
        for part in _parts(len(self.gallery), len(queries)):
            scores = left @ _units(self.gallery, part, dtype).T
            here = np.flatnonzero((own >= part.start) & (own < part.stop))
            scores[here, own[here] - part.start] = -np.inf  # else float32 could never tell
            np.maximum(best, scores.max(axis=1, initial=-np.inf), out=best)
        return best


def _check(originals: Vectors, altered: Vectors, rows: Ints) -> None:
    shapes = f"originals {originals.shape}, copies {altered.shape}, rows {rows.shape}"
    if originals.ndim != 2 or altered.ndim != 3 or altered.shape[1:] != (*rows.shape, originals.shape[1]):
        raise UsageError(f"{shapes} do not fit; allowed: (N, D), (A, n, D) and (n,)")
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(originals)):
        raise UsageError(
            f"rows from {rows.min()} to {rows.max()} of {len(originals)} originals; give positions in them"
        )


def _states(vectors: Vectors) -> Ints:
    """(N, D) -> (N,) whether usable, not finite, or all zero."""
    _, nonfinite, zero = usable_rows(vectors)
    found = np.full(len(vectors), _USABLE, dtype=np.int64)
    found[nonfinite], found[zero] = _NONFINITE, _ZERO
    return found


def _excluded(states: Ints) -> Excluded:
    return Excluded(nonfinite=int((states == _NONFINITE).sum()), zero=int((states == _ZERO).sum()))


def _units(rows: UnitRows, part: slice, dtype: type[np.floating[Any]]) -> Vectors:
    """Positions start to stop -> (P, D) of length one."""
    return (rows.raw_span(part) / rows.norms[part, None]).astype(dtype, copy=False)


def _parts(n: int, width: int) -> Iterator[slice]:
    step = max(1, _CELLS // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))
