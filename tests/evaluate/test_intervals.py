import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from bignet.evaluate.intervals import Resampling, macro_interval, micro_interval, wilson
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

    assert coverage(300, draw, interval, 0.7) >= 0.90


@pytest.mark.parametrize(
    ("sizes", "least"),
    [([2] * 40, 0.9), ([200, 80, 40, 20, 12, 10, 8, 8, 6, 6], 0.9), ([60, 20, 5, 3, 2, 2], 0.85)],
    ids=["all classes of two", "fat tail", "six classes, two of them of two"],
)
def test_macro_interval_covers_the_truth_about_as_often_as_it_says(sizes, least):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    rates = np.linspace(0.4, 0.8, len(sizes))

    def draw(rng):
        return (rng.beta(8 * rates[classes], 8 * (1 - rates[classes])),)

    def interval(values):
        return macro_interval(values[:, None], classes, Resampling(times=500)).macro[:, 0]

    assert coverage(200, draw, interval, rates.mean()) >= least


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
