"""Metric records of numbers that need no labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric

SIGNIFICANT = 10  # digits; what the number of threads does to an eigenvalue comes after them
NOTHING = 1e-12


def settled(metric: Metric, why_undefined: str) -> Metric:
    """A record as computed -> the same, rounded alike on every machine, with a reason if there is no value."""
    return replace(
        metric,
        value=significant(metric.value),
        chance=significant(metric.chance),
        reason=why_undefined if metric.value is None else None,
    )


def significant(value: float | None) -> float | None:
    """Rounded to ten significant digits; what is less than 1e-12 is 0."""
    if value is None:
        return None
    return 0.0 if abs(value) < NOTHING else float(f"{value:.{SIGNIFICANT - 1}e}")
