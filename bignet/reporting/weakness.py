"""Which classes an embedding serves worst, and what their images are taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.reporting.numbers import finite
from bignet.reporting.plain import fills_lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.confusion_result import ConfusedPair
    from bignet.reporting.facts import Facts

FEW_QUERIES = 5  # fewer say little about a class
SHOWN = 3
NOTABLE = 1.2  # a lift below it is next to chance
AHEAD = 1.2  # times the second: less is no lead


@dataclass(frozen=True)
class ClassShare:
    """How well one class finds its own.

    Attributes:
        label: the class.
        share: of its neighbours that are its own; of first neighbours where confusion was not counted.
        taken_for: up to three other classes that its neighbours are of more often than by chance, most often first.
        is_spread: whether the first of them is not clearly ahead of the second.
    """

    label: str
    share: float
    taken_for: tuple[str, ...]
    is_spread: bool = False


def class_shares(facts: Facts) -> list[ClassShare]:
    """Classes that were asked often enough to say something, worst first; none if all are small."""
    enough = [row for row in facts.evaluation.classes if row.n_queries >= FEW_QUERIES]
    confusion, counts = facts.evaluation.confusion, fills_lists(facts)
    known = {item.label: item for item in confusion.classes} if confusion else {}
    found = []
    for row in enough:
        item = known.get(row.label)
        share = finite(item.purity) if item and counts else finite(row.p1.value)
        top = [pair for pair in item.top if pair.lift > 1] if item else []
        if share is not None:
            found.append(ClassShare(row.label, share, tuple(pair.other for pair in top[:3]), is_spread(top)))
    return sorted(found, key=lambda item: (item.share, item.label))


def lift_of(facts: Facts, label: str, other: str | None) -> float | None:
    """How many times more often than by chance images of ``label`` find ``other``; None if not counted."""
    pairs = facts.evaluation.confusion.pairs if facts.evaluation.confusion else ()
    return next((pair.lift for pair in pairs if (pair.label, pair.other) == (label, other)), None)


def is_spread(top: Sequence[ConfusedPair]) -> bool:
    """Whether several classes share what the first would have to hold alone: it is not clearly ahead."""
    return len(top) > 1 and top[0].share < AHEAD * top[1].share
