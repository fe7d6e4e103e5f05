import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from bignet.evaluate.intervals import (
    Resampling,
    cluster_interval,
    macro_interval,
    micro_interval,
    wilson,
)
from bignet.evaluate.retrieval import macro


@pytest.mark.parametrize(("successes", "n"), [(9, 12), (0, 5), (5, 5), (1, 29)])
def test_wilson_equals_scipy(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(successes, n), (expected.low, expected.high), atol=1e-12)


def test_nine_of_twelve_is_anything_from_a_half_to_nine_tenths():
    lo, hi = wilson(9, 12)
    assert (round(lo, 2), round(hi, 2)) == (0.47, 0.91)


def test_micro_interval_agrees_with_scipy():
    values = np.random.default_rng(0).beta(2, 1, size=400)
    found = micro_interval(values[:, None], Resampling(times=4000))[:, 0]
    rng = np.random.default_rng(1)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=rng).confidence_interval
    np.testing.assert_allclose(found, expected, atol=0.003)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    values = np.random.default_rng(0).random((50, 2))
    assert np.array_equal(micro_interval(values, Resampling(seed=3)), micro_interval(values, Resampling(seed=3)))
    assert not np.array_equal(micro_interval(values, Resampling(seed=3)), micro_interval(values, Resampling(seed=4)))


def test_a_lower_level_gives_a_narrower_interval():
    values = np.random.default_rng(0).random((50, 1))
    wide, narrow = (np.ptp(micro_interval(values, Resampling(level=level))) for level in (0.95, 0.5))
    assert narrow < wide / 2


def test_small_blocks_of_resamples_give_the_same_interval_within_noise(monkeypatch):
    values = np.random.default_rng(0).random((200, 1))
    whole = micro_interval(values, Resampling())
    monkeypatch.setattr("bignet.evaluate.intervals._COUNT_CELLS", 1000)
    np.testing.assert_allclose(micro_interval(values, Resampling()), whole, atol=0.005)


def coverage(times, draw, interval, truth):
    """Share of simulated data sets whose interval holds the truth."""
    inside = 0
    for seed in range(times):
        lo, hi = interval(*draw(np.random.default_rng(seed)))
        inside += lo <= truth <= hi
    return inside / times


def test_micro_interval_covers_the_truth_as_often_as_it_says():
    def draw(rng):
        return (rng.binomial(1, 0.7, size=120).astype(float),)

    def interval(values):
        return micro_interval(values[:, None], Resampling(times=500))[:, 0]

    assert coverage(500, draw, interval, 0.7) >= 0.90


@pytest.mark.parametrize(
    ("sizes", "least"),
    [([2] * 25, 0.9), ([200, 80, 40, 20, 12, 10, 8, 8, 6, 6], 0.9), ([60, 20, 5, 3, 2, 2], 0.9)],
    ids=["all classes of two", "fat tail", "six classes, two of them of two"],
)
def test_macro_interval_covers_the_truth_about_as_often_as_it_says(sizes, least):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    rates = np.linspace(0.4, 0.8, len(sizes))

    def draw(rng):
        return (rng.beta(8 * rates[classes], 8 * (1 - rates[classes])),)

    def interval(values):
        return macro_interval(values[:, None], classes, Resampling(times=250)).macro[:, 0]

    assert coverage(500, draw, interval, rates.mean()) >= least


def test_macro_interval_is_centred_on_the_mean_of_class_means():
    rng = np.random.default_rng(0)
    classes = np.repeat([5, 2, 9], [400, 30, 4])
    values = rng.random(434) * 0.1 + classes / 10
    found = macro_interval(values[:, None], classes, Resampling())
    assert found.classes.tolist() == [2, 5, 9]
    assert found.macro.mean() == pytest.approx(macro(values, classes), abs=0.005)
    for place, code in enumerate(found.classes):
        lo, hi = found.each[place, :, 0]
        assert lo <= values[classes == code].mean() <= hi


def grouped(rng, n_groups=30, spread=0.15):
    """Values whose mean differs from group to group, groups of 2 to 20: the truth is 0.5 for every group alike."""
    sizes = rng.integers(2, 21, size=n_groups)
    groups = np.repeat(np.arange(n_groups), sizes)
    return 0.5 + rng.normal(0, spread, n_groups)[groups] + rng.normal(0, 0.1, len(groups)), groups


def test_cluster_interval_covers_the_truth_where_groups_differ_and_the_query_interval_does_not():
    def clusters(values, groups):
        return cluster_interval(values[:, None], groups, Resampling(times=400))[:, 0]

    def queries(values, groups):
        return micro_interval(values[:, None], Resampling(times=400))[:, 0]

    assert coverage(500, grouped, clusters, 0.5) >= 0.90
    assert coverage(500, grouped, queries, 0.5) < 0.75


def means_of_classes(values, classes, clusters, times):
    even = 1.0 / np.bincount(classes)[classes]
    return cluster_interval(values[:, None], clusters, Resampling(times=times), even)[:, 0]


def test_cluster_interval_of_class_means_covers_the_truth_where_groups_of_a_class_differ():
    rates = np.linspace(0.3, 0.7, 5)

    def draw(rng):
        values, groups = grouped(rng, n_groups=60)
        return values - 0.5 + rates[groups % 5], groups % 5, groups, 300

    assert coverage(500, draw, means_of_classes, rates.mean()) >= 0.90


def test_cluster_interval_of_class_means_covers_the_truth_where_classes_differ():
    def draw(rng):
        values, classes = grouped(rng)
        return values, classes, classes, 400

    assert coverage(500, draw, means_of_classes, 0.5) >= 0.90


def test_cluster_intervals_equal_a_bootstrap_written_out():
    values, groups = grouped(np.random.default_rng(1))
    names = np.unique(groups)
    rng, micro, class_means = np.random.default_rng(5), [], []
    for _ in range(4000):
        parts = [values[groups == g] for g in rng.choice(names, len(names))]
        micro.append(np.concatenate(parts).mean())
        class_means.append(np.mean([part.mean() for part in parts]))
    found = cluster_interval(values[:, None], groups, Resampling(times=4000))[:, 0]
    np.testing.assert_allclose(found, np.quantile(micro, [0.025, 0.975]), atol=0.005)
    found = means_of_classes(values, groups, groups, 4000)
    np.testing.assert_allclose(found, np.quantile(class_means, [0.025, 0.975]), atol=0.005)


def test_weights_count_a_query_as_often_as_it_stands_for():
    rng = np.random.default_rng(2)
    values, groups = rng.random((60, 1)), np.arange(60) // 3
    weights = rng.integers(1, 4, size=60)
    repeated = np.repeat(np.arange(60), weights)
    how = Resampling(times=3000)
    weighted = cluster_interval(values, groups, how, weights.astype(float))
    np.testing.assert_allclose(weighted, cluster_interval(values[repeated], groups[repeated], how), atol=1e-12)


def test_queries_without_a_value_are_left_out_of_every_interval():
    rng = np.random.default_rng(3)
    values, classes = rng.random(80), np.arange(80) % 4
    known = rng.random(80) < 0.5
    column = np.where(known, values, np.nan)[:, None]
    how = Resampling(times=2000)
    alone = micro_interval(values[known][:, None], how)
    np.testing.assert_allclose(micro_interval(column, how), alone, atol=0.02)
    alone = macro_interval(values[known][:, None], classes[known], how).macro
    np.testing.assert_allclose(macro_interval(column, classes, how).macro, alone, atol=0.02)
    assert np.isnan(micro_interval(np.full((9, 1), np.nan), how)).all()


def test_weighted_class_means_centre_on_the_weighted_mean():
    classes = np.repeat([0, 1], [50, 50])
    values = np.where(classes == 0, 0.2, 0.8)[:, None] + np.random.default_rng(0).normal(0, 0.01, (100, 1))
    found = macro_interval(values, classes, Resampling(), np.array([900.0, 100.0]))
    assert found.weighted.mean() == pytest.approx(0.26, abs=0.005)
    assert found.macro.mean() == pytest.approx(0.5, abs=0.005)
