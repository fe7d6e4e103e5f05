"""Sentences a reader must see before the numbers, by fixed rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.tie_means import TIES_MATTER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.result import ClassRow, Excluded, KnnGraph, Metric

WIDE = 0.10
FEW_QUERIES = 100
GAP = 0.05
_NAMED = 3
_IDS_SHOWN = 5


def rows_left_out(unusable: Mapping[str, Sequence[int]]) -> list[str]:
    """What no metric and no graph saw."""
    why = {"nonfinite": "hold NaN or infinity", "zero": "are all zero"}
    return [
        f"{_count(len(ids), 'row')} {why[kind]} and were left out of everything: {_shown(ids)}"
        for kind, ids in unusable.items()
        if ids
    ]


def about_queries(excluded: Excluded, n_queries: int, n_rows: int, n_classes: int) -> list[str]:
    """Who was asked and who was not."""
    if not n_rows:
        return ["no usable rows: there was nothing to measure"]
    if n_rows == excluded.unlabelled:
        return ["no labels: nothing here says the neighbours are right"]
    found = []
    if excluded.unlabelled:
        found.append(f"{excluded.unlabelled} of {n_rows} rows have no label and were not asked")
    if excluded.singleton:
        found.append(
            f"{_count(excluded.singleton, 'class', 'classes')} of one image: nothing to find, so not asked, "
            "though others can find it"
        )
    if n_classes == 1:
        found.append("one class: every labelled neighbour is right by definition")
    if n_queries < FEW_QUERIES:
        found.append(f"fewer than {FEW_QUERIES} queries ({n_queries}): too few to rank layers or models by")
    return found


def about_headline(metric: Metric, scores: NDArray[np.float64]) -> list[str]:
    """How far the headline, a mean of these scores, NaN = none, can be trusted."""
    if metric.value is None or metric.lo is None or metric.hi is None:
        return []
    found = []
    if metric.hi - metric.lo > WIDE:
        found.append(
            f"{metric.id}: interval wider than {WIDE:.2f} ({metric.lo:.3f} to {metric.hi:.3f}), "
            "too few images to rank layers or models by"
        )
    if metric.hi == metric.lo and metric.n_queries < FEW_QUERIES:
        alike = np.nanmin(scores) == np.nanmax(scores)
        why = "so the interval has no width" if alike else "differ, but the interval has no width"
        what = f"all {metric.n_queries} queries score alike," if alike else f"scores of the {metric.n_queries} queries"
        found.append(f"{metric.id}: {what} {why}; it says nothing about other images")
    if metric.chance is not None and metric.lo <= metric.chance < 1.0:
        found.append(
            f"{metric.id}: no better than chance ({metric.chance:.3f} lies in or above the interval "
            f"{metric.lo:.3f} to {metric.hi:.3f})"
        )
    return found


def about_groups(metrics: Sequence[Metric]) -> list[str]:
    """How much of the headline is rows of one group finding each other."""
    value = {metric.id: metric.value for metric in metrics}
    apart, together = value.get("map@r.macro"), value.get("map@r.macro.nogroups")
    if apart is None or together is None or together - apart <= GAP:
        return []
    gap = together - apart
    return [
        f"map@r.macro: {together:.3f} if rows of one group may find each other, {apart:.3f} if not; {gap:.3f} leaks"
    ]


def about_classes(classes: Sequence[ClassRow]) -> list[str]:
    """Classes that lie closer to another class than to themselves, the worst by name."""
    bad = [(row.margin, row) for row in classes if row.margin is not None and row.margin < 0]
    if not bad:
        return []
    worst = sorted(bad, key=lambda pair: pair[0])[:_NAMED]
    named = "; ".join(f"{row.label} to {row.nearest_class} ({margin:+.3f})" for margin, row in worst)
    verb = "lies" if len(bad) == 1 else "lie"
    return [f"{_count(len(bad), 'class', 'classes')} {verb} closer to another class than to itself: {named}"]


def about_ties(graph: KnnGraph, k: int) -> list[str]:
    """Whether the order of neighbours is partly arbitrary."""
    tied = {depth: rate for depth, rate in graph.tie_rate.items() if depth in (1, k) and rate > TIES_MATTER}
    return [
        f"{rate:.0%} of rows have equally similar neighbours at places {depth} and {depth + 1}; "
        "the row number decides which comes first"
        for depth, rate in tied.items()
    ]


def _count(n: int, one: str, many: str | None = None) -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def _shown(ids: Sequence[int]) -> str:
    head = ", ".join(str(i) for i in ids[:_IDS_SHOWN])
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return f"id{'' if len(ids) == 1 else 's'} {head}{more}"
