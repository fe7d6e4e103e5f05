from itertools import combinations

import numpy as np
import pytest

from bignet.evaluate import chance, retrieval
from bignet.evaluate.chance import Shuffles


@pytest.mark.parametrize(("n_relevant", "n_others"), [(1, 1), (1, 6), (2, 6), (4, 7), (6, 6)])
def test_expectations_equal_the_mean_over_every_possible_ranking(n_relevant, n_others):
    hits = np.zeros((0, n_others), dtype=bool)
    for places in combinations(range(n_others), n_relevant):
        hits = np.vstack([hits, np.isin(np.arange(n_others), places)])
    R = np.full(len(hits), n_relevant)
    one = np.array([n_relevant])
    M = np.array([n_others])
    np.testing.assert_allclose(chance.chance_precision(one, n_others), retrieval.r_precision(hits, R).mean())
    np.testing.assert_allclose(chance.chance_precision(one, n_others), retrieval.precision_at_k(hits, 1).mean())
    np.testing.assert_allclose(chance.chance_map_at_r(one, n_others), retrieval.map_at_r(hits, R).mean())
    np.testing.assert_allclose(chance.chance_reciprocal_rank(one, M), retrieval.reciprocal_rank(hits).mean())
    np.testing.assert_allclose(chance.chance_average_precision(one, M), retrieval.average_precision(hits, R).mean())
    for k in range(1, n_others + 1):
        np.testing.assert_allclose(chance.chance_hit(one, M, k), retrieval.hit_at_k(hits, k).mean(), atol=1e-12)
        np.testing.assert_allclose(chance.chance_recall(M, k), retrieval.recall_at_k(hits, R, k).mean())
        total = chance.chance_precision_sum(one, M, np.array([k])) / min(n_relevant, k)
        np.testing.assert_allclose(total, retrieval.map_at_k(hits, R, k).mean())


def test_every_query_sees_exactly_its_number_of_relevant_items_when_labels_are_shuffled():
    rng = np.random.default_rng(0)
    codes = rng.choice([-1, 0, 1, 2], size=60, p=[0.2, 0.5, 0.2, 0.1])
    for gallery in (codes >= 0, np.ones(60, dtype=bool)):
        queries = np.flatnonzero(codes >= 0)
        others = np.array([[j for j in np.flatnonzero(gallery) if j != i] for i in queries])
        sizes = np.bincount(codes[codes >= 0])
        for hits in Shuffles(codes, gallery, 4, seed=1).hits(queries, others):
            assert hits.sum(axis=1).tolist() == (sizes[codes[queries]] - 1).tolist()


def test_shuffled_labels_average_to_the_exact_expectation():
    rng = np.random.default_rng(1)
    codes = rng.integers(4, size=80)
    rows = np.array([rng.permutation([j for j in range(80) if j != i]) for i in range(80)])
    R = np.bincount(codes)[codes] - 1
    tables = list(Shuffles(codes, np.ones(80, dtype=bool), 200, seed=0).hits(np.arange(80), rows))
    found = np.mean([retrieval.map_at_r(hits, R) for hits in tables])
    assert found == pytest.approx(chance.chance_map_at_r(R, 79).mean(), rel=0.03)
    first = np.mean([retrieval.precision_at_k(hits, 1) for hits in tables])
    assert first == pytest.approx(chance.chance_precision(R, 79).mean(), rel=0.03)


def test_reciprocal_ranks_far_down_are_counted_as_far_as_they_matter():
    harmonic = (1.0 / np.arange(1, 100_001)).sum()
    found = chance.chance_reciprocal_rank(np.array([1, 50_000]), np.array([100_000, 100_000]))
    assert found[0] == pytest.approx(harmonic / 100_000, rel=1e-12)
    assert found[1] == pytest.approx(np.log(2), abs=1e-4)  # geometric with p = 1/2: the mean of 1/rank is ln 2
