"""How far a mean over images would move with other images: percentile bootstrap and Wilson's interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

DECIMALS = 12  # hides what the number of threads does to the last bit of a matrix product
_COUNT_CELLS = 2**18


@dataclass(frozen=True)
class Resampling:
    """How to draw: ``times`` resamples fixed by ``seed``, the coverage wanted, and what no end can leave."""

    times: int = 2000
    seed: int = 0
    level: float = 0.95
    bounds: tuple[float, float] = (0.0, 1.0)

    def percentiles(self, means: Floats) -> Floats:
        """(times, M) resampled means -> (2, M), the lower and upper end; resamples without a value (NaN) left out."""
        tail = (1 - self.level) / 2
        missing = np.isnan(means).any(axis=0)
        ends = np.quantile(np.where(missing, 0.0, means), [tail, 1 - tail], axis=0)
        for column in np.flatnonzero(missing):
            known = means[~np.isnan(means[:, column]), column]
            ends[:, column] = np.quantile(known, [tail, 1 - tail]) if len(known) else np.nan
        return np.round(ends, DECIMALS)


@dataclass(frozen=True)
class ClassIntervals:
    """Ends for each class, (C, 2, M) in ascending class code, and for means of class means, (2, M).

    Attributes:
        classes: (C,) codes.
        each: of each class.
        macro: every class weighing the same.
        weighted: classes weighing as given, else as many queries as they have.
    """

    classes: Ints
    each: Floats
    macro: Floats
    weighted: Floats


def wilson(successes: float, n: float, level: float = 0.95, wider: float = 1.0) -> tuple[float, float]:
    """Successes of n trials -> ends of the score interval (Wilson 1927), sound for small n; ``wider`` scales its z."""
    z = normal_quantile(level) * wider
    share, shrink = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def micro_interval(values: Floats | Sequence[Floats], how: Resampling) -> Floats:
    """(Q, M) values, one row a query, or M columns of Q; NaN = none -> (2, M) ends for the M means.

    Queries are drawn with replacement, Q at a time: the spread to expect from other images of the same
    classes (Efron 1979; the percentile method, as ``scipy.stats.bootstrap(method="percentile")``).
    """
    rng, columns = np.random.default_rng([how.seed, 0]), _columns(values)
    return how.percentiles(_resampled_means(columns, len(columns[0]), how.times, rng))


def macro_interval(
    values: Floats | Sequence[Floats], classes: Ints, how: Resampling, weights: Floats | None = None
) -> ClassIntervals:
    """(Q, M) values or M columns of Q, and (Q,) class codes -> ends for class means and for the means of class means.

    Queries are drawn within their class, n - 1 of n: with n draws the variance of a class of two images would
    come out at half of what it is, with n - 1 it is unbiased (McCarthy and Snowden 1985, "The bootstrap and
    finite population sampling"). Where a few small classes make most of the spread, that spread is itself known badly:
    the ends are moved out as Student's t is wider than the normal at Satterthwaite's degrees of freedom (1946).

    Args:
        values: NaN = none.
        classes: codes.
        how: see Resampling.
        weights: (C,) of the classes found, ascending, for ``weighted``; None = their queries.
    """
    rng = np.random.default_rng([how.seed, 1])
    order = np.argsort(classes, kind="stable")
    found, start, sizes = np.unique(classes[order], return_index=True, return_counts=True)
    share = sizes.astype(np.float64) if weights is None else weights
    columns = _columns(values)
    even, weighted = (_Mean(how.times, len(columns)) for _ in range(2))
    each, spread = np.empty((len(found), 2, len(columns))), _Spread(len(columns))
    for place, members in enumerate(np.split(order, start[1:])):
        own = [column[members] for column in columns]
        means = _resampled_means(own, max(1, len(members) - 1), how.times, rng)
        each[place] = how.percentiles(means)
        even.add(means, 1.0)
        spread.add(np.column_stack(own))
        weighted.add(means, float(share[place]))
    wider = beyond_normal(spread.freedom(), how.level)
    macro = _moved_out(how.percentiles(even.value()), wider, how.bounds)
    return ClassIntervals(found, each, macro, how.percentiles(weighted.value()))


def cluster_interval(values: Floats, clusters: Ints, how: Resampling, weights: Floats | None = None) -> Floats:
    """(Q, M) values and (Q,) codes of whole clusters -> (2, M) ends for the M means.

    Clusters are drawn with replacement, as many as there are, each with all its queries: the spread to expect from
    other groups, or other classes (Davison and Hinkley 1997, section 3.8). It is narrow for fewer than about 20.
    With weights of 1 / (queries of the class) the means are means of class means; those of a class drawn twice count
    twice, so that the interval also holds what other classes would do.

    Args:
        values: NaN = none.
        clusters: what is drawn as one.
        how: see Resampling.
        weights: (Q,) of the queries in the mean; None = all the same.
    """
    _, cluster = np.unique(clusters, return_inverse=True)
    weight = np.where(np.isnan(values), 0.0, 1.0 if weights is None else weights[:, None])
    total = _sums(np.nan_to_num(values) * weight, cluster)
    known = _sums(weight, cluster)
    rng = np.random.default_rng([how.seed, 2])
    parts = [_ratio(counts @ total, counts @ known) for counts in _draws(len(total), len(total), how.times, rng)]
    return how.percentiles(np.concatenate(parts))


class _Mean:
    """A running weighted mean over classes; NaN adds nothing."""

    def __init__(self, times: int, width: int) -> None:
        self._total, self._weight = np.zeros((times, width)), np.zeros((times, width))

    def add(self, means: Floats, weight: float) -> None:
        """(times, M) means of one class."""
        known = ~np.isnan(means)
        self._total += np.where(known, means, 0.0) * weight
        self._weight += known * weight

    def value(self) -> Floats:
        """(times, M)."""
        return _ratio(self._total, self._weight)


class _Spread:
    """How well the spread of a mean of class means is known, column by column."""

    def __init__(self, width: int) -> None:
        self._variance, self._square = np.zeros(width), np.zeros(width)

    def add(self, values: Floats) -> None:
        """(n, M) values of one class, NaN = none."""
        n = (~np.isnan(values)).sum(axis=0)
        some = np.maximum(n, 2)
        centred = np.nan_to_num(values - np.nansum(values, axis=0) / np.maximum(n, 1))
        variance = np.where(n > 1, (centred**2).sum(axis=0) / (some - 1) / some, 0.0)
        self._variance += variance
        self._square += variance**2 / (some - 1)

    def freedom(self) -> Floats:
        """(M,) degrees of freedom (Satterthwaite 1946)."""
        return np.where(self._square > 0, self._variance**2 / np.where(self._square > 0, self._square, 1.0), np.inf)


def normal_quantile(level: float) -> float:
    """Coverage -> standard errors from the middle to each end."""
    return NormalDist().inv_cdf((1 + level) / 2)


def beyond_normal(freedom: Floats | float, level: float) -> Floats:
    """(M,) degrees of freedom, taken as at least 2 -> Student's quantile over the normal one.

    Abramowitz and Stegun 1964, 26.7.5.
    """
    z, v = normal_quantile(level), np.maximum(freedom, 2.0)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return np.asarray(1 + sum(term / v**power for power, term in enumerate(terms, 1)) / z)


def _moved_out(ends: Floats, factor: Floats, bounds: tuple[float, float]) -> Floats:
    """(2, M) ends, farther from their middle by a factor, within bounds."""
    middle = ends.mean(axis=0)
    return np.asarray(np.round(np.clip(middle + (ends - middle) * factor, *bounds), DECIMALS))


def _columns(values: Floats | Sequence[Floats]) -> list[Floats]:
    """(Q, M) values or M columns -> M columns: several scores need not be copied into one table."""
    return [*values.T] if isinstance(values, np.ndarray) else [*values]


def _resampled_means(columns: Sequence[Floats], draws: int, times: int, rng: np.random.Generator) -> Floats:
    """M columns of n -> (times, M) means of ``draws`` rows drawn with replacement, NaN left out."""
    missing = [np.isnan(column) for column in columns]
    filled = [
        np.where(gone, 0.0, column) if gone.any() else column for column, gone in zip(columns, missing, strict=True)
    ]
    weights = [1.0 - gone if gone.any() else None for gone in missing]
    del missing
    found, done = np.empty((times, len(columns))), 0
    for counts in _draws(len(columns[0]), draws, times, rng):
        part = slice(done, done := done + len(counts))
        for place, (column, weight) in enumerate(zip(filled, weights, strict=True)):
            total = counts @ column
            found[part, place] = total / draws if weight is None else _ratio(total, counts @ weight)
    return found


def _draws(n: int, draws: int, times: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each of n is among ``draws`` with replacement, ``times`` times -> (some, n) counts, part by part."""
    step = max(1, _COUNT_CELLS // max(n, draws))
    for start in range(0, times, step):
        size = min(step, times - start)
        drawn = rng.integers(n, size=(size, draws)) + np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _sums(values: Floats, places: Ints) -> Floats:
    """(Q, M) values and (Q,) places -> (P, M) sums."""
    return np.column_stack([np.bincount(places, weights=column) for column in values.T])


def _ratio(total: Floats, weight: Floats) -> Floats:
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)
