"""How evenly vectors fill their dimensions: formulas over a spectrum, and means over pairs of unit vectors.

Two spectra are in use and must not be taken for each other: singular values of the unit vectors as they are,
in which a direction common to all vectors counts, and eigenvalues of their covariance, in which it does not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.unit_rows import UnitRows

    Floats = NDArray[np.float64]

RANKME_EPSILON = 1e-7
ALPHA_RANKS = (11, 100)  # the first and last rank of the fit, both in it
UNIFORMITY_T = 2.0
EXACT_ROWS = 20_000  # uniformity looks at every pair up to here
SAMPLED_PAIRS = 2_000_000
_CELLS = 2**20  # float64 numbers worked on at a time: 8 MiB


def rankme(singular_values: NDArray[Any], epsilon: float = RANKME_EPSILON) -> float | None:
    """(min(N, D),) singular values of unit vectors -> effective rank, about 1 to min(N, D).

    With p_k = s_k / sum(s) + epsilon it is exp(-sum p_k ln p_k) (Garrido et al. 2023, "RankMe", equation 1). It
    grows with N, so only values of equally many rows compare; the paper takes 25,600. Values of centred vectors
    give the centred variant. Give no more than min(N, D) values: each further zero would add through epsilon.
    None without any positive value.
    """
    total = float(singular_values.sum())
    if total <= 0:
        return None
    share = singular_values / total + epsilon
    return math.exp(-float((share * np.log(share)).sum()))


def effective_rank(eigenvalues: NDArray[Any]) -> float | None:
    """(D,) eigenvalues of a covariance -> exp of the entropy of their shares, 1 to D.

    Roy and Vetterli 2007, "The effective rank", over variances instead of singular values; some packages call
    this RankMe, which it is not. None without variance.
    """
    total = float(eigenvalues.sum())
    if total <= 0:
        return None
    share = eigenvalues[eigenvalues > 0] / total
    return math.exp(-float((share * np.log(share)).sum()))


def participation_ratio(eigenvalues: NDArray[Any]) -> float | None:
    """(D,) eigenvalues of a covariance -> (sum l)^2 / sum l^2, 1 to D; None without variance.

    How many equal directions would have this spread of variances (Gao et al. 2017).
    """
    largest = float(eigenvalues.max(initial=0.0))
    if largest <= 0:
        return None
    share = eigenvalues / largest
    return float(share.sum() ** 2 / (share**2).sum())


def nesum(eigenvalues: NDArray[Any]) -> float | None:
    """(D,) eigenvalues of a covariance -> sum l / l_1, 1 to D (He and Ozay 2022); None without variance.

    The same formula as ``stable_rank``, here without the direction common to all vectors.
    """
    largest = float(eigenvalues.max(initial=0.0))
    return float(eigenvalues.sum()) / largest if largest > 0 else None


def stable_rank(singular_values: NDArray[Any]) -> float | None:
    """(min(N, D),) singular values, not centred -> sum s^2 / s_1^2 (Rudelson and Vershynin 2007)."""
    return nesum(np.square(singular_values))


def alpha_req(eigenvalues: NDArray[Any]) -> tuple[float, float] | None:
    """(D,) falling eigenvalues of a covariance -> decay alpha in l_i ~ i^-alpha, and R^2 of the fit.

    A straight line through ln l_i over ln i by least squares weighted 1 / i, on ranks 11 to 100: the range is
    that of the code released with the method (Agrawal et al. 2022, "alpha-ReQ"; Stringer et al. 2019), not of
    the paper. R^2 is weighted alike. None unless D > 100 and all 100 are positive.
    """
    first, last = ALPHA_RANKS
    if len(eigenvalues) <= last or eigenvalues[last - 1] <= 0:
        return None
    rank = np.arange(first, last + 1)
    weight = 1 / rank
    x, y = np.log(rank), np.log(eigenvalues[first - 1 : last])
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    slope = float((weight * x * y).sum() / (weight * x * x).sum())
    spread = float((weight * y * y).sum())
    left = float((weight * (y - slope * x) ** 2).sum())
    return -slope, 1 - left / spread if spread > 0 else 1.0


def mean_cos(total: NDArray[Any], n: int) -> float | None:
    """(D,) sum of n unit vectors -> their mean cosine over all pairs, (|S|^2 - n) / (n (n - 1)).

    Near 1 all vectors share one direction; directions at random give 0. None for fewer than two.
    """
    return (float(np.vecdot(total, total)) - n) / (n * (n - 1)) if n > 1 else None


def mean_cos_centered(rows: UnitRows, mean: Floats, tolerance: float) -> float | None:
    """Rows and the (D,) mean of their unit vectors -> mean cosine over pairs of unit(x - mean).

    Rows whose squared distance to the mean is at most ``tolerance`` have no direction and are left out. None
    when fewer than two are left.
    """
    total, n = np.zeros(rows.dim), 0
    for positions in blocks(np.arange(len(rows)), rows.dim):
        moved = rows.unit(positions)
        moved -= mean
        length = np.vecdot(moved, moved)
        kept = length > tolerance
        total += (1 / np.sqrt(length[kept])) @ (moved if kept.all() else moved[kept])
        n += int(kept.sum())
    return mean_cos(total, n)


def uniformity(
    rows: UnitRows,
    *,
    t: float = UNIFORMITY_T,
    exact_rows: int = EXACT_ROWS,
    pairs: int = SAMPLED_PAIRS,
    seed: int = 0,
) -> float | None:
    """N rows -> ln of the mean over pairs of exp(-t |x - y|^2) of unit vectors; lower = spread more evenly.

    Wang and Isola 2020, "Understanding contrastive representation learning through alignment and uniformity
    on the hypersphere". Every pair up to ``exact_rows`` rows. Above, the rows are put in a circle in random
    order and each is paired with as many of its successors as give about ``pairs`` pairs: no row then counts
    more than another, which varies less than pairs drawn one by one (Blom 1976, incomplete U-statistics).
    None for fewer than two rows.
    """
    if len(rows) < 2:
        return None
    if len(rows) <= exact_rows:
        total, n = _every_pair(rows, t), len(rows) * (len(rows) - 1) // 2
    else:
        steps = steps_on_circle(len(rows), pairs)
        total, n = _on_circle(rows, t, steps, np.random.default_rng([seed, 0])), len(rows) * steps
    return math.log(total / n)


def uniformity_floor(dim: int, t: float = UNIFORMITY_T) -> float:
    """D -> uniformity of directions drawn evenly from the whole sphere: about -4 + 8 / D for t = 2 and large D.

    The mean of exp(2 t c) for the cosine c of a random pair is the sum over m of t^(2m) / (m! (D/2)_m).
    """
    term, total = 1.0, 1.0
    for m in range(200):
        term *= t * t / ((m + 1) * (dim / 2 + m))
        total += term
    return math.log(total) - 2 * t


def steps_on_circle(n: int, pairs: int = SAMPLED_PAIRS) -> int:
    """N rows -> with how many successors each is paired to give about ``pairs`` pairs, at least 1."""
    return min((n - 1) // 2, max(1, round(pairs / n)))


def blocks(positions: NDArray[np.int64], width: int, cells: int | None = None) -> Iterator[NDArray[np.int64]]:
    """(P,) positions -> the same in pieces of at most ``cells`` numbers (None = 8 MiB), ``width`` a row."""
    step = max(1, (_CELLS if cells is None else cells) // max(1, width))
    for start in range(0, len(positions), step):
        yield positions[start : start + step]


def _every_pair(rows: UnitRows, t: float) -> float:
    total = 0.0
    size = max(1, min(1024, _CELLS // rows.dim))
    for left in blocks(np.arange(len(rows)), 1, size):
        a = rows.unit(left)
        total += float(np.triu(_closeness(a @ a.T, t), 1).sum())
        for right in blocks(np.arange(left[-1] + 1, len(rows)), 1, size):
            total += float(_closeness(a @ rows.unit(right).T, t).sum())
    return total


def _on_circle(rows: UnitRows, t: float, steps: int, rng: np.random.Generator) -> float:
    order = rng.permutation(len(rows))
    circle = np.concatenate([order, order[:steps]])
    total = 0.0
    for part in blocks(np.arange(len(rows)), rows.dim):
        ahead = rows.unit(circle[part[0] : part[-1] + 1 + steps])
        for step in range(1, steps + 1):
            cosine = np.vecdot(ahead[: len(part)], ahead[step : step + len(part)])
            total += float(_closeness(cosine, t).sum())
    return total


def _closeness(cosine: Floats, t: float) -> Floats:
    """Cosines -> exp(-t |x - y|^2), computed in place."""
    np.minimum(cosine, 1.0, out=cosine)
    cosine -= 1.0
    cosine *= 2 * t
    return np.exp(cosine, out=cosine)
