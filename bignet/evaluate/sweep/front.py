"""Which choices are worth a look whatever one cares for: the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def on_front(points: Sequence[Sequence[float | None]]) -> NDArray[np.bool_]:
    """Points of m numbers each, higher is better -> True where no other point dominates.

    A point dominates another if it is at least as good in every number and better in one; equal points stay together.
    None = not known. A number that neither knows does not count between the two; one that only one of them knows could
    be either, so neither dominates the other.

    Raises:
        MismatchError: points of different lengths.
    """
    if len({len(point) for point in points}) > 1:
        raise MismatchError("front: every point needs as many numbers as the others")
    if not points:
        return np.zeros(0, dtype=bool)
    table = np.array([[np.nan if value is None else value for value in point] for point in points], dtype=np.float64)
    unknown, front = np.isnan(table), np.ones(len(table), dtype=bool)
    for place, point in enumerate(table):
        both_unknown = unknown & unknown[place]
        front[place] = not ((both_unknown | (table >= point)).all(axis=1) & (table > point).any(axis=1)).any()
    return front
