"""The table of all choices: what each is worth with its interval, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import NOTHING, brief, count, decimals, finite, percent, signed
from bignet.reporting.sections.charts import Axis
from bignet.reporting.sections.parts import Advice, Name, Whisker, draw, name_of
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import PRESETS, brief_rate, choices, in_bytes, named, origin, value_of
from bignet.reporting.sweep.shapes import shape, tint

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric
    from bignet.evaluate.sweep.result import Scored
    from bignet.reporting.sweep.facts import SweepFacts

FURTHER = {"p@1": "P@1", "pair_auroc": "Pair AUROC", "self_hit@1": "Self-hit", "overlap_stability": "Agreement"}
_MEANINGS = {
    "p@1": "share of images whose nearest image shows the same class",
    "pair_auroc": "chance that two images of one class are more similar than two of different ones",
    "self_hit@1": "share of altered copies whose nearest image is their own original",
    "overlap_stability": "how far other layers and networks name the same neighbours",
}


@dataclass(frozen=True)
class Row:
    """One choice; ``raw`` is what sorting and CSV use."""

    number: int
    name: Name
    tint: str
    shape: str
    untrained: bool
    badges: list[tuple[str, str]]
    score: str
    interval: str
    whisker: Whisker | None
    to_best: str
    to_best_interval: str
    tie: str
    chosen: str
    on_all: str
    others: list[str]
    speed: str
    speed_range: str
    end2end: str
    dims: str
    bytes: str
    coverage: str
    raw: dict[str, str | float | int | None]


def answer(facts: SweepFacts) -> str:
    """The section's sentence."""
    best = facts.best
    if best is None:
        return "No choice was scored."
    text = f"{named(best.choice.name)} leads with {facts.quoted(best)}"
    if len(facts.scored) == 1:
        return f"{text}; it is the only one."
    others = facts.n_tied - 1
    if others <= 0:
        return f"{text}, and no other choice is tied with it."
    return f"{text}; {choices(others)} cannot be told from it."


def explained(facts: SweepFacts) -> list[str]:
    """Which score is which, and what the words of the table mean."""
    if not facts.is_split:
        return [f"Score: {facts.score} on all images, which also chose: there are too few of them for two halves."]
    text = (
        f"Score: {facts.score} {facts.where}; the table is sorted by it. Choosing half: the same score on the other "
        "half, by which the best is chosen and the front is drawn. All images: what a report of that choice shows; "
        "among more images there are more to find and more to confuse."
    )
    return [text, facts.why_not_told] if facts.why_not_told else [text]


def advice(facts: SweepFacts) -> Advice:
    """What to do with it."""
    if facts.taken is None:
        return Advice("Sweep again; sweep.json has what was dropped.", commands.sweep(facts.source, ""))
    text = "Look closely at one choice before it goes into use: its report shows the neighbours and the mistakes."
    return Advice(text, commands.report_on(facts.source, facts.taken.choice))


def further(facts: SweepFacts) -> list[tuple[str, str, str]]:
    """Further columns that have a value for some choice: id, head, meaning."""
    return [
        (name, head, _MEANINGS[name])
        for name, head in FURTHER.items()
        if name != facts.sweep.ranking
        and (name != "overlap_stability" or not facts.is_labelled)
        and any(_value(item, name) is not None for item in facts.scored)
    ]


def axis(facts: SweepFacts) -> Axis:
    """From the lowest to the highest end of all intervals: on 0 to 1 they would all look alike."""
    found = [finite(end) for item in facts.scored for end in (item.reported.lo, item.reported.value, item.reported.hi)]
    known = [end for end in found if end is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return Axis(math.floor(low * 20) / 20, math.ceil(high * 20) / 20 if high > low else low + 0.05)


def ends(facts: SweepFacts) -> tuple[str, str]:
    """Of that axis, as printed."""
    return decimals(axis(facts).low, 2), decimals(axis(facts).high, 2)


def rows(facts: SweepFacts) -> list[Row]:
    """Every choice, the highest of the scores shown first."""
    columns = [name for name, _, _ in further(facts)]
    return [_row(facts, number, item, columns) for number, item in facts.as_shown]


def _row(facts: SweepFacts, number: int, item: Scored, columns: list[str]) -> Row:
    slot = facts.models[item.choice.model]
    return Row(
        number=number,
        name=name_of(item.choice.name, 36),
        tint=tint(slot),
        shape=shape(slot),
        untrained=not item.choice.trained,
        badges=_badges(facts, item),
        score=decimals(value_of(item)),
        interval=_interval(item.reported),
        whisker=_whisker(item.reported, axis(facts)),
        to_best=NOTHING if item.to_best is None else signed(item.to_best.value),
        to_best_interval="" if item.to_best is None else _interval(item.to_best),
        tie="the best" if item is facts.best else facts.tie(item),
        chosen=decimals(item.chosen_half.value),
        on_all=decimals(facts.on_all(item)),
        others=[decimals(_value(item, name)) for name in columns],
        speed=brief_rate(item.cost.images_s_forward),
        speed_range=_between(item.cost.images_s_end2end_lo, item.cost.images_s_end2end_hi),
        end2end=brief_rate(item.cost.images_s_end2end),
        dims=count(item.choice.dims),
        bytes=in_bytes(item.cost.bytes_per_vector),
        coverage=percent(item.choice.coverage),
        raw=_raw(facts, number, item),
    )


def _whisker(metric: Metric, along: Axis) -> Whisker | None:
    """A score on the table's own axis."""
    value, lo, hi, chance = (finite(end) for end in (metric.value, metric.lo, metric.hi, metric.chance))
    if value is None:
        return None
    drawn = draw(value, lo, hi, chance, percent(metric.level))
    tick = chance is not None and along.low <= chance <= along.high
    return replace(
        drawn,
        dot=f"{along.place(value):g}%",
        left=None if drawn.left is None or lo is None else f"{along.place(lo):g}%",
        right=None if drawn.right is None or hi is None else f"{along.place(hi):g}%",
        tick=f"{along.place(chance):g}%" if tick and chance is not None else None,
    )


def _badges(facts: SweepFacts, item: Scored) -> list[tuple[str, str]]:
    made = [("chosen", PRESETS[preset].lower()) for preset in facts.presets_of.get(item.choice.name, [])]
    made += [("", "front")] if item.on_front else []
    return made + ([("warn", "untrained")] if not item.choice.trained else [])


def _interval(metric: Metric) -> str:
    lo, hi = finite(metric.lo), finite(metric.hi)
    return "" if lo is None or hi is None else f"{decimals(lo)} to {decimals(hi)}"


def _between(low: float | None, high: float | None) -> str:
    return "" if finite(low) is None or finite(high) is None else f"{brief_rate(low)} to {brief_rate(high)}"


def _value(item: Scored, name: str) -> float | None:
    return finite(item.metrics[name].value) if name in item.metrics else None


def _raw(facts: SweepFacts, number: int, item: Scored) -> dict[str, str | float | int | None]:
    """What the table holds and more, for CSV; attribute names, hence without signs."""
    choice, cost, gap = item.choice, item.cost, item.to_best
    found: dict[str, str | float | int | None] = {
        "choice": visible(choice.name),
        "chosen_rank": number + 1,
        "model": visible(choice.model),
        "layer": visible(choice.layer),
        "pool": visible(choice.pool),
        "steps": visible(" ".join(choice.steps)),
        "weights": visible(origin(choice.weights)),
        "trained": _yes(choice.trained),
        "score": brief(item.reported.value),
        "score_lo": brief(item.reported.lo),
        "score_hi": brief(item.reported.hi),
        "chosen_half": brief(item.chosen_half.value),
        "score_all_images": brief(facts.on_all(item)),
        "to_best": brief(gap.value) if gap else None,
        "to_best_lo": brief(gap.lo) if gap else None,
        "to_best_hi": brief(gap.hi) if gap else None,
        "p_value": brief(item.p_value),
        "tied": _yes(item.tied),
        "tie": "the best" if item is facts.best else facts.tie(item),
        "on_front": _yes(item.on_front),
        "presets": " ".join(facts.presets_of.get(choice.name, [])),
        "speed": brief(cost.images_s_forward),
        "end2end": brief(cost.images_s_end2end),
        "end2end_lo": brief(cost.images_s_end2end_lo),
        "end2end_hi": brief(cost.images_s_end2end_hi),
        "index_qps": brief(cost.index_qps),
        "flops": cost.flops,
        "peak_bytes": cost.peak_bytes,
        "dims": choice.dims,
        "bytes": cost.bytes_per_vector,
        "coverage": brief(choice.coverage),
    }
    others = {name: metric for name, metric in item.metrics.items() if name != facts.sweep.ranking}
    return found | {attribute(name): brief(metric.value) for name, metric in others.items()}


def attribute(name: str) -> str:
    """A metric's id as a data attribute."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name.lower())


def _yes(value: bool) -> str:
    return "yes" if value else "no"
