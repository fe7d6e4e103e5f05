"""How far a mean over images would move with other images: percentile bootstrap and Wilson's interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

DECIMALS = 12  # hides what the number of threads does to the last bit of a matrix product
_COUNT_CELLS = 2**22


@dataclass(frozen=True)
class Resampling:
    """How to draw: ``times`` resamples from a generator fixed by ``seed``, and the coverage wanted."""

    times: int = 2000
    seed: int = 0
    level: float = 0.95

    def percentiles(self, means: Floats) -> Floats:
        """(times, M) resampled means -> (2, M), the lower and upper end."""
        tail = (1 - self.level) / 2
        return np.round(np.quantile(means, [tail, 1 - tail], axis=0), DECIMALS)


@dataclass(frozen=True)
class ClassIntervals:
    """Ends for each class, (C, 2, M) in ascending class code, and for the mean of class means, (2, M)."""

    classes: Ints
    each: Floats
    macro: Floats


def wilson(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Successes of n trials -> ends of the score interval (Wilson 1927), which is sound for small n."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrink = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def micro_interval(values: Floats, how: Resampling) -> Floats:
    """(Q, M) values, one row a query -> (2, M) ends for the M means.

    Queries are drawn with replacement, Q at a time: the spread to expect from other images of the same
    classes (Efron 1979; the percentile method, as ``scipy.stats.bootstrap(method="percentile")``).
    """
    rng = np.random.default_rng([how.seed, 0])
    return how.percentiles(_resampled_means(values, len(values), how.times, rng))


def macro_interval(values: Floats, classes: Ints, how: Resampling) -> ClassIntervals:
    """(Q, M) values and (Q,) class codes -> ends for each class mean and for the mean of class means.

    Queries are drawn within their class, n - 1 of n: with n draws the variance of a class of two images would
    come out at half of what it is, with n - 1 it is unbiased (McCarthy and Snowden 1985, "The bootstrap and
    finite population sampling"). Where few classes are that small the interval is still somewhat narrow:
    simulated at sizes 60, 20, 5, 3, 2, 2 a 95 % interval held the truth 88 % of the time.
    """
    rng = np.random.default_rng([how.seed, 1])
    order = np.argsort(classes, kind="stable")
    found, start = np.unique(classes[order], return_index=True)
    total = np.zeros((how.times, values.shape[1]))
    each = np.empty((len(found), 2, values.shape[1]))
    for place, members in enumerate(np.split(order, start[1:])):
        means = _resampled_means(values[members], max(1, len(members) - 1), how.times, rng)
        each[place] = how.percentiles(means)
        total += means
    return ClassIntervals(found, each, how.percentiles(total / len(found)))


def _resampled_means(values: Floats, draws: int, times: int, rng: np.random.Generator) -> Floats:
    """(n, M) values -> (times, M) means of ``draws`` rows drawn with replacement."""
    n, means = len(values), np.empty((times, values.shape[1]))
    step = max(1, _COUNT_CELLS // n)
    for start in range(0, times, step):
        size = min(step, times - start)
        drawn = rng.integers(n, size=(size, draws)) + np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        means[start : start + size] = counts @ values / draws
    return means
