import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from bignet.errors import MismatchError, UsageError
from bignet.evaluate import cosine
from bignet.evaluate.graph import knn_graph


def gaussian(n, dim=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_graph_equals_brute_force_with_copies_and_ties(seed, oracle, awkward):
    vectors, _ = awkward(seed)
    graph = knn_graph(vectors, 7, tie_at=(1,))
    ranked = [oracle.ranking(vectors, i, range(len(vectors))) for i in range(len(vectors))]
    assert graph.rows.tolist() == [[row for _, row in pairs[:7]] for pairs in ranked]
    np.testing.assert_allclose(graph.similarity * 1e12, [[s for s, _ in pairs[:7]] for pairs in ranked], atol=1.01)
    for k in (1, 7):
        assert graph.tie_rate[k] == np.mean([pairs[k - 1][0] == pairs[k][0] for pairs in ranked])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8])
def test_every_stored_dtype_is_ranked_like_brute_force(dtype, oracle):
    vectors = (np.abs(gaussian(30, 6)) * 20 + 1).astype(dtype)
    graph = knn_graph(vectors, 5)
    expected = [[row for _, row in oracle.ranking(vectors, i, range(30))[:5]] for i in range(30)]
    assert graph.rows.tolist() == expected


def test_no_row_is_its_own_neighbour_among_copies():
    graph = knn_graph(np.ones((50, 4), dtype=np.float32), 49)
    assert all(sorted(row) == [j for j in range(50) if j != i] for i, row in enumerate(graph.rows.tolist()))
    assert all(row == sorted(row) for row in graph.rows.tolist())
    assert np.all(graph.similarity == 1.0)


def test_a_tie_that_runs_past_the_last_place_is_cut_by_row_order():
    vectors = np.concatenate([gaussian(20, 4), np.tile(gaussian(1, 4, seed=9), (300, 1))])
    graph = knn_graph(vectors, 3)
    assert graph.rows[-1].tolist() == [20, 21, 22]
    assert graph.rows[20].tolist() == [21, 22, 23]
    assert graph.tie_rate[3] > 0.9


def test_sign_codes_tie_exactly_whatever_the_summation_order(oracle):
    codes = np.sign(gaussian(60, 24)).astype(np.float32) / np.float32(np.sqrt(24))
    graph = knn_graph(codes, 10)
    assert graph.rows.tolist() == [[r for _, r in oracle.ranking(codes, i, range(60))[:10]] for i in range(60)]
    assert graph.tie_rate[10] > 0.3


def test_differences_below_float32_are_ranked_by_float64(oracle):
    base = gaussian(1, 16).astype(np.float64)
    vectors = base + 1e-9 * gaussian(40, 16, seed=1)
    graph = knn_graph(vectors * 1e3, 5)
    angles = [[np.sum((vectors[i] - vectors[j]) ** 2) for j in range(40)] for i in range(40)]
    assert graph.similarity.min() > 1 - 1e-12
    assert np.array(angles).max() < 1e-14  # nothing even float64 cosines can tell apart: all tie, so row order
    assert graph.rows[:, 0].tolist() == [1, *[0] * 39]


def test_near_copies_that_only_float64_can_order_come_in_order(oracle):
    rng = np.random.default_rng(3)
    vectors = (gaussian(1, 16) + 1e-4 * rng.standard_normal((60, 16))).astype(np.float64)
    expected = [[r for _, r in oracle.ranking(vectors, i, range(60))[:9]] for i in range(60)]
    assert knn_graph(vectors, 9).rows.tolist() == expected


def test_blocks_of_any_size_give_the_same_bits(monkeypatch, awkward):
    vectors = np.concatenate([awkward(1, n=150)[0], np.ones((40, 5), dtype=np.float32)])
    whole = knn_graph(vectors, 12)
    monkeypatch.setattr(cosine, "BLOCK_CELLS", 64)
    parts = knn_graph(vectors, 12)
    assert np.array_equal(whole.rows, parts.rows)
    assert np.array_equal(whole.similarity, parts.similarity)
    assert whole.tie_rate == parts.tie_rate


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_places_beyond_the_last_neighbour_are_padded(n):
    graph = knn_graph(gaussian(n), 5)
    assert graph.rows.shape == graph.similarity.shape == (n, 5)
    assert (graph.rows >= 0).sum() == n * max(0, n - 1)
    assert np.array_equal(graph.rows == -1, np.isnan(graph.similarity))
    assert graph.tie_rate == {5: 0.0}


def test_one_dimension_leaves_only_same_and_opposite():
    graph = knn_graph(np.array([[2.0], [-1.0], [5.0]]), 2)
    assert graph.rows.tolist() == [[2, 1], [0, 2], [0, 1]]
    assert graph.similarity.tolist() == [[1, -1], [-1, -1], [1, -1]]


def test_huge_and_tiny_float64_rows_neither_overflow_nor_vanish():
    directions = gaussian(12, 5).astype(np.float64)
    scaled = directions * np.logspace(-300, 300, 12)[:, None]
    assert knn_graph(scaled, 4).rows.tolist() == knn_graph(directions, 4).rows.tolist()


def test_rows_of_one_group_are_no_neighbours_of_each_other(oracle):
    vectors, groups = gaussian(30), np.arange(30) // 4
    groups[28:] = -1
    graph = knn_graph(vectors, 6, groups=groups)
    for i in range(30):
        allowed = [j for j in range(30) if groups[j] != groups[i] or groups[i] < 0]
        assert graph.rows[i].tolist() == [r for _, r in oracle.ranking(vectors, i, allowed)[:6]]


def test_the_callers_array_is_left_alone():
    vectors = gaussian(20)
    vectors.flags.writeable = False
    before = vectors.copy()
    knn_graph(vectors, 3)
    assert np.array_equal(vectors, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_rows_without_a_direction_are_refused_by_number(bad):
    vectors = gaussian(5)
    vectors[3] = bad
    with pytest.raises(UsageError, match="row 3"):
        knn_graph(vectors, 2)


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((3, 0)), np.ones((2, 2), dtype=complex), np.array([["a"]])])
def test_what_is_no_matrix_of_real_numbers_is_refused(bad):
    with pytest.raises(UsageError, match="vectors: found shape"):
        knn_graph(bad, 2)


def test_wrong_k_and_wrong_groups_are_refused():
    with pytest.raises(UsageError, match="k: found 0"):
        knn_graph(gaussian(4), 0)
    with pytest.raises(MismatchError, match="groups"):
        knn_graph(gaussian(4), 2, groups=np.zeros(3, dtype=np.int64))


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 24), st.integers(1, 4), st.integers(1, 30), st.integers(0, 10**6))
def test_every_row_lists_each_other_row_at_most_once_in_falling_order(n, dim, k, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(1, 4, size=(n, dim))
    graph = knn_graph(vectors, k)
    for i, row in enumerate(graph.rows.tolist()):
        listed = [j for j in row if j >= 0]
        assert len(listed) == len(set(listed)) == min(k, n - 1)
        assert i not in listed
    assert not np.any(np.diff(graph.similarity, axis=1) > 0)
