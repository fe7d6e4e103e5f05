import numpy as np
import pytest
from scipy.stats import bootstrap

from bignet.evaluate import records as records_module
from bignet.evaluate.evaluate import EvaluateSettings
from bignet.evaluate.records import Records, Values
from bignet.evaluate.result import Metric

ONLY = "of queries only"


def records(**options):
    return Records(EvaluateSettings(**options), Metric("", None))


def sample(n, seed=0):
    rng = np.random.default_rng(seed)
    below = rng.integers(1, 4, size=n).astype(np.float64)
    return Values(below * rng.random(n), rng.integers(4, size=n), np.ones(n), below)


def test_interval_of_a_ratio_is_near_the_bootstrap_of_the_ratio():
    values = sample(400)
    found = records().mean("hP", values)
    expected = bootstrap(
        (values.top, values.below),
        lambda top, below, axis: top.sum(axis=axis) / below.sum(axis=axis),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert found.value == pytest.approx(values.top.sum() / values.below.sum())
    assert (found.lo, found.hi) == pytest.approx(tuple(expected), abs=0.003)


def test_many_values_get_the_ends_that_resampling_would_give(monkeypatch):
    values = sample(3000)
    resampled, by_class = records().mean("x", values), records().macro("x", values)
    monkeypatch.setattr(records_module, "MANY", 100)
    normal, normal_by_class = records().mean("x", values), records().macro("x", values)
    assert (normal.ci, resampled.ci) == (f"normal approximation, {ONLY}", f"query bootstrap, {ONLY}")
    assert (normal.lo, normal.hi) == pytest.approx((resampled.lo, resampled.hi), abs=0.001)
    assert (normal_by_class.lo, normal_by_class.hi) == pytest.approx((by_class.lo, by_class.hi), abs=0.001)


def test_weights_stand_for_rows_that_were_not_asked():
    values = Values(np.array([1.0, 0.0, 0.0]), np.zeros(3, dtype=int), np.array([8.0, 1.0, 1.0]))
    assert values.ratio() == 0.8


def test_weighted_intervals_hold_the_truth():
    """Classes of 900 and 100 rows, 40 of each asked: the mean over all rows must lie inside."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        rows = np.concatenate([rng.random(900) < 0.8, rng.random(100) < 0.2]).astype(np.float64)
        asked = np.concatenate([rng.choice(900, 40, replace=False), 900 + rng.choice(100, 40, replace=False)])
        values = Values(rows[asked], asked // 900, np.repeat([900 / 40, 100 / 40], 40))
        found = records().mean("x", values)
        held += found.lo <= rows.mean() <= found.hi
    assert held >= 270


def test_few_proportions_get_wilsons_interval():
    found = records().mean("p", Values(np.repeat([1.0, 0.0], [9, 3]), np.zeros(12), np.ones(12)), proportion=True)
    assert found.ci == "wilson"
    assert (found.lo, found.hi) == pytest.approx((0.47, 0.91), abs=0.005)


def test_without_resamples_there_is_no_interval():
    found = records(bootstrap=0).mean("x", sample(50))
    assert (found.lo, found.hi, found.ci) == (None, None, "none")
    assert records().over_classes(np.arange(4) / 4) is None
