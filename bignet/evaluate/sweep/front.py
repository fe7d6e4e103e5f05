"""Which choices are worth a look whatever one cares for: the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from bignet.errors import MismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Number: TypeAlias = "float | tuple[float, float] | None"


def on_front(points: Sequence[Sequence[Number]]) -> NDArray[np.bool_]:
    """Points of m numbers each, higher is better -> True where no other point dominates.

    A point dominates another if it is at least as good in every number and better in one; equal points stay together.
    A number known only to lie from here to there is given as such a pair: two that overlap count as equal. None = not
    known. A number that neither knows does not count between the two; one that only one of them knows could be either,
    so neither dominates the other.

    Raises:
        MismatchError: points of different lengths.
    """
    if len({len(point) for point in points}) > 1:
        raise MismatchError("front: every point needs as many numbers as the others")
    if not points:
        return np.zeros(0, dtype=bool)
    low, high = (np.array([[_end(value, end) for value in point] for point in points]) for end in (0, 1))
    unknown, front = np.isnan(low), np.ones(len(low), dtype=bool)
    for place in range(len(low)):
        both_unknown = unknown & unknown[place]
        as_good, better = both_unknown | (high >= low[place]), low > high[place]
        front[place] = not (as_good.all(axis=1) & better.any(axis=1)).any()
    return front


def _end(value: Number, which: int) -> float:
    if isinstance(value, tuple):
        return value[which]
    return np.nan if value is None else float(value)
