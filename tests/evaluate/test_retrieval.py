import numpy as np
import pytest

from bignet.errors import UsageError
from bignet.evaluate import retrieval

HITS = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], dtype=bool)
R = np.array([3, 2, 1])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (retrieval.precision_at_k(HITS, 1), [1, 0, 0]),
        (retrieval.precision_at_k(HITS, 5), [2 / 5, 2 / 5, 0]),
        (retrieval.hit_at_k(HITS, 4), [1, 1, 0]),
        (retrieval.recall_at_k(HITS, R, 4), [2 / 3, 1 / 2, 0]),
        (retrieval.r_precision(HITS, R), [2 / 3, 0, 0]),
        (retrieval.map_at_r(HITS, R), [(1 + 2 / 3) / 3, 0, 0]),
        (retrieval.average_precision(HITS, R), [(1 + 2 / 3) / 3, (1 / 4 + 2 / 5) / 2, 0]),
        (retrieval.map_at_k(HITS, R, 4), [(1 + 2 / 3) / 3, 1 / 4 / 2, 0]),
        (retrieval.map_at_k(HITS, R, 2), [1 / 2, 0, 0]),
        (retrieval.first_hit(HITS), [1, 4, -1]),
        (retrieval.reciprocal_rank(HITS), [1, 1 / 4, 0]),
    ],
)
def test_metric_equals_the_value_worked_by_hand(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_a_perfect_ranking_scores_one_on_everything():
    hits = np.array([[1, 1, 0, 0]], dtype=bool)
    for value in (
        retrieval.precision_at_k(hits, 2),
        retrieval.r_precision(hits, np.array([2])),
        retrieval.map_at_r(hits, np.array([2])),
        retrieval.average_precision(hits, np.array([2])),
        retrieval.recall_at_k(hits, np.array([2]), 4),
    ):
        assert value.tolist() == [1.0]


def test_queries_with_nothing_to_find_have_no_value():
    none = np.array([0, 0, 0])
    for value in (
        retrieval.r_precision(HITS, none),
        retrieval.map_at_r(HITS, none),
        retrieval.recall_at_k(HITS, none, 1),
    ):
        assert np.isnan(value).all()


def test_a_table_too_shallow_is_refused_rather_than_scored_wrong():
    with pytest.raises(UsageError, match="5 places deep; this metric needs 6"):
        retrieval.map_at_r(HITS, np.array([3, 2, 6]))
    with pytest.raises(UsageError, match="needs 9"):
        retrieval.precision_at_k(HITS, 9)


def test_expectation_over_ties_equals_the_mean_of_all_orders():
    from itertools import permutations

    hits = np.array([[1, 0, 1, 0, 0, 1]], dtype=bool)
    similarity = np.array([[0.9, 0.5, 0.5, 0.5, 0.5, 0.1]])
    for k in range(1, 7):
        orders = [np.array([[0, *order, 5]]) for order in permutations([1, 2, 3, 4])]
        mean = np.mean([retrieval.precision_at_k(np.take_along_axis(hits, order, 1), k) for order in orders])
        np.testing.assert_allclose(retrieval.expected_precision_at_k(hits, similarity, k), [mean], rtol=1e-14)


def test_macro_weighs_classes_and_micro_weighs_queries():
    values, classes = np.array([1.0, 1.0, 1.0, 0.0, np.nan]), np.array([4, 4, 4, 7, 9])
    assert retrieval.micro(values) == 0.75
    assert retrieval.macro(values, classes) == 0.5


def test_means_of_nothing_are_nan_without_a_warning():
    assert np.isnan(retrieval.micro(np.array([])))
    assert np.isnan(retrieval.macro(np.array([np.nan]), np.array([0])))
    assert retrieval.first_hit(np.zeros((2, 0), dtype=bool)).tolist() == [-1, -1]
