"""Exact cosine similarity between rows, in blocks of bounded memory.

One float32 matrix product scores a block of queries, less the mean of all rows, against every row. Whatever float32
cannot tell apart is scored again in float64 from the vectors as they were given, and rounded to 1e-12: far finer than
anything float32 vectors can mean, far coarser than the noise of a float64 sum, so that pairs which are equal in exact
arithmetic (duplicates, binary codes, small integers) are equal here. The order of neighbours is then total, and the
same on every machine: similarity descending, row ascending. Where similarities crowd (deep rankings, vectors in a
narrow cone) so that too many pairs would be scored twice, whole blocks are scored in float64.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.blas import a_core_left_over
from bignet.evaluate.candidates import candidates, cells, rounding_units, too_close
from bignet.evaluate.memory import pages
from bignet.evaluate.pair_draw import pair_similarity
from bignet.evaluate.ranked import Ranked, in_order
from bignet.evaluate.unit_rows import parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.pair_draw import Pairs
    from bignet.evaluate.unit_rows import UnitRows

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Scores = NDArray[np.floating[Any]]

BLOCK_CELLS = 2**21  # float32 scores of a block: 8 MiB, or an eighth of the matrix where that is more
_FEWEST_QUERIES = 32
_SLICE_CELLS = 2**19  # scores looked at in one go: stay in the processor's cache
_COLUMNS = 2**10  # rows multiplied in one go, likewise
_PAIR_CELLS = 2**18  # float64 numbers gathered at a time, likewise
DECIMALS = 12  # of a similarity
_MANY = 8
_WIDE = 512  # numbers of a row: to read a shorter one again costs less than a step of a loop
_CROWDED = 32  # one pair in so many in doubt: scoring the whole block in float64 is cheaper than pair by pair
_UNITS_OF_CENTRE = 4  # rounding of the product with it, and of the sum, with something to spare
_PLAIN_NORMS = (1e-20, 1e30)  # lengths whose rows can be multiplied as they are: nothing overflows or vanishes


class Cosines:
    """Scores blocks of queries against all N rows and puts the best in exact order."""

    def __init__(self, rows: UnitRows) -> None:
        self.rows = rows
        self._first = first_copies(rows)
        self._units = rounding_units(rows.dim)
        self._double = False
        self._centre = _Centre.of(rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def block_size(self) -> int:
        """Queries whose scores fit the memory budget."""
        return max(_FEWEST_QUERIES, self.rows.dim // 8, BLOCK_CELLS // max(1, len(self)))

    def blocks(self, queries: Ints) -> Iterator[Ints]:
        """(Q,) positions -> the same in pieces of that size."""
        for start in range(0, len(queries), self.block_size):
            yield queries[start : start + self.block_size]

    def scored(self, pieces: Sequence[Ints]) -> Iterator[Scores]:
        """Pieces of at most ``block_size`` positions -> the scores of each, the next being worked out meanwhile.

        What was yielded is written over when the one after the next is asked for.
        """
        largest = max((len(piece) for piece in pieces), default=0)
        buffers = pages(min(2, len(pieces)), largest * len(self), dtype=np.float32)
        with a_core_left_over(), ThreadPoolExecutor(1) as ahead:
            waiting = [ahead.submit(self.block, piece, buffers[0]) for piece in pieces[:1]]
            for number in range(len(pieces)):
                scores = waiting.pop().result()
                if number + 1 < len(pieces):
                    waiting.append(ahead.submit(self.block, pieces[number + 1], buffers[(number + 1) % 2]))
                yield scores

    def slices(self, n_queries: int) -> Iterator[slice]:
        """Rows of a block -> the same in pieces small enough to be looked at several times."""
        return parts(n_queries, len(self), _SLICE_CELLS)

    def block(self, queries: Ints, buffer: Scores | None = None) -> Scores:
        """(Q,) positions -> (Q, N) similarity, accurate to half of ``slack``; the query itself included.

        Args:
            queries: positions.
            buffer: float32 numbers to write over, at least Q * N; None = new ones.
        """
        if self._double:
            return self.double_block(queries)
        n = len(self)
        flat = np.empty(len(queries) * n, dtype=np.float32) if buffer is None else buffer[: len(queries) * n]
        scores = flat.reshape(len(queries), n)
        centre, left = self._centre, self.rows.unit(queries)
        if centre is not None:
            left -= centre.mean
        right = left.astype(np.float32).T
        turned = np.empty((min(n, _COLUMNS), len(queries)), dtype=np.float32)  # so the product is a third faster
        for part in parts(n, 1, _COLUMNS):
            some = turned[: part.stop - part.start]
            if centre is None:
                np.copyto(scores[:, part], np.matmul(self._unit_span(part), right, out=some).T)
            else:
                np.matmul(self.rows.span(part), right, out=some)
                np.multiply(some.T, centre.inverse[part], out=scores[:, part])
                scores[:, part] += centre.along[part]
        return scores

    def double_block(self, queries: Ints) -> Floats:
        """(Q,) positions -> (Q, N) float64 similarity, though not yet alike for copies."""
        scores, left = np.empty((len(queries), len(self))), self.rows.unit(queries)
        for part in parts(len(self), self.rows.dim):
            np.matmul(left, self.rows.raw_span(part).T, out=scores[:, part])
            scores[:, part] /= self.rows.norms[part]
        return scores

    def slack(self, scores: Scores) -> float:
        """The difference from which on two scores of a block are certain to be in the right order."""
        if scores.dtype == np.float32:
            units = self._units if self._centre is None else self._units * self._centre.reach + _UNITS_OF_CENTRE
            return 2 * units * 2.0**-24
        return 2 * self._units * 2.0**-53 + 10.0**-DECIMALS

    def exact(self, queries: Ints, rows: Ints) -> Floats:
        """(P,) and (P,) positions -> (P,) float64 similarity rounded to 1e-12, alike for copies."""
        if self._first is None:
            return self._score(queries, rows)
        keys = self._first[queries] * len(self) + self._first[rows]
        distinct, place = np.unique(keys, return_inverse=True)
        return self._score(distinct // len(self), distinct % len(self))[place]

    def of_pairs(self, pairs: Pairs) -> Floats:
        """(P,) cosines of pairs, rounded as ``exact`` does."""
        return pair_similarity(self.rows, pairs)

    def nearest(
        self, queries: Ints, scores: Scores, depth: int, exact_depth: int = 0, columns: Ints | None = None
    ) -> Ranked:
        """(Q, N) scores -> at least the ``depth`` best rows, in order, with everything tied with the last.

        Args:
            queries: (Q,) positions the scores belong to.
            scores: (Q, N) from ``block``; minus infinity = not in the gallery.
            depth: places whose order is exact. Later places hold all ties of an earlier one, and no promise.
            exact_depth: places whose similarity is float64 even where the order was never in doubt.
            columns: positions the columns belong to, ascending; None = every row.
        """
        found, near = candidates(scores, depth, self.slack(scores))
        unsure = too_close(near, self.slack(scores), exact_depth) & (found >= 0)
        rows = found if columns is None else np.where(found >= 0, columns[found], -1)
        if self.crowded(scores, int(unsure.sum()) - exact_depth * len(queries)):
            return self.nearest(queries, self.again(queries, scores, columns), depth, exact_depth, columns)
        similarity = near.astype(np.float64)
        similarity[unsure] = self.exact(queries[np.nonzero(unsure)[0]], rows[unsure])
        return in_order(rows, similarity)

    def farthest(self, queries: Ints, scores: Scores) -> tuple[Ints, Floats]:
        """(Q, N) scores, plus infinity = not to be found -> (Q,) last rows of the order, their similarity."""
        rows = np.full(len(queries), -1, dtype=np.int64)
        similarity = np.full(len(queries), np.nan)
        lowest = scores.min(axis=1, keepdims=True, initial=np.inf)
        limit = np.where(lowest < np.inf, lowest + scores.dtype.type(self.slack(scores)), -np.inf)
        place, row = cells(scores <= limit)
        if self.crowded(scores, len(row)):
            return self.farthest(queries, self.again(queries, scores))
        exact = self.exact(queries[place], row)
        order = np.lexsort((-row, exact, place))
        found, first = np.unique(place[order], return_index=True)
        rows[found], similarity[found] = row[order][first], exact[order][first]
        return rows, similarity

    def crowded(self, scores: Scores, n_unsure: int) -> bool:
        """True where a float32 block leaves too many pairs in doubt; later blocks then start in float64."""
        crowded = bool(scores.dtype == np.float32) and n_unsure > scores.size // _CROWDED
        self._double = self._double or crowded
        return crowded

    def again(self, queries: Ints, scores: Scores, columns: Ints | None = None) -> Floats:
        """(Q, N) scores -> the same in float64, infinite where they were."""
        double = self.double_block(queries)
        double = double if columns is None else double[:, columns]
        np.copyto(double, scores, where=np.isinf(scores))
        return double

    def _unit_span(self, part: slice) -> Scores:
        return (self.rows.raw_span(part) / self.rows.norms[part, None]).astype(np.float32)

    def _score(self, queries: Ints, rows: Ints) -> Floats:
        dots = np.empty(len(rows))
        change = np.flatnonzero(np.diff(queries)) + 1
        if self.rows.dim < _WIDE or len(rows) < _MANY * (len(change) + 1):
            for part in parts(len(rows), self.rows.dim, _PAIR_CELLS):
                dots[part] = np.vecdot(self.rows.raw(queries[part]), self.rows.raw(rows[part]))
        else:  # runs of one query: it is read once a run
            for start, stop in zip([0, *change], [*change, len(rows)], strict=True):
                for part in parts(stop - start, self.rows.dim, _PAIR_CELLS):
                    own = slice(start + part.start, start + part.stop)
                    dots[own] = np.vecdot(self.rows.raw(queries[start : start + 1]), self.rows.raw(rows[own]))
        dots /= self.rows.norms[queries] * self.rows.norms[rows]
        return np.clip(np.round(dots, DECIMALS), -1.0, 1.0)


@dataclass(frozen=True)
class _Centre:
    """What unit rows have in common: a product with what is left of one is as much smaller, and so is its rounding.

    Attributes:
        mean: (D,) of them.
        along: (N,) float32, the product of each with it.
        reach: the greatest distance of one from it.
        inverse: (N,) float32 factors that make the rows units.
    """

    mean: Floats
    along: Scores
    reach: float
    inverse: Scores

    @classmethod
    def of(cls, rows: UnitRows) -> _Centre | None:
        """N rows of float32 vectors; None where there are none, or others, or they must be scaled before."""
        least, most = _PLAIN_NORMS
        plain = len(rows) and least <= rows.norms.min() and rows.norms.max() <= most
        if not plain or rows.stored(np.arange(1)).dtype != np.float32:
            return None
        mean, along = np.zeros(rows.dim), np.empty(len(rows))
        for part in parts(len(rows), rows.dim):
            mean += (1.0 / rows.norms[part]) @ rows.raw_span(part)
        mean /= len(rows)
        for part in parts(len(rows), rows.dim):
            along[part] = rows.raw_span(part) @ mean / rows.norms[part]
        reach = float(np.sqrt(max(0.0, 1.0 - 2.0 * along.min() + mean @ mean)))
        return cls(mean, along.astype(np.float32), reach, (1.0 / rows.norms).astype(np.float32))


def first_copies(rows: UnitRows) -> Ints | None:
    """N rows -> (N,) position of the first row with the same bytes; None when all rows differ."""
    digests = np.empty(len(rows), dtype="S16")
    for part in parts(len(rows), rows.dim):
        block = np.ascontiguousarray(rows.span(part))
        for position, row in enumerate(block, part.start):
            digests[position] = hashlib.blake2b(row.tobytes(), digest_size=15).digest() + b"."  # no trailing zero
    _, first, place = np.unique(digests, return_index=True, return_inverse=True)
    return None if len(first) == len(rows) else first[place]
