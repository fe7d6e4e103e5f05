"""Retrieval scores of every level of hierarchical labels: right is what begins with the same parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import retrieval
from bignet.evaluate.asked import Asked, asked_rows, kept_first
from bignet.evaluate.chance import chance_map_at_r
from bignet.evaluate.confusion_result import Level
from bignet.evaluate.records import Records, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.deep_scores import DeepScores
    from bignet.evaluate.result import Metric
    from bignet.evaluate.subject import Subject
    from bignet.evaluate.taxonomy import Taxonomy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Queries:
    """Rows asked at one level, Q of them; a row with a shorter label is there what an unlabelled row is.

    Attributes:
        codes: (N,) prefixes of all rows, -1 = shorter or unlabelled.
        asked: the rows, and their neighbours that count at the level.
        n_relevant: (Q,) rows with the same prefix.
        n_others: (Q,) rows that can be found.
    """

    codes: Ints
    asked: Asked
    n_relevant: Ints
    n_others: Ints

    @property
    def own(self) -> Ints:
        """(Q,) their prefixes."""
        return np.asarray(self.codes[self.asked.rows])

    @property
    def reason(self) -> str | None:
        """Why the level cannot be scored; None if it can."""
        if not len(self.n_relevant):
            return "every class of this level has one image: nothing to find"
        if bool((self.n_relevant == self.n_others).all()):
            return "all images that can be found are of the query's class at this level: none can be wrong"
        return None


def level_scores(subject: Subject, tree: Taxonomy, deep: DeepScores | None, records: Records) -> tuple[Level, ...]:
    """A subject -> its scores by level, from the first part to the whole label.

    Args:
        subject: what is measured.
        tree: its labels.
        deep: scores of rankings deeper than the graph; None = there are too many rows for them.
        records: the family's.
    """
    asked = asked_rows(subject, unlabelled=subject.settings.unlabelled == "distractor")
    relatives = tree.relatives(subject.coded.codes, subject.groups, asked.rows, subject.findable)
    found = []
    for depth in range(1, tree.n_levels + 1):
        queries = _queries(subject, tree, asked, relatives, depth)
        own_records = _records_of(subject, records, queries)
        found.append(
            Level(
                depth=depth,
                n_classes=int(tree.node[depth].max()) + 1,
                p1=_first(own_records, f"p@1@level{depth}", queries),
                map_r=_ranked(own_records, f"map@r@level{depth}", queries, deep, depth - 1),
            )
        )
    return tuple(found)


def _queries(subject: Subject, tree: Taxonomy, asked: Asked, relatives: Ints, depth: int) -> _Queries:
    codes = tree.level_codes(subject.coded.codes, depth)
    n_relevant = relatives[:, depth].sum(axis=1)
    keep = (codes[asked.rows] >= 0) & (n_relevant > 0)
    own = asked.only(keep)
    if subject.settings.unlabelled == "distractor":
        return _Queries(codes, own, n_relevant[keep], own.n_others)
    if (codes[subject.coded.codes >= 0] < 0).any():
        own = replace(own, near=kept_first(own.near, codes >= 0))
    return _Queries(codes, own, n_relevant[keep], relatives[keep, 0, depth:].sum(axis=1))


def _records_of(subject: Subject, records: Records, queries: _Queries) -> Records:
    """The family's records with what is excluded, and what can be found, at the level."""
    found, known = subject.found, queries.codes >= 0
    shorter = int(((subject.coded.codes >= 0) & ~known).sum())
    asked = int((queries.codes[_positions(subject)] >= 0).sum())
    excluded = replace(records.template.excluded, singleton=asked - len(queries.own))
    gallery_size = int((found if subject.settings.unlabelled == "distractor" else found & known).sum())
    estimator = queries.asked.estimator
    template = replace(records.template, excluded=excluded, estimator=estimator, gallery_size=gallery_size)
    return replace(records, template=template, shared={**records.shared, "shorter_labels": shorter})


def _positions(subject: Subject) -> Ints:
    queries = subject.graph.queries
    return np.arange(len(subject.rows)) if queries is None else queries


def _first(records: Records, metric_id: str, queries: _Queries) -> Metric:
    why = queries.reason
    if why is not None:
        return records.undefined(metric_id, why, k=1)
    near = queries.asked.near
    has = near[:, 0] >= 0 if near.shape[1] else np.zeros(len(near), dtype=bool)
    excluded = replace(records.template.excluded, short=int((~has).sum()))
    if not has.any():
        why = "no list of neighbours holds a label of this level"
        return records.undefined(metric_id, why, k=1, excluded=excluded)
    own, weight = queries.own[has], queries.asked.weight[has]
    hits = (queries.codes[near[has, 0]] == own).astype(np.float64)
    chance = Values(queries.n_relevant[has] / queries.n_others[has], own, weight).ratio()
    values = Values(hits, own, weight)
    return records.mean(metric_id, values, proportion=True, k=1, excluded=excluded, chance=chance)


def _ranked(records: Records, metric_id: str, queries: _Queries, deep: DeepScores | None, level: int) -> Metric:
    """MAP@R out of the graph where its lists are long enough, else out of the deep rankings."""
    own, near, n_relevant = queries.own, queries.asked.near, queries.n_relevant
    why = queries.reason
    if why is not None:
        return records.undefined(metric_id, why)
    if bool(((near >= 0).sum(axis=1) >= n_relevant).all()):
        hits = (queries.codes[near] == own[:, None]) & (near >= 0)
        values = Values(retrieval.map_at_r(hits, n_relevant), own, queries.asked.weight)
        blind = replace(values, top=chance_map_at_r(n_relevant, queries.n_others))
        return records.mean(metric_id, values, chance=blind.ratio())
    if deep is None:
        return records.undefined(
            metric_id,
            f"a query has up to {int(n_relevant.max())} relevant images, the graph holds {near.shape[1]} "
            "neighbours, and the rows are too many to rank all of them again",
        )
    return _deep(records, metric_id, queries.codes, deep, level)


def _deep(records: Records, metric_id: str, codes: Ints, deep: DeepScores, level: int) -> Metric:
    has = ~np.isnan(deep.precision[level])
    if not has.any():
        return records.undefined(metric_id, "no query of this level is in the sample", estimator=deep.estimator)
    values = Values(deep.precision[level, has], codes[deep.rows[has]], np.ones(int(has.sum())))
    blind = replace(values, top=chance_map_at_r(deep.n_relevant[level, has], deep.n_others[level, has]))
    return records.mean(metric_id, values, estimator=deep.estimator, chance=blind.ratio())
