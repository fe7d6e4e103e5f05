"""Invariance: how often an altered copy of an image still finds its original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.intervals import wilson
from bignet.names import visible
from bignet.reporting.numbers import NARROW, NOTHING, brief, count, counted, finite, listed, sentence
from bignet.reporting.sections.charts import Axis, Chart, Dot, Line, Reading, Tick
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.altered import axis_name, axis_of, phrase, place_of, shown_strength, title_of, unaltered
from bignet.reporting.sweep.facts import named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.evaluate.sweep.result import Scored
    from bignet.reporting.sweep.facts import SweepFacts
    from bignet.reporting.sweep.settings import SweepPageSettings

KINDS = ("", "second", "third", "fourth")
LOW = 0.5  # share of copies that find their original; what surely stays below is worth a word in the verdict
_APART = 1.4  # percent of a figure between the whiskers of two choices
_TICK_WIDE = 10.0  # percent of a figure that a number under it takes
_TOLD = 3  # of the alterations that do


@dataclass(frozen=True)
class Curve:
    """A choice in the figures: its name and the style of its line."""

    name: Name
    kind: str


@dataclass(frozen=True)
class Share:
    """One number of the table with its interval."""

    text: str
    interval: str
    bar: str


@dataclass(frozen=True)
class AlteredLine:
    """One alteration at one strength under each choice."""

    name: str
    shares: list[Share]
    raw: dict[str, str | float | None]


def shown(facts: SweepFacts, settings: SweepPageSettings) -> list[Scored]:
    """The choices that are drawn: those recommended, what they are weighed against, then the best of other models."""
    known = [item for item in facts.scored if any(item.self_hit.values())]
    taken = [facts.taken.choice.name] if facts.taken else []
    found = facts.sweep.recommendations
    wanted = dict.fromkeys([*taken, *(item.name for item in found), *(item.runner_up for item in found)])
    first = [item for name in wanted for item in known if item.choice.name == name]
    models = {item.choice.model for item in first}
    leads = {item.choice.model: item for item in reversed(known) if item.choice.model not in models}
    others = [item for item in known if item not in first]
    others.sort(key=lambda item: (not item.choice.trained, item is not leads.get(item.choice.model)))
    return [*first, *others][: settings.curves]


def curves(items: Sequence[Scored]) -> list[Curve]:
    """Names and line styles, in the order drawn."""
    return [Curve(name_of(item.choice.name, 40), KINDS[i % len(KINDS)]) for i, item in enumerate(items)]


def charts(items: Sequence[Scored]) -> list[tuple[str, Chart]]:
    """A figure for each transform that has several strengths."""
    return [(title_of(kind), _chart(kind, items)) for kind in _kinds(items) if len(_strengths(kind, items)) > 1]


def table(items: Sequence[Scored]) -> list[AlteredLine]:
    """Every transform and strength."""
    return [_line(kind, strength, items) for kind in _kinds(items) for strength in _strengths(kind, items)]


def n_copies(items: Sequence[Scored]) -> str:
    """Of how many images there are copies; empty if unknown."""
    known = [n for item in items if (n := _n(item))]
    return count(known[0]) if known else ""


def answer(facts: SweepFacts, settings: SweepPageSettings) -> str:
    """The section's sentence: the alteration that hurts the recommended choice most."""
    items = shown(facts, settings)
    if not items:
        return "No altered copies were embedded, so it is not known which choices bear being turned, scaled or blurred."
    taken = facts.taken if facts.taken in items and facts.taken is not None else items[0]
    points = _points(taken)
    if not points:
        return "Altered copies were embedded, but none could be compared."
    worst, best = min(points), max(points)
    return (
        f"Under {named(taken.choice.name)}, {_whole(worst[0])} of the copies {phrase(*worst[1:])} find their original, "
        f"and {_whole(best[0])} of those {phrase(*best[1:])}."
    )


def frail(facts: SweepFacts) -> str:
    """What the recommended choice does not bear: the alterations whose share is surely low; empty = none."""
    taken = facts.taken
    if taken is None:
        return ""
    low = sorted(point for point in _points(taken) if (_ends(taken, point[0]) or (0.0, point[0]))[1] < LOW)
    if not low:
        return ""
    words = [f"{_whole(share)} of those {phrase(kind, strength)}" for share, kind, strength in low[:_TOLD]]
    words[0] = words[0].replace("of those", "of the copies", 1)
    more = f"; {counted(len(low) - _TOLD, 'more change')} below half" if len(low) > _TOLD else ""
    tried = f" ({counted(_n(taken), 'image')} tried)" if _n(taken) else ""
    return f"It does not bear every change{tried}: only {listed(words)} find their original{more}."


def advice(facts: SweepFacts, settings: SweepPageSettings) -> Advice:
    """What to do with it."""
    if not shown(facts, settings):
        return Advice("Sweep again with altered copies; 200 images are enough.", commands.sweep(facts.source, ""))
    return Advice(
        "If your images come turned or scaled, a choice whose line stays up is worth more than its score says; if they "
        "never do, leave this section aside."
    )


def _kinds(items: Sequence[Scored]) -> list[str]:
    found = dict.fromkeys(kind for item in items for kind, line in item.self_hit.items() if line)
    return sorted(found, key=place_of)


def _points(item: Scored) -> list[tuple[float, str, float]]:
    """Share, kind and strength of everything done to the copies."""
    return [(share, kind, s) for kind, line in item.self_hit.items() for s, share in line if finite(share) is not None]


def _strengths(kind: str, items: Sequence[Scored]) -> list[float]:
    return sorted({s for item in items for s, share in item.self_hit.get(kind, ()) if finite(share) is not None})


def _share(item: Scored, kind: str, strength: float) -> float | None:
    found: Mapping[float, float] = dict(item.self_hit.get(kind, ()))
    return finite(found.get(strength))


def _n(item: Scored) -> int:
    """Images that there are copies of; 0 = unknown."""
    return item.metrics["self_hit@1"].n_queries if "self_hit@1" in item.metrics else 0


def _ends(item: Scored, share: float) -> tuple[float, float] | None:
    """Wilson's interval of a share of that many copies."""
    n = _n(item)
    return wilson(round(share * n), n, item.reported.level) if n else None


def _chart(kind: str, items: Sequence[Scored]) -> Chart:
    strengths = _strengths(kind, items)
    x, y = axis_of(kind, strengths), Axis(0.0, 1.0)
    nothing = unaltered(kind)
    is_apart = nothing is not None and all(abs(x.place(s) - x.place(nothing)) >= _TICK_WIDE for s in strengths)
    marks = [*strengths, *([nothing] if nothing is not None and is_apart else [])]
    lines = []
    for i, item in enumerate(items):
        aside = _APART * (i - (len(items) - 1) / 2)
        dots = [
            _dot((x, y), item, (s, share), aside) for s in strengths if (share := _share(item, kind, s)) is not None
        ]
        whole = [] if nothing is None else [Dot(x.place(nothing), 0.0)]
        lines.append(Line("", KINDS[i % len(KINDS)], tuple(sorted([*whole, *dots], key=lambda one: one.x))))
    readings = [(s, _reading(kind, s, items)) for s in strengths]
    return Chart(
        id=f"invariance-{_kinds(items).index(kind)}",
        summary=f"{title_of(kind)}: share of copies that find their original. "
        + "; ".join(text.replace("\n", ", ") for _, text in readings),
        x_ticks=tuple(Tick(x.place(s), shown_strength(kind, s)) for s in marks),
        y_ticks=tuple(Tick(y.place(v), _whole(v)) for v in (0.0, 0.25, 0.5, 0.75, 1.0)),
        x_name=axis_name(kind),
        y_name="share that find their original",
        readings=tuple(Reading(x.place(s), text) for s, text in readings),
        lines=tuple(lines),
    )


def _dot(axes: tuple[Axis, Axis], item: Scored, point: tuple[float, float], aside: float) -> Dot:
    """One share with its interval, a little aside so that those of several choices do not cover each other."""
    x, y = axes
    at, ends = round(x.place(point[0]) + aside, 3), _ends(item, point[1])
    if ends is None:
        return Dot(at, 100 - y.place(point[1]))
    return Dot(at, 100 - y.place(point[1]), 100 - y.place(ends[0]), 100 - y.place(ends[1]))


def _reading(kind: str, strength: float, items: Sequence[Scored]) -> str:
    parts = [sentence(phrase(kind, strength))]
    for item in items:
        share = _share(item, kind, strength)
        between = "" if share is None else _interval(item, share)
        parts.append(_whole(share) + (f" ({between})" if between else "") + f" {named(item.choice.name)}")
    return "\n".join(parts)


def _interval(item: Scored, share: float) -> str:
    ends = _ends(item, share)
    return "" if ends is None else f"{100 * ends[0]:.0f} to {100 * ends[1]:.0f}{NARROW}%"


def _whole(share: float | None) -> str:
    """A share of a few hundred copies: whole percents are all that it can say."""
    number = finite(share)
    if number is None:
        return NOTHING
    if 0 < number < 0.005:
        return f"under 1{NARROW}%"
    if 0.995 < number < 1:
        return f"over 99{NARROW}%"
    return f"{100 * number:.0f}{NARROW}%"


def _line(kind: str, strength: float, items: Sequence[Scored]) -> AlteredLine:
    values = [_share(item, kind, strength) for item in items]
    raw: dict[str, str | float | None] = {"transform": visible(kind), "strength": strength}
    shares = []
    for i, (item, value) in enumerate(zip(items, values, strict=True)):
        ends = None if value is None else _ends(item, value)
        raw[f"choice_{i + 1}"] = brief(value)
        raw[f"choice_{i + 1}_lo"], raw[f"choice_{i + 1}_hi"] = map(brief, ends or (None, None))
        between = "" if value is None else _interval(item, value)
        shares.append(Share(_whole(value), between, f"{100 * (value or 0.0):.3g}%"))
    return AlteredLine(sentence(phrase(kind, strength)), shares, raw)
