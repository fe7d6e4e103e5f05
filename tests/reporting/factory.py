"""Small brute-force evaluations and stores for the report's tests, in plain NumPy."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bignet.evaluate.result import (
    ClassDistance,
    ClassRow,
    Evaluation,
    Excluded,
    KnnGraph,
    Metric,
    PerQuery,
)
from bignet.reporting.source import ReportSource
from tests.reporting.families import with_families

if TYPE_CHECKING:
    from pathlib import Path

PROVENANCE = {
    "model": "resnet50",
    "weights": "IMAGENET1K_V2",
    "weights_sha256": "0" * 64,
    "preprocess": "resize 232, crop 224",
    "device": "cpu bf16",
    "store_uuid": "6f1c",
    "manifest": 3,
    "bignet": "0.1.0",
    "torch": None,
}


def vectors_of(labels, dims=16, spread=0.7, seed=0):
    """Points around one centre a class, unit length."""
    rng = np.random.default_rng(seed)
    centres = {label: rng.normal(size=dims) for label in dict.fromkeys(labels)}
    points = np.array([centres[label] for label in labels]).reshape(-1, dims)
    points = points + spread * rng.normal(size=points.shape)
    return points / np.maximum(1e-12, np.linalg.norm(points, axis=1, keepdims=True))


def make_evaluation(labels, vectors=None, *, k=10, warnings=(), seconds=0.1, unusable=(), spread=0.7, families=False):
    """Labels (and vectors) -> everything evaluate would return, computed the long way."""
    labels = tuple(labels)
    x = vectors_of(labels, spread=spread) if vectors is None else vectors
    n = len(labels)
    ids = np.arange(n, dtype=np.int64) * 7 + 1000
    similarity = x @ x.T if n else np.zeros((0, 0))
    graph = _graph(similarity, unusable, min(max(k, 1), max(0, n - 1)), k)
    queries = _per_query(similarity, labels, unusable, k)
    evaluation = Evaluation(
        ids=ids,
        labels=labels,
        k=k,
        metrics=_metrics(queries, labels, k),
        graph=graph,
        per_query=queries,
        classes=_classes(similarity, labels, queries),
        class_distance=_class_distance(similarity, labels),
        unusable={"nonfinite": tuple(int(ids[row]) for row in unusable), "zero": ()},
        gallery_fingerprint=hashlib.sha256(ids.tobytes()).hexdigest(),
        seconds={"graph": seconds, "bootstrap": 2 * seconds},
        warnings=tuple(warnings),
    )
    return with_families(evaluation, x) if families else evaluation


def _graph(similarity, unusable, width, k):
    n = len(similarity)
    rows = np.full((n, width), -1, dtype=np.int64)
    near = np.full((n, width), np.nan)
    for row, order in _orders(similarity, unusable):
        found = order[:width]
        rows[row, : len(found)], near[row, : len(found)] = found, similarity[row, found]
    return KnnGraph(rows, near, {k: 0.0})


def _orders(similarity, unusable):
    bad = set(unusable)
    for row in range(len(similarity)):
        if row not in bad:
            order = np.argsort(-similarity[row], kind="stable")
            yield row, np.array([j for j in order if j != row and j not in bad], dtype=np.int64)


def _per_query(similarity, labels, unusable, k):
    n = len(labels)
    floats = {name: np.full(n, np.nan) for name in ("p1", "pk", "rp", "apr", "rr", "farthest_similarity", "knn_conf")}
    voted = [None] * n
    ints = {name: np.full(n, -1, dtype=np.int64) for name in ("n_relevant", "rank_first", "farthest")}
    for row, order in _orders(similarity, unusable):
        if len(order):
            ints["farthest"][row] = order[-1]
            floats["farthest_similarity"][row] = similarity[row, order[-1]]
        order = np.array([j for j in order if labels[j] is not None], dtype=np.int64)
        hits = np.array([labels[j] == labels[row] for j in order])
        if labels[row] is None or not hits.any():
            continue
        relevant = int(hits.sum())
        top = hits[:relevant]
        precision = np.cumsum(top) / np.arange(1, relevant + 1)
        ints["n_relevant"][row] = relevant
        ints["rank_first"][row] = int(np.argmax(hits)) + 1
        floats["p1"][row], floats["pk"][row] = hits[0], hits[:k].sum() / k
        floats["rp"][row], floats["apr"][row] = top.mean(), (precision * top).sum() / relevant
        floats["rr"][row] = 1 / ints["rank_first"][row]
        voted[row], floats["knn_conf"][row] = _vote([labels[j] for j in order[:20]], similarity[row, order[:20]])
    return PerQuery(**ints, **floats, knn_pred=tuple(voted))


def _vote(labels, similarity):
    votes = dict.fromkeys(labels, 0.0)
    for label, near in zip(labels, similarity, strict=True):
        votes[label] += np.exp(near / 0.07)
    best = max(votes, key=lambda label: votes[label])
    return best, votes[best] / sum(votes.values())


def _bootstrap(values, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (400, len(values))).mean(axis=1)
    return tuple(float(value) for value in np.quantile(means, (0.025, 0.975)))


def _metric(name, values, labels, k=None, chance=None):
    known = values[np.isfinite(values)]
    counts = [labels.count(label) for label in labels]
    left_out = Excluded(
        unlabelled=labels.count(None),
        singleton=sum(c == 1 and label is not None for c, label in zip(counts, labels, strict=True)),
    )
    shared = {"n_queries": len(known), "excluded": left_out, "gallery_size": len(labels) - labels.count(None)}
    if not len(known):
        return Metric(name, None, k=k, reason="no label has two images", **shared)
    lo, hi = _bootstrap(known)
    return Metric(name, float(known.mean()), lo, hi, k=k, chance=chance, params={"bootstrap": 400}, **shared)


def _metrics(queries, labels, k):
    sizes = [labels.count(label) for label in dict.fromkeys(labels) if label is not None]
    n = sum(sizes)
    chance = sum(s / n * (s - 1) / max(1, n - 1) for s in sizes) if n else None
    metrics = (
        _metric("map@r.macro", queries.apr, labels, chance=chance and chance / 2),
        _metric("map@r", queries.apr, labels, chance=chance and chance / 2),
        _metric("r_precision", queries.rp, labels, chance=chance),
        _metric("p@1", queries.p1, labels, k=1, chance=chance),
        _metric(f"p@{k}", queries.pk, labels, k=k, chance=chance),
        _metric("mrr", queries.rr, labels),
    )
    contrast = Metric("relative_contrast", 1.7, gallery_size=len(labels), estimator="exact")
    return (*metrics, contrast) if len(labels) > 1 else metrics


def _classes(similarity, labels, queries):
    distance = _class_distance(similarity, labels)
    rows = []
    for label in dict.fromkeys(label for label in labels if label is not None):
        members = np.array([i for i, other in enumerate(labels) if other == label])
        scored = members[np.isfinite(queries.apr[members])]
        within, nearest, gap = _nearest(distance, label)
        own = [labels[i] for i in members]
        fields = {"p@1": queries.p1, "r_precision": queries.rp, "map@r": queries.apr}
        parts = [_metric(name, values[members], own) for name, values in fields.items()]
        margin = None if within is None or gap is None else gap - within
        rows.append(ClassRow(label, len(members), len(scored), *parts, within, margin, nearest, gap))
    return tuple(sorted(rows, key=lambda row: -row.n))


def _nearest(distance, label):
    if distance is None:
        return None, None, None
    i = distance.labels.index(label)
    line = distance.matrix[i].copy()
    within = None if np.isnan(line[i]) else float(line[i])
    line[i] = np.inf
    j = int(np.argmin(line))
    return within, distance.labels[j], float(line[j])


def _class_distance(similarity, labels):
    names = tuple(dict.fromkeys(label for label in labels if label is not None))
    if len(names) < 2:
        return None
    member = np.array([[label == name for label in labels] for name in names], dtype=np.float64)
    counts = member.sum(axis=1)
    sums = member @ similarity @ member.T
    matrix = 1 - sums / np.outer(counts, counts)
    own = np.diag(sums) - member @ np.diag(similarity)
    with np.errstate(invalid="ignore"):
        np.fill_diagonal(matrix, np.where(counts > 1, 1 - own / (counts * (counts - 1)), np.nan))
    return ClassDistance(names, matrix)


@dataclass(frozen=True)
class World:
    """An evaluation and the store it belongs to."""

    evaluation: Evaluation
    source: ReportSource


def make_world(folder: Path | None, labels, *, names=None, size=(80, 60), rejected=None, **options) -> World:
    """Pictures in ``folder`` (none if None), one for each label, and their evaluation."""
    labels = tuple(labels)
    evaluation = make_evaluation(labels, **options)
    if names is None:
        names = tuple(f"{label or 'new'}/{i:04d}.jpg".encode() for i, label in enumerate(labels))
    if folder is not None:
        _paint(folder, names, size)
    rejected = dict(rejected or {})
    source = ReportSource(
        store_name="photos.bignet",
        embedding="layer4.gap",
        dims=16,
        paths=tuple(names),
        image_root=folder,
        provenance=PROVENANCE,
        n_discovered=len(labels) + sum(rejected.values()),
        rejected=rejected,
    )
    return World(evaluation, source)


def _paint(folder: Path, names, size):
    for i, name in enumerate(names):
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (37 * i % 256, 91 * i % 256, 53 * i % 256)
        Image.new("RGB", size, colour).save(path, "JPEG")
