"""Figures as places in percent: a template draws them at any width, a script reads their numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Axis:
    """Numbers -> percent along one side of a figure; what lies outside is drawn at the edge."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """0 at the low end, 100 at the high end."""
        low, high, at = (_log(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        if high <= low:
            return 50.0
        return round(100 * min(1.0, max(0.0, (at - low) / (high - low))), 3)


@dataclass(frozen=True)
class Tick:
    """A faint line across the figure and its number."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """An upright line with words on it, for what the eye should find."""

    at: float
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Dot:
    """A point of a line with its whisker, if it has one, in percent from the left and the top."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """One curve with its name at its end, no legend needed."""

    name: str
    kind: str
    dots: tuple[Dot, ...]
    dotted: bool = True

    @property
    def path(self) -> str:
        """For a polyline."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)

    @property
    def end(self) -> float:
        """Where its name stands, from the top."""
        return self.dots[-1].y if self.dots else 0.0


@dataclass(frozen=True)
class Note:
    """A word beside a spot, in percent from the left and the top."""

    x: float
    y: float
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Bar:
    """A column from the bottom, in percent."""

    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Reading:
    """What the script says when pointed at a place."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A whole figure; ``summary`` says in words what it shows."""

    id: str
    summary: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_name: str
    y_name: str
    readings: tuple[Reading, ...]
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def names(self) -> list[tuple[Line, float]]:
        """The curves that have a name, and where it stands, from the top."""
        named = [line for line in self.lines if line.name]
        return list(zip(named, spaced([line.end for line in named], 9.0), strict=True))

    @property
    def data(self) -> list[list[Any]]:
        """For the script."""
        return [[item.at, item.text] for item in self.readings]


def dot(x: Axis, y: Axis, at: float, value: float, spread: float | None = None) -> Dot:
    """A point and, where it has a standard error, its whisker."""
    middle = 100 - y.place(value)
    if spread is None:
        return Dot(x.place(at), middle)
    return Dot(x.place(at), middle, 100 - y.place(value - spread), 100 - y.place(value + spread))


def even_ticks(axis: Axis, most: int = 5) -> tuple[float, ...]:
    """Round numbers within a linear axis."""
    span = axis.high - axis.low
    if span <= 0:
        return (axis.low,)
    rough = span / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.999)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return tuple(round(step * i, 10) for i in range(first, last + 1))


def spaced(places: Sequence[float], least: float) -> tuple[float, ...]:
    """Places of names pushed apart until each has ``least`` percent of room, in the order given."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved, floor = [0.0] * len(places), -math.inf
    for i in order:
        moved[i] = max(places[i], floor)
        floor = moved[i] + least
    over = max(0.0, max(moved, default=0.0) - 100)
    return tuple(place - over for place in moved)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-300))
