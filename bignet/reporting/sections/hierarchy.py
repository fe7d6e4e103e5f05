"""The hierarchy under the labels: scores by level, how far mistakes go, how plausible they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.definitions import define
from bignet.reporting.numbers import NOTHING, brief, count, counted, decimals, finite, percent
from bignet.reporting.sections.parts import Whisker, whisker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.confusion_result import Hierarchy, Level
    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts

_SUMMED = ("hF", "hprec@", "ahp@", "mistake_severity")
_PLAUSIBLE = 0.7  # a house rule: from here on mistakes stay inside the parent class


@dataclass(frozen=True)
class LevelScore:
    """One score at one level: as text and as a bar with whisker and chance."""

    value: str
    note: str
    whisker: Whisker | None


@dataclass(frozen=True)
class LevelLine:
    """One level."""

    depth: int
    classes: str
    p1: LevelScore
    map_r: LevelScore
    raw: dict[str, float | int | None]


@dataclass(frozen=True)
class Step:
    """Wrong first neighbours that meet the right class so many levels up."""

    name: str
    n: str
    share: str
    bar: float
    raw: dict[str, float | int | str | None]


def reading(facts: Facts) -> str:
    """What the hierarchy says, in one sentence."""
    found = facts.evaluation.hierarchy
    if found is None:
        return "The labels are flat, so nothing says which mistakes are small ones."
    share = metric_value(found.metrics, "plausible_fp")
    if share is None and any(found.severity):
        return "The mistakes could not leave the parent class, so nothing says which of them are small ones."
    if share is None:
        return "No first neighbour is wrong, so there is no mistake to weigh."
    chance = next((finite(m.chance) for m in found.metrics if m.id == "plausible_fp"), None)
    against = "" if chance is None else f", where chance gives {percent(chance)}"
    text = f"{percent(share)} of the wrong first neighbours stay inside the parent class{against}"
    return f"{text}: {'mostly small mistakes' if share >= _PLAUSIBLE else 'many mistakes go farther'}."


def levels(facts: Facts) -> list[LevelLine]:
    """From the most general level to the whole label."""
    found = facts.evaluation.hierarchy
    return [] if found is None else [_level(level) for level in found.levels]


def steps(facts: Facts) -> list[Step]:
    """The histogram of severity; empty if no first neighbour was wrong."""
    found = facts.evaluation.hierarchy
    heights = found.severity[1:] if found else ()
    total, most = sum(heights), max(heights, default=0)
    return [_step(i + 1, n, len(heights), (total, most)) for i, n in enumerate(heights)] if total else []


def figures(found: Hierarchy | None) -> list[tuple[str, str]]:
    """What sums it up: name and value."""
    if found is None:
        return []
    shown = [metric for metric in found.metrics if metric.id.startswith(_SUMMED) and finite(metric.value) is not None]
    return [(define(metric).name, decimals(metric.value)) for metric in shown]


def metric_value(metrics: Sequence[Metric], name: str) -> float | None:
    """The value of a metric by its id; None where it is undefined or was not computed."""
    return finite(next((metric.value for metric in metrics if metric.id == name), None))


def _level(level: Level) -> LevelLine:
    return LevelLine(
        depth=level.depth,
        classes=counted(level.n_classes, "class", "classes"),
        p1=_score(level.p1),
        map_r=_score(level.map_r),
        raw={
            "classes": level.n_classes,
            "p1": brief(level.p1.value),
            "map_r": brief(level.map_r.value),
            "p1_chance": brief(level.p1.chance),
            "map_r_chance": brief(level.map_r.chance),
        },
    )


def _score(metric: Metric) -> LevelScore:
    whisker = whisker_of(metric)
    note = visible(metric.reason or "undefined") if finite(metric.value) is None else (whisker.text if whisker else "")
    return LevelScore(decimals(metric.value) if finite(metric.value) is not None else NOTHING, note, whisker)


def _step(height: int, n: int, top: int, sums: tuple[int, int]) -> Step:
    total, most = sums
    name = {1: "same parent", top: "nothing in common"}.get(height, f"{height} levels up")
    raw: dict[str, float | int | str | None] = {"levels_up": height, "meeting": name, "n": n, "share": brief(n / total)}
    return Step(name, count(n), percent(n / total), round(100 * n / most, 2), raw)
