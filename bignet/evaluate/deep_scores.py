"""Scores that need rankings deeper than the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import retrieval
from bignet.evaluate.hierarchical_precision import area_under_precision, best_similarity, hierarchical_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.deep_ranking import DeepRanking
    from bignet.evaluate.subject import Subject
    from bignet.evaluate.taxonomy import Taxonomy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

AREA_PLACES = 250


@dataclass(frozen=True)
class DeepScores:
    """What rankings deeper than the graph say of Q rows and L levels.

    Attributes:
        rows: (Q,) positions of the rows asked.
        precision: (L, Q) AP@R at each level; NaN where the row is no query of it.
        n_relevant: (L, Q) rows that are right there.
        n_others: (L, Q) rows that can be found there.
        area: (Q,) area under hierarchical precision at 1 to 250, or as many as can be found; NaN where the row
            is alone in its class.
        estimator: "exact", or how many rows were asked.
    """

    rows: Ints
    precision: Floats
    n_relevant: Ints
    n_others: Ints
    area: Floats
    estimator: str


def deep_scores(subject: Subject, tree: Taxonomy, ranking: DeepRanking) -> DeepScores:
    """A subject, its tree and its deep rankings -> their scores."""
    codes, rows = subject.coded.codes, ranking.queries
    relatives = tree.relatives(codes, subject.groups, rows, subject.findable)
    level_codes = [tree.level_codes(codes, level) for level in range(1, tree.n_levels + 1)]
    n_relevant = relatives[:, 1:].sum(axis=2).T
    precision, n_others = np.full(n_relevant.shape, np.nan), np.zeros(n_relevant.shape, dtype=np.int64)
    area = np.full(len(rows), np.nan)
    for place, (query, order) in enumerate(ranking):
        for level, own in enumerate(level_codes):
            ranked = own[order]
            ranked = ranked[ranked >= 0] if subject.settings.unlabelled == "drop" else ranked
            n_others[level, place] = len(ranked)
            if own[query] >= 0 and n_relevant[level, place]:
                precision[level, place] = _average_precision(ranked == own[query], n_relevant[level, place])
        if relatives[place, tree.depth[codes[query]], tree.depth[codes[query]]]:
            area[place] = _area(codes, tree, query, order, relatives[place])
    return DeepScores(rows, precision, n_relevant, n_others, area, ranking.estimator)


def _average_precision(hits: NDArray[np.bool_], n_relevant: int) -> float:
    return float(retrieval.map_at_r(hits[None, :n_relevant], np.array([n_relevant]))[0])


def _area(codes: Ints, tree: Taxonomy, query: int, order: Ints, relatives: Ints) -> float:
    """Area under the hierarchical precision of one ranking's labelled rows."""
    nearest = order[codes[order] >= 0][:AREA_PLACES]
    own = codes[[query]]
    best = best_similarity(relatives[None], tree.depth[own], len(nearest))
    precision = hierarchical_precision(tree.wu_palmer(own, codes[nearest])[None], best)
    return float(area_under_precision(precision)[0])
