"""All that was measured, whichever part of the evaluation holds it: one list of metrics, one line a class."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bignet.evaluate.confusion_result import ClassConfusion
    from bignet.evaluate.result import ClassRow, Evaluation, Metric
    from bignet.evaluate.separation_result import ClassSpreadRow


@dataclass(frozen=True)
class ClassDetails:
    """One class as every part sees it; None where that part was not computed."""

    row: ClassRow
    spread: ClassSpreadRow | None
    confusion: ClassConfusion | None


def every_metric(evaluation: Evaluation) -> tuple[Metric, ...]:
    """Every overall number, the headline first; an id that two parts give is listed once."""
    by_id: dict[str, Metric] = {}
    for metric in _metrics(evaluation):
        by_id.setdefault(metric.id, metric)
    return tuple(by_id.values())


def class_details(evaluation: Evaluation) -> tuple[ClassDetails, ...]:
    """Every class in the order of ``Evaluation.classes``, matched by label."""
    spread = {item.label: item for item in evaluation.separation.classes} if evaluation.separation else {}
    confusion = {item.label: item for item in evaluation.confusion.classes} if evaluation.confusion else {}
    return tuple(ClassDetails(row, spread.get(row.label), confusion.get(row.label)) for row in evaluation.classes)


def _metrics(evaluation: Evaluation) -> Iterator[Metric]:
    hierarchy = evaluation.hierarchy
    levels = chain.from_iterable((level.p1, level.map_r) for level in (hierarchy.levels if hierarchy else ()))
    families = (evaluation.separation, evaluation.confusion, hierarchy, evaluation.geometry, evaluation.clusters)
    measured = chain.from_iterable(family.metrics for family in families if family is not None)
    return chain(evaluation.metrics, levels, measured)
