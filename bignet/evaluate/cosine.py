"""Exact cosine similarity between rows, in blocks of bounded memory.

One float32 matrix product scores a block of queries against every row. Whatever float32 cannot tell apart is
scored again in float64 from the vectors as they were given, and rounded to 1e-12: far finer than anything
float32 vectors can mean, far coarser than the noise of a float64 sum, so that pairs which are equal in exact
arithmetic (duplicates, binary codes, small integers) are equal here. The order of neighbours is then total,
and the same on every machine: similarity descending, row ascending. Where similarities crowd (deep rankings,
vectors in a narrow cone) so that too many pairs would be scored twice, whole blocks are scored in float64.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Vectors = NDArray[Any]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Scores = NDArray[np.floating[Any]]

BLOCK_CELLS = 2**23  # float32 scores held at a time: 32 MiB
_PAIR_CELLS = 2**18  # float64 numbers gathered at a time: stays in the processor's cache
_ROUND_CELLS = 2**21
_DECIMALS = 12
_CROWDED = 32  # one pair in so many in doubt: scoring the whole block in float64 is cheaper than pair by pair
_PADDING = np.float32(-9.0)  # below every cosine, so that empty places sort last
_LOWEST = np.float32(-2.0)


def usable_rows(vectors: Vectors) -> tuple[Ints, Ints, Ints]:
    """(N, D) vectors -> positions of the usable, the non-finite and the all-zero rows."""
    finite = np.ones(len(vectors), dtype=bool)
    filled = np.ones(len(vectors), dtype=bool)
    for part in _parts(len(vectors), vectors.shape[1]):
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
        for part in _parts(len(self.rows), self.dim):
            block = self.raw(np.arange(part.start, part.stop))
            self.norms[part] = np.sqrt(np.vecdot(block, block))

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, positions: Ints) -> UnitRows:
        """(P,) positions -> those rows of the same vectors."""
        return UnitRows(self._vectors, self.rows[positions])

    def raw(self, positions: Ints) -> Floats:
        """(P,) positions -> (P, D) float64, each row up to a power of two as it was given."""
        block = self.stored(positions).astype(np.float64)
        return block if self._exponents is None else np.ldexp(block, -self._exponents[positions, None])

    def stored(self, positions: Ints) -> Vectors:
        """(P,) positions -> (P, D) in the dtype they came in."""
        return np.asarray(self._vectors[self.rows[positions]])

    def unit(self, positions: Ints) -> Floats:
        """(P,) positions -> (P, D) float64 rows of length one."""
        return self.raw(positions) / self.norms[positions, None]


@dataclass(frozen=True)
class Ranked:
    """Neighbours of a block of queries, nearest first; -1 and a similarity below -1 fill empty places."""

    rows: Ints
    similarity: Floats


class Cosines:
    """Scores blocks of queries against all N rows and puts the best in exact order."""

    def __init__(self, rows: UnitRows) -> None:
        self.rows = rows
        self.unit = np.empty((len(rows), rows.dim), dtype=np.float32)
        for part in _parts(len(rows), rows.dim):
            self.unit[part] = rows.unit(np.arange(part.start, part.stop))
        self._first = _first_copies(rows)
        # Rounding of a dot product of unit vectors: at most D units, in practice a few sqrt(D)
        # (Higham & Mary 2019, "A new approach to probabilistic rounding error analysis").
        self._units = 4 + min(rows.dim, 8 * math.sqrt(rows.dim))
        self._double = False

    def __len__(self) -> int:
        return len(self.rows)

    def blocks(self, queries: Ints) -> Iterator[Ints]:
        """(Q,) positions -> the same in pieces whose scores fit the memory budget."""
        step = max(64, BLOCK_CELLS // max(1, len(self)))
        for start in range(0, len(queries), step):
            yield queries[start : start + step]

    def block(self, queries: Ints) -> Scores:
        """(Q,) positions -> (Q, N) similarity, accurate to half of ``slack``; the query itself included."""
        return self.double_block(queries) if self._double else self.unit[queries] @ self.unit.T

    def double_block(self, queries: Ints) -> Floats:
        """(Q,) positions -> (Q, N) float64 similarity, though not yet alike for copies."""
        scores, left = np.empty((len(queries), len(self))), self.rows.unit(queries)
        for part in _parts(len(self), self.rows.dim):
            scores[:, part] = left @ self.rows.unit(np.arange(part.start, part.stop)).T
        return scores

    def slack(self, scores: Scores) -> float:
        """The difference from which on two scores of a block are certain to be in the right order."""
        if scores.dtype == np.float32:
            return 2 * self._units * 2.0**-24
        return 2 * self._units * 2.0**-53 + 10.0**-_DECIMALS

    def exact(self, queries: Ints, rows: Ints) -> Floats:
        """(P,) and (P,) positions -> (P,) float64 similarity rounded to 1e-12, alike for copies."""
        if self._first is None:
            return self._score(queries, rows)
        keys = self._first[queries] * len(self) + self._first[rows]
        distinct, place = np.unique(keys, return_inverse=True)
        return self._score(distinct // len(self), distinct % len(self))[place]

    def nearest(self, queries: Ints, scores: Scores, depth: int, exact_depth: int = 0) -> Ranked:
        """(Q, N) scores -> at least the ``depth`` best rows, in order, with everything tied with the last.

        Args:
            queries: (Q,) positions the scores belong to.
            scores: (Q, N) from ``block``; minus infinity = not in the gallery.
            depth: places whose order is exact. Later places hold all ties of an earlier one, and no promise.
            exact_depth: places whose similarity is float64 even where the order was never in doubt.
        """
        rows, near = _candidates(scores, depth, self.slack(scores))
        unsure = _too_close(near, self.slack(scores), exact_depth) & (rows >= 0)
        if self._crowded(scores, int(unsure.sum()) - exact_depth * len(queries)):
            again = np.where(np.isneginf(scores), scores, self.double_block(queries))
            return self.nearest(queries, again, depth, exact_depth)
        similarity = near.astype(np.float64)
        similarity[unsure] = self.exact(queries[np.nonzero(unsure)[0]], rows[unsure])
        order = np.argsort(-similarity, axis=1, kind="stable")  # rows ascend, so ties stay in row order
        return Ranked(np.take_along_axis(rows, order, 1), np.take_along_axis(similarity, order, 1))

    def farthest(self, queries: Ints, scores: Scores) -> tuple[Ints, Floats]:
        """(Q, N) scores, plus infinity = not to be found -> (Q,) last rows of the order, their similarity."""
        rows = np.full(len(queries), -1, dtype=np.int64)
        similarity = np.full(len(queries), np.nan)
        lowest = scores.min(axis=1, keepdims=True, initial=np.inf)
        limit = np.where(lowest < np.inf, lowest + scores.dtype.type(self.slack(scores)), -np.inf)
        place, row = _where(scores <= limit)
        if self._crowded(scores, len(row)):
            return self.farthest(queries, np.where(np.isposinf(scores), scores, self.double_block(queries)))
        exact = self.exact(queries[place], row)
        order = np.lexsort((-row, exact, place))
        found, first = np.unique(place[order], return_index=True)
        rows[found], similarity[found] = row[order][first], exact[order][first]
        return rows, similarity

    def _crowded(self, scores: Scores, n_unsure: int) -> bool:
        """True where a float32 block leaves too many pairs in doubt; later blocks then start in float64."""
        crowded = bool(scores.dtype == np.float32) and n_unsure > scores.size // _CROWDED
        self._double = self._double or crowded
        return crowded

    def _score(self, queries: Ints, rows: Ints) -> Floats:
        dots = np.empty(len(rows))
        for part in _parts(len(rows), self.rows.dim, _PAIR_CELLS):
            dots[part] = np.vecdot(self.rows.raw(queries[part]), self.rows.raw(rows[part]))
        dots /= self.rows.norms[queries] * self.rows.norms[rows]
        return np.clip(np.round(dots, _DECIMALS), -1.0, 1.0)


def _parts(n: int, width: int, cells: int = _ROUND_CELLS) -> Iterator[slice]:
    step = max(1, cells // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def _exponents(rows: UnitRows) -> NDArray[Any]:
    exponents = np.zeros(len(rows), dtype=np.int32)
    for part in _parts(len(rows), rows.dim):
        largest = np.abs(rows.stored(np.arange(part.start, part.stop)).astype(np.float64)).max(axis=1)
        exponents[part] = np.frexp(largest)[1]
    return exponents


def _first_copies(rows: UnitRows) -> Ints | None:
    """N rows -> (N,) position of the first row with the same bytes; None when all rows differ."""
    seen: dict[bytes, int] = {}
    first = np.empty(len(rows), dtype=np.int64)
    for part in _parts(len(rows), rows.dim):
        block = np.ascontiguousarray(rows.stored(np.arange(part.start, part.stop)))
        for position, row in enumerate(block, part.start):
            digest = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            first[position] = seen.setdefault(digest, position)
    return None if len(seen) == len(rows) else first


def _candidates(scores: Scores, depth: int, slack: float) -> tuple[Ints, Scores]:
    """(Q, N) scores -> (Q, W) rows ascending and their scores: all within ``slack`` of the depth-th best."""
    cut = np.full((len(scores), 1), _LOWEST, dtype=scores.dtype)
    if 0 < depth < scores.shape[1]:
        kth = scores.shape[1] - depth
        cut = np.maximum(cut, np.partition(scores, kth, axis=1)[:, kth, None] - scores.dtype.type(slack))
    place, row = _where(scores >= cut)
    counts = np.bincount(place, minlength=len(scores))
    column = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(scores), int(counts.max(initial=0)))
    rows, near = np.full(shape, -1, dtype=np.int64), np.full(shape, _PADDING, dtype=scores.dtype)
    rows[place, column], near[place, column] = row, scores[place, row]
    return rows, near


def _where(flags: Bools) -> tuple[Ints, Ints]:
    """(Q, N) flags -> row and column of the True ones; one dimension at a time is several times faster."""
    row, column = np.divmod(np.flatnonzero(flags), max(1, flags.shape[1]))
    return row, column


def _too_close(near: Scores, tolerance: float, exact_depth: int) -> Bools:
    """(Q, W) scores -> (Q, W) True where another score is within tolerance, or the place is a leading one."""
    order = np.argsort(-near, axis=1)
    ranked = np.take_along_axis(near, order, 1)
    close = ranked[:, :-1] - ranked[:, 1:] <= tolerance
    flags = np.zeros(near.shape, dtype=bool)
    flags[:, 1:] |= close
    flags[:, :-1] |= close
    flags[:, :exact_depth] = True
    result = np.empty_like(flags)
    np.put_along_axis(result, order, flags, 1)
    return result
