import numpy as np
import pytest

from bignet.errors import MismatchError
from bignet.evaluate.jackknife import of_queries
from bignet.evaluate.paired import paired_difference


def mean(scores, classes=None):
    codes = np.zeros(len(scores), dtype=np.int64) if classes is None else classes
    return of_queries(np.asarray(scores, dtype=float), codes, by_class=classes is not None)


def test_the_difference_of_the_means_is_found():
    rng = np.random.default_rng(0)
    before, after = rng.random(200), rng.random(200)
    classes = rng.integers(7, size=200)

    micro = paired_difference(mean(before), mean(after))
    macro = paired_difference(mean(before, classes), mean(after, classes))

    assert micro.value == pytest.approx(after.mean() - before.mean(), abs=1e-9)
    by_class = [after[classes == c].mean() - before[classes == c].mean() for c in range(7)]
    assert macro.value == pytest.approx(np.mean(by_class), abs=1e-9)
    assert micro.lo < micro.value < micro.hi
    assert macro.lo < macro.value < macro.hi
    assert micro.n_queries == macro.n_queries == 200
    assert micro.error == pytest.approx((after - before).std(ddof=1) / 200**0.5)


def test_what_both_find_hard_cancels():
    """The same small gain everywhere is certain, though each mean alone is not."""
    before = np.random.default_rng(1).random(100)
    found = paired_difference(mean(before), mean(before + 0.01))

    assert (found.lo, found.hi) == pytest.approx((0.01, 0.01))
    assert mean(before).spread().error > 0.02


def test_the_interval_covers_no_difference_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        before = rng.random(80)
        found = paired_difference(mean(before), mean(before + rng.normal(scale=0.1, size=80)))
        covered.append(found.lo <= 0 <= found.hi)
    assert np.mean(covered) >= 0.9


def test_one_query_has_a_difference_and_no_interval():
    found = paired_difference(mean([0.25]), mean([0.5]))

    assert (found.value, found.lo, found.hi, found.n_queries) == (0.25, None, None, 1)


def test_other_queries_are_refused():
    with pytest.raises(MismatchError, match="same queries"):
        paired_difference(mean([0.0, 1.0]), mean([0.0, 1.0, 0.5]))
