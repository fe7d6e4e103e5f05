"""One pass over all pairs: the neighbour graph, the label metrics of every query, and what chance would give.

Each block of queries is scored once against every row. Out of that block come the nearest neighbours, the
farthest row, the ranking of the labelled gallery as deep as the query has relevant items, and the rank of its
first hit however deep that lies. No more than one block of scores is ever held.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate import retrieval
from bignet.evaluate.chance import Shuffles
from bignet.evaluate.gallery import Gallery, sampled_queries
from bignet.evaluate.graph import GraphTable
from bignet.evaluate.influence import Influences
from bignet.evaluate.ranked import Ranked
from bignet.evaluate.result import KnnGraph, PerQuery
from bignet.evaluate.scores import (
    Judge,
    Scored,
    accuracy,
    at_r,
    chance_at_r,
    depths_within,
    least_others,
)
from bignet.evaluate.together import Columns, Together
from bignet.evaluate.view import Depth, Seen, View, joined
from bignet.evaluate.votes import nearest_centre

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.cosine import Cosines
    from bignet.evaluate.settings import EvaluateSettings

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Scores = NDArray[np.floating[Any]]


COMPLETE = 1_000  # images up to which a ranking holds all of them, so that MAP's influences are exact
_CELLS = 2**16  # places whose effects are worked out at a time
_WAITING = 2  # blocks whose effects are worked out later, beside the next ranking


@dataclass(frozen=True)
class Measured:
    """What the pass yields.

    Attributes:
        graph: neighbours among all rows that can be found.
        per_query: scores among the labelled gallery, one entry a row.
        scored: every score of every query.
        together: the headline family without keeping groups apart; None without groups.
        gallery: who was asked, and what could be found.
        capped: the gallery of the scores at R, if it is another.
        sampled: whether the rows asked are a sample.
        population: (C,) queries there are of each class, asked or not.
    """

    graph: KnnGraph
    per_query: PerQuery
    scored: Scored
    together: Scored | None
    gallery: Gallery
    capped: Gallery
    sampled: bool
    population: Ints


def measure(
    cosines: Cosines,
    gallery: Gallery,
    names: Sequence[str],
    settings: EvaluateSettings,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """N rows and their gallery -> graph, scores, chance; queries of like R go together: short rankings.

    Args:
        cosines: similarity of the rows.
        gallery: who may be asked, and what can be found.
        names: class names by code.
        settings: as evaluated.
        told: how many queries of how many are done.
    """
    population = np.bincount(gallery.codes[gallery.queries], minlength=len(names))
    if len(cosines) > settings.exact_rows:
        drawn = np.zeros(len(cosines), dtype=bool)
        drawn[sampled_queries(gallery, settings.sample_queries, settings.seed)] = True
        gallery = replace(gallery, asked=drawn)
    done, total = 0, int(gallery.asked.sum())
    with ThreadPoolExecutor(1, "bignet-weigh") as beside:
        work = _Pass(cosines, gallery, names, settings, beside)
        for batch in work.batches():
            for n_queries in work.blocks(batch):
                done += n_queries
                told(done, total)
        return work.result(population)


@dataclass(frozen=True)
class _Batch:
    """Rows asked in one go: whether for their label, and whether for it when groups are not kept apart."""

    queries: Ints
    judged: bool
    together: bool


class _Pass:
    """The tables being filled, block by block."""

    def __init__(
        self,
        cosines: Cosines,
        gallery: Gallery,
        names: Sequence[str],
        settings: EvaluateSettings,
        beside: ThreadPoolExecutor,
    ) -> None:
        self._beside, self._weighing = beside, deque[Future[None]]()
        self._cosines, self._gallery, self._settings = cosines, gallery, settings
        self._sampled = len(cosines) > settings.exact_rows
        self._capped = gallery.capped(settings.class_cap, settings.seed) if self._sampled else gallery
        self._together = Together(gallery, self._capped)
        most = int(gallery.n_others[gallery.queries].max(initial=0))
        self._judge = Judge(gallery, names, depths_within(settings.k, settings.several_k, most))
        self._view = View(cosines, gallery, self._capped, full=not self._sampled, farthest=True)
        self._shuffles = self._permutations()
        self._asked = np.flatnonzero(gallery.asked)
        self._table = GraphTable(len(self._asked), settings.depth, (1, settings.k, settings.depth))
        self._rank_first, self._farthest = (np.full(len(cosines), -1, dtype=np.int64) for _ in range(2))
        self._farthest_similarity = np.full(len(cosines), np.nan)
        self._scores, self._permuted, self._tied, self._ties = (Columns(gallery.queries) for _ in range(4))
        self._voted, self._share = np.full(len(cosines), -1, dtype=np.int64), np.full(len(cosines), np.nan)
        self._names = names
        self._influences = None if self._sampled else Influences(gallery)

    def batches(self) -> Iterator[_Batch]:
        """Every row asked, those of like R and class side by side."""
        judged, together = self._gallery.n_relevant > 0, self._together.asked
        for flag, other in ((False, False), (False, True), (True, False), (True, True)):
            queries = np.flatnonzero(self._gallery.asked & (judged == flag) & (together == other))
            order = np.lexsort((self._gallery.codes[queries], self._gallery.n_relevant[queries]))
            yield _Batch(queries[order], flag, other)

    def blocks(self, batch: _Batch) -> Iterator[int]:
        """Goes through a batch; how many queries each block had."""
        pieces = list(self._cosines.blocks(batch.queries))
        for queries, scores in zip(pieces, self._cosines.scored(pieces), strict=True):
            self._block(queries, scores, batch)
            yield len(queries)

    def _block(self, queries: Ints, scores: Scores, batch: _Batch) -> None:
        """Fills in what the (Q, N) scores of a block show; they are written to."""
        depth = self._depth(queries, batch)
        seen = joined([self._view.look(queries[p], scores[p], depth) for p in self._cosines.slices(len(queries))])
        self._table.put(np.searchsorted(self._asked, queries), seen.graph)
        self._farthest[queries], self._farthest_similarity[queries] = seen.farthest, seen.farthest_similarity
        if batch.together:
            self._together.put(queries, seen)
        if batch.judged:
            self._judge_labels(queries, seen)

    def result(self, population: Ints) -> Measured:
        """Everything filled in so far."""
        while self._weighing:
            self._weighing.popleft().result()
        gallery, queries = self._gallery, self._gallery.queries
        values = dict(self._scores.columns)
        chance = {**self._judge.chance(queries), **chance_at_r(self._capped, queries)}
        for name, predicted in (
            ("knn_acc", self._voted[queries]),
            ("ncc_acc", nearest_centre(self._cosines.rows, gallery, queries)),
        ):
            values[name], chance[name] = accuracy(predicted, gallery.codes[queries])
        rate = {name: float(ties.mean()) for name, ties in self._ties.columns.items()}
        every = len(self._asked) == len(self._cosines)
        return Measured(
            graph=self._table.graph(None if every else self._asked),
            per_query=self._per_query(values),
            scored=Scored(queries, values, chance, self._permuted.columns, self._tied.columns, rate, self._influences),
            together=self._together.scored(),
            gallery=gallery,
            capped=self._capped,
            sampled=self._sampled,
            population=population,
        )

    def _permutations(self) -> Shuffles | None:
        """Labels are permuted where every row is asked and finds all others; else chance is an expectation only."""
        gallery, settings = self._gallery, self._settings
        if settings.permutations == 0 or self._sampled or not gallery.plain:
            return None
        return Shuffles(gallery.codes, gallery.member, settings.permutations, settings.seed)

    def _depth(self, queries: Ints, batch: _Batch) -> Depth:
        """Places to rank: one more than the graph has, for its ties, and one more than R, for those of labels."""
        most = int(self._capped.n_relevant[queries].max(initial=0))
        labels = max(self._judge.depths.deepest, 0 if self._sampled else most) + 1
        most_others = int(self._gallery.n_others[queries].max(initial=0))
        if most_others <= COMPLETE:
            labels = max(labels, most_others)
        together = self._together.depth(queries) if batch.together else 0
        return Depth(self._settings.depth + 1, labels * batch.judged, most * batch.judged, together)

    def _judge_labels(self, queries: Ints, seen: Seen) -> None:
        """Every label score of a block."""
        judge, labels = self._judge, seen.labels.widened(self._judge.depths.deepest + 1)
        values = judge.at_k(queries, labels)
        values |= at_r(judge.hits(queries, seen.capped.rows), self._capped.n_relevant[queries])
        values["mrr"] = 1.0 / seen.first_hit
        if len(seen.average_precision):
            values["map"] = seen.average_precision
        self._scores.put(queries, values)
        self._rank_first[queries] = seen.first_hit
        self._voted[queries], self._share[queries] = judge.vote(labels)
        self._weigh_ties(queries, labels)
        if self._influences is not None:
            self._weighing.append(self._beside.submit(self._weigh_images, self._influences, queries, labels))
            if len(self._weighing) > _WAITING:
                self._weighing.popleft().result()
        if self._shuffles is not None:
            n_relevant = self._gallery.n_relevant[queries]
            tables = [judge.basic(hits, n_relevant) for hits in self._shuffles.hits(queries, labels.rows)]
            self._permuted.put(
                queries, {name: np.mean([table[name] for table in tables], axis=0) for name in tables[0]}
            )

    def _weigh_images(self, influences: Influences, queries: Ints, labels: Ranked) -> None:
        """What each image of the rankings of a block does to their scores, some queries at a time."""
        whole = int(self._gallery.n_others[self._gallery.queries].max())
        step = max(1, _CELLS // max(1, labels.rows.shape[1]))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            some = Ranked(labels.rows[part], labels.similarity[part])
            for name, effects in self._judge.effects(queries[part], some, self._rank_first[queries[part]], whole):
                influences.put(name, queries[part], some.rows, effects, least_others(name))

    def _weigh_ties(self, queries: Ints, labels: Ranked) -> None:
        """P@1 and P@k of a block if equally similar items came in random order."""
        hits = self._judge.hits(queries, labels.rows)
        enough = self._gallery.n_others[queries]
        for k in {1, self._judge.depths.k}:
            same = (labels.similarity[:, k - 1] == labels.similarity[:, k]) & (labels.rows[:, k] >= 0)
            tied = retrieval.expected_precision_at_k(hits, labels.similarity, k)
            self._ties.put(queries, {f"p@{k}": same.astype(np.float64)})
            self._tied.put(queries, {f"p@{k}": np.where(enough >= k, tied, np.nan)})

    def _per_query(self, values: Mapping[str, Floats]) -> PerQuery:
        """Scores of the report's own columns, one entry a row."""
        names = {"p1": "p@1", "pk": f"p@{self._settings.k}", "rp": "r_precision", "apr": "map@r", "rr": "mrr"}
        columns = {}
        for field, name in names.items():
            columns[field] = np.full(len(self._cosines), np.nan)
            columns[field][self._gallery.queries] = values.get(name, np.nan)
        return PerQuery(
            n_relevant=self._gallery.n_relevant,
            **columns,
            rank_first=self._rank_first,
            farthest=self._farthest,
            farthest_similarity=self._farthest_similarity,
            knn_pred=tuple(self._names[code] if code >= 0 else None for code in self._voted.tolist()),
            knn_conf=self._share,
        )
