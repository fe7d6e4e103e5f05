"""Average precision down the whole ranking, without sorting it: counts of what stands above each relevant row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.cosine import Cosines

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Scores = NDArray[np.floating[Any]]

_BINS = 60_000  # 16-bit numbers sort by radix, in linear time
_LAST = 65_535


@dataclass(frozen=True)
class Range:
    """(Q, 1) bounds that the scores of every row of a block lie between."""

    lowest: Floats
    highest: Floats


def average_precisions(
    cosines: Cosines, queries: Ints, scores: Scores, relevant: Sequence[Ints], within: Range
) -> Floats:
    """(Q, N) scores -> (Q,) AP over the full ranking, its order exact.

    AP = (1/R) sum over the relevant rows of n / rank, where the n-th best of them has rank n + u, u counting the
    irrelevant rows above it. Scores are counted in narrow bins. Where irrelevant rows lie so near to a relevant one
    that the bins or float32 leave the order open, those pairs alone are compared, in float64 where needed.

    Args:
        cosines: what the scores are from.
        queries: (Q,) positions the scores belong to.
        scores: (Q, N) from ``Cosines.block``; minus infinity = not in the gallery.
        relevant: Q arrays of ascending positions of relevant rows; those not in the gallery do not count.
        within: bounds of the scores that are in the gallery.
    """
    counting = _Counting(cosines, queries, scores, within)
    above = [counting.above(place, rows) for place, rows in enumerate(relevant)]
    if cosines.crowded(scores, sum(int(row.open.sum()) for row in above)):
        return average_precisions(cosines, queries, cosines.again(queries, scores), relevant, within)
    return np.array([_precision(row.sure + counting.settled(place, row)) for place, row in enumerate(above)])


def _precision(irrelevant_above: Ints) -> float:
    n = np.arange(1, len(irrelevant_above) + 1)
    return float((n / (n + np.sort(irrelevant_above))).mean()) if len(n) else float("nan")


@dataclass(frozen=True)
class _Above:
    """Of one query, for each of R relevant rows: irrelevant rows surely above, and rows the bins leave open."""

    rows: Ints
    bins: NDArray[np.uint16]
    top: NDArray[np.uint16]
    sure: Ints
    open: Ints


class _Counting:
    """Scores of a block in bins, sorted within each row; bin 0 = not in the gallery."""

    def __init__(self, cosines: Cosines, queries: Ints, scores: Scores, within: Range) -> None:
        self._cosines, self._queries, self._scores = cosines, queries, scores
        self._slack = cosines.slack(scores)
        lowest = (within.lowest - self._slack).astype(scores.dtype)
        scale = (_BINS / (within.highest - within.lowest + 4 * self._slack)).astype(scores.dtype)
        height = (scores - lowest) * scale
        np.maximum(height, -1, out=height)
        height += 1
        self._bins = height.astype(np.uint16)
        self._sorted = np.sort(self._bins, axis=1, kind="stable")
        self._width = np.ceil(self._slack * scale).astype(np.int64).ravel() + 1

    def above(self, place: int, rows: Ints) -> _Above:
        """Counts for one query and its relevant rows."""
        bins = self._bins[place, rows]
        rows, bins = rows[bins > 0], bins[bins > 0]
        width = int(self._width[place])
        top = np.minimum(bins.astype(np.int64) + width, _LAST).astype(np.uint16)
        bottom = np.maximum(bins.astype(np.int64) - width, 1).astype(np.uint16)
        higher, near = _counts(self._sorted[place], bottom, top)
        own_higher, own_near = _counts(np.sort(bins, kind="stable"), bottom, top)
        return _Above(rows, bins, top, higher - own_higher, near - own_near)

    def settled(self, place: int, row: _Above) -> Ints:
        """(R,) irrelevant rows above each relevant one among those that the bins leave open."""
        settled = np.zeros(len(row.rows), dtype=np.int64)
        doubtful = np.flatnonzero(row.open)
        if not len(doubtful):
            return settled
        others = self._irrelevant_near(place, row, doubtful)
        score, own = self._scores[place, others], self._scores[place, row.rows[doubtful]]
        slack = score.dtype.type(self._slack)
        first = np.searchsorted(score, own - slack, "left")
        last = np.searchsorted(score, own + slack, "right")
        beyond = np.searchsorted(self._bins[place, others], row.top[doubtful], "right")
        settled[doubtful] = beyond - last + self._compared(place, row.rows[doubtful], others, first, last)
        return settled

    def _irrelevant_near(self, place: int, row: _Above, doubtful: Ints) -> Ints:
        """Irrelevant rows in the bins around doubtful relevant ones, by rising score."""
        width = int(self._width[place])
        around = row.bins[doubtful].astype(np.int64)[:, None] + np.arange(-width, width + 1)
        flags = np.zeros(_LAST + 1, dtype=bool)
        flags[np.clip(around, 1, _LAST)] = True
        rows = np.flatnonzero(flags[self._bins[place]])
        found = np.minimum(np.searchsorted(row.rows, rows), len(row.rows) - 1)
        rows = rows[row.rows[found] != rows]
        order = np.argsort(self._scores[place, rows], kind="stable")
        return np.asarray(rows[order], dtype=np.int64)

    def _compared(self, place: int, own: Ints, others: Ints, first: Ints, last: Ints) -> Ints:
        """(M,) relevant rows, and others from first to last -> (M,) how many of those come before in exact order."""
        counts = last - first
        which = np.repeat(np.arange(len(own)), counts)
        if not len(which):
            return counts
        other = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        left, right = own[which], others[other]
        needed, where = np.unique(np.concatenate([left, right]), return_inverse=True)
        exact = self._cosines.exact(np.full(len(needed), self._queries[place]), needed)[where]
        mine, theirs = exact[: len(left)], exact[len(left) :]
        before = (theirs > mine) | ((theirs == mine) & (right < left))
        return np.asarray(np.bincount(which[before], minlength=len(own)), dtype=np.int64)


def _counts(ranked: NDArray[np.uint16], bottom: NDArray[np.uint16], top: NDArray[np.uint16]) -> tuple[Ints, Ints]:
    """Rising numbers -> how many are above each top, and how many from each bottom to its top."""
    higher = np.searchsorted(ranked, top, "right")
    return len(ranked) - higher, higher - np.searchsorted(ranked, bottom, "left")
