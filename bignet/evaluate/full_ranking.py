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
    Bins = NDArray[np.uint16]
    Scores = NDArray[np.floating[Any]]

_BINS = 60_000  # 16-bit numbers sort by radix, in linear time
_LAST = 65_535


def average_precisions(cosines: Cosines, queries: Ints, scores: Scores, relevant: Sequence[Ints]) -> Floats:
    """(Q, N) scores -> (Q,) AP over the full ranking, its order exact.

    AP = (1/R) sum over the relevant rows of n / rank, where the n-th best of them has rank n + u, u counting the
    irrelevant rows above it. Scores are counted in narrow bins. Where irrelevant rows lie so near to a relevant one
    that the bins or float32 leave the order open, those pairs alone are compared, in float64 where needed.

    Args:
        cosines: what the scores are from.
        queries: (Q,) positions the scores belong to.
        scores: (Q, N) from ``Cosines.block``; minus infinity = not in the gallery.
        relevant: Q arrays of positions of relevant rows; those not in the gallery do not count.
    """
    slack = scores.dtype.type(cosines.slack(scores))
    standing = [_standing(row, rows, slack) for row, rows in zip(scores, relevant, strict=True)]
    if cosines.crowded(scores, sum(int(one.open.sum()) for one in standing)):
        return average_precisions(cosines, queries, cosines.again(queries, scores), relevant)
    return np.array(
        [_precision(one, _Settling(cosines, int(query))) for query, one in zip(queries, standing, strict=True)]
    )


@dataclass(frozen=True)
class _Standing:
    """Of one query: its relevant rows, and the irrelevant ones that may be above the last of them.

    Attributes:
        rows: (R,) relevant rows.
        scores: (R,) of them.
        top: (R,) the highest bin whose rows may be below each.
        bottom: (R,) the lowest bin whose rows may be above each.
        above: (R,) irrelevant rows in higher bins: surely above.
        open: (R,) irrelevant rows in the bins between.
        others: (M,) irrelevant rows, ascending.
        other_scores: (M,).
        bins: (M,) of them.
        slack: scores so near may be in either order.
    """

    rows: Ints
    scores: Scores
    top: Bins
    bottom: Bins
    above: Ints
    open: Ints
    others: Ints
    other_scores: Scores
    bins: Bins
    slack: Any


def _standing(scores: Scores, relevant: Ints, slack: Any) -> _Standing:
    """(N,) scores of one query and its relevant rows -> where they stand, as far as bins tell."""
    own = scores[relevant]
    rows, own = relevant[own > -np.inf], own[own > -np.inf]
    low = own.min(initial=np.inf) - slack
    reaching = scores >= low
    reaching[rows] = False
    others = np.flatnonzero(reaching)
    found = scores[others]
    scale = (
        scores.dtype.type(_BINS / (float(found.max(initial=low)) - float(low) + 4 * float(slack))) if len(rows) else 1
    )
    width = int(np.ceil(slack * scale)) + 1
    bins = ((found - low) * scale).astype(np.uint16)
    place = np.minimum((own - low) * scale, _LAST).astype(np.int64)
    top = np.minimum(place + width, _LAST).astype(np.uint16)
    bottom = np.maximum(place - width, 0).astype(np.uint16)
    ranked = np.sort(bins, kind="stable")
    higher = np.searchsorted(ranked, top, "right")
    between = higher - np.searchsorted(ranked, bottom, "left")
    return _Standing(rows, own, top, bottom, len(bins) - higher, between, others, found, bins, slack)


def _precision(one: _Standing, settling: _Settling) -> float:
    if not len(one.rows):
        return float("nan")
    n = np.arange(1, len(one.rows) + 1)
    above = one.above
    if one.open.any():
        above = above + settling.above(one)
    return float((n / (n + np.sort(above))).mean())


class _Settling:
    """Compares what the bins of one query leave open."""

    def __init__(self, cosines: Cosines, query: int) -> None:
        self._cosines, self._query = cosines, query

    def above(self, one: _Standing) -> Ints:
        """(R,) irrelevant rows above each relevant one, among those between its bins."""
        found = np.zeros(len(one.rows), dtype=np.int64)
        doubtful = np.flatnonzero(one.open)
        near = self._near(one, doubtful)
        own, others = one.scores[doubtful], one.other_scores[near]
        first = np.searchsorted(others, own - one.slack, "left")
        last = np.searchsorted(others, own + one.slack, "right")
        beyond = np.searchsorted(one.bins[near], one.top[doubtful], "right")
        found[doubtful] = beyond - last + self._compared(one.rows[doubtful], one.others[near], first, last)
        return found

    def _near(self, one: _Standing, doubtful: Ints) -> Ints:
        """Places of irrelevant rows in the bins around doubtful relevant ones, by rising score."""
        change = np.zeros(_LAST + 2, dtype=np.int32)
        np.add.at(change, one.bottom[doubtful].astype(np.int64), 1)
        np.add.at(change, one.top[doubtful].astype(np.int64) + 1, -1)
        near = np.flatnonzero((np.cumsum(change) > 0)[one.bins])
        return near[np.argsort(one.other_scores[near], kind="stable")]

    def _compared(self, own: Ints, others: Ints, first: Ints, last: Ints) -> Ints:
        """(M,) relevant rows, and others from first to last -> (M,) how many of those come before in exact order."""
        counts = last - first
        which = np.repeat(np.arange(len(own)), counts)
        if not len(which):
            return np.asarray(counts)
        other = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        left, right = own[which], others[other]
        needed, where = np.unique(np.concatenate([left, right]), return_inverse=True)
        exact = self._cosines.exact(np.full(len(needed), self._query), needed)[where]
        mine, theirs = exact[: len(left)], exact[len(left) :]
        before = (theirs > mine) | ((theirs == mine) & (right < left))
        return np.asarray(np.bincount(which[before], minlength=len(own)), dtype=np.int64)
