"""The verdict: what to take and why, what would change it, and what to be wary of before that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.sweep.recommend import CHEAPER
from bignet.names import visible
from bignet.reporting.numbers import NARROW, count, counted, decimals, finite, listed, percent, sentence
from bignet.reporting.sections.parts import Name, Whisker, name_of, whisker_of
from bignet.reporting.sentences import WIDE
from bignet.reporting.sweep import commands, invariance
from bignet.reporting.sweep.facts import PRESETS, choices, in_bytes, named, origin, value_of
from bignet.reporting.sweep.shapes import shape, tint

if TYPE_CHECKING:
    from bignet.evaluate.sweep.result import Recommendation, Scored
    from bignet.reporting.sweep.facts import SweepFacts

FLAGS_SHOWN = 6  # the rest is folded
_NARROW_VIEW = 0.5  # of the map; less is worth a word


@dataclass(frozen=True)
class Card:
    """One choice that presets take: which do, what it is worth and costs, why, and what would change it.

    Attributes:
        presets: their names in a row.
        agreed: whether it is the only card: every preset takes this choice.
        changes: what would change it, with the presets that say so.
    """

    presets: str
    name: Name
    main: bool
    agreed: bool
    score: str
    whisker: Whisker | None
    figures: list[tuple[str, str]]
    reason: str
    changes: list[tuple[str, str]]
    command: str
    tint: str
    shape: str


@dataclass(frozen=True)
class Caution:
    """A sentence and the section that says more; empty = none."""

    text: str
    section: str = ""


@dataclass(frozen=True)
class Headline:
    """The recommended choice's score, what it is, its whisker and interval, and the same score over all images."""

    value: str
    of: str
    whisker: Whisker | None = None
    interval: str = ""
    chance: str = ""
    on_all: str = ""


def headline(facts: SweepFacts) -> Headline:
    """What is set largest."""
    if facts.taken is None:
        return Headline(decimals(None), "no choice was scored")
    found, overall = facts.taken.reported, facts.on_all(facts.taken)
    lo, hi = finite(found.lo), finite(found.hi)
    images = counted(len(facts.sweep.ids), "image")
    return Headline(
        value=decimals(found.value),
        of=f"{facts.score} {facts.where}",
        whisker=whisker_of(found),
        interval="" if lo is None else f"{percent(found.level)} interval {decimals(lo)} to {decimals(hi)}",
        chance="" if finite(found.chance) is None else f"chance {decimals(found.chance)}",
        on_all="" if overall is None else f"{decimals(overall)} on all {images}: what its own report shows",
    )


def title(facts: SweepFacts) -> str:
    """The one sentence a reader takes along."""
    if facts.recommended is None or facts.taken is None:
        return "No choice could be scored, so there is nothing to recommend."
    return f"Take {named(facts.taken.choice.name)}."


def sentences(facts: SweepFacts) -> list[tuple[str, str]]:
    """What is given up and got: text and the section behind it."""
    if facts.recommended is None or facts.taken is None:
        return [(f"{choices(len(facts.sweep.dropped))} dropped, each with its reason.", "dropped")]
    return [(visible(facts.recommended.reason), "choices")]


def how(facts: SweepFacts) -> list[tuple[str, str]]:
    """By which rule it was picked: folded, for those who ask."""
    found = facts.recommended
    if found is None or facts.taken is None:
        return []
    return [("The rule", visible(found.rule)), ("What cheap means", CHEAPER)]


def flags(facts: SweepFacts) -> list[Caution]:
    """What makes the verdict doubtful: first what the page finds, then what the sweep itself warns of."""
    found = [caution for say in (_like_chance, _too_wide, _untrained) if (caution := say(facts))]
    return found + [Caution(sentence(visible(text))) for text in facts.sweep.warnings]


def notes(facts: SweepFacts) -> list[Caution]:
    """What a reader should know beside the verdict."""
    frail = invariance.frail(facts)
    found = [None if not frail else Caution(frail, "invariance"), _narrow_view(facts)]
    return [caution for caution in found if caution is not None]


def cards(facts: SweepFacts) -> list[Card]:
    """One for each choice that presets take, best quality first."""
    ranked = sorted(facts.sweep.recommendations, key=lambda item: list(PRESETS).index(item.preset))
    by_name: dict[str, list[Recommendation]] = {}
    for item in ranked:
        if item.name in facts.by_name:
            by_name.setdefault(item.name, []).append(item)
    return [_card(facts, found, agreed=len(by_name) == 1 and len(found) > 1) for found in by_name.values()]


def _card(facts: SweepFacts, found: list[Recommendation], *, agreed: bool) -> Card:
    main = facts.recommended if facts.recommended in found else None
    item = facts.by_name[found[0].name]
    slot = facts.models[item.choice.model]
    return Card(
        presets=_together([each.preset for each in found]),
        name=name_of(item.choice.name, 40),
        main=main is not None,
        agreed=agreed,
        score=decimals(value_of(item)),
        whisker=whisker_of(item.reported),
        figures=_figures(facts, item),
        reason=sentence(visible((main or found[0]).reason)),
        changes=_changes(found),
        command=commands.report_on(facts.source, item.choice),
        tint=tint(slot),
        shape=shape(slot),
    )


def _together(presets: list[str]) -> str:
    """``Best quality and balanced``."""
    return sentence(listed([PRESETS[preset].lower() for preset in presets]))


def _changes(found: list[Recommendation]) -> list[tuple[str, str]]:
    """What would change it, once for the presets that say the same."""
    told: dict[str, list[str]] = {}
    for item in found:
        told.setdefault(sentence(visible(item.changes)), []).append(item.preset)
    return [(_together(presets) if len(found) > 1 else "What would change it", text) for text, presets in told.items()]


def _figures(facts: SweepFacts, item: Scored) -> list[tuple[str, str]]:
    return [
        ("speed", facts.told_speed(item.cost)),
        ("size", f"{count(item.choice.dims)}{NARROW}dims, {in_bytes(item.cost.bytes_per_vector)}"),
        ("weights", visible(origin(item.choice.weights)) if item.choice.trained else "random: untrained"),
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
