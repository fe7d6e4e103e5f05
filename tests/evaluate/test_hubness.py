import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits

from bignet.evaluate import hubness
from bignet.evaluate.all_pairs import all_pairs
from bignet.evaluate.hubness import measure_hubness
from tests.evaluate.subjects import awkward_vectors, subject_of, unit


def hubs_of(vectors, k=10, groups=None, **settings):
    return measure_hubness(all_pairs(subject_of(vectors, groups=groups, k=k, **settings), max(k, 20)), k)


def values(found):
    return {metric.id: metric.value for metric in found.metrics}


def counts_of(x, k, groups=None):
    """One list at a time."""
    counts = [0] * len(x)
    for query in range(len(x)):
        others = [p for p in range(len(x)) if p != query and (groups is None or groups[p] != groups[query])]
        for name in sorted(others, key=lambda p: -float(x[query] @ x[p]))[:k]:
            counts[name] += 1
    return counts


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("grouped", [False, True])
def test_hubs_are_those_of_a_full_sort(seed, grouped):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((45, 6)) + 1
    groups = rng.integers(12, size=45) if grouped else None
    found = hubs_of(vectors, 4, groups)
    counts = np.array(counts_of(unit(vectors), 4, groups))
    assert found.counts.tolist() == counts.tolist()
    got = values(found)
    assert got["hub_skew"] == pytest.approx(stats.skew(counts), rel=1e-9)
    assert got["robin_hood"] == pytest.approx(sum(abs(c - 4) for c in counts) / 2 / (45 * 4), rel=1e-9)
    assert got["antihub_rate"] == pytest.approx(sum(c == 0 for c in counts) / 45)
    assert got["hub_occupancy"] == pytest.approx(sum(c for c in counts if c >= 8) / (45 * 4))
    assert got["hub_max"] == max(counts)


def test_digits_have_fewer_hubs_when_centred():
    x = unit(load_digits().data)
    assert values(hubs_of(x))["hub_skew"] == pytest.approx(0.93, abs=0.005)
    assert values(hubs_of(x - x.mean(axis=0)))["hub_skew"] == pytest.approx(0.71, abs=0.005)


def test_the_query_is_in_no_list_of_its_own():
    # With itself in every list each count is one higher and the skewness another (scikit-hubness does that)
    found = hubs_of(np.random.default_rng(0).standard_normal((50, 5)), 3)
    assert found.counts.sum() == 150


@pytest.mark.parametrize(("n", "k"), [(150, 10), (60, 5), (30, 20)])
def test_the_null_is_what_lists_drawn_at_random_give(n, k):
    rng = np.random.default_rng(n)
    shares, drawn = np.zeros(n), []
    for _ in range(200):
        lists = np.argsort(rng.random((n, n)) + 9 * np.eye(n), axis=1)[:, :k]
        counts = np.bincount(lists.ravel(), minlength=n)
        shares += np.bincount(counts, minlength=n) / n / 200
        drawn.append([stats.skew(counts), np.abs(counts - k).sum() / 2 / n / k, (counts == 0).mean()])
        drawn[-1] += [counts[counts >= 2 * k].sum() / n / k, counts.max()]
    expected = hubness.random_graph(n, k)
    np.testing.assert_allclose(expected, shares[: len(expected)], atol=0.01)
    found = hubness.random_graph_values(expected, n, k)
    np.testing.assert_allclose(list(found.values())[:4], np.mean(drawn, axis=0)[:4], atol=0.05)
    assert found["hub_max"] == pytest.approx(np.mean(drawn, axis=0)[4], rel=0.02)


def test_the_null_of_many_rows_is_the_known_one():
    found = hubness.random_graph_values(hubness.random_graph(20_000, 10), 20_000, 10)
    assert found["hub_skew"] == pytest.approx(0.32, abs=0.005)
    assert found["robin_hood"] == pytest.approx(0.124, abs=0.002)
    assert found["antihub_rate"] == pytest.approx(np.exp(-10), rel=0.01)
    shares = hubness.random_graph(20_000, 10)
    np.testing.assert_allclose(shares[:60], stats.binom.pmf(np.arange(60), 19_999, 10 / 19_999), rtol=1e-9)


@pytest.mark.parametrize("n", [12, 300, 3000])
def test_lists_that_hold_nearly_everybody_have_a_null(n):
    for k in (n // 2, n - 2, n - 1):
        shares = hubness.random_graph(n, k)
        assert shares.sum() == pytest.approx(1)
        assert shares @ np.arange(len(shares)) == pytest.approx(k)


def test_expected_shares_reach_as_far_as_the_counts_and_add_up():
    found = hubs_of(np.random.default_rng(0).standard_normal((200, 60)) + 1, 5)
    assert len(found.expected) > found.counts.max()
    assert found.expected.sum() == pytest.approx(1, abs=1e-9)


def test_row_order_makes_no_hubs():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 80, axis=0)
    found = hubs_of(vectors, 10)
    assert values(found)["hub_max"] < 30  # broken by row, ten copies would be in all 80 lists
    assert values(found)["hub_skew"] == pytest.approx(0.32, abs=0.35)
    assert found.metrics[0].params["copies"] == 240


def test_each_number_names_its_sample_and_its_null():
    subject = subject_of(awkward_vectors(0, n=60), k=4)
    found = measure_hubness(all_pairs(subject, 20, 50), 4)
    for metric in found.metrics:
        assert metric.estimator == "sampled, all pairs of 50 of 60 rows"
        assert (metric.k, metric.n_queries, metric.gallery_size) == (4, 50, 50)
        assert metric.chance is not None
    assert len(found.rows) == len(found.counts) == 50


def test_where_every_row_is_in_every_list_there_is_no_skewness():
    found = hubs_of(np.random.default_rng(0).standard_normal((6, 3)), 5)
    by_id = {metric.id: metric for metric in found.metrics}
    assert by_id["hub_skew"].value is None
    assert "equally many" in by_id["hub_skew"].reason
    assert by_id["hub_skew"].chance is None
    assert (by_id["robin_hood"].value, by_id["hub_max"].value, by_id["hub_max"].chance) == (0, 5, 5)


def test_lists_cut_short_by_groups_count_only_what_they_hold():
    groups = np.repeat([0, 1], [26, 4])
    x = np.random.default_rng(0).standard_normal((30, 5))
    found = hubs_of(x, 10, groups)
    assert found.counts.tolist() == counts_of(unit(x), 10, groups)
    assert found.counts.sum() == 26 * 4 + 4 * 10
    assert found.expected @ np.arange(len(found.expected)) == pytest.approx(144 / 30)


def test_too_few_rows_and_one_single_group_have_no_hubs():
    vectors = np.random.default_rng(0).standard_normal((10, 3))
    assert hubs_of(vectors, 10) is None
    assert hubs_of(vectors[:1], 1) is None
    assert hubs_of(vectors, 3, groups=np.zeros(10, dtype=np.int64)) is None


def test_measures_of_nothing_are_undefined():
    nothing = np.zeros(0, dtype=np.int64)
    assert hubness.hub_skew(nothing) is None
    assert hubness.antihub_rate(nothing) is None
    assert hubness.robin_hood(np.zeros(4)) is None
    assert hubness.hub_occupancy(np.zeros(4), 3) is None
