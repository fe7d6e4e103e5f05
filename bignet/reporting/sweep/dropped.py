"""What was not tried, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import count, counted, sentence
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.sweep import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.sweep.result import Dropped
    from bignet.reporting.sweep.facts import SweepFacts


_OWN_DIMS = re.compile(r"^[\d,]+ numbers a vector, (more than [\d,]+)$")
_BEFORE_STEPS = re.compile(r"\bits [\d,]+ numbers a vector")


@dataclass(frozen=True)
class DroppedLine:
    """A layer, and its pools that were dropped for one reason: name and dims each, empty where it has none."""

    name: Name
    pools: list[tuple[str, str]]
    raw: dict[str, str | int | None]


@dataclass(frozen=True)
class DroppedGroup:
    """One reason, and everything that was dropped for it."""

    reason: str
    n: str
    lines: list[DroppedLine]


def groups(facts: SweepFacts) -> list[DroppedGroup]:
    """By reason, that of the most first; inside in the order of the grid."""
    found: dict[str, dict[tuple[str, str], list[Dropped]]] = {}
    for item in facts.sweep.dropped:
        layers = found.setdefault(shared_reason(item), {})
        layers.setdefault((item.model, item.layer), []).append(item)
    made = [_group(reason, [*layers.values()]) for reason, layers in found.items()]
    return sorted(made, key=lambda group: -sum(len(line.pools) for line in group.lines))


def shared_reason(item: Dropped) -> str:
    """Why, without what is only its own: so that those dropped for the same reason stand together."""
    text = item.reason.replace(f"pool '{item.pool}'", "the pool").replace(f"layer '{item.layer}'", "the layer")
    return _BEFORE_STEPS.sub("its numbers a vector", _OWN_DIMS.sub(r"\1 numbers a vector", text))


def _group(reason: str, layers: Sequence[Sequence[Dropped]]) -> DroppedGroup:
    n = sum(map(len, layers))
    return DroppedGroup(sentence(visible(reason)), counted(n, "combination"), [_line(items) for items in layers])


def _line(items: Sequence[Dropped]) -> DroppedLine:
    first = items[0]
    return DroppedLine(
        name=name_of(f"{first.model}/{first.layer}", 44),
        pools=[(visible(item.pool), "" if item.dims is None else count(item.dims)) for item in items],
        raw={
            "model": visible(first.model),
            "layer": visible(first.layer),
            "pools": " ".join(visible(item.pool) for item in items),
            "dims": " ".join(str(item.dims or "") for item in items),
            "reason": " | ".join(visible(item.reason) for item in items),
        },
    )


def answer(facts: SweepFacts) -> str:
    """The section's sentence."""
    n = len(facts.sweep.dropped)
    if not n:
        return "Nothing was dropped: every combination that was asked for was tried."
    all_asked = n + len(facts.scored)
    words = counted(n, "combination was", "combinations were")
    return f"{words} not tried, of {count(all_asked)} asked for; each stands under its reason."


def advice(facts: SweepFacts) -> Advice:
    """What to do about it."""
    if not facts.sweep.dropped:
        return Advice("Nothing to do here.")
    dims = [item.dims for item in facts.sweep.dropped if item.dims is not None]
    if not dims:
        return Advice("Ask for other layers or pools if one of these matters to you.")
    text = "If one of these matters, allow longer vectors; a longer vector costs its bytes in every search."
    return Advice(text, commands.sweep(facts.source, f"--max-dims {max(dims)}"))
