import numpy as np
import pytest

from bignet.evaluate import all_pairs as module
from bignet.evaluate.all_pairs import all_pairs
from tests.evaluate.subjects import asked_only, awkward_vectors, subject_of, unit


def expected_lists(vectors, positions, groups=None):
    """For each position, every other allowed one with its similarity on the grid, nearest first."""
    x = unit(vectors)
    for query in positions:
        others = [p for p in positions if p != query and not same_group(groups, p, query)]
        yield sorted(((round(float(x[query] @ x[p]), 9), p) for p in others), reverse=True)


def same_group(groups, one, other):
    return groups is not None and groups[one] >= 0 and groups[one] == groups[other]


def check(near, vectors, depth, groups=None):
    """Right similarities, right rows, no row twice; of tied rows any will do."""
    for place, everyone in enumerate(expected_lists(vectors, near.positions, groups)):
        count = min(depth, len(everyone))
        listed = near.rows[place]
        assert (listed >= 0).sum() == count
        assert (listed[count:] == -1).all()
        assert np.isneginf(near.similarity[place, count:]).all()
        names = near.positions[listed[:count]].tolist()
        assert len(set(names)) == count
        np.testing.assert_allclose(near.similarity[place, :count], [s for s, _ in everyone[:count]], atol=1e-8)
        exact = {name: similarity for similarity, name in everyone}
        np.testing.assert_allclose([exact[name] for name in names], near.similarity[place, :count], atol=1e-8)


def groups_of(n, seed):
    return np.random.default_rng(seed).integers(-1, max(2, n // 5), size=n)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("graph_k", [3, 8, 60])
@pytest.mark.parametrize("most", [17, 20_000])
def test_lists_of_a_subset_are_what_a_full_sort_of_it_gives(seed, grouped, graph_k, most):
    vectors = awkward_vectors(seed, n=40)
    groups = groups_of(40, seed) if grouped else None
    subject = subject_of(vectors, groups=groups, k=1, graph_k=graph_k, seed=seed)
    near = all_pairs(subject, 5, most)
    assert len(near) == min(40, most)
    check(near, vectors, 5, groups)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("most", [15, 20_000])
def test_a_graph_of_some_queries_is_not_taken_for_all_pairs(grouped, most):
    vectors = awkward_vectors(2, n=40)
    groups = groups_of(40, 0) if grouped else None
    whole = subject_of(vectors, groups=groups)
    some = subject_of(vectors, groups=groups, graph=asked_only(whole.graph, np.arange(0, 40, 3)))
    check(all_pairs(some, 6, most), vectors, 6, groups)


def test_the_graph_is_used_where_it_holds_the_answer(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("searched again")

    subject = subject_of(np.random.default_rng(0).standard_normal((60, 5)), graph_k=59)
    monkeypatch.setattr(module, "graph_of", refuse)
    monkeypatch.setattr(module, "_scores", refuse)
    assert len(all_pairs(subject, 5)) == 60
    assert len(all_pairs(subject, 5, 25)) == 25


def test_blocks_do_not_matter(monkeypatch):
    vectors = awkward_vectors(4, n=50)
    subject = subject_of(vectors, k=1, graph_k=14)
    monkeypatch.setattr(module, "_LIST_CELLS", 70)
    monkeypatch.setattr(module, "_SEARCH_CELLS", 100)
    check(all_pairs(subject, 6, 24), vectors, 6)


@pytest.mark.parametrize("graph_k", [5, 30, 100])
def test_copies_do_not_all_name_the_first_of_them(graph_k):
    vectors = np.ones((60, 4), dtype=np.float32)
    near = all_pairs(subject_of(vectors, k=1, graph_k=graph_k), 5)
    counts = np.bincount(near.rows.ravel(), minlength=60)
    assert counts.max() < 20  # broken by row, six rows would be in all lists
    assert near.copies == 60


def test_ties_fall_evenly_and_by_the_seed():
    vectors = np.array([[1, 0], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]], dtype=np.float32)
    first = [all_pairs(subject_of(vectors, seed=seed), 1).rows[0, 0] for seed in range(200)]
    counts = np.bincount(first, minlength=6)
    assert counts[0] == 0
    assert counts[1:].min() > 20
    same = [all_pairs(subject_of(vectors, seed=7), 3).rows.tolist() for _ in range(2)]
    assert same[0] == same[1]


def test_the_subset_and_its_size_are_named():
    subject = subject_of(awkward_vectors(0, n=40), seed=1)
    assert all_pairs(subject, 3).estimator == "exact"
    assert all_pairs(subject, 3, 30).estimator == "sampled, all pairs of 30 of 40 rows"
    assert np.array_equal(all_pairs(subject, 3, 30).positions, all_pairs(subject, 3, 30).positions)
    other = subject_of(awkward_vectors(0, n=40), seed=2)
    assert not np.array_equal(all_pairs(subject, 3, 30).positions, all_pairs(other, 3, 30).positions)


@pytest.mark.parametrize("queries", [None, np.array([0, 4])])
def test_a_group_of_nearly_all_leaves_short_lists(queries):
    vectors, groups = awkward_vectors(0, n=20), np.repeat([0, 1, -1], [16, 2, 2])
    graph = subject_of(vectors, groups=groups, k=1, graph_k=2).graph
    if queries is not None:
        graph = asked_only(graph, queries)
    check(all_pairs(subject_of(vectors, groups=groups, graph=graph), 10), vectors, 10, groups)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_rows_have_short_lists(n):
    check(all_pairs(subject_of(awkward_vectors(0, n=6)[:n]), 20), awkward_vectors(0, n=6)[:n], 20)
