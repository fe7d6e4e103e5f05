"""One choice in figures and words, as the page says it wherever the choice is pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import count, decimals, finite, percent, signed
from bignet.reporting.sweep.facts import NOT_TOLD, PRESETS, TIED, in_bytes, origin

if TYPE_CHECKING:
    from bignet.evaluate.sweep.result import Scored
    from bignet.reporting.sweep.facts import SweepFacts

_TIES = {
    TIED: "tied with the best",
    NOT_TOLD: "not told from the best after correction for {n:,} comparisons; more images would decide",
}


def reading(facts: SweepFacts, item: Scored) -> list[list[str]]:
    """A choice's figures as the page says them: name and value."""
    found = item.reported
    lo, hi = finite(found.lo), finite(found.hi)
    spread = "" if lo is None else f" ({decimals(lo)} to {decimals(hi)})"
    overall = facts.on_all(item)
    return [
        [facts.score, decimals(found.value) + spread],
        *([] if overall is None else [["on all images", decimals(overall)]]),
        ["to the best", to_best(item)],
        ["speed", facts.told_speed(item.cost)],
        ["size", f"{count(item.choice.dims)} dims, {in_bytes(item.cost.bytes_per_vector)}"],
        ["sees", f"{percent(item.choice.coverage)} of the map"],
        ["weights", visible(origin(item.choice.weights)) if item.choice.trained else "random: untrained"],
        ["standing", standing(facts, item)],
    ]


def to_best(item: Scored) -> str:
    """The paired difference with its interval."""
    if item.to_best is None:
        return "it is the best"
    lo, hi = finite(item.to_best.lo), finite(item.to_best.hi)
    spread = "" if lo is None else f" ({signed(lo)} to {signed(hi)})"
    return signed(item.to_best.value) + spread


def standing(facts: SweepFacts, item: Scored) -> str:
    """Presets, tie and front in words."""
    words = [PRESETS[preset].lower() for preset in facts.presets_of.get(item.choice.name, [])]
    words += [_TIES[tie].format(n=facts.n_compared)] if (tie := facts.tie(item)) else []
    words.append("on the front" if item.on_front else "beaten by another")
    return ", ".join(words)
