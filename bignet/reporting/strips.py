"""Which queries the page shows, and in which order each filter shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, takewhile, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from bignet.reporting.lists import first_neighbours, line_of
from bignet.reporting.relation import SAME, UNLABELLED, Relations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from bignet.evaluate.result import Evaluation
    from bignet.reporting.settings import ReportSettings


@dataclass(frozen=True)
class Neighbour:
    """One tile: a row, how similar it is to the query, and how their labels relate."""

    row: int
    similarity: float
    relation: int


@dataclass(frozen=True)
class Strip:
    """One query with its neighbours; ``places`` is its position under each filter it belongs to."""

    row: int
    neighbours: tuple[Neighbour, ...]
    farthest: Neighbour | None
    places: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[int, ...]:
        """Every row it shows, the query first."""
        far = () if self.farthest is None else (self.farthest.row,)
        return (self.row, *(item.row for item in self.neighbours), *far)


def choose_strips(evaluation: Evaluation, settings: ReportSettings) -> tuple[Strip, ...]:
    """At most ``settings.strips`` queries, taken in turn from every filter's list."""
    relations = Relations.of(evaluation.labels)
    orders = _orders(evaluation, relations, settings)
    chosen = list(dict.fromkeys(_in_turn(orders, settings.strips)))
    wanted = set(chosen)
    places: dict[int, dict[str, int]] = {row: {} for row in chosen}
    for name, order in orders.items():
        for place, row in enumerate(_shown(name, order, wanted)):
            places[row][name] = place
    strips = [_strip(evaluation, relations, row, settings) for row in chosen]
    return tuple(Strip(s.row, s.neighbours, s.farthest, places[s.row]) for s in strips)


def _shown(name: str, order: list[int], wanted: set[int]) -> list[int]:
    """A filter's rows that are on the page; of the random ones an unbroken start, so they stay random."""
    if name == "random":
        return list(takewhile(wanted.__contains__, order))
    return [row for row in order if row in wanted]


def _in_turn(orders: Mapping[str, list[int]], n: int) -> Iterator[int]:
    seen: set[int] = set()
    for turn in zip_longest(*orders.values()):
        for row in turn:
            if row is not None and row not in seen and len(seen) < n:
                seen.add(row)
                yield row


@dataclass(frozen=True)
class _First:
    """Rows that were asked and found something: what they found first, and how similar it is."""

    rows: NDArray[np.int64]
    other: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def by_similarity(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Some of the rows, the most similar first."""
        return self.rows[kept][np.argsort(-self.similarity[kept], kind="stable")]


def _orders(evaluation: Evaluation, relations: Relations, settings: ReportSettings) -> dict[str, list[int]]:
    """For each filter, its rows in order."""
    first = _First(*first_neighbours(evaluation.graph))
    if len(first.rows) == 0:
        return {"random": _usable(evaluation)[: settings.strips]}
    shuffled = np.random.default_rng(settings.seed).permutation(first.rows)
    random = {"random": [int(row) for row in shuffled[: settings.strips]]}
    if any(label is not None for label in evaluation.labels):
        judged = _judged_orders(evaluation, relations, first, settings)
        each = {"class": _one_per_class(relations, shuffled)[: settings.strips]}
        return judged | random | each | _hubs(evaluation, first, settings)
    ranked = first.by_similarity(np.ones(len(first.rows), dtype=bool))
    ends = {"twins": _cut(ranked, settings), "loners": _cut(ranked[::-1], settings)}
    return random | ends | _hubs(evaluation, first, settings)


def _judged_orders(
    evaluation: Evaluation, relations: Relations, first: _First, settings: ReportSettings
) -> dict[str, list[int]]:
    precision = evaluation.per_query.apr
    scored = first.rows[np.isfinite(precision[first.rows])]
    worst = scored[np.argsort(precision[scored], kind="stable")]
    relation = relations.between(first.rows, first.other)
    wrong = first.by_similarity((relation != SAME) & (relation != UNLABELLED))
    return {"worst": _cut(worst, settings), "wrong": _cut(wrong, settings)}


def _hubs(evaluation: Evaluation, first: _First, settings: ReportSettings) -> dict[str, list[int]]:
    """Images in at least twice as many lists as usual, those in most lists first."""
    hubness = evaluation.geometry.hubness if evaluation.geometry else None
    if hubness is None:
        return {}
    order = np.argsort(-hubness.counts, kind="stable")
    order = order[hubness.counts[order] >= 2 * hubness.k]
    rows = hubness.rows[order]
    return {"hubs": _cut(rows[np.isin(rows, first.rows)], settings)}


def _cut(rows: NDArray[np.int64], settings: ReportSettings) -> list[int]:
    """A filter shows at most a third of the page's rows, and never fewer than ten."""
    return [int(row) for row in rows[: max(10, settings.strips // 3)]]


def _one_per_class(relations: Relations, shuffled: NDArray[np.int64]) -> list[int]:
    first: dict[int, int] = {}
    for row in shuffled:
        code = int(relations.own[row])
        if code >= 0:
            first.setdefault(code, int(row))
    return [first[code] for code in sorted(first)]


def _usable(evaluation: Evaluation) -> list[int]:
    bad = {row_id for ids in evaluation.unusable.values() for row_id in ids}
    return [row for row, row_id in enumerate(evaluation.ids.tolist()) if row_id not in bad]


def _strip(evaluation: Evaluation, relations: Relations, row: int, settings: ReportSettings) -> Strip:
    make = _tile_maker(relations, row)
    graph, line = evaluation.graph, line_of(evaluation.graph, row)
    listed = line is not None and graph.rows.ndim == 2
    found = zip(graph.rows[line], graph.similarity[line], strict=True) if listed else ()
    neighbours = tuple(make(int(n), float(s)) for n, s in islice(found, settings.neighbours) if n >= 0)
    far = int(evaluation.per_query.farthest[row])
    farthest = make(far, evaluation.per_query.farthest_similarity[row]) if far >= 0 else None
    return Strip(row, neighbours, farthest)


def _tile_maker(relations: Relations, row: int) -> Callable[[int, float], Neighbour]:
    def make(other: int, similarity: float) -> Neighbour:
        pair = relations.between(np.array([row]), np.array([other]))
        return Neighbour(other, float(similarity), int(pair[0]))

    return make
