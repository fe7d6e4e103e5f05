"""The top of the page: the verdict, the headline number, the score tiles, where the vectors come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.names import visible
from bignet.reporting.definitions import define
from bignet.reporting.numbers import count, counted, decimals, finite, percent
from bignet.reporting.record import provenance
from bignet.reporting.sections.parts import Whisker, draw, whisker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts
    from bignet.reporting.source import ReportSource

_FIRST_LOOK = ("model", "imported_from", "weights", "preprocess", "precision", "device", "bignet", "bignet_version")
_MOST_TILES = 5


@dataclass(frozen=True)
class Tile:
    """One number, large, with what is needed to read it."""

    name: str
    value: str
    meaning: str
    note: str
    whisker: Whisker | None = None


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
    """Four or five numbers beside the headline; without labels what the similarities alone can say."""
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
    for metric in facts.evaluation.metrics:
        words = define(metric)
        drawable = words.tile and whisker_of(metric) is not None and metric is not facts.headline
        key = metric.id if metric.id.startswith("map@r") else metric.id.partition(".")[0]
        if drawable and facts.n_labelled:
            ranked.setdefault(key, (words.tile, metric))
    ordered = sorted(ranked.values(), key=lambda pair: pair[0])
    return [metric for _, metric in ordered[:_MOST_TILES]]


def _score_tile(metric: Metric) -> Tile:
    words = define(metric)
    queries = counted(metric.n_queries, "query", "queries")
    lo, hi = finite(metric.lo), finite(metric.hi)
    note = queries if lo is None or hi is None else f"{decimals(lo)} to {decimals(hi)} · {queries}"
    return Tile(words.name, decimals(metric.value), words.meaning, note, whisker_of(metric))


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
