"""The label scores of queries from their ranked neighbours, each by the id of its metric, and what chance gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import chance, deletions, retrieval
from bignet.evaluate.labels import prefix_codes
from bignet.evaluate.votes import VOTERS, knn_vote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.deletions import Effects
    from bignet.evaluate.gallery import Gallery
    from bignet.evaluate.influence import Influences
    from bignet.evaluate.ranked import Ranked

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """Scores of Q queries, each (Q,), by metric id; NaN where undefined.

    Attributes:
        queries: (Q,) positions, ascending.
        values: what they scored.
        chance: what a blind embedding would score, by exact expectation.
        permuted: the same as a mean over permuted labels; empty where labels were not permuted.
        tied: the mean over all orders of equally similar items.
        tie_rate: the share of queries with such a tie at that depth.
        influences: of the images on the means; None where only a sample is asked.
    """

    queries: Ints
    values: Mapping[str, Floats]
    chance: Mapping[str, Floats]
    permuted: Mapping[str, Floats] = field(default_factory=dict)
    tied: Mapping[str, Floats] = field(default_factory=dict)
    tie_rate: Mapping[str, float] = field(default_factory=dict)
    influences: Influences | None = None


@dataclass(frozen=True)
class Depths:
    """Places that metrics look at: ``k`` the report's own, ``several`` all of them, rising."""

    k: int
    several: tuple[int, ...]

    @property
    def deepest(self) -> int:
        """Places needed for all of them."""
        return max(*self.several, VOTERS)

    def hits(self) -> tuple[int, ...]:
        """Depths of hit@k and recall@k: at 1 a hit is P@1."""
        return tuple(k for k in self.several if k > 1)


def depths_within(k: int, wanted: Sequence[int], most_others: int) -> Depths:
    """The report's k, and those wanted depths that some query has neighbours for."""
    return Depths(k, tuple(sorted({1, k, *(depth for depth in wanted if depth <= most_others)})))


class Judge:
    """Scores rankings of one gallery.

    Args:
        gallery: who is asked and what can be found.
        names: class names, by which gains are graded.
        depths: k of the metrics.
    """

    def __init__(self, gallery: Gallery, names: Sequence[str], depths: Depths) -> None:
        self._gallery, self.depths = gallery, depths
        levels = prefix_codes(names)
        self._levels = levels if levels.size else np.zeros((1, 1), dtype=np.int64)
        nodes = [np.where(gallery.codes >= 0, level[gallery.codes], -1) for level in self._levels.T]
        self._at_least = np.column_stack([gallery.alike(node)[gallery.queries] for node in nodes])
        self._place = np.searchsorted(gallery.queries, np.arange(len(gallery.codes)))

    def hits(self, queries: Ints, rows: Ints) -> Bools:
        """(Q,) queries and (Q, K) neighbours -> (Q, K) True where the label is the query's."""
        return np.asarray((self._gallery.codes[rows] == self._gallery.codes[queries, None]) & (rows >= 0))

    def basic(self, hits: Bools, n_relevant: Ints) -> dict[str, Floats]:
        """(Q, K) hits, K >= max R -> the scores whose chance is found by permuting labels."""
        first = {f"p@{k}": retrieval.precision_at_k(hits, k) for k in (1, self.depths.k)}
        return {**first, **at_r(hits, n_relevant)}

    def at_k(self, queries: Ints, ranked: Ranked) -> dict[str, Floats]:
        """(Q,) queries and their ranking -> every score of its first places; NaN where there are fewer than k."""
        hits = self.hits(queries, ranked.rows)
        n_relevant, n_others = self._gallery.n_relevant[queries], self._gallery.n_others[queries]
        k, found = self.depths.k, {}
        for depth in self.depths.several:
            found[f"p@{depth}"] = retrieval.precision_at_k(hits, depth)
        for depth in self.depths.hits():
            found[f"hit@{depth}"] = retrieval.hit_at_k(hits, depth)
            found[f"recall@{depth}"] = retrieval.recall_at_k(hits, n_relevant, depth)
        found[f"map@{k}/minRk"] = retrieval.map_at_k(hits, n_relevant, k)
        ideal = retrieval.ideal_dcg(self._at_least[self._place[queries]], k)
        found[f"ndcg@{k}"] = retrieval.ndcg_at_k(self._gains(queries, ranked.rows), ranked.similarity, ideal, k)
        return {name: np.where(n_others >= least_others(name), values, np.nan) for name, values in found.items()}

    def effects(self, queries: Ints, ranked: Ranked, first: Ints, whole: int) -> Iterator[tuple[str, Effects]]:
        """(Q,) queries, their ranking and first hits -> by score, what it changes by without an image of the ranking.

        ``whole`` = places that hold everything there is; a ranking as deep also tells of MAP.
        """
        hits, n_relevant, k = self.hits(queries, ranked.rows), self._gallery.n_relevant[queries], self.depths.k
        yield from at_r_effects(hits, n_relevant).items()
        if hits.shape[1] >= whole:
            cut = deletions.Cut.whole(n_relevant, hits.shape[1])
            yield "map", deletions.average_precision(hits, n_relevant, cut)
        yield "mrr", deletions.reciprocal_rank(hits, n_relevant, first)
        hits = hits[:, : self.depths.deepest + 1]
        for depth in self.depths.several:
            yield f"p@{depth}", deletions.precision_at_k(hits, n_relevant, depth)
        for depth in self.depths.hits():
            yield f"hit@{depth}", deletions.hit_at_k(hits, n_relevant, depth)
            yield f"recall@{depth}", deletions.recall_at_k(hits, n_relevant, depth)
        cut = deletions.Cut.at_k(n_relevant, k)
        yield f"map@{k}/minRk", deletions.average_precision(hits, n_relevant, cut)
        yield f"ndcg@{k}", self._ndcg_effects(queries, ranked)
        rows, own = ranked.rows[:, : VOTERS + 1], self._gallery.codes[queries]
        codes = np.where(rows >= 0, self._gallery.codes[rows], -1)
        yield "knn_acc", deletions.knn_vote(codes, ranked.similarity[:, : VOTERS + 1], own, n_relevant)

    def _ndcg_effects(self, queries: Ints, ranked: Ranked) -> Effects:
        at_least, k = self._at_least[self._place[queries]], self.depths.k
        grade = np.arange(1, at_least.shape[1] + 1)

        def ideal(gain: Floats) -> Floats:
            return retrieval.ideal_dcg(np.maximum(at_least - (grade <= gain[:, None]), 0), k)

        rows, own = ranked.rows[:, : k + 1], self._levels[self._gallery.codes[queries]]
        gains = retrieval.shared_among_ties(self._gains(queries, rows), ranked.similarity[:, : k + 1], k)
        return deletions.ndcg_at_k(gains, ideal, (own >= 0).sum(axis=1) * 1.0, retrieval.discounts(k))

    def vote(self, ranked: Ranked) -> tuple[Ints, Floats]:
        """A ranking -> (Q,) class that the nearest vote for, (Q,) its share of the vote."""
        rows = ranked.rows[:, :VOTERS]
        return knn_vote(np.where(rows >= 0, self._gallery.codes[rows], -1), ranked.similarity[:, :VOTERS])

    def chance(self, queries: Ints) -> dict[str, Floats]:
        """(Q,) queries -> exact expectations of all scores of a random order, besides those of predictions."""
        R, M = self._gallery.n_relevant[queries], self._gallery.n_others[queries]
        k, precision = self.depths.k, chance.chance_precision(R, M)
        found = {f"p@{depth}": precision for depth in self.depths.several}
        for depth in self.depths.hits():
            found[f"hit@{depth}"] = chance.chance_hit(R, M, depth)
            found[f"recall@{depth}"] = chance.chance_recall(M, depth)
        depth_reached = np.minimum(k, np.maximum(M, 1))
        total = chance.chance_precision_sum(R, M, depth_reached)
        found[f"map@{k}/minRk"] = total / np.minimum(R, k)
        found[f"ndcg@{k}"] = self._chance_ndcg(queries, M)
        found["map"] = chance.chance_average_precision(R, M)
        found["mrr"] = chance.chance_reciprocal_rank(R, M)
        return found

    def _chance_ndcg(self, queries: Ints, n_others: Ints) -> Floats:
        k, at_least = self.depths.k, self._at_least[self._place[queries]]
        gain = at_least.sum(axis=1) / np.maximum(1, n_others)
        return np.asarray(gain * retrieval.discounts(k).sum() / retrieval.ideal_dcg(at_least, k))

    def _gains(self, queries: Ints, rows: Ints) -> Floats:
        """Shared parts of the label of each neighbour."""
        own, theirs = self._gallery.codes[queries], self._gallery.codes[rows]
        gains = np.zeros(rows.shape)
        for level in self._levels.T:
            gains += (level[own, None] == level[theirs]) & (level[own, None] >= 0)
        gains[(rows < 0) | (theirs < 0)] = 0.0
        return gains


def at_r(hits: Bools, n_relevant: Ints) -> dict[str, Floats]:
    """(Q, K) hits, K >= max R -> the scores at R."""
    return {"map@r": retrieval.map_at_r(hits, n_relevant), "r_precision": retrieval.r_precision(hits, n_relevant)}


def at_r_effects(hits: Bools, n_relevant: Ints) -> dict[str, Effects]:
    """(Q, K) hits, K > max R unless the gallery ends -> what the scores at R change by without each image."""
    cut = deletions.Cut.at_r(n_relevant)
    return {
        "map@r": deletions.average_precision(hits, n_relevant, cut),
        "r_precision": deletions.r_precision(hits, n_relevant),
    }


def chance_at_r(gallery: Gallery, queries: Ints) -> dict[str, Floats]:
    """(Q,) queries -> exact expectations of the scores at R."""
    R, M = np.maximum(1, gallery.n_relevant[queries]), gallery.n_others[queries]
    return {"map@r": chance.chance_map_at_r(R, M), "r_precision": chance.chance_precision(R, M)}


def accuracy(predicted: Ints, codes: Ints) -> tuple[Floats, Floats]:
    """(Q,) predicted and true classes -> (Q,) right or wrong, and (Q,) chance of being right.

    Chance is that of the same predictions dealt to other queries: the share that names the query's class. Its mean is
    the expected accuracy with the labels permuted, and its mean of class means is 1 / C where every class is predicted.
    """
    named = np.bincount(predicted[predicted >= 0], minlength=int(codes.max(initial=0)) + 1) / max(1, len(predicted))
    return (predicted == codes).astype(np.float64), named[codes]


def least_others(name: str) -> int:
    """Images a query must be able to find to have the score: k of a score at k."""
    depth = name.partition("@")[2].partition("/")[0]
    return int(depth) if depth.isdigit() else 0
