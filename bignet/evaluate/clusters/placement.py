"""Which cluster each row is in, how near its centre and how near the next: all rows, in one pass for several k."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.clusters.kmeans import directions
from bignet.evaluate.intervals import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

NOISE = -1
_CELLS = 2**17


def nearest_centre(unit: Floats, centres: Floats) -> tuple[Ints, Floats]:
    """(B, D) unit rows and (k, D) centres -> nearest centre, the lower number on a tie, and all (B, k) scores."""
    scores = np.round(unit @ centres.T, DECIMALS)
    return scores.argmax(axis=1), scores


class Placement:
    """N rows among k centres.

    Attributes:
        centres: (k, D) of length one.
        assignment: (N,) centre of each row; -1 = noise.
        similarity: (N,) to the own centre; NaN = noise.
        margin: (N,) similarity to the own centre less that to the next; NaN = noise, or one centre.
        sums: (k, D) of the unit rows of each cluster.
        toward: (N,) mean similarity to all rows of the own cluster, the row itself among them; NaN = noise;
            empty until ``look_around``.
    """

    def __init__(self, n_rows: int, centres: Floats, given: Ints | None = None) -> None:
        self.centres = centres
        self.assignment = np.full(n_rows, NOISE, dtype=np.int64) if given is None else given
        self.similarity = np.full(n_rows, np.nan)
        self.margin = np.full(n_rows, np.nan)
        self.sums = np.zeros_like(centres)
        self.toward = np.empty(0)
        self._given = given is not None
        self._means: Floats | None = None

    @property
    def sizes(self) -> Ints:
        """(k,) rows of each cluster."""
        return np.bincount(self.assignment[self.assignment >= 0], minlength=len(self.centres))

    @property
    def silhouette(self) -> float:
        """Mean simplified silhouette, (b - a) / max(a, b) with the distances a to the own centre, b to the next.

        Hruschka, de Castro and Campello 2004, "Evolutionary algorithms for clustering gene-expression data". 0 with
        one centre, and for a row that is as near to both; noise is left out.
        """
        known = np.isfinite(self.margin)
        if not known.any():
            return 0.0
        own = 1.0 - self.similarity[known]
        other = own + self.margin[known]
        larger = np.maximum(own, other)
        each = np.divide(other - own, larger, out=np.zeros_like(own), where=larger > 0)
        return round(float(each.mean()), DECIMALS)

    def take(self, block: slice, unit: Floats) -> None:
        """Places the rows of a block."""
        nearest, scores = nearest_centre(unit, self.centres)
        if not self._given:
            self.assignment[block] = nearest
        here = np.flatnonzero(self.assignment[block] >= 0)
        if not len(here):
            return
        own = self.assignment[block][here]
        if len(here) < len(unit):
            unit, scores = unit[here], scores[here]
        place = block.start + here
        similarity = _along(unit, self.centres[own])
        self.similarity[place] = similarity
        if len(self.centres) > 1:
            scores[np.arange(len(own)), own] = -np.inf
            self.margin[place] = np.round(similarity - _along(unit, self.centres[scores.argmax(axis=1)]), DECIMALS)
        self._add(own, unit)

    def _add(self, own: Ints, unit: Floats) -> None:
        """Sums in row order; slice by slice, which is several times faster than ``np.add.reduceat``."""
        order = np.argsort(own, kind="stable")
        unit = unit[order]
        ends = np.searchsorted(own[order], np.arange(len(self.centres) + 1))
        for number in np.flatnonzero(np.diff(ends)):
            self.sums[number] += unit[ends[number] : ends[number + 1]].sum(axis=0)

    def look_around(self, block: slice, unit: Floats) -> None:
        """How near each row of a block is to all of its cluster; after every block was taken."""
        if self._means is None:
            self.toward = np.full(len(self.assignment), np.nan)
            self._means = self.sums / np.maximum(self.sizes, 1)[:, None]
        own = self.assignment[block]
        here = np.flatnonzero(own >= 0)
        unit = unit if len(here) == len(unit) else unit[here]
        self.toward[block.start + here] = np.round(np.vecdot(unit, self._means[own[here]]), DECIMALS)

    def renumbered(self) -> Placement:
        """The same with the largest cluster first, of equals the one with the earliest row; empty ones last."""
        sizes = self.sizes
        first = np.full(len(sizes), len(self.assignment))
        placed = np.flatnonzero(self.assignment >= 0)
        np.minimum.at(first, self.assignment[placed], placed)
        order = np.lexsort((first, -sizes))
        number = np.empty(len(order) + 1, dtype=np.int64)
        number[order], number[NOISE] = np.arange(len(order)), NOISE
        other = Placement(0, self.centres[order], number[self.assignment])
        other.similarity, other.margin, other.toward = self.similarity, self.margin, self.toward
        other.sums = self.sums[order]
        return other


def place(rows: UnitRows, several: Sequence[Floats]) -> list[Placement]:
    """All rows among each of several sets of centres; a centre that nothing is near is taken out."""
    found = _placed(rows, [Placement(len(rows), centres) for centres in several])
    again = [item for item in found if not item.sizes.all()]
    for item, anew in zip(again, _placed(rows, [_without_empty(item) for item in again]), strict=True):
        found[found.index(item)] = anew
    return [item.renumbered() for item in found]


def place_given(rows: UnitRows, assignment: Ints, n_clusters: int) -> Placement:
    """All rows in the clusters they are given, -1 = none; a cluster's centre is its mean direction."""
    sums = Placement(len(rows), np.zeros((n_clusters, rows.dim)), assignment)
    if n_clusters == 0:
        return sums
    _placed(rows, [sums])
    placement = Placement(len(rows), directions(sums.sums), assignment)
    return _placed(rows, [placement])[0].renumbered()


def look_around(rows: UnitRows, placements: Sequence[Placement]) -> None:
    """Fill ``toward`` of placements that are complete."""
    _pass(rows, max([len(item.centres) for item in placements], default=1), [item.look_around for item in placements])


def _placed(rows: UnitRows, placements: list[Placement]) -> list[Placement]:
    widest = max([len(item.centres) for item in placements], default=1)
    _pass(rows, widest, [item.take for item in placements])
    return placements


def _pass(rows: UnitRows, width: int, consumers: Sequence[Callable[[slice, Floats], None]]) -> None:
    """Hands every block of rows to every consumer."""
    if not consumers:
        return
    for block in _blocks(len(rows), max(rows.dim, width)):
        unit = rows.unit(np.arange(block.start, block.stop))
        for consume in consumers:
            consume(block, unit)


def _blocks(n_rows: int, width: int) -> Iterator[slice]:
    step = max(1, _CELLS // width)
    for start in range(0, n_rows, step):
        yield slice(start, min(n_rows, start + step))


def _without_empty(item: Placement) -> Placement:
    return Placement(len(item.assignment), item.centres[item.sizes > 0])


def _along(unit: Floats, other: Floats) -> Floats:
    """(B, D) and (B, D) -> (B,) cosine, rounded so that no number of threads shows."""
    return np.asarray(np.clip(np.round(np.vecdot(unit, other), DECIMALS), -1.0, 1.0))
