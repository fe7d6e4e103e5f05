"""What the sections of a sweep's page say, looked up once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING

from bignet.evaluate.result import Metric
from bignet.evaluate.sweep.trade import n_compared, unresolved
from bignet.names import shorten, visible
from bignet.reporting.definitions import define
from bignet.reporting.numbers import counted, decimals, finite, percent
from bignet.reporting.vocabulary.definition import RETRIEVAL

if TYPE_CHECKING:
    from bignet.evaluate.sweep.result import Cost, Recommendation, Scored, Sweep
    from bignet.reporting.sweep.source import SweepSource

PRESETS = {"best": "Best quality", "balanced": "Balanced", "cheapest": "Cheapest"}
TIED, NOT_TOLD = "tied", "not told apart"
COLOURS = 10  # models told apart by colour and shape
_NAME_WIDTH = 44


@dataclass(frozen=True)
class SweepFacts:
    """A sweep and its names."""

    sweep: Sweep
    source: SweepSource

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """Best first."""
        return self.sweep.scored

    @cached_property
    def by_name(self) -> dict[str, Scored]:
        """Choices by their names."""
        return {item.choice.name: item for item in self.scored}

    @cached_property
    def is_labelled(self) -> bool:
        """Whether choices are ranked by what labels say."""
        return define(Metric(self.sweep.ranking, None)).family == RETRIEVAL

    @cached_property
    def score(self) -> str:
        """What the ranking score is called in a sentence."""
        return define(Metric(self.sweep.ranking, None)).name

    @cached_property
    def models(self) -> dict[str, int]:
        """Model -> its colour and shape; -1 for those that have none to themselves."""
        names = dict.fromkeys(item.choice.model for item in self.scored)
        return {name: i if i < COLOURS else -1 for i, name in enumerate(names)}

    @cached_property
    def untrained(self) -> list[str]:
        """Models with random weights."""
        return list(dict.fromkeys(item.choice.model for item in self.scored if not item.choice.trained))

    @cached_property
    def recommended(self) -> Recommendation | None:
        """The one the page speaks of first: the balanced one."""
        by_preset = {item.preset: item for item in self.sweep.recommendations}
        return by_preset.get("balanced") or next(iter(self.sweep.recommendations), None)

    @cached_property
    def taken(self) -> Scored | None:
        """The choice that is recommended."""
        return self.by_name.get(self.recommended.name) if self.recommended else None

    @cached_property
    def best(self) -> Scored | None:
        """The choice that all others are compared with."""
        named = {item.preset: item.name for item in self.sweep.recommendations}
        return self.by_name.get(named.get("best", ""), self.scored[0] if self.scored else None)

    @cached_property
    def presets_of(self) -> dict[str, list[str]]:
        """Choice -> the presets that take it."""
        found: dict[str, list[str]] = {}
        for item in self.sweep.recommendations:
            found.setdefault(item.name, []).append(item.preset)
        return found

    @cached_property
    def n_tied(self) -> int:
        """Choices that cannot be told from the best, itself among them."""
        return sum(item.tied for item in self.scored)

    @cached_property
    def n_front(self) -> int:
        """Choices that nothing else beats in everything."""
        return sum(item.on_front for item in self.scored)

    @cached_property
    def by_forward(self) -> bool:
        """Whether speed means the network alone: only where nothing was measured end to end, as the rules ask for."""
        return not any(finite(item.cost.images_s_end2end) for item in self.scored)

    def speed(self, cost: Cost) -> float | None:
        """Images a second, of the same kind for every choice."""
        found = finite(cost.images_s_forward if self.by_forward else cost.images_s_end2end)
        return found if found and found > 0 else None

    @cached_property
    def as_shown(self) -> list[tuple[int, Scored]]:
        """Every choice by the score that is shown, with its place in the order that chose."""
        return sorted(enumerate(self.scored), key=lambda pair: (-(value_of(pair[1]) or 0.0), pair[0]))

    @cached_property
    def is_split(self) -> bool:
        """Whether one half chose and the other is reported; False where there were too few images for halves."""
        return not any(item.reported.params.get("images") == "all images" for item in self.scored)

    @cached_property
    def where(self) -> str:
        """The images that the scores shown are of."""
        return "on the half of the images that had no say in the choice" if self.is_split else "on all images"

    @cached_property
    def n_compared(self) -> int:
        """Choices compared with the best."""
        return n_compared(self.scored)

    def on_all(self, item: Scored) -> float | None:
        """The same score over all images, where it is not the one shown: what a report of that choice shows."""
        found = item.metrics.get(self.sweep.ranking)
        return finite(found.value) if found is not None and self.is_split else None

    def tie(self, item: Scored) -> str:
        """How a choice stands to the best where they cannot be told apart; empty where they can, and for the best."""
        if not item.tied or item.to_best is None:
            return ""
        return NOT_TOLD if unresolved(item) else TIED

    @cached_property
    def why_not_told(self) -> str:
        """What ``NOT_TOLD`` means; empty where no choice stands so."""
        if not any(self.tie(item) == NOT_TOLD for item in self.scored):
            return ""
        return (
            f"{NOT_TOLD.capitalize()}: its own interval leaves out 0, but of {counted(self.n_compared, 'comparison')} "
            "some do so by luck; after correction for their number (Holm) it is not told from the best. More images "
            "would decide."
        )

    def speed_range(self, cost: Cost) -> tuple[float, float] | None:
        """Between which rates that speed is known; None where one was measured, or none."""
        lo, hi = (cost.images_s_forward_lo, cost.images_s_forward_hi)
        if not self.by_forward:
            lo, hi = (cost.images_s_end2end_lo, cost.images_s_end2end_hi)
        low, high = finite(lo), finite(hi)
        return None if low is None or high is None or low <= 0 or self.speed(cost) is None else (low, high)

    def told_speed(self, cost: Cost) -> str:
        """``96 images/s (93 to 99)``."""
        ends = self.speed_range(cost)
        between = "" if ends is None else f" ({brief_rate(ends[0])} to {brief_rate(ends[1])})"
        return f"{rate(self.speed(cost))}{between}"

    def quoted(self, item: Scored) -> str:
        """``macro MAP@R 0.512 (95 % interval 0.490 to 0.534; chance 0.100)``."""
        found = item.reported
        lo, hi, chance = finite(found.lo), finite(found.hi), finite(found.chance)
        parts = [] if lo is None else [f"{percent(found.level)} interval {decimals(lo)} to {decimals(hi)}"]
        parts += [] if chance is None else [f"chance {decimals(chance)}"]
        return f"{self.score} {decimals(found.value)}" + (f" ({'; '.join(parts)})" if parts else "")


def value_of(item: Scored) -> float | None:
    """The score to believe: that of the half that did not choose."""
    return finite(item.reported.value)


def named(name: str) -> str:
    """A choice or model as it stands in a sentence."""
    return shorten(visible(name), _NAME_WIDTH)


def origin(weights: str) -> str:
    """Where weights come from; of a file its name, for its folders are nobody's business."""
    kind, colon, place = weights.partition(":")
    return f"{kind}:{PurePath(place).name}" if colon and place.startswith("/") else weights


def rate(images_s: float | None) -> str:
    """``171 images/s``."""
    number = finite(images_s)
    return "speed not measured" if number is None else f"{brief_rate(number)}\u00a0images/s"


def brief_rate(images_s: float | None) -> str:
    """``171``, ``1,240``, ``9.6``: a speed is known to some percent, more digits say nothing; as the terminal."""
    number = finite(images_s)
    if number is None:
        return "–"  # noqa: RUF001 - the dash that stands for a missing number
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def in_bytes(n_bytes: int) -> str:
    """``5,120 bytes``: as the terminal says it; in kB two choices that differ could read the same."""
    return f"{n_bytes:,}\u00a0bytes"


def choices(n: int) -> str:
    """``12 choices``."""
    return counted(n, "choice")
