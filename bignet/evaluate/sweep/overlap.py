"""How alike two embeddings of the same images are: by the neighbours they name, and by all they hold (CKA)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

FEWEST_ROWS = 4  # the unbiased estimate divides by n - 3
_NOTHING = 1e-24


def overlap_at_k(one: NDArray[np.integer[Any]], other: NDArray[np.integer[Any]], k: int) -> Floats:
    """(Q, K) and (Q, L) neighbours of the same queries, nearest first -> (Q,) share of the first k that both name.

    Lin and Smith 2019 (N2O). Names are ids or positions, each once in a row; -1 = none, which is no match.

    Raises:
        UsageError: k is below 1 or a table is not as deep.
        MismatchError: the tables are of different queries.
    """
    if k < 1 or min(one.shape[1], other.shape[1]) < k:
        raise UsageError(f"k: found {k}; the tables are {one.shape[1]} and {other.shape[1]} places deep")
    if len(one) != len(other):
        raise MismatchError(f"found {len(one)} and {len(other)} queries; needed the same ones")
    both = np.sort(np.concatenate([one[:, :k], other[:, :k]], axis=1), axis=1)
    twice = (both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)
    return np.asarray(twice.sum(axis=1) / k)


def cka_unbiased(A: NDArray[Any], B: NDArray[Any]) -> float | None:
    """(n, d1) and (n, d2) vectors of the same n images -> unbiased linear CKA, at most 1; about 0 if unrelated.

    HSIC(A, B) / sqrt(HSIC(A, A) HSIC(B, B)), Kornblith et al. 2019, "Similarity of neural network representations
    revisited", with the unbiased HSIC of Song et al. 2012, "Feature selection via dependence maximization". It is
    worked out from the d1 x d2 products: no n x n table. Blind to rotation and to one scale for all, not to lengths of
    single vectors. None where either does not vary.

    Raises:
        UsageError: fewer than 4 images.
        MismatchError: different numbers of images.
    """
    one, other = _Half(A), _Half(B)
    return _ratio(_hsic(one, other), _hsic(one, one), _hsic(other, other))


def cka_matrix(several: Sequence[NDArray[Any]]) -> Floats:
    """L embeddings, (n, d) each, of the same n images -> (L, L) unbiased linear CKA, NaN where undefined."""
    halves = [_Half(vectors) for vectors in several]
    own = [_hsic(half, half) for half in halves]
    matrix = np.full((len(halves), len(halves)), np.nan)
    for i, one in enumerate(halves):
        for j, other in enumerate(halves[: i + 1]):
            found = _ratio(own[i] if i == j else _hsic(one, other), own[i], own[j])
            matrix[i, j] = matrix[j, i] = np.nan if found is None else found
    return matrix


class _Half:
    """One side: vectors less their mean, which changes nothing but what rounding does, and sums of its kernel.

    With K = X X' less its diagonal, ``k`` is that diagonal and ``u`` the sums of the rows of K.
    """

    def __init__(self, vectors: NDArray[Any]) -> None:
        if len(vectors) < FEWEST_ROWS:
            raise UsageError(f"CKA: found {len(vectors)} images; needed at least {FEWEST_ROWS}")
        wide = vectors.astype(np.float64)
        self.x = wide - wide.mean(axis=0)
        if np.vdot(self.x, self.x) <= _NOTHING * np.vdot(wide, wide):
            self.x[:] = 0.0  # all vectors are the same: what is left is rounding
        self.k = np.vecdot(self.x, self.x)
        self.u = self.x @ self.x.sum(axis=0) - self.k


def _hsic(a: _Half, b: _Half) -> float:
    if len(a.x) != len(b.x):
        raise MismatchError(f"CKA: found {len(a.x)} and {len(b.x)} images; needed the same ones")
    n, products = len(a.x), a.x.T @ b.x
    trace = float((products**2).sum()) - float(a.k @ b.k)
    sums = float(a.u.sum()) * float(b.u.sum()) / ((n - 1) * (n - 2))
    return (trace + sums - 2.0 * float(a.u @ b.u) / (n - 2)) / (n * (n - 3))


def _ratio(both: float, one: float, other: float) -> float | None:
    return both / float(np.sqrt(one * other)) if one > 0 and other > 0 else None
