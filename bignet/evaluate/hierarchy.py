"""Measures what hierarchical labels say: scores by level, and how far off mistakes are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.confusion import neighbour_params
from bignet.evaluate.confusion_result import Hierarchy
from bignet.evaluate.deep_ranking import deep_ranking
from bignet.evaluate.deep_scores import AREA_PLACES, DeepScores, deep_scores
from bignet.evaluate.hierarchical_precision import best_similarity, expected_precision, hierarchical_precision
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.levels import level_scores
from bignet.evaluate.mistakes import FirstNeighbours, first_neighbours
from bignet.evaluate.records import Records, Values
from bignet.evaluate.result import Metric
from bignet.evaluate.taxonomy import Taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_CELLS = 2**18


def measure_hierarchy(subject: Subject) -> Hierarchy | None:
    """A subject -> scores by level and the severity of its mistakes; None if no label has two parts.

    Unlabelled neighbours are passed over, in the scores by level only if the settings say so: a mistake's
    severity needs its label.
    """
    tree = Taxonomy(subject.names)
    if tree.is_flat:
        return None
    first = first_neighbours(subject)
    settings = subject.settings
    template = Metric(
        "",
        None,
        level=settings.level,
        estimator=first.asked.estimator,
        excluded=subject.excluded,
        gallery_size=first.asked.gallery_size,
    )
    records = Records(settings, template, neighbour_params(subject))
    ranking = deep_ranking(subject)
    deep = None if ranking is None else deep_scores(subject, tree, ranking)
    relatives = tree.relatives(subject.coded.codes, subject.groups, first.asked.rows, subject.findable)
    curve = _curve(subject, tree, first, relatives)
    return Hierarchy(
        levels=level_scores(subject, tree, deep, records),
        severity=_severity(tree, first),
        precision=curve.mean,
        metrics=(
            *_ancestor_metrics(records, tree, first, relatives),
            _precision_metric(records, first, curve, settings.k),
            _area_metric(records, subject, deep),
            *mistake_metrics(records, tree, first, relatives),
        ),
    )


def _ancestor_metrics(records: Records, tree: Taxonomy, first: FirstNeighbours, relatives: Ints) -> list[Metric]:
    """hP, hR and hF of the nearest neighbour's label, as ratios of sums, and as means of class means."""
    shared, own, found = tree.shared(first.own, first.found), tree.depth[first.own], tree.depth[first.found]
    n_others = np.maximum(relatives[:, 0].sum(axis=1), 1)
    blind_shared = relatives[:, 1:].sum(axis=(1, 2)) / n_others
    blind_found = relatives[:, 0] @ np.arange(tree.n_levels + 1) / n_others
    parts = {
        "hP": (shared, found, blind_shared, blind_found),
        "hR": (shared, own, blind_shared, own),
        "hF": (2 * shared, found + own, 2 * blind_shared, blind_found + own),
    }
    metrics = []
    for metric_id, (top, below, blind_top, blind_below) in parts.items():
        if not len(own):
            metrics += [records.undefined(name, _NO_QUERY, k=1) for name in (metric_id, f"{metric_id}.macro")]
            continue
        values = Values(top.astype(np.float64), first.own, first.asked.weight, below.astype(np.float64))
        each = values.class_means()[0]
        mean = round(float(values.weight @ each / values.weight.sum()), DECIMALS)
        blind = replace(values, top=blind_top, below=blind_below.astype(np.float64))
        params = {"mean_over_queries": mean}
        metrics.append(records.mean(metric_id, values, k=1, chance=blind.ratio(), params=params))
        metrics.append(records.macro(f"{metric_id}.macro", values, k=1))
    return metrics


_NO_QUERY = "every class has one image: nothing to find"


@dataclass(frozen=True)
class _Curve:
    """Hierarchical precision down the lists.

    Attributes:
        mean: (K,) over the queries, as deep as every list goes.
        at_k: (Q,) at the report's k; NaN where the list is shorter, though there are more rows.
        chance: (Q,) that of a random order.
    """

    mean: Floats
    at_k: Floats
    chance: Floats


def _curve(subject: Subject, tree: Taxonomy, first: FirstNeighbours, relatives: Ints) -> _Curve:
    """Hierarchical precision at 1 to K, in blocks of queries."""
    asked, codes, k = first.asked, subject.coded.codes, subject.settings.k
    listed = np.where(asked.complete, max(asked.near.shape[1], 1), (asked.near >= 0).sum(axis=1))
    width = min(int(listed.min(initial=asked.near.shape[1])), int(asked.n_others.max(initial=0)))
    total, at_k, chance = np.zeros(width), np.full(len(asked.rows), np.nan), np.full(len(asked.rows), np.nan)
    step = max(1, _CELLS // max(1, asked.near.shape[1]))
    for start in range(0, len(asked.rows), step):
        part = slice(start, start + step)
        near, depth = asked.near[part], tree.depth[first.own[part]]
        similarity = np.where(near >= 0, tree.wu_palmer(first.own[part, None], codes[near]), 0.0)
        best = best_similarity(relatives[part], depth, near.shape[1])
        precision = hierarchical_precision(similarity, best)
        total += first.asked.weight[part] @ precision[:, :width]
        place = min(k, near.shape[1]) - 1
        at_k[part] = np.where(listed[part] >= min(k, near.shape[1]), precision[:, place], np.nan)
        chance[part] = expected_precision(relatives[part], depth, best)[:, place]
    return _Curve(np.round(total / max(float(asked.weight.sum()), 1.0), DECIMALS), at_k, chance)


def _precision_metric(records: Records, first: FirstNeighbours, curve: _Curve, k: int) -> Metric:
    has = ~np.isnan(curve.at_k)
    name, excluded = f"hprec@{k}", replace(records.template.excluded, short=int((~has).sum()))
    if not has.any():
        why = _NO_QUERY if not len(has) else f"no list of neighbours holds {k} labelled rows"
        return records.undefined(name, why, k=k, excluded=excluded)
    values = Values(curve.at_k[has], first.own[has], first.asked.weight[has])
    chance = replace(values, top=curve.chance[has]).ratio()
    return records.mean(name, values, k=k, excluded=excluded, chance=chance)


def _area_metric(records: Records, subject: Subject, deep: DeepScores | None) -> Metric:
    name = f"ahp@{AREA_PLACES}"
    if deep is None:
        why = (
            f"the graph holds {subject.graph.rows.shape[1]} neighbours, {AREA_PLACES} are needed, "
            "and the rows are too many to rank all of them again"
        )
        return records.undefined(name, why, k=AREA_PLACES)
    has = ~np.isnan(deep.area)
    if not has.any():
        return records.undefined(name, _NO_QUERY, k=AREA_PLACES, estimator=deep.estimator)
    values = Values(deep.area[has], subject.coded.codes[deep.rows[has]], np.ones(int(has.sum())))
    params = {"best": 1.0 - 1.0 / AREA_PLACES, "rule": "trapezoid in steps of 1/k"}
    return records.mean(name, values, k=AREA_PLACES, estimator=deep.estimator, params=params)


def mistake_metrics(records: Records, tree: Taxonomy, first: FirstNeighbours, relatives: Ints) -> list[Metric]:
    """Share of wrong first neighbours under the own parent, and the mean height at which they meet.

    Args:
        records: writes them.
        tree: of the classes.
        first: the queries.
        relatives: of the queries, as ``Taxonomy.relatives``.
    """
    wrong, depth = first.wrong, tree.depth[first.own]
    every = np.arange(len(depth))
    exact = relatives.copy()
    exact[:, :-1] -= relatives[:, 1:]  # rows that share l parts and no more
    same = relatives[every, depth, depth]
    exact[every, depth, depth] -= same
    others = np.maximum(exact.sum(axis=(1, 2)), 1)
    parent = relatives[every, depth - 1].sum(axis=1) - same
    height = tree.height[:, first.own].T.clip(0)
    blind_height = (exact.sum(axis=2) * height).sum(axis=1) / others
    counted = wrong & (depth > 1)
    found = []
    for name, keep, top, blind in (
        ("plausible_fp", counted, first.plausible(tree).astype(np.float64), parent / others),
        (
            "mistake_severity",
            wrong,
            height[every, tree.shared(first.own, first.found)].astype(np.float64),
            blind_height,
        ),
    ):
        if not keep.any():
            why = _NO_QUERY if not len(wrong) else "no first neighbour is wrong"
            found.append(records.undefined(name, why, k=1))
            continue
        share = name == "plausible_fp"
        if share and bool((blind[keep] == 1).all()):
            why = "the classes that a mistake could name all have the same parent: it cannot leave it"
            found.append(records.undefined(name, why, k=1))
            continue
        bounds = (0.0, 1.0) if share else (1.0, float(tree.n_levels))
        values = Values(top[keep], first.own[keep], first.asked.weight[keep], bounds=bounds)
        chance = replace(values, top=blind[keep]).ratio()
        params = {"lift": round(values.ratio() / chance, DECIMALS)} if share and chance else {}
        found.append(records.mean(name, values, proportion=share, k=1, chance=chance, params=params))
    return found


def _severity(tree: Taxonomy, first: FirstNeighbours) -> tuple[int, ...]:
    """Wrong first neighbours by the height of the node where they meet the right class."""
    own, found = first.own[first.wrong], first.found[first.wrong]
    height = tree.height[tree.shared(own, found), own]
    return tuple(np.bincount(height, minlength=tree.n_levels + 1).tolist())
