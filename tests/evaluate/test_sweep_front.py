import numpy as np
import pytest

from bignet.errors import MismatchError
from bignet.evaluate.sweep.front import on_front


def dominates(a, b):
    """Point by point, in plain Python."""
    better = False
    for x, y in zip(a, b, strict=True):
        if x is None and y is None:
            continue
        if x is None or y is None or x < y:
            return False
        better = better or x > y
    return better


@pytest.mark.parametrize("seed", range(30))
def test_the_front_is_what_nothing_dominates(seed):
    rng = np.random.default_rng(seed)
    n, few = int(rng.integers(0, 60)), int(rng.integers(2, 12))
    points = [[None if rng.random() < 0.1 else int(rng.integers(few)) for _ in range(3)] for _ in range(n)]
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert on_front(points).tolist() == expected


def test_equal_points_stay_together_and_unknown_ones_neither_win_nor_lose():
    assert on_front([(1.0, 2.0), (1.0, 2.0), (0.5, 2.0)]).tolist() == [True, True, False]
    assert on_front([(1.0, None), (0.5, 3.0), (0.4, None)]).tolist() == [True, True, False]
    assert on_front([(None, 1.0), (0.9, 5.0), (None, 0.5)]).tolist() == [True, True, False]


def test_points_must_have_as_many_numbers():
    with pytest.raises(MismatchError, match="as many"):
        on_front([(1.0, 2.0), (1.0,)])


def test_numbers_that_may_be_the_same_count_as_equal():
    assert on_front([(0.5, (90.0, 110.0)), (0.4, (105.0, 120.0))]).tolist() == [True, False]
    assert on_front([(0.5, (90.0, 104.0)), (0.4, (105.0, 120.0))]).tolist() == [True, True]
    assert on_front([(0.5, (90.0, 110.0)), (0.5, (105.0, 120.0))]).tolist() == [True, True]
