"""What the parts of an evaluation say of each class, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bignet.evaluate.confusion_result import ClassConfusion
    from bignet.evaluate.result import ClassRow, Evaluation
    from bignet.evaluate.separation_result import ClassSpreadRow


@dataclass(frozen=True)
class ClassDetails:
    """One class as every part sees it; None where that part was not computed."""

    row: ClassRow
    spread: ClassSpreadRow | None
    confusion: ClassConfusion | None


def class_details(evaluation: Evaluation) -> tuple[ClassDetails, ...]:
    """Every class in the order of ``Evaluation.classes``, matched by label."""
    spread = {item.label: item for item in evaluation.separation.classes} if evaluation.separation else {}
    confusion = {item.label: item for item in evaluation.confusion.classes} if evaluation.confusion else {}
    return tuple(ClassDetails(row, spread.get(row.label), confusion.get(row.label)) for row in evaluation.classes)
