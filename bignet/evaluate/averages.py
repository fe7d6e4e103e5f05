"""Means of the queries' scores, over queries and over classes, with both kinds of interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import retrieval
from bignet.evaluate.intervals import (
    DECIMALS,
    ClassIntervals,
    Resampling,
    cluster_interval,
    macro_interval,
    micro_interval,
    wilson,
)
from bignet.evaluate.spreads import Spreads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.scores import Scored

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Ends = tuple[float | None, float | None]
    Interval = tuple[float | None, float | None, str]

SMALL_SAMPLE = 30  # below it a proportion without influences gets Wilson's interval: the bootstrap is too narrow
QUERIES_ONLY, QUERIES_ASKED = "of queries only", "of the queries asked"  # among these same images
FEWEST_CLUSTERS = 5  # of fewer, resampling says nothing


class Averages:
    """Micro and macro means of a table of scores.

    Args:
        scored: by query.
        codes: (N,) classes.
        how: how to resample; 0 times = no intervals but Wilson's.
        weights: (C,) queries that a class has of which these are a sample; None = these are all.
        groups: (N,) codes of groups, -1 = in none; None = classes are the clusters.
        clustered: scores that get an interval over clusters.
    """

    def __init__(
        self,
        scored: Scored,
        codes: Ints,
        how: Resampling,
        *,
        weights: Floats | None,
        groups: Ints | None,
        clustered: Sequence[str],
    ) -> None:
        self._values, self.classes = scored.values, codes[scored.queries]
        self._codes_found = np.unique(self.classes)
        self._columns = {name: place for place, name in enumerate(scored.values)}
        self._clustered = {name: place for place, name in enumerate(clustered)}
        self._weights = weights
        self.cluster_unit = "class" if groups is None else "group"
        self.spreads = Spreads(scored, codes, how.level)
        self._apart = codes if groups is None else np.where(groups >= 0, groups, -1)
        self._micro: Floats | None = None
        self._classes: ClassIntervals | None = None
        self._clusters: tuple[Floats, ...] | None = None
        if how.times and len(scored.queries) > 1:
            self._resample(how)
            self._resample_clusters(self._cluster_codes(scored.queries, groups), how)

    def known(self, name: str) -> Floats:
        """Scores of the queries that have one."""
        values = self._values[name]
        return values[~np.isnan(values)]

    def n_known(self, name: str) -> int:
        """Queries that have one."""
        return len(self.known(name))

    def mean(self, values: Floats, *, is_macro: bool) -> float:
        """(Q,) values -> over classes, or over all queries that these stand for: one number where the two are equal."""
        return round(self._mean(values, is_macro=is_macro), DECIMALS)

    def _mean(self, values: Floats, *, is_macro: bool) -> float:
        if is_macro:
            return retrieval.macro(values, self.classes)
        if self._weights is None:
            return retrieval.micro(values)
        known = ~np.isnan(values)
        return float(np.average(values[known], weights=self._query_weights(known)))

    def ends(self, name: str, *, is_macro: bool) -> Interval:
        """Of a mean over other images of the same classes, and how they were found."""
        lo, hi = self._resampled(name, is_macro=is_macro)
        widening, values = self.spreads.widening(name, by_class=is_macro), self.known(name)
        kind = f"query bootstrap{' within class' if is_macro or self._weights is not None else ''}"
        if widening is None or lo is None:
            if name == "p@1" and not is_macro and len(values) < SMALL_SAMPLE and self._weights is None:
                return (*wilson(float(values.sum()), len(values), self.spreads.level), "wilson")
            only = QUERIES_ASKED if self._weights is not None else QUERIES_ONLY
            return lo, hi, "none" if lo is None else f"{kind}, {only}"
        low, high, is_wilson = widening.ends((lo, hi), self.mean(self._values[name], is_macro=is_macro), len(values))
        source = self.spreads.source(name)
        how = "widened for the gallery" if source == name else f"widened as {source}"
        return low, high, "wilson" if is_wilson else f"{kind}, {how}"

    def class_ends(self, name: str, place: int, values: Floats) -> Interval:
        """Of one class, by its place among the classes of the queries, and the scores of its queries."""
        widening, kind = self.spreads.of_class(name, self._codes_found[place]), "query bootstrap within class"
        if self._classes is None or widening is None:
            if name == "p@1" and len(values) < SMALL_SAMPLE:
                return (*wilson(float(values.sum()), len(values), self.spreads.level), "wilson")
            if self._classes is None:
                return None, None, "none"
        ends = _pair(self._classes.each[place, :, self._columns[name]])
        if widening is None:
            return (*ends, f"{kind}, {QUERIES_ASKED}")
        low, high, is_wilson = widening.ends(ends, float(values.mean()), len(values))
        return low, high, "wilson" if is_wilson else f"{kind}, widened for the gallery"

    def cluster_ends(self, name: str, *, is_macro: bool) -> Ends:
        """Of a mean over other clusters."""
        if self._clusters is None or name not in self._clustered:
            return None, None
        ends = _pair(self._clusters[is_macro][:, self._clustered[name]])
        clusters = np.where(self._apart >= 0, self._apart, -1 - np.arange(len(self._apart)))
        whole = self.cluster_unit == "class"
        widening = self.spreads.of_clusters(name, clusters, by_class=is_macro, whole_classes=whole)
        return ends if widening is None else widening.moved(ends, self.mean(self._values[name], is_macro=is_macro))

    def _resampled(self, name: str, *, is_macro: bool) -> Ends:
        """Ends of the query bootstrap."""
        if self._classes is None or name not in self._columns:
            return None, None
        sampled = self._classes.weighted if self._micro is None else self._micro
        return _pair((self._classes.macro if is_macro else sampled)[:, self._columns[name]])

    def _resample(self, how: Resampling) -> None:
        columns = list(self._values.values())
        if self._weights is None:
            self._micro = micro_interval(columns, how)
        share = None if self._weights is None else self._weights[np.unique(self.classes)]
        self._classes = macro_interval(columns, self.classes, how, share)

    def _resample_clusters(self, clusters: Ints, how: Resampling) -> None:
        if len(np.unique(clusters)) < FEWEST_CLUSTERS:
            return
        table = np.column_stack([self._values[name] for name in self._clustered])
        weights = None if self._weights is None else self._query_weights(np.ones(len(table), dtype=bool))
        even = 1.0 / np.bincount(self.classes)[self.classes]
        self._clusters = tuple(cluster_interval(table, clusters, how, each) for each in (weights, even))

    def _cluster_codes(self, queries: Ints, groups: Ints | None) -> Ints:
        """(Q,) codes; a query in no group is a group of its own."""
        if groups is None:
            return self.classes
        return np.where(groups[queries] >= 0, groups[queries], -1 - np.arange(len(queries)))

    def _query_weights(self, known: NDArray[np.bool_]) -> Floats:
        """(Q,) flags -> for those set, how many queries of its class each stands for."""
        classes = self.classes[known]
        assumed = np.zeros(0) if self._weights is None else self._weights
        return np.asarray(assumed[classes] / np.bincount(classes)[classes])


def _pair(ends: Floats) -> tuple[float | None, float | None]:
    lo, hi = ends
    return (None, None) if np.isnan(lo) else (float(lo), float(hi))
