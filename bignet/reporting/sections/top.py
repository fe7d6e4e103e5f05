"""The top of the page: the verdict, the headline number, the score tiles, where the vectors come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.names import shorten, visible
from bignet.reporting.definitions import define
from bignet.reporting.numbers import count, counted, decimals, finite, listed, percent
from bignet.reporting.plain import GOOD, MIXED, VERY_GOOD, of_hundred
from bignet.reporting.record import provenance
from bignet.reporting.sections.parts import Name, Whisker, draw, name_of, whisker_of
from bignet.reporting.weakness import SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts
    from bignet.reporting.source import ReportSource
    from bignet.reporting.weakness import ClassShare

_FIRST_LOOK = ("model", "imported_from", "weights", "preprocess", "precision", "device", "bignet", "bignet_version")
_MOST_TILES = 5
_CELLS = 100


@dataclass(frozen=True)
class Tile:
    """One number, large, with what is needed to read it."""

    name: str
    value: str
    meaning: str
    note: str
    whisker: Whisker | None = None


@dataclass(frozen=True)
class Hundred:
    """A hundred neighbours as squares, each of a kind: earned, chance (right anyway), missed or wrong.

    Attributes:
        share: how many of the hundred are right, as text.
        unit: what the hundred are.
        cells: the kind of each square.
        chance: how many would be right by chance, as text; None if unknown.
    """

    share: str
    unit: str
    cells: tuple[str, ...]
    chance: str | None


@dataclass(frozen=True)
class Ruler:
    """The scale of the verdict's words, from chance to perfect.

    Attributes:
        steps: word, width in percent and whether this embedding stands there.
        at: where it stands, in percent.
        text: the same in words.
    """

    steps: tuple[tuple[str, float, bool], ...]
    at: float
    text: str


@dataclass(frozen=True)
class WeakClass:
    """A class the embedding serves badly: its share of right neighbours, and what it is taken for, in words."""

    name: Name
    right: str
    width: str
    chance: str | None
    taken_for: str


def hundred(facts: Facts) -> Hundred | None:
    """The plain score as a hundred squares; None without one."""
    score = facts.plain
    if score is None:
        return None
    right, lucky = round(_CELLS * score.share), round(_CELLS * (score.chance or 0.0))
    kinds = ["chance"] * min(right, lucky) + ["earned"] * (right - lucky) + ["missed"] * (lucky - right)
    unit = "nearest images show the same class" if score.first_only else "nearest neighbours show the same class"
    return Hundred(
        share=of_hundred(score.share),
        unit=unit,
        cells=tuple(kinds + ["wrong"] * (_CELLS - len(kinds))),
        chance=None if score.chance is None else of_hundred(score.chance),
    )


def ruler(facts: Facts) -> Ruler | None:
    """Where the plain score stands between chance and perfect; None where it is not above chance."""
    gain = facts.gain
    if gain is None or gain < 0 or facts.n_classes < 2 or (facts.plain and facts.plain.chance is None):
        return None
    ends = (0.0, MIXED, GOOD, VERY_GOOD, 1.0)
    words = ("weak", "mixed", "good", "very good")
    place = sum(gain >= end for end in ends[1:-1])
    steps = tuple((word, round(100 * (ends[i + 1] - ends[i]), 2), i == place) for i, word in enumerate(words))
    return Ruler(steps, round(100 * min(1.0, gain), 1), f"{percent(round(gain, 2))} of the way from chance to perfect")


def tested(facts: Facts) -> str:
    """What was tested, and the network that made the vectors if it is known."""
    images = counted(facts.n_evaluated, "image")
    classes = f" in {counted(facts.n_classes, 'class', 'classes')}" if facts.n_classes else ", none with a label"
    model = facts.source.provenance.get("model")
    return f"{images}{classes}" + (f", embedded by {visible(str(model))}" if model else "")


def weak_classes(facts: Facts) -> list[WeakClass]:
    """The worst classes, worst first; none where there is nothing to compare."""
    ranked = facts.classes_by_share
    shown = ranked[: min(SHOWN, len(ranked) - 1)] if len(ranked) > 1 else []
    chance = facts.plain.chance if facts.plain else None
    return [
        WeakClass(
            name=name_of(item.label),
            right=of_hundred(item.share),
            width=f"{100 * item.share:.3g}%",
            chance=None if chance is None else f"{100 * chance:.3g}%",
            taken_for=_taken_for(item),
        )
        for item in shown
    ]


def _taken_for(item: ClassShare) -> str:
    others = [shorten(visible(other), 24) for other in item.taken_for]
    if item.is_spread:
        return f"spread over {listed(others)}"
    return f"taken for {others[0]}" if others else ""


def headline_tile(facts: Facts) -> Tile:
    """The number the eye meets first: the score, or without one how many images there are."""
    metric = facts.headline
    if metric is None or facts.value is None:
        labelled = "none with a label" if not facts.n_labelled else "none that can be scored"
        note = labelled if facts.n_embedded else "the store is empty"
        name = "image" if facts.n_embedded == 1 else "images"
        return Tile(name, count(facts.n_embedded), "", note)
    return _score_tile(metric)


def tiles(facts: Facts) -> list[Tile]:
    """Four or five numbers, the one to quote first; without labels what the similarities alone can say."""
    scores = [_score_tile(metric) for metric in _chosen(facts)]
    spare = [tile for tile in _similarity_tiles(facts) if tile]
    return [*scores, *spare[: max(0, 4 - len(scores))]]


def provenance_items(source: ReportSource, fingerprint: str) -> list[tuple[str, str]]:
    """What made these vectors, at a glance; the methods section has all of it."""
    known = provenance(source)
    items = [("embedding", f"{source.embedding}, {counted(source.dims, 'dim')}")]
    items += [(key, str(known[key])) for key in _FIRST_LOOK if known.get(key) is not None]
    items.append(("image set", fingerprint[:12]))
    return [(visible(key).replace("_", " "), visible(value)) for key, value in items if value]


def _chosen(facts: Facts) -> Sequence[Metric]:
    ranked: dict[str, tuple[int, Metric]] = {}
    for metric in facts.metrics:
        words = define(metric)
        other_depth = metric.k not in (None, 1, facts.evaluation.k)
        if words.tile and not other_depth and whisker_of(metric) is not None and facts.n_labelled:
            ranked.setdefault(metric.id.partition(".")[0], (words.tile, metric))
    ordered = sorted(ranked.values(), key=lambda pair: pair[0])
    return [metric for _, metric in ordered[:_MOST_TILES]]


def _score_tile(metric: Metric) -> Tile:
    words = define(metric)
    lo, hi = finite(metric.lo), finite(metric.hi)
    notes = [] if lo is None or hi is None else [f"{decimals(lo)} to {decimals(hi)}"]
    notes += [counted(metric.n_queries, "query", "queries")] if metric.n_queries else []
    note = " · ".join(notes)
    return Tile(words.title, decimals(metric.value), words.meaning, note, whisker_of(metric))


def _similarity_tiles(facts: Facts) -> list[Tile | None]:
    graph = facts.evaluation.graph
    width = graph.similarity.shape[1] if graph.similarity.ndim == 2 else 0
    first = graph.similarity[:, 0] if width else np.zeros(0)
    last = graph.similarity[:, min(width, 10) - 1] if width > 1 else np.zeros(0)
    far = facts.evaluation.per_query.farthest_similarity
    return [
        _spread_tile("Nearest image", first, "cosine similarity to the first neighbour, median image"),
        _spread_tile(f"{min(width, 10)}th nearest", last, "the same at the end of the strip"),
        _spread_tile("Farthest image", far, "cosine similarity to the least similar image"),
        Tile("Tied lists", percent(facts.tie_rate), "lists that end in equal similarities", "low is good")
        if len(first) else None,
    ]  # fmt: skip


def _spread_tile(name: str, values: NDArray[np.float64], meaning: str) -> Tile | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, middle, high = (float(value) for value in np.quantile(known, (0.05, 0.5, 0.95)))
    note = f"{decimals(low)} to {decimals(high)} for 90 % of the images"
    inside = low >= 0 and high <= 1 + 1e-9
    whisker = draw(middle, low, high, level="middle 90 %") if inside else None
    return Tile(name, decimals(middle), meaning, note, whisker)
