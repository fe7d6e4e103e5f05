"""One choice beside another in words: what is given up, and what is got for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.result import Metric
    from bignet.evaluate.sweep.result import Cost, Scored

DECIMALS = 3


def told(item: Scored) -> str:
    """``0.178 (95 % interval 0.162 to 0.193) at 96 images/s and 5,120 bytes a vector``."""
    found = item.reported
    if found.value is None:
        return f"nothing, at {_cost(item.cost)}"
    ends = ""
    if found.lo is not None and found.hi is not None:
        ends = f" ({100 * found.level:g} % interval {_shown(found.lo)} to {_shown(found.hi)})"
    return f"{_shown(found.value)}{ends} at {_cost(item.cost)}"


def costs_instead(one: Cost, other: Cost) -> str:
    """``118 images/s instead of 96 and 4,032 bytes a vector instead of 5,120``; what is equal is said to be."""
    n_bytes = f"{one.bytes_per_vector:,}", f"{other.bytes_per_vector:,}"
    parts = [] if one.images_s_end2end is None else [_speeds(one, other)]
    return " and ".join([*parts, _instead(n_bytes[0], "bytes a vector", n_bytes[1])])


def _speeds(one: Cost, other: Cost) -> str:
    """Speeds whose ranges overlap are not told apart."""
    speed, was = (_rounded(cost.images_s_end2end or 0.0) for cost in (one, other))
    if other.images_s_end2end is None:
        return f"{speed} images/s"
    (low, high), (other_low, other_high) = one.speed, other.speed
    if speed != was and low <= other_high and high >= other_low:
        return f"about as many images/s ({speed})"
    return _instead(speed, "images/s", was)


def difference(change: Metric, *, turned: bool = False) -> str | None:
    """A paired difference -> ``a score 0.066 lower (0.056 to 0.079 lower)``; None if unknown.

    ``turned`` = what it is the difference to, seen from what differs.
    """
    if change.value is None:
        return None
    sign = -1 if turned else 1
    value = round(sign * change.value, DECIMALS)
    words = f"a score {_shown(abs(value))} {_way(value)}" if value else "the same score"
    if change.lo is None or change.hi is None:
        return words
    low, high = sorted(round(sign * end, DECIMALS) for end in (change.lo, change.hi))
    return f"{words} ({_ends(low, high)})"


def unresolved(item: Scored) -> bool:
    """Whether a choice ties with the best only because so many were compared: its own interval leaves out 0."""
    change = item.to_best
    if not item.tied or change is None or change.lo is None or change.hi is None:
        return False
    return change.lo > 0 or change.hi < 0


def n_compared(scored: Sequence[Scored]) -> int:
    """Choices that were compared with the best: what Holm's correction counts."""
    return sum(item.p_value is not None for item in scored)


def ceiling(value: float) -> float:
    """Rounded up to what is printed: that must be enough."""
    return float(math.ceil(value * 10**DECIMALS) / 10**DECIMALS)


def below(value: float) -> str:
    """Rounded down: what is below it must be too little."""
    return _shown(math.floor(value * 10**DECIMALS) / 10**DECIMALS)


def _ends(low: float, high: float) -> str:
    if high <= 0:
        return f"{_shown(-high)} to {_shown(-low)} lower"
    if low >= 0:
        return f"{_shown(low)} to {_shown(high)} higher"
    return f"from {_shown(-low)} lower to {_shown(high)} higher"


def _way(value: float) -> str:
    return "higher" if value > 0 else "lower"


def _instead(one: str, unit: str, other: str) -> str:
    return f"the same {one} {unit}" if one == other else f"{one} {unit} instead of {other}"


def _cost(cost: Cost) -> str:
    speed = ""
    if cost.images_s_end2end is not None:
        low, high = map(_rounded, cost.speed)
        ends = "" if low == high else f" ({low} to {high})"
        speed = f"{_rounded(cost.images_s_end2end)} images/s{ends} and "
    return f"{speed}{cost.bytes_per_vector:,} bytes a vector"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _shown(value: float) -> str:
    return f"{value + 0.0:.{DECIMALS}f}"
