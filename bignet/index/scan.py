"""Comparing a query with every row that may be an answer, block by block: exact whatever the index, memory bounded.

Similarities come in float32 first; where those cannot tell rows apart, cosines in float64 decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.index.neighbors import SAME, ordered, scored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.index.search import Index
    from bignet.index.vectors import Vectors

_VECTOR_NUMBERS = 1 << 22  # of vectors held at a time: 16 MB
_SIMILARITIES = 1 << 25  # held at a time: 128 MB


def nearest(
    index: Index, unit: NDArray[np.float32], k: int, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(Q, D) unit queries, (m,) rows -> the (Q, min(k, m)) best of those rows and their cosines."""
    k = min(k, len(places))
    rows, scores = np.empty((len(unit), k), np.int64), np.empty((len(unit), k))
    for query, similarity in enumerate(_similarities(unit, index.vectors, places)):
        edge = np.partition(similarity, len(places) - k)[len(places) - k] if k else np.float32(np.inf)
        candidates = places[similarity >= edge - SAME]
        best, exact = _in_order(index, unit[query], candidates)
        rows[query], scores[query] = best[:k], exact[:k]
    return rows, scores


def within(
    index: Index, unit: NDArray[np.float32], threshold: float, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(D,) unit query -> those of the (m,) rows whose cosine reaches the threshold, best first."""
    (similarity,) = _similarities(unit[None], index.vectors, places)
    rows, scores = _in_order(index, unit, places[similarity >= threshold - 2 * SAME])
    reached = scores >= threshold - SAME
    return rows[reached], scores[reached]


def best_of_groups(
    index: Index, unit: NDArray[np.float32], k: int, places: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(D,) unit query -> the best of the (m,) rows in each of the k best groups, best first.

    Args:
        index: whose rows they are.
        unit: the query.
        k: groups wanted; fewer if there are fewer.
        places: the rows.
        groups: (m,) number of each one's group, from 0.
    """
    (similarity,) = _similarities(unit[None], index.vectors, places)
    best = np.full(int(groups.max(initial=-1)) + 1, -np.inf, np.float32)
    np.maximum.at(best, groups, similarity)
    there = np.sort(best[best > -np.inf])[::-1]
    edge = there[min(k, len(there)) - 1] if len(there) else np.float32(np.inf)
    wanted = (similarity >= best[groups] - SAME) & (best[groups] >= edge - SAME)
    rows, scores = _in_order(index, unit, places[wanted])
    group_of = dict(zip(places[wanted].tolist(), groups[wanted].tolist(), strict=True))
    firsts = first_of_each([group_of[row] for row in rows.tolist()])[:k]
    return rows[firsts], scores[firsts]


def first_of_each(groups: list[int]) -> NDArray[np.int64]:
    """Groups of rows in order -> the place of each group's first, in order."""
    _, firsts = np.unique(np.array(groups, np.int64), return_index=True)
    return np.sort(firsts)


def _similarities(
    unit: NDArray[np.float32], vectors: Vectors, places: NDArray[np.int64]
) -> Iterator[NDArray[np.float32]]:
    """(m,) similarities of each of (Q, D) queries in turn."""
    step = max(_VECTOR_NUMBERS // max(unit.shape[1], 1), 1)
    together = max(_SIMILARITIES // max(len(places), 1), 1)
    for start in range(0, len(unit), together):
        queries = unit[start : start + together]
        found = np.empty((len(queries), len(places)), np.float32)
        for at in range(0, len(places), step):
            found[:, at : at + step] = queries @ vectors.at(places[at : at + step]).T
        yield from found


def _in_order(
    index: Index, unit: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    best, scores = ordered(rows[None], scored(unit[None], rows[None], index.vectors), index.rank)
    return best[0], scores[0]
