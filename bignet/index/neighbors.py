"""Answers: what every kind of index gives back, and the one place where candidates become answers.

A kind proposes rows; here they are compared with the query itself, ordered (similarity falling, then row rising) and
cut. So scores are exact whatever proposed the rows, and equal rows come in the same order everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.index.vectors import Vectors

SAME = 1e-6  # two float32 sums of the same products in another order differ by less
NONE = -1  # where a kind proposes fewer rows than it was asked for
_NUMBERS_A_BLOCK = 1 << 22  # float64 numbers compared at a time: 32 MB
_NORMALISED_AT_A_TIME = 1 << 19


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
    return normalise(np.array(vectors, dtype=np.float32))


def normalise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) float32 -> the same array, its rows now of length 1: for a caller who owns it and has no room for two."""
    step = max(_NORMALISED_AT_A_TIME // max(vectors.shape[1], 1), 1)
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step].astype(np.float64)  # fits the cache; squares neither vanish nor overflow
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
        block /= np.where(lengths > 0, lengths, 1.0)[:, None]
        vectors[start : start + step] = block
    return vectors


def check_queries(queries: NDArray[np.float32], dims: int, k: int) -> None:
    """What every kind of index asks of queries (Q, D).

    Raises:
        UsageError: naming what is wrong with them.
    """
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least 1 neighbour")
    if queries.ndim != 2 or queries.shape[1] != dims:  # rows of numbers
        raise wrong_shape(queries.shape[1:], dims)
    if not np.isfinite(queries).all() or not queries.any(axis=1).all():
        raise UsageError("the query vector holds numbers that are not finite, or only zeros; it has no direction")


def wrong_shape(shape: tuple[int, ...], dims: int) -> UsageError:
    """The error for a query of another dimension."""
    return UsageError(f"the query has shape {shape}, the index holds vectors of {dims} dimensions")


def scored(unit: NDArray[np.float32], rows: NDArray[np.int64], vectors: Vectors) -> NDArray[np.float64]:
    """(Q, D) unit queries and (Q, n) proposed rows -> their cosines, -inf for NONE."""
    scores = np.full(rows.shape, -np.inf)
    most = max(_NUMBERS_A_BLOCK // max(unit.shape[1], 1), 1)
    width = max(min(rows.shape[1], most), 1)
    for start in range(0, len(rows), max(most // width, 1)):
        queries = slice(start, start + max(most // width, 1))
        exact = unit[queries].astype(np.float64)
        for at in range(0, rows.shape[1], width):
            part = rows[queries, at : at + width]
            found = vectors.at(np.maximum(part, 0).ravel()).reshape(*part.shape, -1).astype(np.float64)
            # Pair by pair: a matrix product may round equal rows differently.
            cosines = np.clip(np.einsum("qnd,qd->qn", found, exact), -1.0, 1.0)
            scores[queries, at : at + width] = np.where(part == NONE, -np.inf, cosines)
    return scores


def ordered(
    rows: NDArray[np.int64], scores: NDArray[np.float64], rank: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(Q, n) each -> best first, equal ones by rank (by row if None), NONE last."""
    by_row = np.argsort(rows if rank is None else rank[rows], axis=1, kind="stable")
    rows, scores = np.take_along_axis(rows, by_row, 1), np.take_along_axis(scores, by_row, 1)
    by_score = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(rows, by_score, 1), np.take_along_axis(scores, by_score, 1)
