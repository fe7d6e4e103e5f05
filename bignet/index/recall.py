"""Recall: how many of the true nearest neighbours an index finds, and what may be relied on.

Tie-tolerant (Aumueller et al. 2020, ann-benchmarks): of rows as similar as the k-th true neighbour any will do, but
those more similar must be there. Near-duplicates of a query are easily found and prove nothing, so the recall of a
query is that of its other neighbours; unless they are not found, as in a graph whose copies link to one another alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.index.neighbors import SAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A near-duplicate is closer than this share of the usual distance to the nearest (cleanlab's rule).
_DUPLICATE = 0.13
# Of k neighbours, so many must be no near-duplicates to count alone: the recall of one or two would be all or nothing.
_FEWEST = 0.5
# One-sided normal quantile of .99, nearly sqrt(2) x that of .95: with it the bound holds 19 times in 20 not only for
# the true recall but for what a fresh sample of as many queries shows.
_Z = 2.326


@dataclass(frozen=True)
class Truth:
    """The true neighbours of some queries.

    Attributes:
        queries: (Q, D) float32 unit vectors.
        similarities: (Q, k) of their true neighbours, best first.
        duplicate: similarity from which on a row is a near-duplicate of the query.
    """

    queries: NDArray[np.float32]
    similarities: NDArray[np.float64]
    duplicate: float

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def k(self) -> int:
        """Neighbours asked for."""
        return int(self.similarities.shape[1])

    def half(self, number: int) -> Truth:
        """Every other query, from the first (0) or the second (1)."""
        part = slice(number, None, 2)
        return Truth(self.queries[part], self.similarities[part], self.duplicate)

    def recall(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Q, k) exact similarities of the rows found, -inf for none -> (Q,) recall of each query."""
        everything, _ = self._found(scores, np.inf)
        others, n_others = self._found(scores, self.duplicate)
        return np.where(n_others >= _FEWEST * self.k, np.minimum(everything, others), everything)

    def _found(self, scores: NDArray[np.float64], below: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(Q,) share of the true neighbours less similar than ``below`` that were found, and how many there are."""
        edge = self.similarities[:, -1:]
        true, answers = self.similarities < below, scores < below
        wanted, n_better = true.sum(axis=1), (true & (self.similarities > edge + SAME)).sum(axis=1)
        better = np.minimum((answers & (scores > edge + SAME / 2)).sum(axis=1), n_better)
        as_good = (answers & (scores >= edge - SAME)).sum(axis=1) - better
        return (better + np.minimum(as_good, wanted - n_better)) / np.maximum(wanted, 1), wanted


def truth(queries: NDArray[np.float32], similarities: NDArray[np.float64], k: int) -> Truth:
    """What is to be found.

    Args:
        queries: (Q, D) unit vectors.
        similarities: (Q, k) of their true neighbours, best first; fewer if there are fewer.
        k: neighbours asked for.
    """
    return Truth(queries, similarities[:, :k], _duplicate_from(similarities[:, 0]))


def _duplicate_from(nearest: NDArray[np.float64]) -> float:
    distance = np.sqrt(np.maximum(2 - 2 * nearest, 0))
    close = _DUPLICATE * float(np.median(distance))
    return min(1 - close**2 / 2, 1 - SAME)


def lower_bound(recalls: NDArray[np.float64]) -> float:
    """(Q,) recall of each query -> what as many fresh queries of the same kind reach 19 times in 20.

    The mean less 2.33 standard errors, one more query assumed that found nothing: where all were perfect, that keeps
    the bound from claiming what so few queries cannot show.
    """
    if not len(recalls):
        return 0.0
    cautious = np.append(recalls, 0.0)
    low = cautious.mean() - _Z * cautious.std(ddof=1) / np.sqrt(len(cautious))
    return max(float(low), 0.0)


def queries_to_show(target: float) -> int:
    """How many queries it takes for the lower bound of perfect answers to reach a recall."""
    n = max(math.ceil((1 + _Z) / (1 - target)) - 2, 1)  # n perfect answers have the bound (n - Z) / (n + 1)
    while lower_bound(np.ones(n)) < target:
        n += 1
    return n
