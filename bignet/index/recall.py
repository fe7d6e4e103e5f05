"""Recall: how many of the true nearest neighbours an index finds, and what may be relied on.

Tie-tolerant (Aumueller et al. 2020, ann-benchmarks): a hit is an answer at least as similar as the k-th true neighbour,
so that of equally good rows any will do. Near-duplicates of a query are found by any index and prove nothing: they
count neither among the k true neighbours nor among the answers.
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
# Of k neighbours, so many must be no near-duplicates: the recall of one or two would be all or nothing.
_FEWEST = 0.5
# One-sided normal quantile of .99, nearly sqrt(2) x that of .95: with it the bound holds 19 times in 20 not only for
# the true recall but for what a fresh sample of as many queries shows.
_Z = 2.326


@dataclass(frozen=True)
class Truth:
    """The true neighbours of some queries.

    Attributes:
        queries: (Q, D) float32 unit vectors, those left out that have hardly a neighbour but near-duplicates.
        kth: (Q,) similarity of the k-th true neighbour.
        wanted: (Q,) true neighbours among the first k that are no near-duplicates.
        duplicate: similarity from which on a row is a near-duplicate of the query.
        k: neighbours asked for.
        n_left_out: queries left out.
    """

    queries: NDArray[np.float32]
    kth: NDArray[np.float64]
    wanted: NDArray[np.int64]
    duplicate: float
    k: int
    n_left_out: int

    def __len__(self) -> int:
        return len(self.queries)

    def half(self, number: int) -> Truth:
        """Every other query, from the first (0) or the second (1)."""
        part = slice(number, None, 2)
        wanted = self.wanted[part]
        return Truth(self.queries[part], self.kth[part], wanted, self.duplicate, self.k, self.n_left_out)

    def recall(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Q, k) exact similarities of the rows found, -inf for none -> (Q,) recall of each query."""
        hits = (scores >= self.kth[:, None] - SAME) & (scores < self.duplicate)
        recall: NDArray[np.float64] = np.minimum(hits.sum(axis=1), self.wanted) / self.wanted
        return recall


def truth(queries: NDArray[np.float32], similarities: NDArray[np.float64], k: int) -> Truth:
    """What is to be found.

    Args:
        queries: (Q, D) unit vectors.
        similarities: (Q, k) of their true neighbours, best first; fewer if there are fewer.
        k: neighbours asked for.
    """
    k = min(k, similarities.shape[1])
    duplicate = _duplicate_from(similarities[:, 0])
    wanted = (similarities[:, :k] < duplicate).sum(axis=1)
    usable = wanted >= max(_FEWEST * k, 1)
    return Truth(queries[usable], similarities[usable, k - 1], wanted[usable], duplicate, k, int((~usable).sum()))


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
