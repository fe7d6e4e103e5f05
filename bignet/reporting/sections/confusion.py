"""Confusion: which classes stand among whose neighbours, and how pure each class's neighbourhood is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.names import visible
from bignet.reporting.colour import step_of
from bignet.reporting.numbers import NOTHING, brief, count, decimals, finite, percent
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import another_layer, label_images
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.weakness import NOTABLE, is_spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.confusion_result import ClassConfusion, ConfusedPair, Confusion
    from bignet.reporting.facts import Facts
    from bignet.reporting.settings import ReportSettings

_NUMBERS_UP_TO = 12
_MIXED = 0.5


@dataclass(frozen=True)
class ShareCell:
    """A share of a class's places: whole percents, its exact text, its step of colour.

    The diagonal has no step: ``held`` says how full the colour of the class's own places is, in percent.
    """

    whole: str
    text: str
    step: int | None
    held: int


@dataclass(frozen=True)
class ShareMatrix:
    """The matrix of shares as printed; ``n_all`` classes there are, ``top`` the share at the dark end."""

    names: list[Name]
    cells: list[list[ShareCell]]
    middle: str
    top: str
    n_all: int
    has_numbers: bool


@dataclass(frozen=True)
class PairLine:
    """One class taken for another."""

    label: Name
    other: Name
    share: str
    lift: str
    slots: str
    raw: dict[str, float | int | None]


@dataclass(frozen=True)
class PurityLine:
    """One class's own places, and who holds most of the others."""

    label: Name
    purity: str
    bar: float
    taken_for: list[tuple[Name, str]]
    is_spread: bool
    plausible: str
    raw: dict[str, float | int | None]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    found = facts.evaluation.confusion
    if not facts.n_classes:
        return "No image has a label, so nothing can be taken for anything else."
    if facts.n_classes == 1:
        return "All labelled images are of one class: there is nothing to take it for."
    if found is None:
        return "Which class stands among whose neighbours was not measured for this report."
    if not facts.n_queries:
        return "No class has two images, so no neighbour can be right or wrong yet."
    pairs = above_chance(found)
    if not pairs:
        start = f"No class is taken for another much more often than by chance (no lift reaches {NOTABLE:g})"
        return f"{start}; {_mixed(found)}."
    return f"{_worst(found, pairs[0])}; {_mixed(found)}."


def advice(facts: Facts) -> Advice:
    """What to do about it."""
    found = facts.evaluation.confusion
    if facts.n_classes > 1 and found is None:
        return Advice("Write the report again to measure it.", commands.make_report(facts.source))
    if found is None or facts.n_classes < 2:
        return label_images(facts.source, "Sort the images into one folder per class and extract them again.")
    pairs = above_chance(found)
    if not pairs:
        if not _n_mixed(found):
            return Advice("Nothing to mend here: read on.")
        text = "The mistakes follow no pattern: add images to small classes, or try another layer or a stronger model."
        return another_layer(facts.source, text)
    worst = pairs[0]
    text = (
        f"Look at {visible(worst.label)} beside {visible(worst.other)}. If people would confuse them too, merge them "
        "or draw the line between them anew; if not, try another layer or a stronger model."
    )
    return Advice(text, commands.search_row(facts.source, facts.evaluation.labels.index(worst.label)))


def above_chance(found: Confusion) -> list[ConfusedPair]:
    """Pairs that chance does not explain, highest lift first."""
    return [pair for pair in found.pairs if pair.lift >= NOTABLE]


def matrix(facts: Facts, settings: ReportSettings) -> ShareMatrix | None:
    """Shares of each class's places, or of the most confused classes' if there are too many to read."""
    found = facts.evaluation.confusion
    if found is None or found.counts is None or len(found.labels) < 2 or not found.counts.any():
        return None
    keep = _kept(found, settings.matrix_classes)
    totals = np.maximum(1, found.counts.sum(axis=1, keepdims=True))
    shares = (found.counts / totals)[np.ix_(keep, keep)]
    apart = shares[~np.eye(len(keep), dtype=bool)]
    top = float(apart.max()) or 1.0
    return ShareMatrix(
        names=[name_of(found.labels[i], 18) for i in keep],
        cells=[_cells(line, i, top) for i, line in enumerate(shares)],
        middle=percent(top / 2),
        top=percent(top),
        n_all=len(found.labels),
        has_numbers=len(keep) <= _NUMBERS_UP_TO,
    )


def pairs(facts: Facts, settings: ReportSettings) -> list[PairLine]:
    """The table of pairs, highest lift first."""
    found = facts.evaluation.confusion
    listed = above_chance(found)[: settings.table_pairs] if found else []
    return [_pair(pair) for pair in listed]


def purities(facts: Facts, settings: ReportSettings) -> list[PurityLine]:
    """Every class's purity, lowest first."""
    found = facts.evaluation.confusion
    if found is None or facts.n_classes < 2:
        return []
    ordered = sorted(found.classes, key=_lowest_first)
    return [_purity(row) for row in ordered[: settings.table_classes]]


def n_pairs(facts: Facts) -> int:
    """How many pairs stand above chance."""
    found = facts.evaluation.confusion
    return len(above_chance(found)) if found else 0


def _worst(found: Confusion, pair: ConfusedPair) -> str:
    near = "nearest image" if found.k == 1 else f"{found.k} nearest"
    return (
        f"{percent(pair.share)} of the {near} of {visible(pair.label)} are {visible(pair.other)}, "
        f"{_times(pair.lift)} what chance gives"
    )


def _mixed(found: Confusion) -> str:
    n, known = _n_mixed(found), sum(finite(row.purity) is not None for row in found.classes)
    if not n:
        return "every class holds at least half of its own places"
    if n == known:
        return "no class holds half of its own places"
    return f"{n:,} of {known:,} classes {'holds' if n == 1 else 'hold'} less than half of their own places"


def _n_mixed(found: Confusion) -> int:
    known = (finite(row.purity) for row in found.classes)
    return sum(value is not None and value < _MIXED for value in known)


def _times(lift: float) -> str:
    return f"{count(round(lift))} times" if lift >= 9.95 else f"{lift:.1f} times"


def _kept(found: Confusion, most: int) -> list[int]:
    """Positions of the classes to show, in the matrix's own order: those in the highest pairs first."""
    if len(found.labels) <= most:
        return list(range(len(found.labels)))
    named = dict.fromkeys(name for pair in found.pairs for name in (pair.label, pair.other))
    wanted = set(list({**named, **dict.fromkeys(found.labels)})[:most])
    return [i for i, label in enumerate(found.labels) if label in wanted]


def _cells(line: NDArray[np.float64], own: int, top: float) -> list[ShareCell]:
    return [
        ShareCell(_whole(share), percent(share), None if i == own else step_of(share, 0.0, top), round(100 * share))
        for i, share in enumerate(line.tolist())
    ]


def _whole(share: float) -> str:
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"  # half a percent rounds to none


def _pair(pair: ConfusedPair) -> PairLine:
    return PairLine(
        label=name_of(pair.label),
        other=name_of(pair.other),
        share=percent(pair.share),
        lift=decimals(pair.lift, 1),
        slots=count(pair.n_slots),
        raw={"share": brief(pair.share), "lift": brief(pair.lift), "slots": pair.n_slots},
    )


def _lowest_first(row: ClassConfusion) -> tuple[bool, float, str]:
    value = finite(row.purity)
    return value is None, value or 0.0, row.label


def _purity(row: ClassConfusion) -> PurityLine:
    purity = finite(row.purity)
    top = [pair for pair in row.top if pair.lift >= NOTABLE]
    return PurityLine(
        label=name_of(row.label),
        purity=NOTHING if purity is None else percent(purity),
        bar=round(100 * (purity or 0.0), 2),
        taken_for=[(name_of(pair.other), decimals(pair.lift, 1)) for pair in top],
        is_spread=is_spread(top),
        plausible=NOTHING if finite(row.plausible_fp) is None else percent(row.plausible_fp),
        raw={"purity": brief(purity), "plausible": brief(row.plausible_fp)},
    )
