"""One pass over one choice: its neighbours, its label scores, and what each image does to their means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate import deletions, retrieval
from bignet.evaluate.every_pair import cosines_of
from bignet.evaluate.graph import GraphTable
from bignet.evaluate.influence import Influences
from bignet.evaluate.jackknife import of_queries, without_pairs
from bignet.evaluate.view import Depth, View, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.cosine import Cosines
    from bignet.evaluate.gallery import Gallery
    from bignet.evaluate.jackknife import Estimate
    from bignet.evaluate.result import KnnGraph
    from bignet.evaluate.sweep.design import Design
    from bignet.evaluate.unit_rows import UnitRows
    from bignet.evaluate.view import Seen

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Scores = NDArray[np.floating[Any]]

_CELLS = 2**17  # places whose effects are worked out at a time
_NAMES = ("map@r", "p@1")


@dataclass(frozen=True)
class Look:
    """What one pass saw.

    Attributes:
        cosines: of the vectors.
        graph: nearest neighbours of every image, labelled or not.
        scores: metric -> (N,) by image, NaN = no query.
        estimates: metric id -> its mean and what each image does to it; empty where nobody could be asked.
        halves: MAP@R over classes in the half that chooses and in the one that is reported, over their own images;
            None where nobody could be asked.
    """

    cosines: Cosines
    graph: KnnGraph
    scores: dict[str, Floats]
    estimates: dict[str, Estimate]
    halves: tuple[Estimate | None, Estimate | None]


def look(rows: UnitRows, design: Design, k: int) -> Look:
    """N unit rows -> their ``k`` nearest neighbours and label scores."""
    return _Pass(rows, design, k).look()


class _Asked:
    """Scores of the queries of one gallery, filled in block by block."""

    def __init__(self, gallery: Gallery, names: tuple[str, ...]) -> None:
        self.gallery = gallery
        self.scores = {name: np.full(len(gallery.codes), np.nan) for name in names}
        self._influences = Influences(gallery)

    def depth(self, queries: Ints) -> int:
        """Places to rank: R, and the one that moves up."""
        return int(self.gallery.n_relevant[queries].max(initial=-1)) + 1

    def put(self, queries: Ints, rows: Ints) -> None:
        """(Q,) queries and their (Q, K) ranking, some queries at a time."""
        step = max(1, _CELLS // max(1, rows.shape[1]))
        for start in range(0, len(queries), step):
            asked = self.gallery.n_relevant[queries[start : start + step]] > 0
            if asked.any():
                self._put(queries[start : start + step][asked], rows[start : start + step][asked])

    def _put(self, queries: Ints, rows: Ints) -> None:
        codes, n_relevant = self.gallery.codes, self.gallery.n_relevant[queries]
        hits = (codes[rows] == codes[queries, None]) & (rows >= 0)
        cut = deletions.Cut.at_r(n_relevant)
        found = {"map@r": (retrieval.map_at_r(hits, n_relevant), deletions.average_precision(hits, n_relevant, cut))}
        if "p@1" in self.scores:
            first = hits[:, :2]  # what is further down changes nothing
            found["p@1"] = (retrieval.precision_at_k(first, 1), deletions.precision_at_k(first, n_relevant, 1))
        for name, (values, effects) in found.items():
            self.scores[name][queries] = values
            self._influences.put(name, queries, rows, effects)

    def estimate(self, name: str, *, by_class: bool, of: Ints) -> Estimate:
        """A mean over queries, or over classes, of the images ``of``; there is a query."""
        gallery, scores = self.gallery, self.scores[name]
        influence = self._influences.of(name, scores[gallery.queries])
        alone = of_queries(scores[of], gallery.codes[of], by_class=by_class)
        whole = (influence.macro if by_class else influence.micro)[of]
        pairs = influence.pairs[by_class]
        once = without_pairs(alone.influences, whole, pairs, alone.classes, by_class=by_class)
        return replace(alone, influences=once)


class _Pass:
    def __init__(self, rows: UnitRows, design: Design, k: int) -> None:
        self._design, self._k = design, k
        self._cosines = cosines_of(rows)
        self._all = _Asked(design.gallery, _NAMES)
        self._halves = [_Asked(half, ("map@r",)) for half in design.halves]
        self._table = GraphTable(len(rows), k + 1, ())

    def look(self) -> Look:
        """Goes through all images, block by block."""
        work = [(part, half) for half in self._halves for part in self._pieces(half.gallery.asked)]
        views = {half: self._view(half) for half in self._halves}
        for queries, half in work:  # nothing ahead: other choices keep the other cores busy
            seen = self._seen(views[half], queries, self._cosines.block(queries), half)
            self._table.put(queries, seen.graph)
            self._all.put(queries, seen.labels.rows)
            half.put(queries, seen.capped.rows)
        return Look(self._cosines, self._table.graph(), self._all.scores, self._estimates(), self._of_halves())

    def _view(self, half: _Asked) -> View:
        return View(self._cosines, self._design.gallery, half.gallery, full=False, farthest=False)

    def _pieces(self, part: Bools) -> Iterator[Ints]:
        """Images of a half, those that are asked for their label apart, and in order of how many they may find."""
        n_relevant = self._design.gallery.n_relevant
        for asked in (False, True):
            queries = np.flatnonzero(part & ((n_relevant > 0) == asked))
            yield from self._cosines.blocks(queries[np.argsort(n_relevant[queries], kind="stable")])

    def _seen(self, view: View, queries: Ints, scores: Scores, half: _Asked) -> Seen:
        depth = Depth(self._k + 2, self._all.depth(queries), max(1, half.depth(queries)))
        slices = self._cosines.slices(len(queries))
        return joined([view.look(queries[part], scores[part], depth) for part in slices])

    def _estimates(self) -> dict[str, Estimate]:
        if not len(self._design.gallery.queries):
            return {}
        every = np.arange(len(self._cosines))
        wanted = {"map@r.macro": ("map@r", True), "map@r": ("map@r", False), "p@1": ("p@1", False)}
        return {
            metric_id: self._all.estimate(name, by_class=by_class, of=every)
            for metric_id, (name, by_class) in wanted.items()
        }

    def _of_halves(self) -> tuple[Estimate | None, Estimate | None]:
        chosen, reported = (
            half.estimate("map@r", by_class=True, of=np.flatnonzero(half.gallery.asked))
            if len(half.gallery.queries)
            else None
            for half in self._halves
        )
        return chosen, reported
