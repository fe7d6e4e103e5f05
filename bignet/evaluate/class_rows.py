"""One row a class: its retrieval scores with intervals, its spread and its nearest other class."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.result import ClassRow, Excluded, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.labels import CodedLabels
    from bignet.evaluate.separation import Margins
    from bignet.evaluate.summary import Summary

    Ints = NDArray[np.int64]


def class_rows(summary: Summary, coded: CodedLabels, margins: Margins) -> tuple[ClassRow, ...]:
    """One row a class, largest first, then by name."""
    sizes, classes = coded.sizes, summary.main.classes
    place = {int(code): i for i, code in enumerate(np.unique(classes))}
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(np.bincount(classes))[:-1])
    rows = []
    for code in sorted(range(len(coded.names)), key=lambda code: (-int(sizes[code]), code)):
        own = members[code] if code < len(members) else np.zeros(0, dtype=np.int64)
        near = int(margins.nearest[code])
        found = _ClassScores(summary, own, place.get(code), alone=bool(sizes[code] == 1))
        rows.append(
            ClassRow(
                label=coded.names[code],
                n=int(sizes[code]),
                n_queries=len(own),
                p1=found.metric("p@1"),
                r_precision=found.metric("r_precision"),
                map_r=found.metric("map@r"),
                within=_known(margins.within[code]),
                margin=_known(margins.margin[code]),
                nearest_class=coded.names[near] if near >= 0 else None,
                nearest_distance=_known(margins.nearest_distance[code]),
            )
        )
    return tuple(rows)


class _ClassScores:
    """The numbers of one class; ``own`` are its places among the queries."""

    def __init__(self, summary: Summary, own: Ints, place: int | None, *, alone: bool) -> None:
        self._summary, self._own, self._place, self._alone = summary, own, place, alone

    def metric(self, name: str) -> Metric:
        """One of them, or why there is none."""
        nothing = "one image in the class: nothing to find" if self._alone else "no image of the class is a query"
        empty = replace(
            self._summary.empty(name),
            excluded=Excluded(singleton=int(self._alone)),
            reason=nothing,
        )
        scored = self._summary.scored
        if self._place is None or not len(self._own):
            return empty
        values = scored.values[name][self._own]
        values = values[~np.isnan(values)]
        if not len(values):
            return empty
        exact = float(np.nanmean(scored.chance[name][self._own]))
        found = replace(empty, value=float(values.mean()), n_queries=len(values), chance=exact, reason=None)
        lo, hi, ci = self._summary.main.class_ends(name, self._place, values)
        return replace(found, lo=lo, hi=hi, ci=ci)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
