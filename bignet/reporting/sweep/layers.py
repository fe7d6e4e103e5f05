"""Layers and pools of each model: how good each pair is, and which layers say the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.names import visible
from bignet.reporting.colour import step_of
from bignet.reporting.numbers import count, decimals, finite, listed
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import named, rate, value_of
from bignet.reporting.sweep.reading import standing
from bignet.reporting.sweep.shapes import shape, tint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.sweep.result import Dropped, Scored
    from bignet.reporting.sweep.facts import SweepFacts

ALIKE = 0.98  # house rule, printed beside the figures; of CKA as it is shown, so that words and cells agree
_POOLS = ("gap", "max", "gem", "rmac", "crow", "avg", "avgc", "grid", "cls", "flat")
_SHOWN_PAIRS = 6
_CKA_PLACES = 2


@dataclass(frozen=True)
class Cell:
    """One place of a table: number, colour, what is read out; kind ``void`` = dropped, ``blank`` = not asked for."""

    text: str
    step: int | None
    read: str
    kind: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of coloured cells."""

    columns: list[Name]
    rows: list[tuple[Name, list[Cell]]]


@dataclass(frozen=True)
class ModelLayers:
    """One model: its scores by layer and pool, and how alike its layers are."""

    name: Name
    tint: str
    shape: str
    untrained: bool
    reading: str
    scores: Grid
    alike: Grid | None
    why_not: str
    pairs: list[str]


def answer(facts: SweepFacts) -> str:
    """The section's sentence: what moves the score, the layer or the pool."""
    if facts.best is None:
        return "No layer was scored."
    model = facts.best.choice.model
    items = [item for item in facts.scored if item.choice.model == model and not item.choice.steps]
    by_layer = _spread([item for item in items if item.choice.pool == facts.best.choice.pool])
    by_pool = _spread([item for item in items if item.choice.layer == facts.best.choice.layer])
    if by_layer is None and by_pool is None:
        return "One layer and one pool a model: there is nothing to compare inside a model."
    parts = [] if by_layer is None else [f"the layer moves the score by {decimals(by_layer)}"]
    parts += [] if by_pool is None else [f"the pool by {decimals(by_pool)}"]
    if by_layer is None:
        parts = [f"the pool moves the score by {decimals(by_pool)}"]
    return f"In {named(model)}, which holds the best choice, {listed(parts)}."


def advice(facts: SweepFacts) -> Advice:
    """What to do with it."""
    if facts.taken is None:
        return Advice("Sweep again with other layers.", commands.sweep(facts.source, "--layers auto"))
    text = "Where the best cell lies at the edge of a table, sweep the layers beside it too; this names them."
    return Advice(text, commands.layers(facts.taken.choice.model))


def models(facts: SweepFacts) -> list[ModelLayers]:
    """Every model that was tried, best first."""
    dropped_only = [item.model for item in facts.sweep.dropped if item.model not in facts.models]
    made = [_model(facts, model) for model in dict.fromkeys([*facts.models, *dropped_only])]
    return sorted(made, key=lambda model: model.alike is None)  # the small ones side by side, below


def legend(facts: SweepFacts) -> tuple[str, str, str]:
    """Both ends and the middle of the scale of scores."""
    low, high = _ends(facts)
    return decimals(low), decimals((low + high) / 2), decimals(high)


def _model(facts: SweepFacts, model: str) -> ModelLayers:
    slot = facts.models.get(model, -1)
    items = [item for item in facts.scored if item.choice.model == model]
    dropped = [item for item in facts.sweep.dropped if item.model == model]
    found = facts.sweep.cka.get(model)
    enough = found is not None and len(found[0]) > 1
    return ModelLayers(
        name=name_of(model, 40),
        tint=tint(slot),
        shape=shape(slot),
        untrained=model in facts.untrained,
        reading=_reading(items, dropped),
        scores=_scores(facts, items, dropped, _order(facts, model, items, dropped)),
        alike=_alike(*found) if found and enough else None,
        why_not="" if enough else _why_not(found, items),
        pairs=_pairs(facts, items, *found) if found and enough else [],
    )


def _reading(items: Sequence[Scored], dropped: Sequence[Dropped]) -> str:
    if not items:
        return f"Nothing of it was scored: all {count(len(dropped))} combinations were dropped."
    best = items[0]
    rest = f"; {count(len(dropped))} dropped" if dropped else ""
    where = f"{named(best.choice.layer)}, {named(_column(best))}"
    return f"Best: {where} with {decimals(value_of(best))}, of {count(len(items))} tried{rest}."


def _why_not(found: tuple[tuple[str, ...], NDArray[np.float64]] | None, items: Sequence[Scored]) -> str:
    if not items:
        return "No layer of it was scored, so none can be compared."
    if found is None:
        return "How alike its layers are was not measured."
    return "One layer: there is no other that could say the same."


def _order(facts: SweepFacts, model: str, items: Sequence[Scored], dropped: Sequence[Dropped]) -> list[str]:
    """Layers as they follow each other in the network."""
    known = facts.sweep.cka.get(model, ((), None))[0]
    cost = {item.choice.layer: item.cost.flops or 0 for item in items}
    named_layers = dict.fromkeys([*(item.choice.layer for item in items), *(item.layer for item in dropped)])
    place = {layer: i for i, layer in enumerate(known)}
    return sorted(named_layers, key=lambda layer: (place.get(layer, len(place)), cost.get(layer, 0), _natural(layer)))


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _column(item: Scored) -> str:
    return "+".join((item.choice.pool, *item.choice.steps))


def _pool_place(column: str) -> tuple[int, int, list[tuple[int, str]]]:
    kind = re.split(r"[:+]", column)[0]
    return column.count("+"), _POOLS.index(kind) if kind in _POOLS else len(_POOLS), _natural(column)


def _scores(facts: SweepFacts, items: Sequence[Scored], dropped: Sequence[Dropped], layers: list[str]) -> Grid:
    found = {(item.choice.layer, _column(item)): _score_cell(facts, item) for item in items}
    for item in dropped:
        read = f"{visible(item.layer)}, {visible(item.pool)}: dropped, {visible(item.reason)}"
        found.setdefault((item.layer, item.pool), Cell("", None, read, "void"))
    columns = sorted({column for _, column in found}, key=_pool_place)
    blank = Cell("", None, "not tried", "blank")
    return Grid(
        columns=[name_of(column, 18) for column in columns],
        rows=[(name_of(layer, 28), [found.get((layer, column), blank) for column in columns]) for layer in layers],
    )


def _score_cell(facts: SweepFacts, item: Scored) -> Cell:
    value = value_of(item)
    lo, hi = finite(item.reported.lo), finite(item.reported.hi)
    spread = "" if lo is None else f" ({decimals(lo)} to {decimals(hi)})"
    read = (
        f"{visible(item.choice.layer)}, {visible(_column(item))}: {decimals(value)}{spread}, "
        f"{rate(facts.speed(item.cost))}, {count(item.choice.dims)} dims; {standing(facts, item)}"
    )
    if value is None:
        return Cell("–", None, read, "blank")  # noqa: RUF001 - the dash that stands for a missing number
    return Cell(decimals(value), step_of(value, *_ends(facts)), read, "own" if item is facts.taken else "")


def _ends(facts: SweepFacts) -> tuple[float, float]:
    known = [value for item in facts.scored if (value := value_of(item)) is not None]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _alike(layers: tuple[str, ...], matrix: NDArray[np.float64]) -> Grid:
    names = [name_of(layer, 18) for layer in layers]
    rows = [
        (names[i], [_alike_cell(layers, i, j, float(matrix[i, j])) for j in range(len(layers))])
        for i in range(len(layers))
    ]
    return Grid(names, rows)


def _alike_cell(layers: tuple[str, ...], i: int, j: int, value: float) -> Cell:
    pair = f"{visible(layers[i])} and {visible(layers[j])}"
    if finite(value) is None:
        return Cell("", None, f"{pair}: undefined", "void")
    kind = "own" if i != j and _is_alike(value) else ""
    text = decimals(value, _CKA_PLACES)
    return Cell(text, step_of(value, 0.0, 1.0), f"{pair}: CKA {text}", kind)


def _is_alike(value: float) -> bool:
    return round(value, _CKA_PLACES) >= ALIKE


def _pairs(
    facts: SweepFacts, items: Sequence[Scored], layers: tuple[str, ...], matrix: NDArray[np.float64]
) -> list[str]:
    """Layers that are one choice, most alike first, and which of each pair to keep."""
    above = [(float(matrix[i, j]), i, j) for i, j in zip(*np.triu_indices(len(layers), 1), strict=True)]
    found = sorted((pair for pair in above if _is_alike(pair[0])), reverse=True)
    return [_pair(facts, items, (layers[i], layers[j]), value) for value, i, j in found[:_SHOWN_PAIRS]]


def _pair(facts: SweepFacts, items: Sequence[Scored], pair: tuple[str, str], value: float) -> str:
    text = f"{named(pair[0])} and {named(pair[1])}: {decimals(value, _CKA_PLACES)}"
    flops, speeds = ([cost(facts, items, layer) for layer in pair] for cost in (_flops_of, _speed_of))
    costs = flops if None not in flops and flops[0] != flops[1] else [None if s is None else -s for s in speeds]
    if costs[0] is None or costs[1] is None or costs[0] == costs[1]:
        return text
    kept = 0 if costs[0] < costs[1] else 1
    return f"{text}; keep {named(pair[kept])}" + (f", at {rate(speeds[kept])}" if speeds[kept] else "")


def _flops_of(_facts: SweepFacts, items: Iterable[Scored], layer: str) -> float | None:
    """Operations up to a layer: unlike a measured speed they never say that a part costs more than the whole."""
    found = [item.cost.flops for item in items if item.choice.layer == layer]
    return min((flops for flops in found if flops is not None), default=None)


def _speed_of(facts: SweepFacts, items: Iterable[Scored], layer: str) -> float | None:
    found = [facts.speed(item.cost) for item in items if item.choice.layer == layer]
    return max((speed for speed in found if speed is not None), default=None)


def _spread(items: Sequence[Scored]) -> float | None:
    known = [value for item in items if (value := value_of(item)) is not None]
    return max(known) - min(known) if len(known) > 1 else None
