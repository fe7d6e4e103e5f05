import numpy as np
import pytest

from bignet.errors import MismatchError
from bignet.evaluate.intervals import Resampling, micro_interval
from bignet.evaluate.paired import paired_difference

HOW = Resampling(times=1000, seed=3)


def test_the_difference_of_the_means_is_found():
    rng = np.random.default_rng(0)
    before, after = rng.random(200), rng.random(200)
    classes = rng.integers(7, size=200)

    micro = paired_difference(before, after, None, HOW)
    macro = paired_difference(before, after, classes, HOW)

    assert micro.value == pytest.approx(after.mean() - before.mean(), abs=1e-9)
    by_class = [after[classes == c].mean() - before[classes == c].mean() for c in range(7)]
    assert macro.value == pytest.approx(np.mean(by_class), abs=1e-9)
    assert micro.lo < micro.value < micro.hi
    assert macro.lo < macro.value < macro.hi
    assert micro.n_queries == macro.n_queries == 200


def test_what_both_find_hard_cancels():
    """The same small gain everywhere is certain, though each mean alone is not."""
    before = np.random.default_rng(1).random(100)
    after = before + 0.01

    found = paired_difference(before, after, None, HOW)

    assert (found.lo, found.hi) == pytest.approx((0.01, 0.01))
    alone = micro_interval(before[:, None], HOW)
    assert alone[1, 0] - alone[0, 0] > 0.05


def test_the_interval_covers_no_difference_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        before = rng.random(80)
        found = paired_difference(before, before + rng.normal(scale=0.1, size=80), None, Resampling(times=300))
        covered.append(found.lo <= 0 <= found.hi)
    assert np.mean(covered) >= 0.9


def test_one_query_has_a_difference_and_no_interval():
    found = paired_difference(np.array([0.25]), np.array([0.5]), np.array([4]), HOW)

    assert (found.value, found.lo, found.hi, found.n_queries) == (0.25, None, None, 1)


@pytest.mark.parametrize("lengths", [(0, 0), (2, 3)])
def test_other_queries_are_refused(lengths):
    with pytest.raises(MismatchError, match="same queries"):
        paired_difference(np.zeros(lengths[0]), np.zeros(lengths[1]), None, HOW)
