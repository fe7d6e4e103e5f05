"""Class by class: which choice is best for it, and how far apart the recommended one holds the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import brief, count, counted, decimals, finite, signed
from bignet.reporting.sections.classes import Matrix, draw
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.sentences import named as class_named
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import named, value_of
from bignet.reporting.sweep.shapes import shape, tint

if TYPE_CHECKING:
    from bignet.evaluate.sweep.result import Scored
    from bignet.reporting.sweep.facts import SweepFacts
    from bignet.reporting.sweep.settings import SweepPageSettings

NOTABLE = 0.03  # of the score; less is within what one class's images can say


@dataclass(frozen=True)
class ClassLine:
    """One class: the choice that serves it best, and what the recommended one gives it."""

    name: Name
    n: str
    best: Name
    tint: str
    shape: str
    is_taken: bool
    best_score: str
    best_bar: str
    taken_score: str
    taken_bar: str
    gain: str
    raw: dict[str, str | float | int | None]


def lines(facts: SweepFacts, settings: SweepPageSettings) -> list[ClassLine]:
    """Every class that has a score, where most is to be gained first."""
    taken = facts.taken
    if taken is None:
        return []
    best = _best(facts)
    sizes = _sizes(facts)
    made = [_line(facts, label, sizes.get(label, 0), item) for label, item in best.items()]
    made.sort(key=lambda line: (-float(line.raw["gain"] or 0.0), str(line.raw["class"])))
    return made[: settings.table_classes]


def n_classes(facts: SweepFacts) -> int:
    """Classes with a score under some choice."""
    return len(_best(facts))


def matrix(facts: SweepFacts, settings: SweepPageSettings) -> Matrix | None:
    """Mean distances between classes under the recommended choice, in their own order."""
    found = facts.sweep.class_distance
    if found is None or len(found.labels) < 2:
        return None
    keep = list(range(min(len(found.labels), settings.matrix_classes)))
    return draw(found, keep, "0,0")


def answer(facts: SweepFacts) -> str:
    """The section's sentence."""
    best, taken = _best(facts), facts.taken
    if not best or taken is None:
        return "No image has a label, so no class can be looked at alone."
    if len(facts.scored) == 1:
        return f"One choice was scored, so it is the best for each of {counted(len(best), 'class', 'classes')}."
    gains = {label: _gain(item, taken, label) for label, item in best.items()}
    better = {label: gain for label, gain in gains.items() if gain is not None and gain >= NOTABLE}
    if not better:
        return f"For no class is another choice ahead of {named(taken.choice.name)} by {NOTABLE:g} or more."
    label = max(better, key=lambda one: better[one])
    return (
        f"For {count(len(better))} of {counted(len(best), 'class', 'classes')} another choice is ahead by {NOTABLE:g} "
        f"or more; most for {class_named(label)}, {signed(better[label])} with {named(best[label].choice.name)}."
    )


def explained(facts: SweepFacts) -> str:
    """Which images the scores are of, and how they add up to the one of all."""
    taken = facts.taken
    if taken is None or not taken.per_class:
        return ""
    overall = facts.on_all(taken)
    if overall is None or not facts.is_labelled:
        return "Scores are over all images."
    return (
        f"Scores here are over all images, as half of a class is little: their mean is {decimals(overall)} for the "
        f"recommended choice, whose {decimals(value_of(taken))} elsewhere is {facts.where}."
    )


def advice(facts: SweepFacts) -> Advice:
    """What to do with it."""
    if facts.taken is None or not _best(facts):
        return Advice("One folder per class, or a file of labels, fills this section.",
                      commands.sweep(facts.source, "--labels labels.csv"))  # fmt: skip
    text = (
        "The best of many choices on one class's few images is partly luck: take another choice for the sake of a "
        "class only if that class matters most and the lead holds in its own report."
    )
    return Advice(text, commands.report_on(facts.source, facts.taken.choice))


def _best(facts: SweepFacts) -> dict[str, Scored]:
    """Class -> the choice with its highest score; the better one over all where several have it."""
    found: dict[str, Scored] = {}
    for item in facts.scored:
        for label, value in item.per_class.items():
            held = found.get(label)
            if finite(value) is not None and (held is None or value > held.per_class[label]):
                found[label] = item
    return found


def _sizes(facts: SweepFacts) -> dict[str, int]:
    found: dict[str, int] = {}
    for label in facts.sweep.labels:
        if label is not None:
            found[label] = found.get(label, 0) + 1
    return found


def _gain(item: Scored, taken: Scored, label: str) -> float | None:
    own = finite(taken.per_class.get(label))
    return None if own is None else item.per_class[label] - own


def _line(facts: SweepFacts, label: str, n: int, item: Scored) -> ClassLine:
    taken = facts.taken or item
    slot = facts.models[item.choice.model]
    own, gain = finite(taken.per_class.get(label)), _gain(item, taken, label)
    return ClassLine(
        name=name_of(label),
        n=count(n),
        best=name_of(item.choice.name, 36),
        tint=tint(slot),
        shape=shape(slot),
        is_taken=item is taken,
        best_score=decimals(item.per_class[label]),
        best_bar=_bar(item.per_class[label]),
        taken_score=decimals(own),
        taken_bar=_bar(own),
        gain=signed(gain),
        raw={
            "class": visible(label),
            "n": n,
            "best": visible(item.choice.name),
            "best_score": brief(item.per_class[label]),
            "taken_score": brief(own),
            "gain": brief(gain),
        },
    )


def _bar(value: float | None) -> str:
    return f"{100 * min(1.0, max(0.0, value or 0.0)):.3g}%"
