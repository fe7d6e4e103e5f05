"""Nearest neighbours within a random subset of rows, every row of it asked, ties in random order.

What is counted or measured around every row depends on how many rows there are, so it is done among at most a
fixed number of them. Ties are shuffled for each query: broken by row, as elsewhere, equal rows would all name
the first of them, and the order of rows would make hubs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.graph import graph_of
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.memory import give_back
from bignet.evaluate.spectrum import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.result import KnnGraph
    from bignet.evaluate.subject import Subject
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MAX_ROWS = 20_000
_LIST_CELLS = 2**18  # numbers looked at together, a few arrays of them at a time
_SEARCH_CELLS = 2**20  # more, since every block of a search reads all rows
_RANDOM_BITS = 21  # beside 41 bits of similarity in steps of 1e-12
_SPARE = 2  # a list of the whole graph must hold so many times the neighbours needed, on average


@dataclass(frozen=True)
class Neighbours:
    """The nearest others of n rows among themselves.

    Attributes:
        positions: (n,) which rows, ascending.
        n_rows: of how many.
        rows: (n, K) places in ``positions``, nearest first, ties in random order; -1 = no more.
        similarity: (n, K) cosine rounded to 1e-12; minus infinity where rows is -1.
        seed: fixes the subset and the order of ties.
    """

    positions: Ints
    n_rows: int
    rows: Ints
    similarity: Floats
    seed: int

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def estimator(self) -> str:
        """In words."""
        if len(self) == self.n_rows:
            return "exact"
        return f"sampled, all pairs of {len(self):,} of {self.n_rows:,} rows"

    @property
    def copies(self) -> int:
        """How many rows have a copy of themselves among the others."""
        return int((self.similarity[:, :1] == 1).sum())


def all_pairs(subject: Subject, depth: int, most: int = MAX_ROWS) -> Neighbours:
    """The ``depth`` nearest others of at most ``most`` rows, drawn by the seed, among themselves.

    Rows of one group are no neighbours. The subject's graph is used where it knows the answer: a long list of
    nearest rows holds the nearest of a subset. Other rows are searched anew.
    """
    n_rows, seed = len(subject.rows), subject.settings.seed
    rng = np.random.default_rng([seed, 0])
    positions = np.arange(n_rows)
    if n_rows > most:
        positions = np.sort(rng.choice(n_rows, most, replace=False))
    rows = np.full((len(positions), depth), -1, dtype=np.int64)
    similarity = np.full((len(positions), depth), -np.inf)
    graph, asked, place = _source(subject, positions, depth)
    give_back()  # what a search worked with
    known = np.zeros(len(positions), dtype=bool)
    for part in blocks(np.arange(len(positions)), graph.rows.shape[1], _LIST_CELLS):
        found = _listed(graph, asked[part], place)
        rows[part], similarity[part] = _best(*found, depth, rng)
        known[part] = _complete(graph, asked[part], similarity[part])
    missing = np.flatnonzero(~known)
    groups = None if subject.groups is None else subject.groups[positions]
    for part in blocks(missing, len(positions), _SEARCH_CELLS):
        scores = _scores(subject.rows, positions, part, groups)
        for some in blocks(np.arange(len(part)), len(positions), _LIST_CELLS):
            every = np.broadcast_to(np.arange(len(positions)), (len(some), len(positions)))
            rows[part[some]], similarity[part[some]] = _best(every, scores[some], depth, rng)
    return Neighbours(positions, n_rows, rows, similarity, seed)


def _source(subject: Subject, positions: Ints, depth: int) -> tuple[KnnGraph, Ints, Ints]:
    """A graph that knows the neighbours of most positions, its rows to look at, and its rows -> places."""
    graph, n, n_rows = subject.graph, len(positions), len(subject.rows)
    if graph.queries is None and (n == n_rows or graph.rows.shape[1] * n >= _SPARE * depth * n_rows):
        place = np.full(n_rows, -1, dtype=np.int64)
        place[positions] = np.arange(n)
        return graph, positions, place
    groups = None if subject.groups is None else subject.groups[positions]
    # One deeper, to see whether the last place is tied
    own = graph_of(subject.rows.only(positions), depth + 1, groups=groups)
    return own, np.arange(n), np.arange(n)


def _listed(graph: KnnGraph, asked: Ints, place: Ints) -> tuple[Ints, Floats]:
    """(Q,) rows of a graph -> (Q, K) places in the subset and similarities, -1 and -inf for other rows."""
    listed = graph.rows[asked]
    rows = np.where(listed >= 0, place[listed], -1)
    return rows, np.where(rows >= 0, graph.similarity[asked], -np.inf)


def _complete(graph: KnnGraph, asked: Ints, similarity: Floats) -> NDArray[np.bool_]:
    """(Q, depth) best of the listed -> (Q,) True where no row beyond the list is as near as the last."""
    everything = graph.rows.shape[1] >= len(graph.rows) - 1
    ends = graph.rows[asked, -1] < 0
    return np.asarray(everything | ends | (similarity[:, -1] > graph.similarity[asked, -1]))


def _best(rows: Ints, similarity: Floats, depth: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """(Q, W) rows and similarity -> (Q, depth), nearest first, equal ones in random order."""
    # One whole number a pair, similarity in its high bits and chance in its low ones, orders both at once
    steps = np.rint(np.maximum(similarity, -2.0) * 10.0**DECIMALS).astype(np.int64)
    keys = (steps << _RANDOM_BITS) + rng.integers(1 << _RANDOM_BITS, size=steps.shape)
    if depth < keys.shape[1]:
        chosen = np.argpartition(-keys, depth - 1, axis=1)[:, :depth]
    else:
        chosen = np.broadcast_to(np.arange(keys.shape[1]), keys.shape)
    order = np.argsort(-np.take_along_axis(keys, chosen, 1), axis=1, kind="stable")
    chosen = np.take_along_axis(chosen, order, 1)
    fill = ((0, 0), (0, depth - chosen.shape[1]))
    found = np.pad(np.take_along_axis(similarity, chosen, 1), fill, constant_values=-np.inf)
    named = np.pad(np.take_along_axis(rows, chosen, 1), fill, constant_values=-1)
    return np.where(np.isneginf(found), -1, named), found


def _scores(rows: UnitRows, positions: Ints, places: Ints, groups: Ints | None) -> Floats:
    """(Q,) places -> (Q, n) rounded similarity to all places; minus infinity for itself and its group."""
    left, scores = rows.unit(positions[places]), np.empty((len(places), len(positions)))
    for part in blocks(np.arange(len(positions)), rows.dim):
        scores[:, part] = left @ rows.unit(positions[part]).T
    np.clip(np.round(scores, DECIMALS, out=scores), -1.0, 1.0, out=scores)
    scores[np.arange(len(places)), places] = -np.inf
    if groups is not None:
        own = groups[places, None]
        scores[(own == groups) & (own >= 0)] = -np.inf
    return scores
