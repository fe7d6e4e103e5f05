"""The closest pairs of images of two classes, read from the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.reporting.lists import asked_rows
from bignet.reporting.relation import Relations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.result import Evaluation

    Ints = NDArray[np.int64]

_BLOCK = 4096  # lists looked at together, so that little stands beside the graph


@dataclass(frozen=True)
class Pair:
    """Two images, the first of the first class; how similar they are and how their labels relate."""

    row: int
    other: int
    similarity: float
    relation: int


@dataclass(frozen=True)
class _Edges:
    """Pairs of rows, the smaller first, with the matrix cell each belongs to."""

    cell: Ints
    low: Ints
    high: Ints
    similarity: NDArray[np.float64]

    def __getitem__(self, kept: NDArray[np.int64] | NDArray[np.bool_]) -> _Edges:
        return _Edges(self.cell[kept], self.low[kept], self.high[kept], self.similarity[kept])


def closest_pairs(evaluation: Evaluation, labels: Sequence[str], n: int) -> dict[tuple[int, int], list[Pair]]:
    """C class names -> for two of them (i <= j) the ``n`` closest pairs that stand in each other's lists.

    A pair counts once, the closest comes first, ties go by row. Classes that never meet in a list have no entry.
    """
    place = {label: i for i, label in enumerate(labels)}
    codes = np.array([-1 if label is None else place.get(label, -1) for label in evaluation.labels], dtype=np.int64)
    best = _best_edges(evaluation, codes, len(labels), n)
    relation = Relations.of(evaluation.labels).between(best.low, best.high)
    found: dict[tuple[int, int], list[Pair]] = {}
    for cell, low, high, similarity, kind in zip(
        best.cell, best.low, best.high, best.similarity, relation, strict=True
    ):
        i, j = divmod(int(cell), len(labels))
        row, other = (low, high) if codes[low] == i else (high, low)
        found.setdefault((i, j), []).append(Pair(int(row), int(other), float(similarity), int(kind)))
    return found


def affordable(
    pairs: Mapping[tuple[int, int], Sequence[Pair]],
    order: Sequence[tuple[int, int]],
    shown: Collection[int],
    most: int,
) -> dict[tuple[int, int], list[Pair]]:
    """Pairs whose pictures fit: every cell's first in the order given, then the second; ``shown`` rows are free."""
    known, kept = set(shown), {cell: list[Pair]() for cell in order if cell in pairs}
    limit = len(known) + most
    for place in range(max((len(found) for found in pairs.values()), default=0)):
        for cell, chosen in kept.items():
            pair = pairs[cell][place] if place < len(pairs[cell]) else None
            new = {pair.row, pair.other} - known if pair else set()
            if pair and len(known) + len(new) <= limit:
                known |= new
                chosen.append(pair)
    return {cell: chosen for cell, chosen in kept.items() if chosen}


def _best_edges(evaluation: Evaluation, codes: Ints, n_classes: int, n: int) -> _Edges:
    graph = evaluation.graph
    none = np.zeros(0, dtype=np.int64)
    best, bar = _Edges(none, none, none, np.zeros(0)), np.full(n_classes * n_classes, -np.inf)
    if graph.rows.ndim < 2:
        return best
    asked = asked_rows(graph)
    for start in range(0, len(asked), _BLOCK):
        block = slice(start, start + _BLOCK)
        edges = _edges(asked[block], graph.rows[block].astype(np.int64), graph.similarity[block], codes, n_classes)
        best = _first_of_each(_joined(best, edges[edges.similarity > bar[edges.cell]]), n)
        full = np.flatnonzero(np.bincount(best.cell, minlength=len(bar)) == n)
        last = np.searchsorted(best.cell, full, side="right") - 1
        bar[full] = best.similarity[last]
    return best


def _edges(asked: Ints, rows: Ints, similarity: NDArray[np.float64], codes: Ints, n_classes: int) -> _Edges:
    one = np.broadcast_to(asked[:, None], rows.shape)
    kept = (rows >= 0) & (codes[one] >= 0) & (codes[np.maximum(rows, 0)] >= 0)
    one, other = one[kept], rows[kept]
    a, b = codes[one], codes[other]
    cell = np.minimum(a, b) * n_classes + np.maximum(a, b)
    return _Edges(cell, np.minimum(one, other), np.maximum(one, other), similarity[kept])


def _joined(one: _Edges, other: _Edges) -> _Edges:
    parts = ("cell", "low", "high", "similarity")
    return _Edges(*(np.concatenate([getattr(one, part), getattr(other, part)]) for part in parts))


def _first_of_each(edges: _Edges, n: int) -> _Edges:
    """At most ``n`` edges a cell, cells ascending, the most similar first, each pair of rows once."""
    edges = edges[np.lexsort((edges.high, edges.low, -edges.similarity, edges.cell))]
    again = (np.diff(edges.low) == 0) & (np.diff(edges.high) == 0)
    edges = edges[np.concatenate([np.ones(min(1, len(edges.cell)), dtype=bool), ~again])]
    starts = np.searchsorted(edges.cell, edges.cell)
    return edges[np.arange(len(edges.cell)) - starts < n]
