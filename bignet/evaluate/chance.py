"""What a blind embedding would score: labels shuffled over the same neighbours, and exact expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Short = NDArray[np.int32]
    Floats = NDArray[np.float64]


_FORGOTTEN = 40  # after so many times M/R places without a hit, what is left is below exp(-40)


def chance_precision(n_relevant: Ints, n_others: Ints) -> Floats:
    """(Q,) R, and M others to find -> (Q,) expected P@k and R-precision of a random order: R / M."""
    return np.asarray(n_relevant / np.maximum(1, n_others))


def chance_recall(n_others: Ints, k: int) -> Floats:
    """(Q,) M -> (Q,) expected recall@k of a random order: k / M."""
    return np.asarray(np.minimum(1.0, k / np.maximum(1, n_others)))


def chance_hit(n_relevant: Ints, n_others: Ints, k: int) -> Floats:
    """(Q,) R and M -> (Q,) chance of a hit among the first k: 1 - (M-R choose k) / (M choose k)."""
    none = np.ones(len(n_relevant))
    for place in range(k):
        left = np.maximum(n_others - place, 1)
        none *= np.maximum(left - n_relevant, 0) / left
    return 1.0 - none


def chance_map_at_r(n_relevant: Ints, n_others: Ints) -> Floats:
    """(Q,) R >= 1, and M others -> (Q,) expected AP@R of a random order: ``chance_precision_sum`` to R, over R."""
    return chance_precision_sum(n_relevant, n_others, n_relevant) / n_relevant


def chance_average_precision(n_relevant: Ints, n_others: Ints) -> Floats:
    """(Q,) R >= 1, and M others -> (Q,) expected AP over the full ranking of a random order."""
    return chance_precision_sum(n_relevant, n_others, n_others) / n_relevant


def chance_precision_sum(n_relevant: Ints, n_others: Ints, depth: Ints) -> Floats:
    """(Q,) R, M and depth -> (Q,) expected sum over r <= depth of P(r) hit(r) in a random order.

    Place r is relevant with chance R/M, and each place before it then with (R-1)/(M-1), so the expectation is
    (R/M) (H + (depth - H)(R - 1)/(M - 1)) with H = 1 + 1/2 + ... + 1/depth.
    """
    harmonic = np.cumsum(1.0 / np.arange(1, int(depth.max(initial=0)) + 1))[depth - 1]
    rest = (depth - harmonic) * (n_relevant - 1) / np.maximum(1, n_others - 1)
    return np.asarray(n_relevant * (harmonic + rest) / np.maximum(1, n_others))


def chance_reciprocal_rank(n_relevant: Ints, n_others: Ints) -> Floats:
    """(Q,) R >= 1, and M others -> (Q,) expected 1 / rank of the first hit of a random order, exact."""
    pairs, place = np.unique(np.column_stack([n_relevant, n_others]), axis=0, return_inverse=True)
    found = np.array([_expected_reciprocal_rank(int(size), int(others)) for size, others in pairs])
    return np.asarray(found[place.ravel()], dtype=np.float64)


def _expected_reciprocal_rank(n_relevant: int, n_others: int) -> float:
    last = n_others - n_relevant + 1
    rank = np.arange(1, min(last, int(_FORGOTTEN * n_others / n_relevant) + 1) + 1)
    none_before = np.cumprod((n_others - n_relevant - rank[1:] + 2) / (n_others - rank[1:] + 2))
    hit = n_relevant / (n_others - rank + 1)
    return float((np.concatenate([[1.0], none_before]) * hit / rank).sum())


class Shuffles:
    """Labels permuted over the gallery, several times, each query keeping its own label.

    A query must not gain a relevant item by its own label moving elsewhere: where that happens one bearer of
    the label, drawn at random, counts as wrong. Each query then sees R relevant items, at random among the
    others.

    Args:
        codes: (N,) class of every row, -1 = unlabelled.
        gallery: (N,) True for rows that can be found.
        times: how many permutations.
        seed: fixes them.
    """

    def __init__(self, codes: Ints, gallery: NDArray[np.bool_], times: int, seed: int) -> None:
        self._codes = codes
        self._drawn = [_shuffle(codes, gallery, np.random.default_rng([seed, i])) for i in range(times)]

    def hits(self, queries: Ints, rows: Ints) -> Iterator[NDArray[np.bool_]]:
        """(Q,) queries and their (Q, K) neighbours -> a (Q, K) table of hits for each permutation."""
        own = self._codes[queries, None]
        for permuted, spare in self._drawn:
            yield (permuted[rows] == own) & (rows != spare[queries, None]) & (rows >= 0)


def _shuffle(codes: Ints, gallery: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Short, Short]:
    """(N,) codes -> permuted codes, and for every row the bearer of its label that counts as wrong; 32-bit numbers."""
    permuted, spare = codes.copy(), np.arange(len(codes))
    permuted[gallery] = rng.permutation(codes[gallery])
    bearers = np.argsort(permuted, kind="stable")
    ranked = permuted[bearers]
    start, stop = np.searchsorted(ranked, codes, "left"), np.searchsorted(ranked, codes, "right")
    drawn = bearers[start + np.floor(rng.random(len(codes)) * (stop - start)).astype(np.int64)]
    moved = permuted != codes
    spare[moved] = drawn[moved]
    return permuted.astype(np.int32), spare.astype(np.int32)
