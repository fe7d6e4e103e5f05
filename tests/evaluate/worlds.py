"""Small embeddings with everything that goes wrong in them, as subjects of a measurement."""

import numpy as np

from bignet.evaluate.evaluate import EvaluateSettings
from bignet.evaluate.graph import knn_graph
from bignet.evaluate.labels import code_labels
from bignet.evaluate.result import Excluded, KnnGraph, PerQuery
from bignet.evaluate.subject import Subject
from bignet.evaluate.unit_rows import UnitRows

FLAT = ("a", "b", "c", "d", "e")
TREE = ("a#x#1", "a#x#2", "a#other", "b#other", "b#y#1", "c")


def world(seed, names=FLAT, n=44, dim=6):
    """Seed -> vectors, labels and groups: singletons, imbalance, copies across classes, unlabelled, no group."""
    rng = np.random.default_rng(seed)
    share = np.array([2.0 ** -min(i, 3) for i in range(len(names))])
    codes = rng.choice(len(names), size=n, p=share / share.sum())
    vectors = (rng.standard_normal((len(names), dim))[codes] + rng.standard_normal((n, dim))).astype(np.float32)
    vectors[rng.integers(n, size=n // 5)] = vectors[rng.integers(n, size=n // 5)]
    labels = [names[code] for code in codes]
    labels[3] = "alone"
    for row in rng.integers(4, n, size=n // 8):
        labels[row] = None
    return vectors, labels, rng.integers(-1, n // 3, size=n)


def subject(vectors, labels, groups=None, depth=100, queries=None, **options):
    """Arrays -> what a family of measurements starts from."""
    rows, coded = UnitRows(vectors), code_labels(labels)
    graph = knn_graph(vectors, depth, groups=groups)
    if queries is not None:
        graph = KnnGraph(graph.rows[queries], graph.similarity[queries], {}, queries=queries)
    blank = np.full(len(labels), np.nan)
    none = np.full(len(labels), -1)
    per_query = PerQuery(none, blank, blank, blank, blank, blank, none, none, blank, (None,) * len(labels), blank)
    excluded = Excluded(unlabelled=labels.count(None))
    settings = EvaluateSettings(**{"bootstrap": 50, "k": 5, **options})
    return Subject(rows, np.arange(len(labels)), coded, groups, graph, per_query, excluded, settings)
