"""From scores of single queries to the numbers of a report: means, intervals and chance levels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate import chance, retrieval
from bignet.evaluate.intervals import ClassIntervals, Resampling, macro_interval, micro_interval, wilson
from bignet.evaluate.result import ClassRow, Excluded, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.evaluate import EvaluateSettings
    from bignet.evaluate.ranking import Gallery, Measured
    from bignet.evaluate.separation import Margins

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SMALL_SAMPLE = 30  # below it a proportion gets Wilson's interval: the bootstrap is too narrow
TIES_MATTER = 0.01
_COLUMNS = ("apr", "p1", "pk", "rp", "rr")


@dataclass(frozen=True)
class _Intervals:
    """Ends by column of the value table; None where intervals were not asked for or make no sense."""

    micro: Floats | None
    macro: ClassIntervals | None


class Summary:
    """Turns one measurement into records.

    Args:
        measured: scores of every row.
        gallery: who was asked and what could be found.
        settings: as evaluated.
        excluded: rows left out, counted by reason.
        reason: why there is no query at all; None if there are queries.
    """

    def __init__(
        self,
        measured: Measured,
        gallery: Gallery,
        settings: EvaluateSettings,
        *,
        excluded: Excluded,
        reason: str | None,
    ) -> None:
        self._measured, self._gallery, self._settings = measured, gallery, settings
        self._excluded, self._reason = excluded, reason
        self._asked = gallery.queries
        self._classes = gallery.codes[self._asked]
        self._n_others = max(0, gallery.size - 1)
        self._short = bool(len(self._asked)) and self._n_others < settings.k
        self._values: dict[str, Floats] = {
            column: getattr(measured.per_query, column)[self._asked] for column in _COLUMNS
        }
        self._exact = self._exact_chance()
        self._intervals = self._resample()

    def metrics(self) -> tuple[Metric, ...]:
        """Every overall number, the headline first."""
        at_k = f"p@{self._settings.k}"
        names = {"map@r": "apr", "p@1": "p1", at_k: "pk", "r_precision": "rp", "mrr": "rr"}
        ids = [
            "map@r.macro",
            "map@r",
            "p@1",
            "p@1.macro",
            at_k,
            f"{at_k}.macro",
            "r_precision",
            "r_precision.macro",
            "mrr",
        ]
        return tuple(self._metric(item, names[item.removesuffix(".macro")]) for item in dict.fromkeys(ids))

    def class_rows(self, names: Sequence[str], sizes: Ints, margins: Margins) -> tuple[ClassRow, ...]:
        """One row a class, largest first, then by name."""
        order = sorted(range(len(names)), key=lambda code: (-int(sizes[code]), code))
        place = {int(code): i for i, code in enumerate(np.unique(self._classes))}
        members = np.split(np.argsort(self._classes, kind="stable"), np.cumsum(np.bincount(self._classes))[:-1])
        rows = []
        for code in order:
            own = members[code] if code < len(members) else self._asked[:0]
            near = int(margins.nearest[code])
            rows.append(
                ClassRow(
                    label=names[code],
                    n=int(sizes[code]),
                    n_queries=len(own),
                    p1=self._class_metric("p@1", "p1", own, place.get(code)),
                    r_precision=self._class_metric("r_precision", "rp", own, place.get(code)),
                    map_r=self._class_metric("map@r", "apr", own, place.get(code)),
                    within=_known(margins.within[code]),
                    margin=_known(margins.margin[code]),
                    nearest_class=names[near] if near >= 0 else None,
                    nearest_distance=_known(margins.nearest_distance[code]),
                )
            )
        return tuple(rows)

    def _exact_chance(self) -> dict[str, Floats]:
        """Per query, the exact expectation of a random order."""
        n_relevant = self._gallery.n_relevant[self._asked]
        precision = chance.chance_precision(n_relevant, self._n_others)
        return {
            **dict.fromkeys(("p1", "pk", "rp"), precision),
            "apr": chance.chance_map_at_r(n_relevant, self._n_others),
            "rr": chance.chance_reciprocal_rank(n_relevant, self._n_others),
        }

    def _resample(self) -> _Intervals:
        if self._settings.bootstrap == 0 or len(self._asked) < 2:
            return _Intervals(None, None)
        how = Resampling(self._settings.bootstrap, self._settings.seed, self._settings.level)
        table = np.column_stack([self._values[column] for column in _COLUMNS])
        table = np.nan_to_num(table, nan=0.0)  # P@k of a gallery smaller than k, whose ends are not read
        return _Intervals(micro_interval(table, how), macro_interval(table, self._classes, how))

    def _metric(self, metric_id: str, column: str) -> Metric:
        """One overall number, or why there is none."""
        is_macro = metric_id.endswith(".macro")
        k = {"p1": 1, "pk": self._settings.k}.get(column)
        empty = Metric(
            metric_id,
            None,
            ci="none",
            level=self._settings.level,
            k=k,
            excluded=self._excluded,
            gallery_size=self._gallery.size,
            params=self._params(),
            reason=self._reason,
        )
        if self._reason is not None:
            return empty
        if self._short and column == "pk":
            excluded = replace(self._excluded, short=len(self._asked))
            why = f"the gallery holds {self._n_others} other images, fewer than k = {k}"
            return replace(empty, excluded=excluded, reason=why)
        values = self._values[column]
        lo, hi, ci = self._ends(column, is_macro=is_macro)
        return replace(
            empty,
            value=self._average(values, is_macro=is_macro),
            lo=lo,
            hi=hi,
            ci=ci,
            n_queries=len(values),
            chance=self._average(self._chance(column), is_macro=is_macro),
            params={**self._params(), **self._chance_params(column, is_macro=is_macro)},
        )

    def _average(self, values: Floats, *, is_macro: bool) -> float:
        return retrieval.macro(values, self._classes) if is_macro else retrieval.micro(values)

    def _chance(self, column: str) -> Floats:
        if self._settings.permutations == 0 or column == "rr":
            return self._exact[column]
        return self._measured.chance[column][self._asked]

    def _ends(self, column: str, *, is_macro: bool) -> tuple[float | None, float | None, str]:
        values = self._values[column]
        if column == "p1" and not is_macro and len(values) < SMALL_SAMPLE:
            return (*wilson(float(values.sum()), len(values), self._settings.level), "wilson")
        if self._intervals.micro is None or self._intervals.macro is None:
            return None, None, "none"
        ends = self._intervals.macro.macro if is_macro else self._intervals.micro
        lo, hi = ends[:, _COLUMNS.index(column)]
        return float(lo), float(hi), "query bootstrap within class" if is_macro else "query bootstrap"

    def _params(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "metric": self._measured.graph.metric,
            "unlabelled": settings.unlabelled,
            "bootstrap": settings.bootstrap,
            "seed": settings.seed,
        }

    def _chance_params(self, column: str, *, is_macro: bool) -> dict[str, Any]:
        """How chance was found, its exact value, and the mean over all orders of ties if they matter."""
        permuted = self._settings.permutations > 0 and column != "rr"
        params: dict[str, Any] = {
            "chance_method": "permuted labels" if permuted else "exact expectation",
            "permutations": self._settings.permutations if permuted else 0,
            "chance_exact": self._average(self._exact[column], is_macro=is_macro),
        }
        if self._measured.tie_rate.get(column, 0.0) > TIES_MATTER:
            params["tie_rate"] = self._measured.tie_rate[column]
            tied = self._measured.tied[column][self._asked]
            params["value_over_tie_orders"] = self._average(tied, is_macro=is_macro)
        return params

    def _class_metric(self, metric_id: str, column: str, own: Ints, place: int | None) -> Metric:
        """One number of one class; ``own`` are its places among the queries."""
        empty = Metric(
            metric_id,
            None,
            ci="none",
            level=self._settings.level,
            k=1 if column == "p1" else None,
            excluded=Excluded(singleton=int(not len(own))),
            gallery_size=self._gallery.size,
            params=self._params(),
            reason="one image in the class: nothing to find",
        )
        if place is None or not len(own):
            return empty
        values = self._values[column][own]
        exact = float(self._exact[column][own].mean())
        found = replace(empty, value=float(values.mean()), n_queries=len(own), chance=exact, reason=None)
        if column == "p1" and len(own) < SMALL_SAMPLE:
            lo, hi = wilson(float(values.sum()), len(own), self._settings.level)
            return replace(found, lo=lo, hi=hi, ci="wilson")
        if self._intervals.macro is None:
            return found
        lo, hi = (float(end) for end in self._intervals.macro.each[place, :, _COLUMNS.index(column)])
        return replace(found, lo=lo, hi=hi, ci="query bootstrap within class")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
