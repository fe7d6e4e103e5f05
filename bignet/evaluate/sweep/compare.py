"""Every choice against the best one, on the half of the images that did not choose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.paired import Difference, paired_difference
from bignet.evaluate.sweep.student import two_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.jackknife import Estimate


@dataclass(frozen=True)
class Compared:
    """One choice beside the best.

    Attributes:
        difference: its score less that of the best, image by image; None = it is the best, or has no score.
        p_value: of that difference if there were none, before Holm's correction; None likewise, or with one image.
        tied: whether the difference cannot be told from none after Holm's correction.
    """

    difference: Difference | None
    p_value: float | None
    tied: bool


def compare(estimates: Sequence[Estimate | None], best: int, level: float) -> list[Compared]:
    """Mean scores over the same images, None = no score, and which is the best -> each beside it.

    A paired t test of each: what an image does to both cancels, as a query and as a neighbour of others. Images are
    what is sampled, so a difference is called real only if it would stand on other images of the same classes. With
    many choices some would seem different by luck: Holm's correction holds the chance of any such to 1 - ``level``.
    """
    against = estimates[best]
    if against is None:
        return [Compared(None, None, tied=False) for _ in estimates]
    differences = [
        None if one is None or place == best else paired_difference(against, one, level)
        for place, one in enumerate(estimates)
    ]
    p_values = [None if one is None else p_value(one) for one in differences]
    told = dict(zip((i for i, p in enumerate(p_values) if p is not None), _holm_of(p_values), strict=True))
    return [
        Compared(differences[i], p_values[i], tied=one is not None and told.get(i, 1.0) > 1.0 - level)
        for i, one in enumerate(estimates)
    ]


def p_value(difference: Difference) -> float | None:
    """A paired difference -> two-sided p by Student's t; None where one image decides."""
    if difference.error is None or difference.freedom is None:
        return None
    if difference.error == 0.0:
        return 1.0 if difference.value == 0.0 else 0.0
    return two_sided(difference.value / difference.error, difference.freedom)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values -> the same adjusted so that the chance of any false alarm among them stays below the level.

    Holm 1979, "A simple sequentially rejective multiple test procedure": the smallest times m, the next times m - 1,
    and so on, none below the one before it, none above 1.
    """
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def _holm_of(p_values: Sequence[float | None]) -> list[float]:
    return holm([p for p in p_values if p is not None])
