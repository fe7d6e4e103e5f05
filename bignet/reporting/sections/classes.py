"""The classes: the distance matrix and the separation table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.reporting.colour import step_of
from bignet.reporting.numbers import brief, count, counted, decimals, figure, finite, signed
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import add_images, label_images
from bignet.reporting.sections.parts import Advice, Name, Whisker, name_of, whisker_of
from bignet.reporting.sentences import all_separate, negative_margins
from bignet.reporting.weakness import FEW_QUERIES

if TYPE_CHECKING:
    from bignet.evaluate.result import ClassRow
    from bignet.evaluate.separation_result import ClassSpreadRow
    from bignet.reporting.facts import Facts
    from bignet.reporting.settings import ReportSettings

_NUMBERS_UP_TO = 12


@dataclass(frozen=True)
class Cell:
    """One distance: its text and its step on the colour scale; None where it is undefined."""

    text: str
    step: int | None


@dataclass(frozen=True)
class Matrix:
    """The distance matrix as printed.

    Attributes:
        names: of the classes shown, in order.
        cells: their distances.
        legend: numbers at both ends and the middle of the scale.
        n_all: classes there are; more than shown if only the worst are.
        has_numbers: few enough classes to print numbers in the cells.
        start: "row,column" of the cell to look at first: the narrowest margin.
    """

    names: list[Name]
    cells: list[list[Cell]]
    legend: tuple[str, str, str]
    n_all: int
    has_numbers: bool
    start: str


@dataclass(frozen=True)
class ClassLine:
    """One class in the separation table."""

    name: Name
    n: str
    queries: str
    map_r: str
    interval: str
    whisker: Whisker | None
    p1: str
    within: str
    margin: str
    nearest: Name | None
    cdnv: str
    cdnv_class: Name | None
    silhouette: str
    few: bool
    negative: bool
    raw: dict[str, float | int | None]


def matrix(facts: Facts, settings: ReportSettings) -> Matrix | None:
    """Distances between the classes, or between the worst separated if there are too many to read."""
    found = facts.evaluation.class_distance
    if found is None or len(found.labels) < 2:
        return None
    keep = _kept(facts, settings.matrix_classes)
    values = found.matrix[np.ix_(keep, keep)]
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return Matrix(
        names=[name_of(found.labels[i], 18) for i in keep],
        cells=[[_cell(float(value), low, high) for value in line] for line in values],
        legend=(decimals(low), decimals((low + high) / 2), decimals(high)),
        n_all=len(found.labels),
        has_numbers=len(keep) <= _NUMBERS_UP_TO,
        start=_start(facts, [found.labels[i] for i in keep]),
    )


def shown(facts: Facts, settings: ReportSettings) -> list[str]:
    """The classes of the matrix, in its order; none without a matrix."""
    found = facts.evaluation.class_distance
    return [found.labels[i] for i in _kept(facts, settings.matrix_classes)] if found else []


def cells(facts: Facts, settings: ReportSettings) -> list[tuple[int, int]]:
    """The matrix's cells (row <= column), the nearest classes first, a class against itself last."""
    found = facts.evaluation.class_distance
    if found is None:
        return []
    keep = _kept(facts, settings.matrix_classes)
    values = np.nan_to_num(found.matrix[np.ix_(keep, keep)], nan=np.inf)
    i, j = np.triu_indices(len(keep))
    order = np.lexsort((j, i, values[i, j], i == j))
    return [(int(i[at]), int(j[at])) for at in order]


def lines(facts: Facts, settings: ReportSettings) -> list[ClassLine]:
    """The separation table, worst score first, at most ``table_classes`` of it."""
    separation = facts.evaluation.separation
    spread = {row.label: row for row in separation.classes} if separation else {}
    ordered = sorted(facts.evaluation.classes, key=_worst_first)
    return [_line(row, spread.get(row.label)) for row in ordered[: settings.table_classes]]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    if not facts.n_classes:
        return "No image has a label, so there are no classes to compare."
    if facts.n_classes == 1:
        return "All labelled images are of one class; distances between classes need a second one."
    if facts.n_negative_margins:
        return negative_margins(facts)
    if facts.margins:
        return all_separate(facts)
    return f"{counted(facts.n_classes, 'class', 'classes')}, at most one with two images: none has a margin yet."


def advice(facts: Facts) -> Advice:
    """What to do about the classes."""
    if facts.n_classes < 2:
        return label_images(facts.source, "Sort the images into one folder per class and extract them again.")
    if not facts.margins:
        return add_images(facts.source, "Add a second image to each class.")
    worst = facts.margins[0]
    text = (
        "Look at the narrowest class beside its nearest. If people would confuse them too, merge them or collect more "
        "of both; if not, try another layer or a stronger model on the same images."
    )
    return Advice(text, commands.search_row(facts.source, facts.evaluation.labels.index(worst.label)))


def _kept(facts: Facts, most: int) -> list[int]:
    """Positions of the classes to show, in the matrix's own order: the worst separated, each with its nearest."""
    found = facts.evaluation.class_distance
    labels = found.labels if found else ()
    if len(labels) <= most:
        return list(range(len(labels)))
    wanted = [label for row in facts.margins for label in (row.label, row.nearest_class) if label is not None]
    kept = set(list(dict.fromkeys([*wanted, *labels]))[:most])
    return [i for i, label in enumerate(labels) if label in kept]


def _start(facts: Facts, names: list[str]) -> str:
    """The narrowest margin among the classes shown; the first two classes if none has one."""
    pairs = [(row.label, row.nearest_class) for row in facts.margins]
    known = [(a, b) for a, b in pairs if a in names and b in names]
    a, b = known[0] if known else names[:2]
    return f"{names.index(a)},{names.index(b)}"


def _cell(value: float, low: float, high: float) -> Cell:
    if finite(value) is None:
        return Cell("one image", None)
    return Cell(decimals(value), step_of(value, low, high))


def _worst_first(row: ClassRow) -> tuple[bool, float, str]:
    value = finite(row.map_r.value)
    return value is None, value or 0.0, row.label


def _line(row: ClassRow, spread: ClassSpreadRow | None) -> ClassLine:
    hardest = spread.cdnv_class if spread else None
    silhouette = spread.silhouette if spread else None
    lo, hi = finite(row.map_r.lo), finite(row.map_r.hi)
    return ClassLine(
        name=name_of(row.label),
        n=count(row.n),
        queries=count(row.n_queries),
        map_r=decimals(row.map_r.value),
        interval="" if lo is None or hi is None else f"{decimals(lo)} to {decimals(hi)}",
        whisker=whisker_of(row.map_r),
        p1=decimals(row.p1.value),
        within=decimals(row.within),
        margin=signed(row.margin),
        nearest=None if row.nearest_class is None else name_of(row.nearest_class),
        cdnv=figure(spread.cdnv if spread else None),
        cdnv_class=None if hardest is None else name_of(hardest),
        silhouette=signed(silhouette, 2),
        few=row.n_queries < FEW_QUERIES,
        negative=(finite(row.margin) or 0.0) < 0,
        raw={
            "n": row.n,
            "queries": row.n_queries,
            "map_r": brief(row.map_r.value),
            "map_r_lo": brief(row.map_r.lo),
            "map_r_hi": brief(row.map_r.hi),
            "p1": brief(row.p1.value),
            "within": brief(row.within),
            "margin": brief(row.margin),
            "cdnv": brief(spread.cdnv if spread else None),
            "silhouette": brief(silhouette),
        },
    )
