"""Measures the separation of an embedding's classes: one record for each number, one row for each class."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.contrast import mean_distances, row_sum
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.memory import give_back
from bignet.evaluate.own_group import OwnGroup, own_group
from bignet.evaluate.pair_draw import PairDraw, pair_similarity
from bignet.evaluate.pair_scores import ACCEPT_RATES, PAIR_LIMIT, ComparedPairs, compare_pairs
from bignet.evaluate.records import Records, Values, known
from bignet.evaluate.result import Metric
from bignet.evaluate.separation import ClassSpread, class_spread
from bignet.evaluate.separation_result import ClassSpreadRow, Separation
from bignet.evaluate.silhouette import silhouettes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_NO_PAIRS = "needs two images of one class and of another class, in different groups"


def measure_separation(subject: Subject, spread: ClassSpread | None = None) -> Separation:
    """A subject -> how far its classes stand apart; ``spread`` = its ``class_spread`` where that is at hand."""
    spread = class_spread(subject) if spread is None else spread
    silhouette = silhouettes(subject.rows, subject.coded.codes, spread)
    give_back()
    records = _records(subject)
    pairs = compare_pairs(
        partial(pair_similarity, subject.rows),
        PairDraw(subject.coded.codes, subject.groups, PAIR_LIMIT, subject.settings.seed),
    )
    of_pairs = _pair_metrics(records, pairs, len(spread.sizes))
    summary = None if pairs is None else pairs.summary()
    del pairs  # tens of megabytes
    give_back()
    metrics = (
        *of_pairs,
        *_silhouette_metrics(records, silhouette, subject.coded.codes),
        _alignment(records, spread),
        _contrast(records, subject, spread),
    )
    return Separation(
        metrics=metrics,
        pairs=summary,
        silhouette=silhouette,
        classes=_class_rows(subject, spread, silhouette),
    )


def _records(subject: Subject) -> Records:
    settings = subject.settings
    template = Metric(
        "",
        None,
        level=settings.level,
        excluded=subject.excluded,
        gallery_size=int(subject.coded.sizes.sum()),
    )
    shared = {"metric": "cosine", "groups": "left out" if subject.groups is not None else "none"}
    return Records(settings, template, {**shared, "bootstrap": settings.bootstrap, "seed": settings.seed})


def _pair_metrics(records: Records, pairs: ComparedPairs | None, n_classes: int) -> list[Metric]:
    """AUROC, equal error rate, and the true accept rate at each false accept rate."""
    names = {far: f"tar@far{far:.0e}".replace("e-0", "e-") for far in ACCEPT_RATES}
    if pairs is None:
        return [records.undefined(name, _NO_PAIRS) for name in ("pair_auroc", "eer", *names.values())]
    params = {
        "n_same": pairs.same.n_pairs,
        "n_different": pairs.different.n_pairs,
        "weights": "each class the same, each two classes the same",
    }
    estimator = estimator_of(pairs)
    eer, threshold = pairs.curve.equal_error()
    found = [
        records.number(
            "pair_auroc",
            pairs.auroc(),
            records.over_classes(_auroc_influences(pairs, n_classes)),
            estimator=estimator,
            chance=0.5,
            params=params,
        ),
        records.number("eer", eer, estimator=estimator, chance=0.5, params={**params, "threshold": threshold}),
    ]
    for far, name in names.items():
        if not pairs.resolves(far):
            why = f"needs {round(1 / far)} pairs of different classes; there are {pairs.different.n_pairs}"
            found.append(records.undefined(name, why, estimator=estimator, params=params))
            continue
        point = pairs.curve.at(far)
        found.append(
            records.number(
                name,
                round(point.tar, DECIMALS),
                records.over_classes(pairs.accepted(point.threshold)),
                estimator=estimator,
                chance=far,
                params={**params, "far": far, "threshold": point.threshold, "interval": "at this threshold"},
            )
        )
    return found


def estimator_of(pairs: ComparedPairs) -> str:
    """``exact``, or what was drawn."""
    if not pairs.sampled:
        return "exact"
    same = f"{pairs.same.n_pairs} same-class pairs" if pairs.same.sampled else "all same-class pairs"
    other = (
        f"{pairs.different.n_pairs} different-class pairs" if pairs.different.sampled else "all different-class pairs"
    )
    return f"sampled, {same} and {other} by class"


def _auroc_influences(pairs: ComparedPairs, n_classes: int) -> Floats:
    """(C,) values whose mean is the AUROC, and whose spread over classes is its own to first order.

    Resampling classes gives a same-class pair the weight of its class and a different-class pair the product
    of two; its linear part (Hajek 1968) is A + (A_c - A) C / C' + 2 (B_c - A), with A_c the AUROC of the
    same-class pairs of c, C' the classes that have some, and B_c that of the different-class pairs c is in.
    """
    below, above = pairs.beaten()
    total = float(below.mean())
    influence = np.full(n_classes, total)
    influence[pairs.same.classes[0]] += (below - total) * n_classes / len(below)
    sums, met = np.zeros(n_classes), np.zeros(n_classes)
    for side in pairs.different.classes:
        sums += np.bincount(side, weights=above - total, minlength=n_classes)
        met += np.bincount(side, minlength=n_classes)
    return np.asarray(influence + 2 * sums / np.maximum(met, 1))


def _silhouette_metrics(records: Records, silhouette: Floats, codes: Ints) -> list[Metric]:
    labelled = np.flatnonzero(~np.isnan(silhouette))
    names = ("silhouette_cosine", "silhouette_cosine.macro")
    if not len(labelled):
        why = "no labels" if not (codes >= 0).any() else "one class: there is no other to be far from"
        return [records.undefined(name, why) for name in names]
    values = Values(silhouette[labelled], codes[labelled], np.ones(len(labelled)), bounds=(-1.0, 1.0))
    params = {"singletons": "count as 0"}
    return [records.mean(names[0], values, params=params), records.macro(names[1], values, params=params)]


def _alignment(records: Records, spread: ClassSpread) -> Metric:
    """Twice the mean within, by pairs; chance = the same over all labelled pairs."""
    has = spread.pairs > 0
    if not has.any():
        return records.undefined("alignment", "needs two images of one class, in different groups")
    square, n = 2.0 * spread.within[has] * spread.pairs[has], float(spread.sizes.sum())
    values = Values(square, np.flatnonzero(has), np.ones(len(square)), spread.pairs[has], bounds=(0.0, 4.0))
    total = spread.sums.sum(axis=0)
    return records.number(
        "alignment",
        values.ratio(),
        records.over_classes(values.influences(), values.bounds),
        chance=round(float(2.0 - 2.0 * (total @ total - n) / (n * (n - 1))), DECIMALS),
        params={"n_pairs": int(spread.pairs.sum()) // 2, "alpha": 2},
    )


def _contrast(records: Records, subject: Subject, spread: ClassSpread) -> Metric:
    """Relative contrast of the rows asked, labelled or not, to those that can be found."""
    rows, graph, n = subject.rows, subject.graph, int(subject.found.sum())
    template = Metric("", None, gallery_size=n, level=subject.settings.level)
    records = Records(records.settings, template, records.shared)
    asked = np.arange(len(rows)) if graph.queries is None else graph.queries
    if subject.findable is None:
        total = spread.sums.sum(axis=0) + row_sum(rows, np.flatnonzero(subject.coded.codes < 0))
    else:
        total = row_sum(rows, np.flatnonzero(subject.findable))
    far = mean_distances(rows, total, n, asked, _own_groups(subject, asked))
    near = 1.0 - graph.similarity[:, 0] if graph.similarity.shape[1] else np.full(len(asked), np.nan)
    has = ~np.isnan(far) & ~np.isnan(near)
    if not near[has].sum() > 0:
        why = "every row has an identical neighbour" if has.any() else "no row has a neighbour"
        return records.undefined("relative_contrast", why)
    values = Values(far[has], subject.coded.codes[asked][has], np.ones(int(has.sum())), near[has], bounds=(0.0, np.inf))
    able = int(subject.may_be_asked.sum())
    estimator = "exact" if len(asked) == able else f"sampled, {len(asked)} of {able} rows"
    return records.mean("relative_contrast", values, estimator=estimator, chance=1.0)


def _own_groups(subject: Subject, asked: Ints) -> OwnGroup:
    """What the rows asked share with those of their groups that can be found; other groups are not looked at."""
    groups = subject.groups
    met = None if groups is None else np.where(np.isin(groups, groups[asked]), groups, -1)
    whole = own_group(subject.rows, np.zeros(len(subject.rows), dtype=np.int64), met)
    if subject.findable is None:
        return whole
    side = own_group(subject.rows, subject.findable.astype(np.int64), met)  # of the rows asked: none of them is found
    return OwnGroup(whole.similarity - side.similarity, whole.size - side.size)


def _class_rows(subject: Subject, spread: ClassSpread, silhouette: Floats) -> tuple[ClassSpreadRow, ...]:
    """One row a class, largest first, then by name."""
    sizes, names, codes = spread.sizes, subject.names, subject.coded.codes
    known_rows = np.flatnonzero(~np.isnan(silhouette))
    sums = np.bincount(codes[known_rows], weights=silhouette[known_rows], minlength=len(sizes))
    means = np.where((spread.pairs > 0) & (len(sizes) > 1), np.round(sums / np.maximum(sizes, 1), DECIMALS), np.nan)
    extremes = spread.extremes()
    return tuple(
        ClassSpreadRow(
            label=names[code],
            silhouette=known(means[code]),
            cdnv=known(extremes.largest[code]),
            cdnv_class=names[extremes.hardest[code]] if extremes.hardest[code] >= 0 else None,
            cdnv_min=known(extremes.smallest[code]),
        )
        for code in sorted(range(len(names)), key=lambda code: (-int(sizes[code]), code))
    )
