"""The verdict: what to take and why, what would change it, and what to be wary of before that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import NARROW, count, counted, decimals, finite, listed, percent, sentence
from bignet.reporting.sections.parts import Name, Whisker, name_of, whisker_of
from bignet.reporting.sentences import WIDE
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import PRESETS, choices, named, rate, value_of
from bignet.reporting.sweep.shapes import shape, tint
from bignet.units import size

if TYPE_CHECKING:
    from bignet.evaluate.sweep.result import Recommendation, Scored
    from bignet.reporting.sweep.facts import SweepFacts

FLAGS_SHOWN = 6  # the rest is folded
_NARROW_VIEW = 0.5  # of the map; less is worth a word


@dataclass(frozen=True)
class Card:
    """One preset: what it takes, what that is worth and costs, why, and what would change it.

    ``same_as`` names the earlier preset that takes the same choice; empty = none does.
    """

    title: str
    name: Name
    main: bool
    same_as: str
    score: str
    whisker: Whisker | None
    figures: list[tuple[str, str]]
    reason: str
    changes: str
    command: str
    tint: str
    shape: str


@dataclass(frozen=True)
class Caution:
    """A sentence and the section that says more; empty = none."""

    text: str
    section: str = ""


def headline(facts: SweepFacts) -> tuple[str, str, Whisker | None]:
    """The recommended choice's score, what it is, and its whisker."""
    if facts.taken is None:
        return decimals(None), "no choice was scored", None
    found = facts.taken.reported
    queries = counted(found.n_queries, "query", "queries")
    return decimals(found.value), f"{facts.score}, {queries}", whisker_of(found)


def title(facts: SweepFacts) -> str:
    """The one sentence a reader takes along."""
    if facts.recommended is None or facts.taken is None:
        return "No choice could be scored, so there is nothing to recommend."
    return f"Take {named(facts.taken.choice.name)}."


def sentences(facts: SweepFacts) -> list[tuple[str, str]]:
    """Why, and what would change it: text and the section behind it."""
    if facts.recommended is None or facts.taken is None:
        return [(f"{choices(len(facts.sweep.dropped))} dropped, each with its reason.", "dropped")]
    found = facts.recommended
    changes = [(f"What would change it: {_lower(visible(found.changes))}", "front")] if found.changes else []
    return [(_plain_reason(facts, facts.taken), "choices"), *changes]


def _lower(text: str) -> str:
    """A sentence that goes on after a colon; a name keeps its letters."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or len(first) == 1 else text


def _plain_reason(facts: SweepFacts, taken: Scored) -> str:
    """What is given up and what is got for it."""
    best = facts.best or taken
    if len(facts.scored) == 1:
        return f"It is the only choice that was scored: {facts.quoted(taken)}."
    if taken is best:
        others = count(len(facts.scored))
        return f"It is the best of {others}, {facts.quoted(taken)}; none as good costs less."
    gap = finite(taken.to_best.value) if taken.to_best else None
    if gap is None:
        below = f"It scores {decimals(value_of(taken))}; the best is {named(best.choice.name)}"
    else:
        word = "below" if gap <= 0 else "above"
        below = f"It scores {decimals(abs(gap))} {word} the best, {named(best.choice.name)}"
    return f"{below}, but {_ratios(facts, taken, best)}."


def _ratios(facts: SweepFacts, taken: Scored, best: Scored) -> str:
    """``is 2.1 times as fast with a quarter of the bytes``."""
    own, other = facts.speed(taken.cost), facts.speed(best.cost)
    parts = [] if own is None or other is None else [f"is {own / other:.2g} times as fast"]
    bytes_share = taken.cost.bytes_per_vector / best.cost.bytes_per_vector
    parts.append("takes as many bytes" if bytes_share == 1 else f"takes {bytes_share:.2g} times the bytes")
    return listed(parts)


def flags(facts: SweepFacts) -> list[Caution]:
    """What makes the verdict doubtful: first what the page finds, then what the sweep itself warns of."""
    found = [caution for say in (_like_chance, _too_wide, _untrained) if (caution := say(facts))]
    return found + [Caution(sentence(visible(text))) for text in facts.sweep.warnings]


def notes(facts: SweepFacts) -> list[Caution]:
    """What a reader should know beside the verdict."""
    seen = _narrow_view(facts)
    return [] if seen is None else [seen]


def cards(facts: SweepFacts) -> list[Card]:
    """The presets, best quality first."""
    ranked = sorted(facts.sweep.recommendations, key=lambda item: list(PRESETS).index(item.preset))
    return [_card(facts, item) for item in ranked if item.name in facts.by_name]


def _card(facts: SweepFacts, found: Recommendation) -> Card:
    item = facts.by_name[found.name]
    first = min(facts.presets_of[found.name], key=list(PRESETS).index)
    slot = facts.models[item.choice.model]
    return Card(
        title=PRESETS[found.preset],
        name=name_of(item.choice.name, 40),
        main=found is facts.recommended,
        same_as="" if first == found.preset else PRESETS[first],
        score=decimals(value_of(item)),
        whisker=whisker_of(item.reported),
        figures=_figures(facts, item),
        reason=sentence(visible(found.reason)),
        changes=_lower(visible(found.changes)),
        command=commands.report_on(facts.source, item.choice),
        tint=tint(slot),
        shape=shape(slot),
    )


def _figures(facts: SweepFacts, item: Scored) -> list[tuple[str, str]]:
    return [
        ("speed", rate(facts.speed(item.cost))),
        ("size", f"{count(item.choice.dims)}{NARROW}dims, {size(item.cost.bytes_per_vector)}"),
        ("weights", visible(item.choice.weights) if item.choice.trained else "random: untrained"),
    ]


def _like_chance(facts: SweepFacts) -> Caution | None:
    if facts.best is None:
        return None
    lo, chance = finite(facts.best.reported.lo), finite(facts.best.reported.chance)
    if lo is None or chance is None or lo > chance:
        return None
    return Caution(
        f"Even the best choice cannot be told from chance: {facts.quoted(facts.best)}.",
        "choices",
    )


def _too_wide(facts: SweepFacts) -> Caution | None:
    if facts.best is None:
        return None
    lo, hi = finite(facts.best.reported.lo), finite(facts.best.reported.hi)
    if lo is None or hi is None or hi - lo <= WIDE:
        return None
    queries = counted(facts.best.reported.n_queries, "query", "queries")
    return Caution(
        f"Too few images to rank choices by: the best one's interval is {decimals(hi - lo)} wide, from {queries}.",
        "choices",
    )


def _untrained(facts: SweepFacts) -> Caution | None:
    if not facts.untrained:
        return None
    names = listed([named(name) for name in facts.untrained[:5]])
    more = f" and {len(facts.untrained) - 5} more" if len(facts.untrained) > 5 else ""
    one = len(facts.untrained) == 1
    return Caution(
        f"{names}{more} {'has' if one else 'have'} random weights: {'its' if one else 'their'} scores say what an "
        f"untrained network gives, not what {'this one' if one else 'these'} can do.",
        "choices",
    )


def _narrow_view(facts: SweepFacts) -> Caution | None:
    if facts.taken is None or facts.taken.choice.coverage >= _NARROW_VIEW:
        return None
    item = facts.taken.choice
    return Caution(
        f"{named(item.pool)} looks at {percent(item.coverage)} of the map of {named(item.layer)}: "
        "what lies at the border is not seen.",
        "layers",
    )
