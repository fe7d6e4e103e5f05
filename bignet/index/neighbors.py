"""Answers: what every kind of index gives back, and the one place where candidates become answers.

A kind proposes rows; here they are compared with the query itself, ordered (similarity falling, then row rising) and
cut. So scores are exact whatever proposed the rows, and equal rows come in the same order everywhere.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from bignet.errors import UsageError
from bignet.index.cores import in_turns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.index.vectors import Vectors

_Float = TypeVar("_Float", np.float32, np.float64)
SAME = 1e-6  # two float32 sums of the same products in another order differ by less
NONE = -1  # where a kind proposes fewer rows than it was asked for
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
    in_turns(_normalise, [vectors[start : start + step] for start in range(0, len(vectors), step)])
    return vectors


def _normalise(rows: NDArray[np.float32]) -> None:
    block = rows.astype(np.float64)  # fits the cache; squares neither vanish nor overflow
    lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
    block /= np.where(lengths > 0, lengths, 1.0)[:, None]
    rows[:] = block


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


def best(
    unit: NDArray[np.float32],
    proposed: NDArray[np.int64],
    k: int,
    vectors: Vectors,
    rank: NDArray[np.int64] | None,
    *,
    exactly: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(Q, D) unit queries and (Q, n) proposed rows -> the (Q, k) best and their cosines, best first; see ordered.

    They come in the order of their cosines in float64, which are worked out where those in float32 leave it open, or of
    all if ``exactly``.
    """
    roughly = None if exactly else vectors.similarities(unit, proposed)
    if roughly is None:
        rows, scores = ordered(proposed, scored(unit, proposed, vectors), rank)
        return rows[:, :k], scores[:, :k]
    rows, similarities = ordered(proposed, roughly, rank)
    first, scores = rows[:, :k], np.minimum(similarities[:, :k].astype(np.float64), 1.0)
    looked_at = similarities[:, : k + 1]
    unclear = (looked_at[:, 1:] >= looked_at[:, :-1] - SAME).any(axis=1)
    if unclear.any():
        as_good = similarities[unclear] >= similarities[unclear, first.shape[1] - 1, None] - SAME
        width = int(as_good.sum(axis=1).max())
        first[unclear], scores[unclear] = best(unit[unclear], rows[unclear, :width], k, vectors, rank, exactly=True)
    return first, scores


def scored(unit: NDArray[np.float32], rows: NDArray[np.int64], vectors: Vectors) -> NDArray[np.float64]:
    """(Q, D) unit queries and (Q, n) proposed rows -> their cosines, -inf for NONE."""
    scores = np.full(rows.shape, -np.inf)
    most = max(vectors.at_a_time // max(unit.shape[1], 1), 1)
    width = max(min(rows.shape[1], most), 1)
    height = max(most // width, 1)
    blocks = itertools.product(range(0, len(rows), height), range(0, rows.shape[1], width))
    for top, left in blocks:
        part = slice(top, top + height), slice(left, left + width)
        scores[part] = _cosines(unit[part[0]], rows[part], vectors)
    return scores


def _cosines(unit: NDArray[np.float32], rows: NDArray[np.int64], vectors: Vectors) -> NDArray[np.float64]:
    found = vectors.at(np.maximum(rows, 0).ravel()).reshape(*rows.shape, -1).astype(np.float64)
    # Pair by pair: a matrix product may round equal rows differently.
    cosines = np.clip(np.einsum("qnd,qd->qn", found, unit.astype(np.float64)), -1.0, 1.0)
    return np.where(rows == NONE, -np.inf, cosines)


def ordered(
    rows: NDArray[np.int64], scores: NDArray[_Float], rank: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[_Float]]:
    """(Q, n) each -> best first, equal ones by rank (by row if None), NONE last."""
    by_row = np.argsort(rows if rank is None else rank[rows], axis=1, kind="stable")
    rows, scores = np.take_along_axis(rows, by_row, 1), np.take_along_axis(scores, by_row, 1)
    by_score = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(rows, by_score, 1), np.take_along_axis(scores, by_score, 1)
