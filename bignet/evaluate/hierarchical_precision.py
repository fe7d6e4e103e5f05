"""Hierarchical precision: how much of the kinship that a list of neighbours could hold it does hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.intervals import DECIMALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


def hierarchical_precision(similarity: Floats, best: Floats) -> Floats:
    """(Q, K) similarity of classes down two lists -> (Q, K) hierarchical precision at 1 to K.

    Deng, Berg and Fei-Fei 2011, "Hierarchical semantic indexing for large scale image retrieval"; Barz and
    Denzler 2019: the sum over the first k places over the sum that the best order would have.

    Args:
        similarity: of the query's class to that of its neighbours, nearest first; 0 after the last.
        best: of the rows that can be found, highest first; 0 after the last, the first not 0.
    """
    if similarity.shape != best.shape:
        raise MismatchError(f"best: found shape {best.shape}; the similarities have {similarity.shape}")
    return np.asarray(np.cumsum(similarity, axis=1) / np.cumsum(best, axis=1))


def area_under_precision(precision: Floats) -> Floats:
    """(Q, K) precision at 1 to K -> (Q,) area under it by the trapezoid rule in steps of 1/K (AHP@K).

    As ``ClassHierarchy.hierarchical_precision`` of Barz and Denzler 2019, so at most 1 - 1/K.
    """
    n = precision.shape[1]
    if n < 1:
        raise UsageError("precision: found no places; needed at least one")
    return np.asarray(precision.mean(axis=1) - (precision[:, 0] + precision[:, -1]) / (2 * n))


def best_similarity(relatives: Ints, depth: Ints, k: int) -> Floats:
    """(Q, L + 1, L + 1) relatives and (Q,) depths -> (Q, k) Wu-Palmer similarities of the best order, 0 after all.

    Args:
        relatives: as ``Taxonomy.relatives``.
        depth: parts of each query's label.
        k: places.
    """
    kin = np.concatenate([relatives.reshape(len(relatives), -1), depth[:, None]], axis=1)
    distinct, place = np.unique(kin, axis=0, return_inverse=True)
    best = np.zeros((len(distinct), k))
    exact = distinct[:, :-1].reshape(-1, *relatives.shape[1:])
    exact[:, :-1] -= exact[:, 1:]  # those that share l parts and no more
    level, deep = np.indices(relatives.shape[1:])
    for row, counts in enumerate(exact):
        similarity = 2.0 * (level + 1) / (distinct[row, -1] + deep + 2)
        order = np.argsort(-similarity, axis=None, kind="stable")
        counts = np.minimum(counts.ravel()[order], k)
        found = np.repeat(similarity.ravel()[order], counts)[:k]
        best[row, : len(found)] = found
    return best[place.ravel()]


def expected_precision(relatives: Ints, depth: Ints, best: Floats) -> Floats:
    """Relatives, depths and (Q, K) best similarities -> (Q, K) hierarchical precision of a random order."""
    exact = relatives.copy()
    exact[:, :-1] -= relatives[:, 1:]
    level, deep = np.indices(relatives.shape[1:])
    similarity = 2.0 * (level + 1) / (depth[:, None, None] + deep + 2)
    n_others = relatives[:, 0].sum(axis=1)
    mean = (similarity * exact).sum(axis=(1, 2)) / np.maximum(n_others, 1)
    places = np.minimum(np.arange(1, best.shape[1] + 1), n_others[:, None])
    return np.asarray(np.round(mean[:, None] * places / np.cumsum(best, axis=1), DECIMALS))
