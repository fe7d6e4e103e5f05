"""From scores of single queries to the numbers of a report: means, intervals and chance levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.averages import Averages
from bignet.evaluate.intervals import Resampling
from bignet.evaluate.result import Metric
from bignet.evaluate.tie_means import TIES_MATTER, beside
from bignet.evaluate.votes import TEMPERATURE, VOTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.ranking import Measured
    from bignet.evaluate.result import Excluded
    from bignet.evaluate.scores import Scored
    from bignet.evaluate.settings import EvaluateSettings

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

HEADLINE = ("map@r", "p@1", "r_precision")
_AT_R = ("map@r", "r_precision")


@dataclass(frozen=True)
class Context:
    """What every record says of the evaluation.

    Attributes:
        settings: as evaluated.
        excluded: rows that are no queries, counted by reason.
        reason: why there is no query at all; None if there are queries.
        groups: (N,) codes of the groups given, -1 = in none; None without groups.
    """

    settings: EvaluateSettings
    excluded: Excluded
    reason: str | None
    groups: Ints | None


class Summary:
    """Turns one measurement into records."""

    def __init__(self, measured: Measured, context: Context) -> None:
        self._measured, self._context, self._settings = measured, context, context.settings
        how = Resampling(self._settings.bootstrap, self._settings.seed, self._settings.level)
        weights = measured.population.astype(np.float64) if measured.sampled else None
        codes, groups = measured.gallery.codes, context.groups
        shared: dict[str, Any] = {"weights": weights, "groups": groups, "clustered": HEADLINE}
        self.scored = measured.scored
        self.main = Averages(measured.scored, codes, how, **shared)
        self._together = None
        if measured.together is not None and len(measured.together.queries) and context.reason is None:
            self._together = Averages(measured.together, codes, how, **shared)

    def metrics(self) -> tuple[Metric, ...]:
        """Every overall number, the headline first."""
        k = self._settings.k
        first = dict.fromkeys(["map@r", "p@1", f"p@{k}", "r_precision", "mrr"])
        if self._context.reason is not None:
            return tuple(self._metric(item) for name in first for item in _averages(name))
        known = self._measured.scored.values
        rest = beside([*known, *(["map"] if self._measured.sampled else [])], known)
        head = beside(first, known)
        found = [self._metric(item) for name in head for item in _averages(name)]
        found += self._without_groups()
        return (*found, *(self._metric(item) for name in rest if name not in head for item in _averages(name)))

    def influences(self) -> dict[str, Floats]:
        """By the ids of the headline family, (N,) what the mean would lose without each image."""
        found: dict[str, Floats] = {}
        for name in HEADLINE if self._context.reason is None else ():
            found[name], found[f"{name}.macro"] = self.main.spreads.influences(name)
        return found

    def _without_groups(self) -> Iterator[Metric]:
        """The headline family once more, groups not kept apart: the gap is what they leak."""
        if self._together is None or self._measured.together is None:
            return
        for name in HEADLINE:
            for item in _averages(name):
                metric = self._filled(self.empty(item), item, self._together, self._measured.together)
                yield replace(metric, id=f"{item}.nogroups", params={**metric.params, "groups": "not kept apart"})

    def _metric(self, metric_id: str) -> Metric:
        """One overall number, or why there is none."""
        empty = self.empty(metric_id)
        if self._context.reason is not None:
            return empty
        name = metric_id.removesuffix(".macro")
        if name not in self._measured.scored.values:
            why = f"ranks everything, so up to {self._settings.exact_rows:,} rows only"
            return replace(empty, reason=why)
        return self._filled(empty, metric_id, self.main, self._measured.scored)

    def _filled(self, empty: Metric, metric_id: str, averages: Averages, scored: Scored) -> Metric:
        name, is_macro = metric_id.removesuffix(".macro"), metric_id.endswith(".macro")
        n_known = averages.n_known(name)
        short = len(scored.queries) - n_known
        excluded = replace(empty.excluded, short=short)
        if not n_known:
            most = int(self._measured.gallery.n_others[scored.queries].max(initial=0))
            why = f"the gallery holds {most} other images, fewer than k = {empty.k}"
            return replace(empty, excluded=excluded, reason=why)
        lo, hi, ci = averages.ends(name, is_macro=is_macro)
        cluster_lo, cluster_hi = averages.cluster_ends(name, is_macro=is_macro)
        permuted = scored.permuted.get(name)
        exact = averages.mean(scored.chance[name], is_macro=is_macro)
        params = {**empty.params, **self._chance_params(permuted, exact)}
        return replace(
            empty,
            value=averages.mean(scored.values[name], is_macro=is_macro),
            lo=lo,
            hi=hi,
            ci=ci,
            n_queries=n_known,
            excluded=excluded,
            chance=exact if permuted is None else averages.mean(permuted, is_macro=is_macro),
            params={**params, **_tie_params(name, averages, scored, is_macro=is_macro)},
            cluster_lo=cluster_lo,
            cluster_hi=cluster_hi,
            cluster_unit=averages.cluster_unit if cluster_lo is not None else None,
        )

    def empty(self, metric_id: str) -> Metric:
        """A record without a value."""
        name = metric_id.removesuffix(".macro")
        gallery = self._measured.capped if name in _AT_R else self._measured.gallery
        return Metric(
            metric_id,
            None,
            ci="none",
            level=self._settings.level,
            estimator=self._estimator(name),
            k=_k(name),
            excluded=self._context.excluded,
            gallery_size=gallery.size,
            params=self._params(name),
            reason=self._context.reason,
        )

    def _estimator(self, name: str) -> str:
        """Who was asked, and among what."""
        if not self._measured.sampled:
            return "exact"
        n = len(self._measured.scored.queries)
        population = int(self._measured.population.sum())
        found = f"sampled, {n:,} of {population:,} queries by class"
        if name in _AT_R and self._measured.capped.size < self._measured.gallery.size:
            return f"{found}, gallery capped at {self._settings.class_cap:,} a class"
        return f"{found}, full gallery"

    def _params(self, name: str) -> dict[str, Any]:
        settings = self._settings
        found: dict[str, Any] = {
            "metric": self._measured.graph.metric,
            "mode": settings.mode,
            "unlabelled": settings.unlabelled,
            "bootstrap": settings.bootstrap,
            "seed": settings.seed,
        }
        if settings.mode == "folds":
            found["folds"] = settings.folds
        if self._context.groups is not None:
            found["groups"] = "kept apart"
        if self._measured.sampled:
            found["sample_queries"] = settings.sample_queries
            found |= {"class_cap": settings.class_cap} if name in _AT_R else {}
        if name == "knn_acc":
            found |= {"voters": VOTERS, "temperature": TEMPERATURE}
        return found

    def _chance_params(self, permuted: Floats | None, exact: float) -> dict[str, Any]:
        """How chance was found, and its exact value."""
        return {
            "chance_method": "exact expectation" if permuted is None else "permuted labels",
            "permutations": 0 if permuted is None else self._settings.permutations,
            "chance_exact": exact,
        }


def _tie_params(name: str, averages: Averages, scored: Scored, *, is_macro: bool) -> dict[str, Any]:
    """The mean over all orders of ties, if they matter."""
    if scored.tie_rate.get(name, 0.0) <= TIES_MATTER:
        return {}
    tied = averages.mean(scored.tied[name], is_macro=is_macro)
    return {"tie_rate": scored.tie_rate[name], "value_over_tie_orders": tied}


def _averages(name: str) -> tuple[str, str]:
    """Both averages of a metric; the headline is a mean of class means."""
    return (f"{name}.macro", name) if name == HEADLINE[0] else (name, f"{name}.macro")


def _k(name: str) -> int | None:
    if name == "knn_acc":
        return VOTERS
    depth = name.partition("@")[2].partition("/")[0]
    return int(depth) if depth.isdigit() else None
