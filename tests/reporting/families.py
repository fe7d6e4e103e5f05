"""Separation, confusion, hierarchy, geometry and clusters for the report's tests, the long way, in plain NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bignet.evaluate.clusters.result import Cluster, Clustering, Clusters, KPoint
from bignet.evaluate.confusion_result import ClassConfusion, ConfusedPair, Confusion, Hierarchy, Level
from bignet.evaluate.geometry_result import Geometry, Hubness, IntrinsicDimension, Projection, Spectrum
from bignet.evaluate.result import Metric
from bignet.evaluate.separation_result import ClassSpreadRow, OperatingPoint, PairScores, Separation
from bignet.reporting.relation import parent_of

MOST_IN_MATRIX = 200


def with_families(evaluation, vectors):
    """An evaluation and its (N, D) unit vectors -> the same with every family filled that its labels allow."""
    evaluation = replace(evaluation, geometry=_geometry(evaluation, vectors))
    if len(vectors) >= 8:
        evaluation = replace(evaluation, clusters=_clusters(evaluation, vectors))
    if evaluation.classes:
        evaluation = replace(
            evaluation,
            separation=_separation(evaluation, vectors),
            confusion=_confusion(evaluation),
            hierarchy=_hierarchy(evaluation),
        )
    return replace(evaluation, metrics=(*evaluation.metrics, *_of_families(evaluation)))


def _of_families(evaluation):
    """The families' metrics, which an evaluation lists beside its own."""
    found = (
        evaluation.separation,
        evaluation.confusion,
        evaluation.hierarchy,
        evaluation.geometry,
        evaluation.clusters,
    )
    levels = evaluation.hierarchy.levels if evaluation.hierarchy else ()
    every = [metric for family in found if family is not None for metric in family.metrics]
    every += [metric for level in levels for metric in (level.p1, level.map_r)]
    known = {metric.id for metric in evaluation.metrics}
    return tuple({metric.id: metric for metric in every if metric.id not in known}.values())


def _codes(evaluation):
    names = [row.label for row in evaluation.classes]
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([-1 if label is None else place[label] for label in evaluation.labels], dtype=np.int64)


def _found(name, value, evaluation, **more):
    """A metric of all rows; undefined where the value is not finite."""
    known = value is not None and np.isfinite(value)
    return Metric(
        name,
        float(value) if known else None,
        ci="none",
        n_queries=len(evaluation.ids),
        gallery_size=len(evaluation.ids),
        reason=None if known else "too few images",
        **more,
    )


def _separation(evaluation, x):
    names, codes = _codes(evaluation)
    known = np.flatnonzero(codes >= 0)
    a, b = np.triu_indices(len(known), 1)
    similarity = (x[known] @ x[known].T)[a, b]
    equal = codes[known][a] == codes[known][b]
    same, different = np.sort(similarity[equal]), np.sort(similarity[~equal])
    pairs = _pair_scores(same, different) if len(same) and len(different) else None
    silhouette = _silhouette(x, codes, len(names))
    auroc = _auroc(same, different) if pairs else np.nan
    contrast = _contrast(evaluation, x)
    spread = _spread(names, x, codes, silhouette)
    known_silhouette = silhouette[np.isfinite(silhouette)]
    aligned = 2 - 2 * same.mean() if len(same) else np.nan
    metrics = (
        _found("pair_auroc", auroc, evaluation, chance=0.5),
        *(_found(f"tar@far{p.far:g}", p.tar, evaluation) for p in (pairs.points if pairs else ())),
        _found("eer", pairs.eer if pairs else np.nan, evaluation),
        _found("silhouette_cosine", known_silhouette.mean() if len(names) > 1 else np.nan, evaluation),
        _found("relative_contrast", contrast, evaluation),
        _found("alignment", aligned, evaluation),
    )
    return Separation(metrics, pairs, silhouette, spread)


def _pair_scores(same, different):
    points = []
    for far in (1e-2, 1e-3, 1e-4):
        threshold = different[min(len(different) - 1, int(len(different) * (1 - far)))]
        points.append(OperatingPoint(far, float((same >= threshold).mean()), float(threshold)))
    grid = np.linspace(-1, 1, 401)
    miss = np.searchsorted(same, grid) / len(same)
    alarm = 1 - np.searchsorted(different, grid) / len(different)
    best = int(np.argmin(np.abs(miss - alarm)))
    edges = np.linspace(min(same[0], different[0]), max(same[-1], different[-1]) + 1e-9, 41)
    bars = [np.histogram(part, edges)[0] / len(part) for part in (same, different)]
    eer = float((miss[best] + alarm[best]) / 2)
    return PairScores(len(same), len(different), False, eer, float(grid[best]), tuple(points), edges, *bars)


def _auroc(same, different):
    below = np.searchsorted(different, same, "left") + np.searchsorted(different, same, "right")
    return below.mean() / 2 / len(different)


def _silhouette(x, codes, n_classes):
    found = np.full(len(x), np.nan)
    sizes = np.bincount(codes[codes >= 0], minlength=n_classes)
    sums = np.stack([x[codes == code].sum(axis=0) for code in range(n_classes)])
    for row in np.flatnonzero(codes >= 0):
        own = codes[row]
        others = np.delete(1 - sums @ x[row] / sizes, own)
        if sizes[own] == 1 or not len(others):
            found[row] = 0.0
            continue
        inside = 1 - (sums[own] @ x[row] - 1) / (sizes[own] - 1)
        found[row] = (others.min() - inside) / max(others.min(), inside)
    return found


def _contrast(evaluation, x):
    near = evaluation.graph.similarity
    if len(x) < 3 or not near.shape[1]:
        return np.nan
    mean = 1 - (x @ x.sum(axis=0) - 1) / (len(x) - 1)
    return np.nanmean(mean) / max(1e-9, np.nanmean(1 - near[:, 0]))


def _spread(names, x, codes, silhouette):
    means = np.stack([x[codes == code].mean(axis=0) for code in range(len(names))])
    within = 1 - (means**2).sum(axis=1)
    apart = np.maximum(1e-12, (means**2).sum(axis=1)[:, None] + (means**2).sum(axis=1) - 2 * means @ means.T)
    gaps = (within[:, None] + within) / (2 * apart)
    np.fill_diagonal(gaps, -np.inf)
    rows = []
    for code, name in enumerate(names):
        own, worst = silhouette[codes == code], int(np.argmax(gaps[code]))
        inside = float(own.mean()) if len(own) > 1 else None
        other = (float(gaps[code, worst]), names[worst]) if len(names) > 1 else (None, None)
        rows.append(ClassSpreadRow(name, inside, *other))
    return tuple(rows)


def _slots(evaluation, codes, n_classes):
    """(C, C) neighbour places of the row's class held by the column's."""
    k = min(evaluation.k, evaluation.graph.rows.shape[1]) if evaluation.graph.rows.ndim == 2 else 0
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    for row, others in enumerate(evaluation.graph.rows[:, :k]):
        held = codes[others[others >= 0]]
        if codes[row] >= 0:
            np.add.at(counts[codes[row]], held[held >= 0], 1)
    return counts, max(k, 1)


def _confusion(evaluation):
    names, codes = _codes(evaluation)
    counts, k = _slots(evaluation, codes, len(names))
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    lift = share / (sizes / max(1, sizes.sum() - 1))
    enough = min(10, max(1, counts.max(initial=0) // 4))
    pairs = [
        ConfusedPair(names[i], names[j], int(counts[i, j]), float(share[i, j]), float(lift[i, j]))
        for i, j in np.argwhere(counts >= enough)
        if i != j
    ]
    pairs.sort(key=lambda pair: (-pair.lift, pair.label, pair.other))
    plausible = _plausible(evaluation)
    own_pairs = {name: [] for name in names}
    for pair in pairs:
        own_pairs[pair.label].append(pair)
    classes = tuple(
        ClassConfusion(
            name,
            float(share[i, i]) if counts[i].any() else None,
            tuple(own_pairs[name][:3]),
            plausible.get(name, (None, 0))[0],
        )
        for i, name in enumerate(names)
    )
    purity = counts.trace() / counts.sum() if counts.sum() else np.nan
    order = [names.index(name) for name in evaluation.class_distance.labels] if evaluation.class_distance else [0]
    shown = counts[np.ix_(order, order)] if len(order) <= MOST_IN_MATRIX else None
    metrics = (_found(f"neighbour_purity@{k}", purity, evaluation, k=k),)
    return Confusion(k, tuple(names[i] for i in order), shown, tuple(pairs), classes, metrics)


def _wrong_first(evaluation):
    """(query, first neighbour) wherever both have a label and they differ."""
    labels, rows = evaluation.labels, evaluation.graph.rows
    first = rows[:, 0] if rows.ndim == 2 and rows.shape[1] else np.full(len(labels), -1)
    pairs = [(i, int(j)) for i, j in enumerate(first) if j >= 0 and labels[i] is not None and labels[j] is not None]
    return [(i, j) for i, j in pairs if labels[i] != labels[j]]


def _plausible(evaluation):
    """Class -> (share of wrong first neighbours under the same parent, how many were wrong)."""
    if all(parent_of(row.label) is None for row in evaluation.classes):
        return {}
    kept = {}
    for i, j in _wrong_first(evaluation):
        same = parent_of(evaluation.labels[i]) == parent_of(evaluation.labels[j])
        kept.setdefault(evaluation.labels[i], []).append(same)
    return {label: (float(np.mean(same)), len(same)) for label, same in kept.items()}


def _hierarchy(evaluation):
    paths = [None if label is None else tuple(label.split("#")) for label in evaluation.labels]
    depth = max((len(path) for path in paths if path), default=0)
    if depth < 2:
        return None
    levels = tuple(_level(evaluation, paths, length) for length in range(1, depth + 1))
    wrong = _wrong_first(evaluation)
    heights = [depth - _shared(paths[i], paths[j]) for i, j in wrong]
    severity = tuple(int(sum(height == step for height in heights)) for step in range(depth + 1))
    plausible = _plausible(evaluation)
    n_wrong = sum(n for _, n in plausible.values())
    share = sum(value * n for value, n in plausible.values()) / n_wrong if n_wrong else np.nan
    precision = np.array([_hprec(evaluation, paths, k) for k in range(1, evaluation.graph.rows.shape[1] + 1)])
    right = 1 - len(wrong) / max(1, sum(path is not None for path in paths))
    metrics = (
        *(
            _found(f"{name}.{average}", right, evaluation)
            for name in ("hP", "hR", "hF")
            for average in ("micro", "macro")
        ),
        _found(f"hprec@{evaluation.k}", precision[-1] if len(precision) else np.nan, evaluation, k=evaluation.k),
        _found("plausible_fp", share, evaluation, chance=0.2),
        _found("plausible_fp_lift", share / 0.2, evaluation),
        _found("mistake_severity", np.mean(heights) if heights else np.nan, evaluation),
    )
    return Hierarchy(levels, severity, precision, metrics)


def _shared(path, other):
    same = 0
    for one, two in zip(path, other, strict=False):
        if one != two:
            break
        same += 1
    return same


def _level(evaluation, paths, length):
    prefixes = [path[:length] if path and len(path) >= length else None for path in paths]
    hits, precisions = [], []
    for row, others in enumerate(evaluation.graph.rows):
        total = sum(prefix == prefixes[row] for prefix in prefixes) - 1
        if prefixes[row] is None or total < 1 or not len(others):
            continue
        same = np.array([j >= 0 and prefixes[j] == prefixes[row] for j in others[:total]])
        hits.append(float(same[0]))
        precisions.append(float((np.cumsum(same) / np.arange(1, len(same) + 1) * same).sum() / total))
    made = [_level_metric(name, length, values, evaluation) for name, values in (("p@1", hits), ("map@r", precisions))]
    return Level(length, len(set(prefixes) - {None}), *made)


def _level_metric(name, length, values, evaluation):
    value = float(np.mean(values)) if values else None
    lo, hi = (None, None) if value is None else (max(0.0, value - 0.02), min(1.0, value + 0.02))
    metric = _found(f"{name}@level{length}", value, evaluation, chance=None if value is None else 0.1)
    return replace(metric, lo=lo, hi=hi, n_queries=len(values))


def _hprec(evaluation, paths, k):
    found = []
    for row, others in enumerate(evaluation.graph.rows[:, :k]):
        if paths[row] is not None:
            near = [j for j in others if j >= 0 and paths[j] is not None]
            found += [_shared(paths[row], paths[j]) / max(len(paths[row]), len(paths[j])) for j in near]
    return float(np.mean(found)) if found else np.nan


def _geometry(evaluation, x):
    if len(x) < 3:
        return Geometry(_spectrum(evaluation, x) if len(x) else None, None, None, ())
    return Geometry(_spectrum(evaluation, x), _hubness(evaluation), _dimension(evaluation), _projections(x))


def _entropy_rank(values):
    share = values[values > 0] / max(1e-12, values.sum())
    return float(np.exp(-(share * np.log(share)).sum()))


def _spectrum(evaluation, x):
    n, dims = x.shape
    centred = x - x.mean(axis=0)
    eigenvalues = np.maximum(0, np.sort(np.linalg.eigvalsh(centred.T @ centred / n))[::-1])
    singular = np.sqrt(np.maximum(0, np.sort(np.linalg.eigvalsh(x.T @ x))[::-1]))
    apart = np.triu_indices(n, 1)
    pairs = (x @ x.T)[apart] if n > 1 else np.array([np.nan])
    values = {
        "rankme": _entropy_rank(singular),
        "rankme_centered": _entropy_rank(np.sqrt(eigenvalues)),
        "effective_rank_var": _entropy_rank(eigenvalues),
        "participation_ratio": eigenvalues.sum() ** 2 / max(1e-12, (eigenvalues**2).sum()),
        "nesum": eigenvalues.sum() / max(1e-12, eigenvalues[0]),
        "stable_rank": (singular**2).sum() / max(1e-12, singular[0] ** 2),
        "alpha_req": np.nan,
        "uniformity": np.log(np.mean(np.exp(-2 * (2 - 2 * pairs)))),
        "mean_cos": pairs.mean(),
        "mean_cos_centered": 0.0,
    }
    metrics = tuple(_found(name, value, evaluation) for name, value in values.items())
    dead = tuple(int(i) for i in np.flatnonzero(x.var(axis=0) < 1e-12))
    zero_share = np.linspace(0, 0.6, dims)
    return Spectrum(n, eigenvalues, singular, dead, zero_share, (7.1, 8.4, 10.2, 13.0, 21.5), metrics)


def _hubness(evaluation):
    rows = evaluation.graph.rows
    k = min(evaluation.k, rows.shape[1])
    if not k:
        return None
    n = len(rows)
    counts = np.bincount(rows[:, :k][rows[:, :k] >= 0], minlength=n)
    centred = counts - counts.mean()
    grid = np.arange(counts.max() + 1)
    expected = np.exp(grid * np.log(k) - k - np.concatenate([[0], np.cumsum(np.log(np.maximum(1, grid[1:])))]))
    values = {
        "hub_skew": ((centred**3).mean() / max(1e-12, (centred**2).mean() ** 1.5), 0.32),
        "robin_hood": (np.abs(counts - k).sum() / (2 * n * k), 0.124),
        "antihub_rate": ((counts == 0).mean(), float(np.exp(-k))),
        "hub_occupancy": (counts[counts >= 2 * k].sum() / (n * k), 0.003),
        "hub_max": (counts.max() / n, None),
    }
    metrics = tuple(_found(name, value, evaluation, k=k, chance=null) for name, (value, null) in values.items())
    return Hubness(k, np.arange(n), counts, expected, metrics)


def _dimension(evaluation):
    similarity = evaluation.graph.similarity
    radius = np.sqrt(np.maximum(1e-12, 2 - 2 * similarity))
    with np.errstate(divide="ignore", invalid="ignore"):
        lid = 1 / np.log(radius[:, -1:] / radius[:, :-1]).mean(axis=1) if radius.shape[1] > 2 else radius[:, 0] * np.nan
        ratio = np.log(radius[:, 1] / radius[:, 0]) if radius.shape[1] > 1 else np.array([np.nan])
        twonn = 1 / np.nanmean(ratio)
    known = lid[np.isfinite(lid)]
    harmonic = 1 / np.mean(1 / known) if len(known) else np.nan
    return IntrinsicDimension(lid, (_found("twonn", twonn, evaluation), _found("lid_mle", harmonic, evaluation, k=20)))


def _projections(x):
    centred = x - x.mean(axis=0)
    _u, values, axes = np.linalg.svd(centred, full_matrices=False)
    rows = np.arange(len(x))
    explained = float((values[:2] ** 2).sum() / max(1e-12, (values**2).sum()))
    pca = Projection("pca", rows, centred @ axes[:2].T, 0.71, explained)
    turned = np.stack([np.sin(3 * pca.xy[:, 0]), np.cos(2 * pca.xy[:, 1])], axis=1) + pca.xy
    return (pca, Projection("tsne", rows, 40 * turned, 0.98, None))


def _clusters(evaluation, x):
    grid = [k for k in (2, 4, 8, 16) if k <= len(x) // 2]
    clusterings = {k: _clustering(evaluation, x, k) for k in grid}
    curve = tuple(
        KPoint(k, 0.4 - 0.01 * k, max(0.1, 0.9 - 0.03 * k), 0.03, 0.5 if evaluation.classes else None, len(x))
        for k in grid
    )
    suggested = grid[min(2, len(grid) - 1)]
    reason = f"the largest k whose stability is within a standard error of the best: {suggested}"
    return Clusters(curve, suggested, reason, clusterings)


def _assign(x, k):
    centres = x[np.linspace(0, len(x) - 1, k).astype(int)].copy()
    for _ in range(8):
        own = np.argmax(x @ centres.T, axis=1)
        for code in range(k):
            if (own == code).any():
                centre = x[own == code].sum(axis=0)
                centres[code] = centre / max(1e-12, np.linalg.norm(centre))
    order = np.argsort(-np.bincount(own, minlength=k), kind="stable")
    return np.argsort(order)[own], centres[order]


def _clustering(evaluation, x, k):
    own, centres = _assign(x, k)
    scores = x @ centres.T
    ranked = np.sort(scores, axis=1)
    margin = ranked[:, -1] - ranked[:, -2]
    used = [code for code in range(k) if (own == code).any()]
    cards = tuple(_card(evaluation, x, own, margin, centres, number) for number in used)
    labelled = [card for card in cards if card.label_share is not None]
    purity = sum(card.label_share * card.size for card in labelled) / len(x) if labelled else np.nan
    names = ("homogeneity", "completeness", "v_measure", "ari", "ami", "purity")
    metrics = tuple(_found(name, purity, evaluation, k=k) for name in names) if labelled else ()
    stable = _found("stability", 0.8, evaluation, k=k)
    return Clustering("kmeans", k, own, scores.max(axis=1), margin, cards, 0.0, (*metrics, stable))


def _card(evaluation, x, own, margin, centres, number):
    rows = np.flatnonzero(own == number)
    total = x[rows].sum(axis=0)
    towards = x[rows] @ centres[number]
    near = rows[np.argsort(-towards, kind="stable")]
    medoid = int(rows[np.argmax(x[rows] @ total)])
    labels = [evaluation.labels[row] for row in rows]
    known = [label for label in labels if label is not None]
    label = max(sorted(set(known)), key=known.count) if known else None
    share = known.count(label) / len(known) if known else None
    n_labelled = sum(item is not None for item in evaluation.labels)
    prior = evaluation.labels.count(label) / n_labelled if known else None
    others = np.delete(centres @ centres[number], number)
    next_best = int(np.argmax(others)) if len(others) else None
    n = len(rows)
    return Cluster(
        number=number,
        size=n,
        medoid=medoid,
        cohesion=float((total @ total - n) / (n * (n - 1))) if n > 1 else None,
        p95=float(np.quantile(1 - towards, 0.95)),
        nearest=None if next_best is None else next_best + (next_best >= number),
        label=label,
        label_share=share,
        label_lift=share / prior if known else None,
        entropy=_label_entropy(known, evaluation),
        unlabelled_share=labels.count(None) / n,
        nearest_rows=tuple(int(row) for row in near if row != medoid)[:3],
        boundary_rows=tuple(int(row) for row in rows[np.argsort(margin[rows], kind="stable")][:3]),
        outlier_rows=tuple(int(row) for row in near[::-1][:3]) if n > 6 else (),
        minority_rows=tuple(int(row) for row in near if evaluation.labels[row] not in (label, None))[:12],
    )


def _label_entropy(known, evaluation):
    if len(evaluation.classes) < 2 or not known:
        return None
    share = np.array([known.count(label) / len(known) for label in sorted(set(known))])
    return float(-(share * np.log(share)).sum() / np.log(len(evaluation.classes)))
