"""One pass over all pairs: the neighbour graph, the label metrics of every query, and what chance would give.

Each block of queries is scored once against every row. Out of that block come the nearest neighbours, the
farthest row, the ranking of the labelled gallery as deep as the query has relevant items, and the rank of its
first hit however deep that lies. No more than one block of scores is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate import retrieval
from bignet.evaluate.chance import Shuffles
from bignet.evaluate.graph import GraphTable
from bignet.evaluate.result import KnnGraph, PerQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bignet.evaluate.cosine import Cosines, Ranked
    from bignet.evaluate.evaluate import EvaluateSettings

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Gallery:
    """Who is asked, and what can be found, when labels are judged.

    Attributes:
        codes: (N,) class of each row, -1 = unlabelled.
        member: (N,) True for rows that can be found.
        n_relevant: (N,) how many other rows bear the label; -1 = no query: unlabelled, or alone in its class.
    """

    codes: Ints
    member: Bools
    n_relevant: Ints

    @property
    def size(self) -> int:
        """Rows that can be found, the query among them."""
        return int(self.member.sum())

    @property
    def queries(self) -> Ints:
        """Positions of the rows that are asked."""
        return np.flatnonzero(self.n_relevant > 0)


def label_gallery(codes: Ints, unlabelled: str) -> Gallery:
    """(N,) codes -> the gallery, which unlabelled rows leave ("drop") or stay in as wrong ("distractor")."""
    member = codes >= 0 if unlabelled == "drop" else np.ones(len(codes), dtype=bool)
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    others = np.where(codes >= 0, sizes[np.maximum(codes, 0)] - 1, 0)
    return Gallery(codes, member, np.where(others > 0, others, -1))


@dataclass(frozen=True)
class Measured:
    """What the pass yields, one entry a row; ``chance`` and ``tied`` hold NaN where a row was no query.

    Attributes:
        graph: neighbours among all rows.
        per_query: scores among the labelled gallery.
        chance: by field of PerQuery, the mean over permuted labels.
        tied: by field of PerQuery, the mean over all orders of equally similar items.
        tie_rate: by field of PerQuery, the share of queries with such a tie at that depth.
    """

    graph: KnnGraph
    per_query: PerQuery
    chance: Mapping[str, Floats]
    tied: Mapping[str, Floats]
    tie_rate: Mapping[str, float]


def measure(cosines: Cosines, gallery: Gallery, settings: EvaluateSettings) -> Measured:
    """N rows and their gallery -> graph, scores, chance; queries of like R go together: short rankings."""
    work = _Pass(cosines, gallery, settings)
    idle = np.flatnonzero(gallery.n_relevant < 1)
    asked = gallery.queries[np.argsort(gallery.n_relevant[gallery.queries], kind="stable")]
    for group in (idle, asked):
        for queries in cosines.blocks(group):
            work.block(queries)
    return work.result()


class _Pass:
    """The tables being filled, block by block."""

    def __init__(self, cosines: Cosines, gallery: Gallery, settings: EvaluateSettings) -> None:
        n = len(cosines)
        self._cosines, self._gallery = cosines, gallery
        self._k, self._depth = settings.k, settings.depth
        self._enough = gallery.size > settings.k
        self._shuffles = Shuffles(gallery.codes, gallery.member, settings.permutations, settings.seed)
        self._permutations = settings.permutations
        self._order = np.argsort(gallery.codes, kind="stable")
        self._sorted = gallery.codes[self._order]
        self._table = GraphTable(n, settings.depth, (1, settings.k, settings.depth))
        self._score = {name: np.full(n, np.nan) for name in ("p1", "pk", "rp", "apr", "rr")}
        self._chance = {name: np.full(n, np.nan) for name in ("p1", "pk", "rp", "apr")}
        self._tied = {name: np.full(n, np.nan) for name in ("p1", "pk")}
        self._ties = {name: np.zeros(n, dtype=bool) for name in ("p1", "pk")}
        self._rank_first, self._farthest = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
        self._farthest_similarity = np.full(n, np.nan)

    def block(self, queries: Ints) -> None:
        """(Q,) rows, all of them queries of label metrics or none."""
        scores, own = self._cosines.block(queries), np.arange(len(queries))
        scores[own, queries] = np.inf
        self._farthest[queries], self._farthest_similarity[queries] = self._cosines.farthest(queries, scores)
        scores[own, queries] = -np.inf
        n_relevant = self._gallery.n_relevant[queries]
        depth = max(self._k, int(n_relevant.max(initial=0)))
        all_in = bool(self._gallery.member.all())
        graph_depth = self._depth + 1
        ranked = self._cosines.nearest(queries, scores, max(graph_depth, depth * all_in), graph_depth)
        self._table.put(queries, ranked)
        if n_relevant.max(initial=0) < 1:
            return
        if not all_in:
            scores[:, ~self._gallery.member] = -np.inf
            ranked = self._cosines.nearest(queries, scores, depth)
        self._judge(queries, ranked, depth)
        self._search(queries, scores)

    def result(self) -> Measured:
        """Everything filled in so far."""
        asked = self._gallery.queries
        per_query = PerQuery(
            n_relevant=self._gallery.n_relevant,
            **self._score,
            rank_first=self._rank_first,
            farthest=self._farthest,
            farthest_similarity=self._farthest_similarity,
        )
        rate = {name: float(ties[asked].mean()) if len(asked) else 0.0 for name, ties in self._ties.items()}
        return Measured(self._table.graph(), per_query, self._chance, self._tied, rate)

    def _judge(self, queries: Ints, ranked: Ranked, depth: int) -> None:
        """Scores a block by the first ``depth`` places of its ranking."""
        own = self._gallery.codes[queries, None]
        hits = (self._gallery.codes[ranked.rows] == own) & (ranked.rows >= 0)
        n_relevant = self._gallery.n_relevant[queries]
        for name, values in self._scores(hits[:, :depth], n_relevant).items():
            self._score[name][queries] = values
        self._rank_first[queries] = retrieval.first_hit(hits[:, :depth])
        self._weigh_ties(queries, ranked, hits)
        if self._permutations:
            self._shuffle(queries, ranked.rows[:, :depth], n_relevant)

    def _scores(self, hits: Bools, n_relevant: Ints) -> dict[str, Floats]:
        scores = {
            "p1": retrieval.precision_at_k(hits, 1),
            "rp": retrieval.r_precision(hits, n_relevant),
            "apr": retrieval.map_at_r(hits, n_relevant),
        }
        return {**scores, "pk": retrieval.precision_at_k(hits, self._k)} if self._enough else scores

    def _shuffle(self, queries: Ints, rows: Ints, n_relevant: Ints) -> None:
        """Mean score of a block over the permuted labels."""
        tables = [self._scores(hits, n_relevant) for hits in self._shuffles.hits(queries, rows)]
        for name in tables[0]:
            self._chance[name][queries] = np.mean([table[name] for table in tables], axis=0)

    def _weigh_ties(self, queries: Ints, ranked: Ranked, hits: Bools) -> None:
        """P@1 and P@k of a block if equally similar items came in random order."""
        for name, k in (("p1", 1), ("pk", self._k)) if self._enough else (("p1", 1),):
            following = ranked.similarity[:, k] if hits.shape[1] > k else np.full(len(queries), -np.inf)
            self._ties[name][queries] = ranked.similarity[:, k - 1] == following
            self._tied[name][queries] = retrieval.expected_precision_at_k(hits, ranked.similarity, k)

    def _search(self, queries: Ints, scores: Scores) -> None:
        """Reciprocal ranks of a block; where no hit was seen yet, the whole row of scores is searched."""
        for place in np.flatnonzero(self._rank_first[queries] < 0):
            self._rank_first[queries[place]] = self._first_rank(int(queries[place]), scores[place])
        self._score["rr"][queries] = 1.0 / self._rank_first[queries]

    def _first_rank(self, query: int, scores: Scores) -> int:
        """(N,) scores of one query -> exact rank of its most similar relevant row."""
        code = self._gallery.codes[query]
        start, stop = np.searchsorted(self._sorted, [code, code + 1])
        best = scores[self._order[start:stop]].max()
        slack = scores.dtype.type(self._cosines.slack(scores))
        near = np.flatnonzero((scores >= best - slack) & (scores <= best + slack))
        exact = self._cosines.exact(np.full(len(near), query), near)
        ordered = near[np.lexsort((near, -exact))]
        before = int(np.argmax(self._gallery.codes[ordered] == code))
        return int((scores > best + slack).sum()) + before + 1
