"""Subjects of measurement without an evaluation around them, and vectors of every awkward kind."""

import numpy as np

from bignet.evaluate.evaluate import EvaluateSettings
from bignet.evaluate.graph import knn_graph
from bignet.evaluate.labels import code_labels
from bignet.evaluate.result import Excluded, KnnGraph, PerQuery
from bignet.evaluate.subject import Subject
from bignet.evaluate.unit_rows import UnitRows


def subject_of(vectors, labels=None, groups=None, graph=None, excluded=None, **settings):
    n, chosen = len(vectors), EvaluateSettings(**settings)
    if graph is None:
        graph = knn_graph(vectors, chosen.depth, groups=groups)
    whole, real = np.full(n, -1), np.full(n, np.nan)
    return Subject(
        rows=UnitRows(vectors),
        ids=np.arange(n),
        coded=code_labels((None,) * n if labels is None else labels),
        groups=groups,
        graph=graph,
        per_query=PerQuery(whole, real, real, real, real, real, whole, whole, real, (None,) * n, real),
        excluded=excluded or Excluded(),
        settings=chosen,
    )


def asked_only(graph, queries):
    """The graph as it is when only some rows were asked."""
    return KnnGraph(graph.rows[queries], graph.similarity[queries], graph.tie_rate, queries=queries)


def awkward_vectors(seed, dtype=np.float32, n=None, dim=None):
    """A large common mean, correlated dimensions, a dead one, copies and longer copies."""
    rng = np.random.default_rng(seed)
    n, dim = n or int(rng.integers(25, 90)), dim or int(rng.integers(3, 40))
    vectors = rng.standard_normal((n, dim)) @ (rng.standard_normal((dim, dim)) / dim**0.5) + rng.standard_normal(dim)
    vectors[:, dim // 2] = 0
    copied, onto = rng.integers(n, size=(2, n // 6))
    vectors[onto] = vectors[copied] * rng.choice([1.0, 2.0], size=(len(onto), 1))
    return vectors.astype(dtype)


def unit(vectors):
    wide = np.asarray(vectors, dtype=np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)
