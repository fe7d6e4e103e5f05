"""Quality against speed: every choice as a spot, the better ones up and to the right."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bignet.names import visible
from bignet.reporting.numbers import count, decimals, finite, listed
from bignet.reporting.sections.charts import Axis, Tick, even_ticks
from bignet.reporting.sections.parts import Advice, name_of
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import PRESETS, brief_rate, choices, named, rate, value_of
from bignet.reporting.sweep.reading import reading
from bignet.reporting.sweep.shapes import shape, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.sweep.result import Scored
    from bignet.reporting.sections.parts import Name
    from bignet.reporting.sweep.facts import SweepFacts

_SMALLEST, _LARGEST = 5.0, 12.0  # pixels from the middle of a spot
_ROOM = 0.06  # of the figure, left free around the spots
_LABEL_WIDE, _LABEL_HIGH = 24.0, 5.0  # of the figure, taken by a name
_LEFT_HALF, _LEFT_OF_EDGE = 55, 82  # a long or a short name right of this stands left of its spot


@dataclass(frozen=True)
class Spot:
    """One choice in the figure; places in percent from the left and the top, radius in pixels.

    Attributes:
        number: its place among all choices, best first.
        low: lower end of the whisker; None without an interval.
        slow: left end of the whisker of the speed; None where it was measured once.
        hollow: whether another choice is as good in everything and better in something.
        label: what stands beside it; empty for all but the presets.
        label_y: where, from the top.
        flip: whether the label stands at its left.
    """

    number: int
    x: float
    y: float
    low: float | None
    high: float | None
    slow: float | None
    fast: float | None
    radius: float
    tint: str
    shape: str
    hollow: bool
    ringed: bool
    label: str
    label_y: float
    flip: bool


@dataclass(frozen=True)
class Key:
    """A model in the legend."""

    name: Name
    tint: str
    shape: str
    n: int
    untrained: bool


@dataclass(frozen=True)
class Front:
    """The whole figure."""

    spots: list[Spot]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_name: str
    y_name: str
    stairs: str
    summary: str
    sizes: list[tuple[float, str]]
    unplaced: str


def answer(facts: SweepFacts) -> str:
    """The section's sentence."""
    n = len(facts.scored)
    if not n:
        return "No choice was scored, so there is no front."
    if n == 1:
        return "One choice was scored: there is no other to weigh it against."
    beaten = n - facts.n_front
    if not beaten:
        return f"Each of the {choices(n)} is better than any other in something: quality, speed or bytes."
    which = ", by the half of the images that chooses" if facts.is_split else ""
    return (
        f"{count(facts.n_front)} of {choices(n)} {'is' if facts.n_front == 1 else 'are'} on the front: no other is as "
        f"good in quality, speed and bytes and better in one of them{which}."
    )


def advice(facts: SweepFacts) -> Advice:
    """What to do with it."""
    if facts.taken is None:
        return Advice("Sweep again with layers and pools whose vectors are short enough.",
                      commands.sweep(facts.source, "--max-dims 8192"))  # fmt: skip
    text = (
        "Move the weights until they say what quality, speed and bytes are worth to you; then search with that choice."
    )
    return Advice(text, commands.search(facts.source, facts.taken.choice))


def front(facts: SweepFacts) -> Front | None:
    """The figure; None where no choice has both a score and a speed."""
    placed = [(i, item) for i, item in enumerate(facts.scored) if _is_placed(facts, item)]
    if not placed:
        return None
    items = [item for _, item in placed]
    x, y = _speeds(facts, items), _scores(items)
    return Front(
        spots=_spots(facts, placed, x, y),
        x_ticks=tuple(Tick(x.place(v), brief_rate(v)) for v in log_ticks(x)),
        y_ticks=tuple(Tick(y.place(v), f"{v:g}") for v in even_ticks(y, 7)),
        x_name="images a second through the network" if facts.by_forward else "images a second, reading included",
        y_name=f"{facts.score}, on the images that had no say in the choice",
        stairs=_stairs(facts, items, x, y),
        summary=_summary(facts, items),
        sizes=_size_key([item.choice.dims for item in items]),
        unplaced=_unplaced(facts, len(facts.scored) - len(placed)),
    )


def keys(facts: SweepFacts) -> list[Key]:
    """The models, best first."""
    held = [item.choice.model for item in facts.scored]
    return [
        Key(name_of(model), tint(slot), shape(slot), held.count(model), model in facts.untrained)
        for model, slot in facts.models.items()
    ]


def data(facts: SweepFacts) -> list[dict[str, Any]]:
    """What the script weighs and reads out, one a choice, best first."""
    return [
        {
            "name": visible(item.choice.name),
            "chosen": finite(item.chosen_half.value),
            "speed": finite(item.cost.images_s_end2end),
            "bytes": item.cost.bytes_per_vector,
            "front": item.on_front,
            "model": facts.models[item.choice.model],
            "lines": reading(facts, item),
        }
        for item in facts.scored
    ]


def log_ticks(axis: Axis) -> tuple[float, ...]:
    """1, 2, 5, 10, ... within the axis, every second decade where there are many."""
    first, last = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
    steps = (1,) if last - first > 3 else (1, 2, 5)
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return tuple(value for value in found if axis.low <= value <= axis.high)


def _is_placed(facts: SweepFacts, item: Scored) -> bool:
    return value_of(item) is not None and facts.speed(item.cost) is not None


def _speeds(facts: SweepFacts, items: Sequence[Scored]) -> Axis:
    ends = [end for item in items for end in facts.speed_range(item.cost) or ()]
    found = [math.log10(speed) for speed in [*(facts.speed(item.cost) or 1.0 for item in items), *ends]]
    room = max(0.15, _ROOM * (max(found) - min(found)))
    return Axis(10 ** (min(found) - room), 10 ** (max(found) + room), log=True)


def _scores(items: Sequence[Scored]) -> Axis:
    values = [value_of(item) or 0.0 for item in items]
    ends = [finite(end) for item in items for end in (item.reported.lo, item.reported.hi)]
    values += [end for end in ends if end is not None]
    low, high = min(values), max(values)
    room = max(0.02, _ROOM * (high - low))
    return Axis(max(0.0, low - room) if low >= 0 else low - room, high + room)


def _spots(facts: SweepFacts, placed: Sequence[tuple[int, Scored]], x: Axis, y: Axis) -> list[Spot]:
    dims = [item.choice.dims for _, item in placed]
    made = [_spot(facts, number, item, (x, y), radius_of(item.choice.dims, dims)) for number, item in placed]
    return sorted(_apart(made), key=lambda spot: (spot.ringed, not spot.hollow, -spot.radius))  # what matters on top


def _apart(spots: Sequence[Spot]) -> list[Spot]:
    """The same with labels moved down where they would stand on another."""
    made: list[Spot] = []
    for spot in sorted(spots, key=lambda one: one.y):
        near = [other.label_y for other in made if spot.label and other.label and abs(other.x - spot.x) < _LABEL_WIDE]
        floor = max((y + _LABEL_HIGH for y in near if spot.y < y + _LABEL_HIGH), default=spot.y)
        made.append(replace(spot, label_y=floor))
    return made


def _spot(facts: SweepFacts, number: int, item: Scored, axes: tuple[Axis, Axis], radius: float) -> Spot:
    x, y = axes
    slot, presets = facts.models[item.choice.model], facts.presets_of.get(item.choice.name, [])
    across = x.place(facts.speed(item.cost) or 0.0)
    lo, hi = finite(item.reported.lo), finite(item.reported.hi)
    slow, fast = facts.speed_range(item.cost) or (None, None)
    return Spot(
        number=number,
        x=across,
        y=100 - y.place(value_of(item) or 0.0),
        low=None if lo is None else 100 - y.place(lo),
        high=None if hi is None else 100 - y.place(hi),
        slow=None if slow is None else x.place(slow),
        fast=None if fast is None else x.place(fast),
        radius=radius,
        tint=tint(slot),
        shape=shape(slot),
        hollow=not item.on_front,
        ringed=bool(presets),
        label=listed([PRESETS[preset].lower() for preset in presets]),
        label_y=100 - y.place(value_of(item) or 0.0),
        flip=across > (_LEFT_HALF if len(presets) > 1 else _LEFT_OF_EDGE),
    )


def radius_of(dims: int, all_dims: Sequence[int]) -> float:
    """Pixels: the area grows with the logarithm of the dims."""
    low, high = math.log(min(all_dims)), math.log(max(all_dims))
    share = 0.4 if high == low else (math.log(dims) - low) / (high - low)
    return round(math.sqrt(_SMALLEST**2 + share * (_LARGEST**2 - _SMALLEST**2)), 2)


def _size_key(dims: Sequence[int]) -> list[tuple[float, str]]:
    ends = sorted({min(dims), max(dims)})
    return [(radius_of(value, dims), count(value)) for value in ends]


def _stairs(facts: SweepFacts, items: Sequence[Scored], x: Axis, y: Axis) -> str:
    """The best score at each speed or faster, as a line of steps from the fastest to the slowest."""
    best, points = -math.inf, []
    for item in sorted(items, key=lambda one: -(facts.speed(one.cost) or 0.0)):
        value, across = value_of(item) or 0.0, x.place(facts.speed(item.cost) or 0.0)
        if value > best:
            points += [] if best == -math.inf else [(across, 100 - y.place(best))]
            points.append((across, 100 - y.place(value)))
            best = value
    points.append((0.0, points[-1][1]))
    return " ".join(f"{across:g},{down:g}" for across, down in points)


def _summary(facts: SweepFacts, items: Sequence[Scored]) -> str:
    shown = [item for item in items if item.on_front][:12]
    words = [
        f"{named(item.choice.name)}: {decimals(value_of(item))} at {rate(facts.speed(item.cost))}" for item in shown
    ]
    return f"{facts.score} over images a second, {choices(len(items))}. On the front: {'; '.join(words)}."


def _unplaced(facts: SweepFacts, n: int) -> str:
    if not n:
        return ""
    return f"{choices(n)} without a score or a speed {'is' if n == 1 else 'are'} not in the figure; the table has them."


def weighed(facts: SweepFacts) -> bool:
    """Whether there is anything to weigh: two choices on the front that have a score."""
    return sum(item.on_front and finite(item.chosen_half.value) is not None for item in facts.scored) > 1
