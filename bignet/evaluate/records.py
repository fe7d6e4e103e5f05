"""From values of queries to the records of a report: means, ratios of means, their intervals, or a reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.averages import QUERIES_ONLY, SMALL_SAMPLE
from bignet.evaluate.intervals import DECIMALS, Resampling, macro_interval, micro_interval, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bignet.evaluate.evaluate import EvaluateSettings
    from bignet.evaluate.result import Metric

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Interval = tuple[float, float, str]

MANY = 10_000  # from so many values on, the percentiles of resampled means are those of the normal distribution
FEWEST_CLASSES = 5  # below it, resampled classes say nothing about other classes


@dataclass(frozen=True)
class Values:
    """One value a query, Q of them, as the ratio of two numbers.

    Attributes:
        top: (Q,) numerators.
        classes: (Q,) classes, for means of class means.
        weight: (Q,) rows each query stands for; 1 where every row was asked.
        below: (Q,) denominators; None = 1, so that the ratio is a mean.
        bounds: what the ratio cannot leave.
    """

    top: Floats
    classes: Ints
    weight: Floats
    below: Floats | None = None
    bounds: tuple[float, float] = (0.0, 1.0)

    def ratio(self) -> float:
        """Weighted sum of the numerators over that of the denominators."""
        return round(float(self.weight @ self.top / (self.weight @ self._below)), DECIMALS)

    def influences(self) -> Floats:
        """(Q,) values whose weighted mean is the ratio, and whose spread is its own to first order."""
        mean = self.weight @ self._below / self.weight.sum()
        ratio = self.weight @ self.top / (self.weight @ self._below)
        return np.asarray(ratio + (self.top - ratio * self._below) / mean)

    def class_means(self) -> tuple[Floats, Floats]:
        """(Q,) each query's own ratio, (C,) their means by class."""
        own = self.top / np.where(self._below > 0, self._below, 1.0)
        _, place, counts = np.unique(self.classes, return_inverse=True, return_counts=True)
        return own, np.bincount(place, weights=own) / counts

    @property
    def _below(self) -> Floats:
        return np.ones(len(self.top)) if self.below is None else self.below


@dataclass(frozen=True)
class Records:
    """Writes the records of one family of metrics.

    Attributes:
        settings: as evaluated.
        template: what all records of the family share: exclusions, gallery, estimator, level.
        shared: parameters all of them name.
    """

    settings: EvaluateSettings
    template: Metric
    shared: Mapping[str, Any] = field(default_factory=dict)

    def undefined(self, metric_id: str, reason: str, **fields: Any) -> Metric:
        """A record without a value, and why."""
        return replace(self.template, id=metric_id, value=None, ci="none", reason=reason, **self._with(fields))

    def number(self, metric_id: str, value: float, interval: Interval | None = None, **fields: Any) -> Metric:
        """A record of a number worked out elsewhere."""
        lo, hi, ci = interval or (None, None, "none")
        return replace(self.template, id=metric_id, value=value, lo=lo, hi=hi, ci=ci, **self._with(fields))

    def mean(self, metric_id: str, values: Values, *, proportion: bool = False, **fields: Any) -> Metric:
        """The ratio over queries (micro); ``proportion`` = values are 0 or 1."""
        fields = {"n_queries": len(values.top), **fields}
        return self.number(metric_id, values.ratio(), self.interval(values, proportion=proportion), **fields)

    def macro(self, metric_id: str, values: Values, **fields: Any) -> Metric:
        """The mean of class means, each query's own ratio counting."""
        own, means = values.class_means()
        fields = {"n_queries": len(own), **fields}
        value = round(float(means.mean()), DECIMALS)
        return self.number(metric_id, value, self._macro_interval(own, means, values), **fields)

    def interval(self, values: Values, *, proportion: bool = False) -> Interval | None:
        """Ends of the ratio over other queries: Wilson, the query bootstrap, or for many queries the normal."""
        n, how = len(values.top), self._resampling
        if proportion and n < SMALL_SAMPLE:
            return (*wilson(float(values.ratio() * n), n, how.level), "wilson")
        if how.times == 0 or n < 2:
            return None
        table = values.influences()
        if n > MANY or np.ptp(values.weight) > 0:
            error = float(np.sqrt((values.weight**2 * (table - values.ratio()) ** 2).sum()) / values.weight.sum())
            return self._normal(values.ratio(), error, values.bounds)
        lo, hi = np.clip(micro_interval(table[:, None], how)[:, 0], *values.bounds)
        return float(lo), float(hi), f"query bootstrap, {QUERIES_ONLY}"

    def over_classes(self, values: Floats, bounds: tuple[float, float] = (0.0, 1.0)) -> Interval | None:
        """(C,) values whose mean is a number of the classes -> its ends over other classes."""
        if self._resampling.times == 0 or len(values) < FEWEST_CLASSES:
            return None
        lo, hi = np.clip(micro_interval(values[:, None], self._resampling)[:, 0], *bounds)
        return float(lo), float(hi), "class bootstrap"

    def _macro_interval(self, own: Floats, means: Floats, values: Values) -> Interval | None:
        if self._resampling.times == 0 or len(own) < 2:
            return None
        if len(own) <= MANY:
            lo, hi = np.clip(macro_interval(own[:, None], values.classes, self._resampling).macro[:, 0], *values.bounds)
            return float(lo), float(hi), f"query bootstrap within class, {QUERIES_ONLY}"
        _, place, counts = np.unique(values.classes, return_inverse=True, return_counts=True)
        square = np.bincount(place, weights=(own - means[place]) ** 2)
        error = float(np.sqrt((square / np.maximum(counts - 1, 1) / counts).sum()) / len(means))
        return self._normal(round(float(means.mean()), DECIMALS), error, values.bounds)

    def _normal(self, value: float, error: float, bounds: tuple[float, float]) -> Interval:
        half = NormalDist().inv_cdf((1 + self._resampling.level) / 2) * error
        lo, hi = max(bounds[0], value - half), min(bounds[1], value + half)
        return round(lo, DECIMALS), round(hi, DECIMALS), f"normal approximation, {QUERIES_ONLY}"

    @property
    def _resampling(self) -> Resampling:
        return Resampling(self.settings.bootstrap, self.settings.seed, self.settings.level, (-np.inf, np.inf))

    def _with(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "params": {**self.shared, **fields.get("params", {})}}


def known(value: float) -> float | None:
    """NaN -> None."""
    return None if math.isnan(value) else float(value)
