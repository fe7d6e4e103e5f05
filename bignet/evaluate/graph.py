"""The exact nearest-neighbour graph: the query dropped by row, ties broken by row, float64 similarities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.cosine import Cosines
from bignet.evaluate.result import KnnGraph
from bignet.evaluate.unit_rows import UnitRows, usable_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.ranked import Ranked


def knn_graph(
    vectors: NDArray[Any],
    k: int = 100,
    *,
    tie_at: Sequence[int] = (),
    groups: NDArray[np.int64] | None = None,
) -> KnnGraph:
    """(N, D) vectors -> the k nearest other rows of every row by cosine, exact.

    Args:
        vectors: any real dtype, finite and non-zero rows; never written to.
        k: neighbours a row; places beyond the last neighbour hold row -1 and similarity NaN.
        tie_at: depths to report a tie rate for, besides k.
        groups: (N,) integer codes; rows of the query's own group are no neighbours of it (frames of one
            video, photographs of one product). Negative = in no group.
    """
    _check(vectors, k, groups)
    return graph_of(UnitRows(vectors), k, tie_at=tie_at, groups=groups)


def graph_of(
    rows: UnitRows, k: int, *, tie_at: Sequence[int] = (), groups: NDArray[np.int64] | None = None
) -> KnnGraph:
    """As ``knn_graph``, of rows that are known to be usable."""
    cosines = Cosines(rows)
    table = GraphTable(len(cosines), k, (*tie_at, k))
    buffer = np.empty(min(cosines.block_size, len(cosines)) * len(cosines), dtype=np.float32)
    for queries in cosines.blocks(np.arange(len(cosines))):
        scores = cosines.block(queries, buffer)
        scores[np.arange(len(queries)), queries] = -np.inf
        if groups is not None:
            own = groups[queries, None]
            scores[(own == groups) & (own >= 0)] = -np.inf
        table.put(queries, cosines.nearest(queries, scores, k + 1, k + 1))
    return table.graph()


class GraphTable:
    """Collects ranked blocks into one graph of n rows asked and k neighbours."""

    def __init__(self, n: int, k: int, tie_at: Sequence[int]) -> None:
        self._rows = np.full((n, k), -1, dtype=np.int32)
        self._similarity = np.full((n, k), np.nan)
        self._ties = dict.fromkeys(sorted({depth for depth in tie_at if depth <= k}), 0)

    def put(self, queries: NDArray[np.int64], ranked: Ranked) -> None:
        """Stores a block, by place among the rows asked; one place deeper than the graph at least."""
        for depth in self._ties:
            self._ties[depth] += int(tied_after(ranked, depth).sum())
        width = min(self._rows.shape[1], ranked.rows.shape[1])
        rows, similarity = ranked.rows[:, :width], ranked.similarity[:, :width]
        self._rows[queries, :width] = rows
        self._similarity[queries, :width] = np.where(rows >= 0, similarity, np.nan)

    def graph(self, queries: NDArray[np.int64] | None = None) -> KnnGraph:
        """The graph of everything put so far, of those rows; None = of every row."""
        n = max(1, len(self._rows))
        rate = {depth: count / n for depth, count in self._ties.items()}
        return KnnGraph(self._rows, self._similarity, rate, queries=queries)


def tied_after(ranked: Ranked, k: int) -> NDArray[np.bool_]:
    """(Q, W) ranking -> (Q,) True where the k-th and the next neighbour are equally similar."""
    if ranked.rows.shape[1] <= k:
        return np.zeros(len(ranked.rows), dtype=bool)
    same = ranked.similarity[:, k - 1] == ranked.similarity[:, k]
    return np.asarray(same & (ranked.rows[:, k] >= 0))


def check_vectors(vectors: NDArray[Any]) -> None:
    """UsageError unless vectors are a real (N, D) array with D >= 1."""
    real = np.issubdtype(vectors.dtype, np.number) and not np.issubdtype(vectors.dtype, np.complexfloating)
    if vectors.ndim != 2 or vectors.shape[1] < 1 or not real:
        raise UsageError(
            f"vectors: found shape {vectors.shape} of {vectors.dtype}; needed (N, D) real numbers with D >= 1"
        )


def _check(vectors: NDArray[Any], k: int, groups: NDArray[np.int64] | None) -> None:
    check_vectors(vectors)
    if k < 1:
        raise UsageError(f"k: found {k}; needed at least 1")
    if groups is not None and groups.shape != (len(vectors),):
        raise MismatchError(f"groups: found shape {groups.shape}; the vectors have {len(vectors)} rows")
    _, nonfinite, zero = usable_rows(vectors)
    if len(nonfinite) or len(zero):
        first = min([*nonfinite[:1], *zero[:1]])
        raise UsageError(
            f"vectors: {len(nonfinite)} rows hold NaN or infinity and {len(zero)} are all zero, the first is "
            f"row {first}; such rows have no cosine, leave them out (usable_rows lists them)"
        )
