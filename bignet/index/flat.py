"""Exact search: cosine similarity to every row, ties in row order, nothing approximated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

# Rows fetched beyond k: float32 may swap near-ties at the edge, float64 puts them right.
_SPARE = 16


@dataclass(frozen=True)
class Neighbors:
    """Answers to one query, best first.

    Attributes:
        ids: (n,) int64 store ids, n <= k.
        scores: (n,) float64 cosine similarity, higher = more similar.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) -> (N, D) float32 copy with rows of length 1; zero rows stay zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    result = np.empty(vectors.shape, np.float32)
    np.multiply(vectors, scale[:, None], out=result, casting="same_kind")
    return result


class FlatIndex:
    """Unit vectors and their ids, held in memory."""

    def __init__(self, unit_vectors: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        self._vectors = np.ascontiguousarray(unit_vectors, dtype=np.float32)
        self._ids = ids

    @classmethod
    def of(cls, vectors: NDArray[np.float32], ids: NDArray[np.int64]) -> FlatIndex:
        """An index of stored vectors, not normalised yet."""
        return cls(normalised(vectors), ids)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return int(self._vectors.shape[1])

    def search(self, query: NDArray[np.float32], k: int, exclude: Collection[int] = ()) -> Neighbors:
        """The k rows most similar to one (D,) query, less those excluded by id; fewer if there are fewer.

        Raises:
            UsageError: k below 1, a query of another dimension, with numbers that are not finite, or all zero.
        """
        check_query(query, self.dims, k)
        wanted = min(k + len(exclude) + _SPARE, len(self))
        if wanted == 0:
            return Neighbors(np.empty(0, np.int64), np.empty(0))
        unit = normalised(query[None, :])
        rows = self._candidates(unit, wanted)
        # Row by row: a matrix product may round equal rows differently.
        scores = np.einsum("nd,d->n", self._vectors[rows].astype(np.float64), unit[0].astype(np.float64))
        order = np.lexsort((rows, -scores))
        kept = order[~np.isin(self._ids[rows[order]], list(exclude))][:k]
        return Neighbors(self._ids[rows[kept]], np.clip(scores[kept], -1.0, 1.0))

    def _candidates(self, unit: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
        """The best ``wanted`` rows; where float32 cannot tell the last from the last needed, all as good as those."""
        use_all_cores()
        similarity, rows = faiss.knn(unit, self._vectors, wanted, metric=faiss.METRIC_INNER_PRODUCT)
        if wanted == len(self) or similarity[0, -1 - _SPARE] - similarity[0, -1] > _SAME:
            best: NDArray[np.int64] = rows[0]
            return best
        every = self._vectors @ unit[0]
        tied: NDArray[np.int64] = np.flatnonzero(every >= similarity[0, -1] - _SAME)
        return tied


_SAME = 1e-6  # two float32 sums of the same products in another order differ by less


def check_query(query: NDArray[np.float32], dims: int, k: int) -> None:
    """What every kind of index asks of a query.

    Raises:
        UsageError: naming what is wrong with it.
    """
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least 1 neighbour")
    if query.shape != (dims,):
        raise UsageError(f"the query has shape {query.shape}, the index holds vectors of {dims} dimensions")
    if not np.isfinite(query).all() or not query.any():
        raise UsageError("the query vector holds numbers that are not finite, or only zeros; it has no direction")


def use_all_cores() -> None:
    """Tell FAISS how many threads to take: its own guess ignores the cores this process may use."""
    faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
