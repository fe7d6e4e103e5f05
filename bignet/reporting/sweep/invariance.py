"""Invariance: how often an altered copy of an image still finds its original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import brief, decimals, finite, percent
from bignet.reporting.sections.charts import Axis, Chart, Line, Reading, Tick, dot
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.evaluate.sweep.result import Scored
    from bignet.reporting.sweep.facts import SweepFacts
    from bignet.reporting.sweep.settings import SweepPageSettings

KINDS = ("", "second", "third", "fourth")
_WORDS = {
    "rotate": ("Rotation", "degrees"),
    "scale": ("Scale", "times larger"),
    "blur": ("Blur", "share of the shorter side"),
    "jpeg": ("JPEG", "quality"),
    "brightness": ("Brightness", "times brighter"),
    "flip": ("Mirror image", ""),
    "occlusion": ("Covered", "share of the area"),
}


@dataclass(frozen=True)
class Curve:
    """A choice in the figures: its name and the style of its line."""

    name: Name
    kind: str


@dataclass(frozen=True)
class Share:
    """One number of the table."""

    text: str
    bar: str


@dataclass(frozen=True)
class AlteredLine:
    """One alteration at one strength under each choice."""

    name: str
    shares: list[Share]
    raw: dict[str, str | float | None]


def shown(facts: SweepFacts, settings: SweepPageSettings) -> list[Scored]:
    """The choices that are drawn: those recommended, then the best, one a model while there are others."""
    known = [item for item in facts.scored if any(item.self_hit.values())]
    wanted = [item for item in known if item.choice.name in facts.presets_of]
    models = {item.choice.model for item in wanted}
    others = [item for item in known if item not in wanted]
    others.sort(key=lambda item: item.choice.model in models)  # stable: best first within both halves
    return [*wanted, *others][: settings.curves]


def curves(items: Sequence[Scored]) -> list[Curve]:
    """Names and line styles, in the order drawn."""
    return [Curve(name_of(item.choice.name, 40), KINDS[i % len(KINDS)]) for i, item in enumerate(items)]


def charts(items: Sequence[Scored]) -> list[tuple[str, Chart]]:
    """A figure for each transform that has several strengths."""
    return [(title_of(kind), _chart(kind, items)) for kind in _kinds(items) if len(_strengths(kind, items)) > 1]


def table(items: Sequence[Scored]) -> list[AlteredLine]:
    """Every transform and strength."""
    return [_line(kind, strength, items) for kind in _kinds(items) for strength in _strengths(kind, items)]


def answer(facts: SweepFacts, settings: SweepPageSettings) -> str:
    """The section's sentence: the alteration that hurts the recommended choice most."""
    items = shown(facts, settings)
    if not items:
        return "No altered copies were embedded, so it is not known which choices bear being turned, scaled or blurred."
    taken = facts.taken if facts.taken in items and facts.taken is not None else items[0]
    points = [
        (share, kind, s) for kind, line in taken.self_hit.items() for s, share in line if finite(share) is not None
    ]
    if not points:
        return "Altered copies were embedded, but none could be compared."
    worst, best = min(points), max(points)
    return (
        f"Under {named(taken.choice.name)} the hardest for a copy is {_place(*worst[1:]).lower()}: {percent(worst[0])} "
        f"find their original; the easiest is {_place(*best[1:]).lower()}, with {percent(best[0])}."
    )


def advice(facts: SweepFacts, settings: SweepPageSettings) -> Advice:
    """What to do with it."""
    if not shown(facts, settings):
        return Advice("Sweep again with altered copies; 200 images are enough.", commands.sweep(facts.source, ""))
    return Advice(
        "If your images come turned or scaled, a choice whose line stays up is worth more than its score says; if they "
        "never do, leave this section aside."
    )


def title_of(kind: str) -> str:
    """A transform's name."""
    return _WORDS.get(kind, (visible(kind).capitalize(), ""))[0]


def _kinds(items: Sequence[Scored]) -> list[str]:
    found = dict.fromkeys(kind for item in items for kind, line in item.self_hit.items() if line)
    order = list(_WORDS)
    return sorted(found, key=lambda kind: order.index(kind) if kind in order else len(order))


def _strengths(kind: str, items: Sequence[Scored]) -> list[float]:
    return sorted({s for item in items for s, share in item.self_hit.get(kind, ()) if finite(share) is not None})


def _share(item: Scored, kind: str, strength: float) -> float | None:
    found: Mapping[float, float] = dict(item.self_hit.get(kind, ()))
    return finite(found.get(strength))


def _chart(kind: str, items: Sequence[Scored]) -> Chart:
    strengths = _strengths(kind, items)
    x, y = Axis(min(strengths), max(strengths)), Axis(0.0, 1.0)
    lines = []
    for i, item in enumerate(items):
        points = [(s, share) for s in strengths if (share := _share(item, kind, s)) is not None]
        lines.append(Line("", KINDS[i % len(KINDS)], tuple(dot(x, y, s, share) for s, share in points)))
    readings = [(s, _reading(kind, s, items)) for s in strengths]
    return Chart(
        id=f"invariance-{_kinds(items).index(kind)}",
        summary=f"{title_of(kind)}: share of copies that find their original. "
        + "; ".join(text.replace("\n", ", ") for _, text in readings),
        x_ticks=tuple(Tick(x.place(s), f"{s:g}") for s in strengths),
        y_ticks=tuple(Tick(y.place(v), f"{v:g}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)),
        x_name=_WORDS.get(kind, ("", "strength"))[1],
        y_name="share that find their original",
        readings=tuple(Reading(x.place(s), text) for s, text in readings),
        lines=tuple(lines),
    )


def _reading(kind: str, strength: float, items: Sequence[Scored]) -> str:
    parts = [_place(kind, strength)]
    parts += [f"{named(item.choice.name)} {decimals(_share(item, kind, strength))}" for item in items]
    return "\n".join(parts)


def _place(kind: str, strength: float) -> str:
    unit = _WORDS.get(kind, ("", ""))[1]
    if kind == "flip":
        return title_of(kind)
    return f"{title_of(kind)} {strength:g}" + (
        f" {unit}" if unit in ("degrees", "times larger", "times brighter") else ""
    )


def _line(kind: str, strength: float, items: Sequence[Scored]) -> AlteredLine:
    values = [_share(item, kind, strength) for item in items]
    raw: dict[str, str | float | None] = {"transform": visible(kind), "strength": strength}
    for i, value in enumerate(values):
        raw[f"choice_{i + 1}"] = brief(value)
    shares = [Share(decimals(value), f"{100 * (value or 0.0):.3g}%") for value in values]
    return AlteredLine(_place(kind, strength), shares, raw)
