"""A second implementation of everything, in plain Python loops, slow and obvious."""

import math

import numpy as np
import pytest


class Oracle:
    """Definitions written out, one pair and one query at a time, in float64."""

    @staticmethod
    def grid(a, b):
        """Cosine in whole steps of 1e-12, so that equal means equal."""
        dot = math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))
        norm = math.sqrt(math.fsum(float(x) ** 2 for x in a)) * math.sqrt(math.fsum(float(y) ** 2 for y in b))
        return round(max(-1.0, min(1.0, dot / norm)) * 1e12)

    @classmethod
    def ranking(cls, vectors, query, gallery):
        """[(similarity in steps, row)] of all gallery rows but the query, nearest first, ties by row."""
        pairs = [(cls.grid(vectors[query], vectors[row]), row) for row in gallery if row != query]
        return sorted(pairs, key=lambda pair: (-pair[0], pair[1]))

    @classmethod
    def scores(cls, vectors, labels, k, unlabelled="drop"):
        """{query: its scores} for every row that is a query."""
        gallery = [i for i, label in enumerate(labels) if label is not None or unlabelled == "distractor"]
        found = {}
        for query, label in enumerate(labels):
            n_relevant = sum(other == label for other in labels) - 1
            if label is None or n_relevant == 0:
                continue
            hits = [labels[row] == label for _, row in cls.ranking(vectors, query, gallery)]
            found[query] = cls.judge(hits, n_relevant, k)
        return found

    @staticmethod
    def judge(hits, n_relevant, k):
        """One query's hits down its whole ranking -> its scores."""

        def precision(r):
            return sum(hits[:r]) / r

        rank_first = hits.index(True) + 1
        return {
            "n_relevant": n_relevant,
            "p1": precision(1),
            "pk": precision(k) if len(hits) >= k else math.nan,
            "rp": precision(n_relevant),
            "apr": sum(precision(r) for r in range(1, n_relevant + 1) if hits[r - 1]) / n_relevant,
            "rr": 1 / rank_first,
            "rank_first": rank_first,
        }


@pytest.fixture(scope="session")
def oracle():
    return Oracle


@pytest.fixture(scope="session")
def awkward():
    """Seed -> vectors and labels with singletons, imbalance, unlabelled rows, and copies across labels."""

    def make(seed, n=40, dim=5):
        rng = np.random.default_rng(seed)
        vectors = rng.standard_normal((n, dim)).astype(np.float32)
        vectors[rng.integers(n, size=n // 4)] = vectors[rng.integers(n, size=n // 4)]
        vectors[rng.integers(n, size=n // 4)] = rng.integers(-1, 2, size=(n // 4, dim)) + 3 * np.eye(dim)[-1]
        classes = rng.choice(6, size=n, p=[0.4, 0.25, 0.2, 0.05, 0.05, 0.05])
        labels = [f"c{c}" for c in classes]
        labels[3], labels[7] = "alone", "single"
        for row in rng.integers(n, size=n // 6):
            labels[row] = None
        return vectors, labels

    return make
