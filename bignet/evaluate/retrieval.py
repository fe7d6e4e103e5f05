"""Retrieval metrics as array functions on a (Q, K) table of hits.

``hits[i, r]`` is True when the r-th neighbour of query i is relevant; the query itself is not in its own row.
``n_relevant[i]`` is R, how many relevant items the gallery holds for query i. Every metric is one number a
query, NaN where R is 0 and the metric needs R. P(r) below is the share of hits among the first r places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hits = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


def precision_at_k(hits: Hits, k: int) -> Floats:
    """(Q, K) hits -> (Q,) P(k), hits among the first k over k, whatever R is (``P_k`` of trec_eval)."""
    _needs(hits, k)
    return np.asarray(hits[:, :k].sum(axis=1) / k)


def hit_at_k(hits: Hits, k: int) -> Floats:
    """(Q, K) hits -> (Q,) 1 if any of the first k is relevant; some papers call this Recall@K or CMC@k."""
    _needs(hits, k)
    return np.asarray(hits[:, :k].any(axis=1), dtype=np.float64)


def recall_at_k(hits: Hits, n_relevant: Ints, k: int) -> Floats:
    """(Q, K) hits -> (Q,) hits among the first k over R, the true recall (``recall_k`` of trec_eval)."""
    _needs(hits, k)
    return _over(hits[:, :k].sum(axis=1), n_relevant)


def r_precision(hits: Hits, n_relevant: Ints) -> Floats:
    """(Q, K) hits, K >= max R -> (Q,) P(R), precision at the number of relevant items (trec ``Rprec``)."""
    return _over((hits & _within(hits, n_relevant)).sum(axis=1), n_relevant)


def map_at_r(hits: Hits, n_relevant: Ints) -> Floats:
    """(Q, K) hits, K >= max R -> (Q,) AP@R = (1/R) sum over r <= R of P(r) hit(r).

    Its mean is MAP@R: Musgrave, Belongie and Lim 2020, "A Metric Learning Reality Check", section 3.2.
    """
    return _over(_precision_at_hits(hits & _within(hits, n_relevant)), n_relevant)


def average_precision(hits: Hits, n_relevant: Ints) -> Floats:
    """(Q, K) hits of the FULL ranking -> (Q,) AP = (1/R) sum over all r of P(r) hit(r) (trec ``map``)."""
    return _over(_precision_at_hits(hits), n_relevant)


def map_at_k(hits: Hits, n_relevant: Ints, k: int) -> Floats:
    """(Q, K) hits -> (Q,) (1 / min(R, k)) sum over r <= k of P(r) hit(r).

    The denominator is part of its name here, ``map@k/minRk``: trec_eval's ``map_cut_k`` divides by R, others by the
    hits found, and the three differ by a factor of three on the same data.
    """
    _needs(hits, k)
    return _over(_precision_at_hits(hits[:, :k]), np.minimum(n_relevant, k))


def discounts(k: int) -> Floats:
    """(k,) weights of the places in nDCG: 1 / log2(rank + 1) (Jarvelin and Kekalainen 2002)."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)))


def ndcg_at_k(gains: Floats, similarity: Floats, ideal: Floats, k: int) -> Floats:
    """(Q, K) gains and similarities by rank -> (Q,) DCG of the first k over the best possible, NaN where that is 0.

    Items that are equally similar share the mean of their gains, as in ``sklearn.metrics.ndcg_score``; the table must
    hold the whole tie at place k.

    Args:
        gains: of each place, 0 = irrelevant.
        similarity: of each place, falling.
        ideal: (Q,) DCG of the best possible order; see ``ideal_dcg``.
        k: places that count.
    """
    _needs(gains, k)
    shared = shared_among_ties(gains, similarity, k)
    gained = (shared[:, :k] * discounts(k)).sum(axis=1)
    return np.where(ideal > 0, gained / np.where(ideal > 0, ideal, 1.0), np.nan)


def ideal_dcg(n_at_least: Ints, k: int) -> Floats:
    """(Q, L) how many items have a gain of at least 1 to L -> (Q,) DCG of the best order of the first k."""
    total = np.concatenate([[0.0], np.cumsum(discounts(k))])
    return np.asarray(total[np.minimum(n_at_least, k)].sum(axis=1))


def shared_among_ties(gains: Floats, similarity: Floats, k: int) -> Floats:
    """Gains with each run of equal similarity set to its mean, in the rows where a run touches the first k places."""
    with np.errstate(invalid="ignore"):
        same = np.diff(similarity, axis=1) == 0
    rows = np.flatnonzero(same[:, :k].any(axis=1))
    shared = np.asarray(gains, dtype=np.float64)
    if len(rows):
        starts = np.concatenate([np.ones((len(rows), 1), dtype=bool), ~same[rows]], axis=1)
        run = np.cumsum(starts.ravel()) - 1
        mean = np.bincount(run, weights=shared[rows].ravel()) / np.bincount(run)
        shared = shared.copy()
        shared[rows] = mean[run].reshape(len(rows), -1)
    return shared


def first_hit(hits: Hits) -> Ints:
    """(Q, K) hits -> (Q,) rank of the first hit, counted from 1; -1 = none in the table."""
    if hits.shape[1] == 0:
        return np.full(len(hits), -1, dtype=np.int64)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, -1)


def reciprocal_rank(hits: Hits) -> Floats:
    """(Q, K) hits -> (Q,) 1 / rank of the first hit, 0 if there is none (``recip_rank`` of trec_eval)."""
    rank = first_hit(hits)
    return np.where(rank > 0, 1.0 / np.maximum(rank, 1), 0.0)


def expected_precision_at_k(hits: Hits, similarity: Floats, k: int) -> Floats:
    """(Q, K) hits and similarities -> (Q,) mean of P(k) over all orders of the items tied at place k.

    With m items strictly better than place k, h of them relevant, and t items tied there, t_rel of them
    relevant: (h + t_rel (k - m) / t) / k. The table must hold the whole tie.
    """
    _needs(hits, k)
    last = similarity[:, k - 1, None]
    better, tied = similarity > last, similarity == last
    from_tie = (hits & tied).sum(axis=1) * (k - better.sum(axis=1)) / tied.sum(axis=1)
    return np.asarray(((hits & better).sum(axis=1) + from_tie) / k)


def micro(values: Floats) -> float:
    """(Q,) -> mean over queries, queries without a value (NaN) left out; NaN if none is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def macro(values: Floats, classes: Ints) -> float:
    """(Q,) values and class codes -> mean of class means: a rare class weighs as much as a common one."""
    known = ~np.isnan(values)
    _, place, counts = np.unique(classes[known], return_inverse=True, return_counts=True)
    if not len(counts):
        return float("nan")
    return float((np.bincount(place, weights=values[known]) / counts).mean())


def _precision_at_hits(hits: Hits) -> Floats:
    """(Q, K) hits -> (Q,) sum of P(r) over the places r that are hits: the n-th hit at place r adds n / r."""
    query, column = np.divmod(np.flatnonzero(hits), max(1, hits.shape[1]))
    counts = np.bincount(query, minlength=len(hits))
    number = np.arange(1, len(query) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    total = np.bincount(query, weights=number / (column + 1), minlength=len(hits))
    return np.asarray(total, dtype=np.float64)


def _within(hits: Hits, n_relevant: Ints) -> Hits:
    _needs(hits, int(n_relevant.max(initial=0)))
    return np.asarray(np.arange(hits.shape[1]) < n_relevant[:, None])


def _over(total: Floats | Ints, n_relevant: Ints) -> Floats:
    return np.where(n_relevant > 0, total / np.maximum(n_relevant, 1), np.nan)


def _needs(hits: Hits | Floats, k: int) -> None:
    if k < 0 or hits.shape[1] < k:
        raise UsageError(f"the table is {hits.shape[1]} places deep; this metric needs {k}")
