import numpy as np
import pytest

from bignet.evaluate import cosine
from bignet.evaluate.cosine import Cosines
from bignet.evaluate.full_ranking import average_precisions
from bignet.evaluate.unit_rows import UnitRows


def found_by(vectors, codes, queries):
    cosines = Cosines(UnitRows(vectors))
    scores = cosines.block(queries)
    scores[np.arange(len(queries)), queries] = -np.inf
    return average_precisions(cosines, queries, scores, [np.flatnonzero(codes == codes[q]) for q in queries])


def expected_from(oracle, vectors, codes, queries):
    found = []
    for query in queries:
        hits = [codes[row] == codes[query] for _, row in oracle.ranking(vectors, query, range(len(codes)))]
        places = [place for place, hit in enumerate(hits, 1) if hit]
        found.append(np.mean([n / place for n, place in enumerate(places, 1)]))
    return found


def spread(rng, n, dim):
    return rng.standard_normal((n, dim))


def cone(rng, n, dim):
    return 1 + 1e-4 * rng.standard_normal((n, dim))


def copies(rng, n, dim):
    return rng.standard_normal((6, dim))[rng.integers(6, size=n)]


def whole_numbers(rng, n, dim):
    return rng.integers(1, 4, size=(n, dim))


@pytest.mark.parametrize("make", [spread, cone, copies, whole_numbers])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_the_sorted_ranking(seed, make, oracle):
    rng = np.random.default_rng(seed)
    vectors = make(rng, 120, 6).astype(np.float32)
    codes, queries = rng.integers(4, size=120), np.arange(0, 120, 4)
    expected = expected_from(oracle, vectors, codes, queries)
    np.testing.assert_allclose(found_by(vectors, codes, queries), expected, atol=1e-12)


@pytest.mark.parametrize("most", [0, 10**12])
def test_pair_by_pair_and_whole_blocks_in_float64_give_the_same_bits(most, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = np.concatenate([cone(rng, 200, 8), spread(rng, 100, 8)]).astype(np.float32)
    codes, queries = rng.integers(5, size=300), np.arange(300)
    usual = found_by(vectors, codes, queries)
    monkeypatch.setattr(cosine, "_CROWDED", most or 1)
    assert np.array_equal(found_by(vectors, codes, queries), usual)


def test_a_perfect_and_a_reversed_ranking_have_the_known_precision():
    angles = np.linspace(0, 1, 11)
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    codes = np.array([0] * 4 + [1] * 7)
    assert found_by(vectors, codes, np.array([0])).tolist() == [1.0]
    far = np.array([0] + [1] * 7 + [0] * 3)
    np.testing.assert_allclose(found_by(vectors, far, np.array([0])), [np.mean([1 / 8, 2 / 9, 3 / 10])], rtol=1e-14)


def test_a_query_without_a_relevant_row_has_no_value():
    assert np.isnan(found_by(np.eye(3), np.array([0, 1, 1]), np.array([0]))).all()
