"""What was not tried, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import NOTHING, count, counted
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.sweep import commands

if TYPE_CHECKING:
    from bignet.reporting.sweep.facts import SweepFacts


@dataclass(frozen=True)
class DroppedLine:
    """One combination."""

    model: Name
    layer: Name
    pool: Name
    dims: str
    reason: str
    raw: dict[str, str | int | None]


def lines(facts: SweepFacts) -> list[DroppedLine]:
    """Every combination, in the order of the grid."""
    return [
        DroppedLine(
            model=name_of(item.model),
            layer=name_of(item.layer),
            pool=name_of(item.pool, 18),
            dims=NOTHING if item.dims is None else count(item.dims),
            reason=visible(item.reason),
            raw={
                "model": visible(item.model),
                "layer": visible(item.layer),
                "pool": visible(item.pool),
                "dims": item.dims,
                "reason": visible(item.reason),
            },
        )
        for item in facts.sweep.dropped
    ]


def answer(facts: SweepFacts) -> str:
    """The section's sentence."""
    n = len(facts.sweep.dropped)
    if not n:
        return "Nothing was dropped: every combination that was asked for was tried."
    all_asked = n + len(facts.scored)
    words = counted(n, "combination was", "combinations were")
    return f"{words} not tried, of {count(all_asked)} asked for; the reason stands beside each."


def advice(facts: SweepFacts) -> Advice:
    """What to do about it."""
    if not facts.sweep.dropped:
        return Advice("Nothing to do here.")
    dims = [item.dims for item in facts.sweep.dropped if item.dims is not None]
    if not dims:
        return Advice("Ask for other layers or pools if one of these matters to you.")
    text = "If one of these matters, allow longer vectors; a longer vector costs its bytes in every search."
    return Advice(text, commands.sweep(facts.source, f"--max-dims {max(dims)}"))
