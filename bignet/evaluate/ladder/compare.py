"""The same queries asked of a rung and of the exact scan of float32: what is found again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.cosine import Cosines
from bignet.evaluate.retrieval import expected_precision_at_k
from bignet.evaluate.unit_rows import UnitRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.ladder.kinds import Made

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SAME = 1e-6  # a neighbour this near to the last of the exact ones is as good


@dataclass(frozen=True)
class Found:
    """What a rung gave for each query: overlap and P@1, and whether the last place is tied."""

    overlap: Floats
    p1: Floats
    tied: Floats | None


class Comparison:
    """What the exact scan says, and what others say beside it.

    Args:
        unit: (n, D) vectors of length 1.
        asked: (Q,) rows that are asked.
        codes: (n,) classes, -1 = unlabelled.
        k: neighbours looked for, fewer than n.
    """

    def __init__(self, unit: NDArray[np.float32], asked: Ints, codes: Ints, k: int) -> None:
        self._unit, self._asked, self._codes, self._k = unit, asked, codes, k
        self._exact = Cosines(UnitRows(unit))
        self._edge = np.empty(len(asked))
        for place, queries, scores in self._blocks(self._exact):
            self._edge[place] = self._exact.nearest(queries, scores, k, k).similarity[:, k - 1]

    def compared(self, stored: NDArray[np.float32]) -> Found:
        """Every stored vector with every other, as they are stored."""
        k, cosines = self._k, Cosines(UnitRows(_with_direction(stored)))
        parts = []
        for place, queries, scores in self._blocks(self._exact):
            own = cosines.block(queries)
            own[np.arange(len(queries)), queries] = -np.inf
            ranked = cosines.nearest(queries, own, k + 1, k + 1)
            near, similarity = ranked.rows, ranked.similarity
            good = self._good(place, scores, near)
            overlap = expected_precision_at_k(good, similarity, k)
            last = similarity[:, k - 1]
            tied = (similarity[:, k] == last) & (near[:, k] >= 0) if near.shape[1] > k else np.zeros(len(near), bool)
            p1 = expected_precision_at_k(self._right(queries, near), similarity, 1)
            parts.append(Found(overlap, p1, np.asarray(tied, dtype=np.float64)))
        return _joined(parts)

    def through_index(self, made: Made) -> Found:
        """What an index finds, in its own order."""
        k, parts = self._k, []
        for place, queries, scores in self._blocks(self._exact):
            rows = _others(made.search(self._unit[queries], k + 1), queries)
            overlap = np.asarray(self._good(place, scores, rows).sum(axis=1) / k)
            p1 = np.asarray(self._right(queries, rows)[:, :1].any(axis=1), dtype=np.float64)
            parts.append(Found(overlap, p1, None))
        return _joined(parts)

    def _blocks(self, cosines: Cosines) -> Iterator[tuple[slice, Ints, NDArray[np.floating[Any]]]]:
        """Places among the queries, the queries, and their exact scores, themselves left out."""
        start = 0
        for queries in cosines.blocks(self._asked):
            scores = cosines.block(queries)
            scores[np.arange(len(queries)), queries] = -np.inf
            yield slice(start, start + len(queries)), queries, scores
            start += len(queries)

    def _good(self, place: slice, scores: NDArray[np.floating[Any]], rows: Ints) -> NDArray[np.bool_]:
        """(Q, W) rows -> whether each is as near as the k-th of the exact scan."""
        near = np.take_along_axis(scores, np.maximum(rows, 0), 1) >= self._edge[place, None] - _SAME
        return np.asarray(near & (rows >= 0))

    def _right(self, queries: Ints, rows: Ints) -> NDArray[np.bool_]:
        own = self._codes[queries, None]
        return np.asarray((self._codes[np.maximum(rows, 0)] == own) & (own >= 0) & (rows >= 0))


def _with_direction(stored: NDArray[np.float32]) -> NDArray[np.float32]:
    """A vector that rounding left nothing of is compared as if it pointed along the first axis."""
    lost = ~stored.any(axis=1)
    if lost.any():
        stored = stored.copy()
        stored[lost, 0] = 1.0
    return stored


def _others(rows: Ints, queries: Ints) -> Ints:
    """(Q, k + 1) rows found -> (Q, k) without the query itself, or without the last where it was not found."""
    own = rows == queries[:, None]
    order = np.argsort(own, axis=1, kind="stable")  # the query itself goes last
    return np.asarray(np.take_along_axis(rows, order, 1)[:, :-1])


def _joined(parts: Sequence[Found]) -> Found:
    tied = [part.tied for part in parts if part.tied is not None]
    return Found(
        np.concatenate([part.overlap for part in parts]),
        np.concatenate([part.p1 for part in parts]),
        np.concatenate(tied) if tied else None,
    )
