"""What one slice of a block of scores shows: its nearest and farthest rows, and where the relevant rows stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.full_ranking import average_precisions
from bignet.evaluate.ranked import Ranked, stacked
from bignet.evaluate.votes import VOTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.cosine import Cosines
    from bignet.evaluate.gallery import Gallery

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Depth:
    """Places to rank for a batch: of the graph, of the labelled gallery, and of the capped gallery, 0 = not asked."""

    graph: int
    labels: int = 0
    capped: int = 0
    together: int = 0


@dataclass(frozen=True)
class Seen:
    """What Q queries see; the rankings of labels are empty where nobody was asked for one.

    Attributes:
        graph: nearest of all rows that can be found.
        labels: nearest where labels are judged.
        capped: nearest of the capped gallery, the same as ``labels`` where there is none.
        together: nearest where labels are judged, groups not kept apart.
        together_capped: likewise of the capped gallery.
        farthest: (Q,) the last row of the order, -1 = none; empty where it was not asked for.
        farthest_similarity: (Q,).
        average_precision: (Q,) over the full ranking; empty where it was not asked for.
        first_hit: (Q,) rank of the first relevant row; empty where it was not asked for.
    """

    graph: Ranked
    labels: Ranked
    capped: Ranked
    together: Ranked
    together_capped: Ranked
    farthest: Ints
    farthest_similarity: Floats
    average_precision: Floats
    first_hit: Ints


class View:
    """Looks at slices of scores.

    Args:
        cosines: what they are from.
        gallery: what can be found.
        capped: what can be found by the scores at R; the same object where nothing is capped.
        full: whether average precision over the full ranking is wanted.
        farthest: whether the last row of the order is.
    """

    def __init__(self, cosines: Cosines, gallery: Gallery, capped: Gallery, *, full: bool, farthest: bool) -> None:
        self._cosines, self._gallery, self._full, self._farthest = cosines, gallery, full, farthest
        self._columns = None if capped is gallery else np.flatnonzero(capped.member)
        self._unfindable = None if gallery.findable.all() else ~gallery.findable
        self._outside = None if np.array_equal(gallery.member, gallery.findable) else ~gallery.member
        self._order = np.argsort(gallery.codes, kind="stable")
        self._sorted = gallery.codes[self._order]

    def look(self, queries: Ints, scores: Scores, depth: Depth) -> Seen:
        """(Q,) queries and their (Q, N) scores, which are written to -> what they show."""
        hidden = self._gallery.hidden(queries)
        together = together_capped = _nothing(len(queries))
        if depth.together:
            together, together_capped = self._look_together(queries, scores, depth)
        farthest, farthest_similarity = np.zeros(0, dtype=np.int64), np.zeros(0)
        if self._farthest:
            self._hide(queries, scores, hidden, np.inf)
            farthest, farthest_similarity = self._cosines.farthest(queries, scores)
        self._hide(queries, scores, hidden, -np.inf)
        same = self._outside is None
        exact = max(depth.graph, min(VOTERS + 1, depth.labels) * same)
        graph = self._cosines.nearest(queries, scores, max(depth.graph, depth.labels * same), exact)
        labels = capped = _nothing(len(queries))
        first, precision = np.zeros(0, dtype=np.int64), np.zeros(0)
        if depth.labels:
            if self._outside is not None:
                np.copyto(scores, -np.inf, where=self._outside)
            labels, capped = self._ranked(queries, scores, depth, graph if same else None)
            first = self._first_hits(queries, scores, labels)
            if self._full:
                alike = [self._alike(query) for query in queries]
                precision = average_precisions(self._cosines, queries, scores, alike)
        return Seen(graph, labels, capped, together, together_capped, farthest, farthest_similarity, precision, first)

    def _look_together(self, queries: Ints, scores: Scores, depth: Depth) -> tuple[Ranked, Ranked]:
        """Rankings before groups are kept apart."""
        own = np.arange(len(queries))
        aside = (
            scores.copy() if self._outside is None else np.where(self._outside, -np.inf, scores).astype(scores.dtype)
        )
        aside[own, queries] = -np.inf
        if self._unfindable is not None:
            np.copyto(aside, -np.inf, where=self._unfindable)
        return self._ranked(queries, aside, Depth(depth.graph, max(1, depth.together), depth.together), None)

    def _ranked(self, queries: Ints, scores: Scores, depth: Depth, known: Ranked | None) -> tuple[Ranked, Ranked]:
        """Rankings of the labelled and of the capped gallery."""
        labels = known or self._cosines.nearest(queries, scores, depth.labels, min(VOTERS + 1, depth.labels))
        if self._columns is None:
            return labels, labels
        part = np.take(scores, self._columns, axis=1)  # rows side by side, as they are looked through
        return labels, self._cosines.nearest(queries, part, depth.capped, columns=self._columns)

    def _hide(self, queries: Ints, scores: Scores, hidden: Bools | None, value: float) -> None:
        """The query itself and what cannot be found."""
        scores[np.arange(len(queries)), queries] = value
        if self._unfindable is not None:
            np.copyto(scores, value, where=self._unfindable)
        if hidden is not None:
            np.copyto(scores, value, where=hidden)

    def _alike(self, query: int) -> Ints:
        """Positions of the query's class, ascending."""
        code = self._gallery.codes[query]
        start, stop = np.searchsorted(self._sorted, [code, code + 1])
        return self._order[start:stop]

    def _first_hits(self, queries: Ints, scores: Scores, labels: Ranked) -> Ints:
        """(Q,) rank of the first relevant row; where no place of the ranking has one, all scores are searched."""
        codes = self._gallery.codes
        hits = (codes[labels.rows] == codes[queries, None]) & (labels.rows >= 0)
        found = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, -1)
        for place in np.flatnonzero(found < 0):
            found[place] = self._first_rank(int(queries[place]), scores[place])
        return found

    def _first_rank(self, query: int, scores: Scores) -> int:
        """(N,) scores of one query -> exact rank of its most similar relevant row."""
        code = self._gallery.codes[query]
        best = scores[self._alike(query)].max()
        slack = scores.dtype.type(self._cosines.slack(scores))
        near = np.flatnonzero((scores >= best - slack) & (scores <= best + slack))
        exact = self._cosines.exact(np.full(len(near), query), near)
        ordered = near[np.lexsort((near, -exact))]
        before = int(np.argmax(self._gallery.codes[ordered] == code))
        return int((scores > best + slack).sum()) + before + 1


def joined(parts: Sequence[Seen]) -> Seen:
    """What the slices of a block show, as one."""
    if len(parts) == 1:
        return parts[0]
    return Seen(
        graph=stacked([part.graph for part in parts]),
        labels=stacked([part.labels for part in parts]),
        capped=stacked([part.capped for part in parts]),
        together=stacked([part.together for part in parts]),
        together_capped=stacked([part.together_capped for part in parts]),
        farthest=np.concatenate([part.farthest for part in parts]),
        farthest_similarity=np.concatenate([part.farthest_similarity for part in parts]),
        average_precision=np.concatenate([part.average_precision for part in parts]),
        first_hit=np.concatenate([part.first_hit for part in parts]),
    )


def _nothing(n_queries: int) -> Ranked:
    return Ranked(np.zeros((n_queries, 0), dtype=np.int64), np.zeros((n_queries, 0)))
