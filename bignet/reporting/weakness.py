"""Which classes an embedding serves worst, and what their images are taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.reporting.numbers import finite
from bignet.reporting.plain import fills_lists

if TYPE_CHECKING:
    from bignet.evaluate.confusion_result import ConfusedPair
    from bignet.evaluate.result import ClassRow
    from bignet.reporting.facts import Facts

FEW_QUERIES = 5  # fewer say little about a class
SHOWN = 3


@dataclass(frozen=True)
class ClassShare:
    """How well one class finds its own.

    Attributes:
        label: the class.
        share: of its neighbours that are its own; of first neighbours where confusion was not counted.
        taken_for: up to two other classes that hold the rest, most wrongly first.
    """

    label: str
    share: float
    taken_for: tuple[str, ...]


def class_shares(facts: Facts) -> list[ClassShare]:
    """Classes that were asked often enough to say something, worst first; none if all are small."""
    enough = [row for row in facts.evaluation.classes if row.n_queries >= FEW_QUERIES]
    confusion = facts.evaluation.confusion if fills_lists(facts) else None
    known = {item.label: item for item in confusion.classes} if confusion else {}
    found = []
    for row in enough:
        item = known.get(row.label)
        share = finite(item.purity) if item else finite(row.p1.value)
        if share is not None:
            found.append(ClassShare(row.label, share, _taken_for(row, item.top if item else ())))
    return sorted(found, key=lambda item: (item.share, item.label))


def lift_of(facts: Facts, label: str, other: str | None) -> float | None:
    """How many times more often than by chance images of ``label`` find ``other``; None if not counted."""
    pairs = facts.evaluation.confusion.pairs if facts.evaluation.confusion else ()
    return next((pair.lift for pair in pairs if (pair.label, pair.other) == (label, other)), None)


def _taken_for(row: ClassRow, top: tuple[ConfusedPair, ...]) -> tuple[str, ...]:
    if top:
        return tuple(pair.other for pair in top[:2] if pair.lift > 1)
    return () if row.nearest_class is None else (row.nearest_class,)
