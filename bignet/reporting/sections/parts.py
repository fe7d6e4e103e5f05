"""What the sections of the page are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import shorten, visible
from bignet.reporting.numbers import decimals, finite, percent

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric


@dataclass(frozen=True)
class Advice:
    """One line of what to do next, with a command to copy where there is one."""

    text: str
    command: str | None = None


@dataclass(frozen=True)
class Name:
    """A name that fits its place; ``full`` is shown on hover."""

    short: str
    full: str


@dataclass(frozen=True)
class Whisker:
    """A number on the axis from 0 to 1, in percent of its length.

    Attributes:
        dot: where the value is.
        left: lower end of the interval; None without one.
        width: its length.
        tick: where chance is; None if unknown.
        text: the same in words.
    """

    dot: str
    left: str | None
    right: str | None
    tick: str | None
    text: str


def name_of(name: bytes | str, width: int = 24) -> Name:
    """A class or path, printable and cut in the middle."""
    full = visible(name)
    return Name(shorten(full, width), full)


def whisker_of(metric: Metric) -> Whisker | None:
    """A metric on the common axis; None when it is undefined or lives on another scale."""
    value = finite(metric.value)
    if value is None or not 0 <= value <= 1:
        return None
    return draw(value, finite(metric.lo), finite(metric.hi), finite(metric.chance), percent(metric.level))


def draw(value: float, lo: float | None, hi: float | None, chance: float | None = None, level: str = "90 %") -> Whisker:
    """Numbers -> places on the axis."""
    has_interval = lo is not None and hi is not None
    words = f"{decimals(value)}"
    words += f", {level} interval {decimals(lo)} to {decimals(hi)}" if has_interval else ""
    words += f", chance {decimals(chance)}" if chance is not None else ""
    return Whisker(
        dot=_place(value) or "0%",
        left=_place(lo) if has_interval else None,
        right=_place(hi) if has_interval else None,
        tick=_place(chance),
        text=words,
    )


def _place(value: float | None) -> str | None:
    return None if value is None else f"{100 * min(1.0, max(0.0, value)):.4g}%"
