import numpy as np
import pytest

from bignet.index import recall, tune
from bignet.index.neighbors import normalised
from bignet.index.tune import find_truth
from bignet.index.vectors import InMemory
from tests.index.stores import clustered


def truth_of(similarities, k):
    similarities = np.asarray(similarities, np.float64)
    return recall.truth(np.zeros((len(similarities), 4), np.float32), similarities, k)


def test_what_is_as_similar_as_the_last_true_neighbour_is_a_hit():
    truth = truth_of([[0.9, 0.8, 0.7, 0.7, 0.7] + [0.1] * 20] * 3, 3)
    found = np.array([[0.9, 0.8, 0.7], [0.9, 0.7, 0.7], [0.9, 0.8, 0.69]])
    np.testing.assert_allclose(truth.recall(found), [1, 2 / 3, 2 / 3])


def test_rounding_is_no_miss():
    truth = truth_of([[0.9, 0.8, 0.7] + [0.1] * 20] * 2, 3)
    np.testing.assert_allclose(truth.recall(np.array([[0.9, 0.8, 0.7 - 5e-7], [0.9, 0.8, 0.7 - 5e-6]])), [1, 2 / 3])


def test_what_is_missing_is_no_hit():
    truth = truth_of([[0.9, 0.8] + [0.1] * 20], 2)
    np.testing.assert_allclose(truth.recall(np.array([[0.9, -np.inf]])), [0.5])


def test_of_rows_as_similar_as_the_last_any_will_do_but_no_more_of_them():
    truth = truth_of([[0.9, 0.8, 0.0, 0.0]] * 3, 4)
    found = np.array([[0.9, 0.8, 0.0, 0.0], [0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(truth.recall(found), [1, 0.75, 0.5])


def test_near_duplicates_of_a_query_prove_nothing():
    usual = [[0.9, 0.8, 0.7, 0.6]] * 4
    copied = [[1.0, 0.9999999, 0.8, 0.7]]
    truth = truth_of(usual + copied, 4)
    found = np.array([[0.9, 0.8, 0.5, 0.1]] * 4 + [[1.0, 0.9999999, 0.8, 0.5]])
    np.testing.assert_allclose(truth.recall(found), [0.5, 0.5, 0.5, 0.5, 0.5])


def test_near_duplicates_that_are_not_found_are_missed():
    truth = truth_of([[0.9, 0.8, 0.7, 0.6]] * 4 + [[1.0, 1.0, 1.0, 0.7], [1.0, 1.0, 0.8, 0.7]], 4)
    found = np.array([[0.9, 0.8, 0.7, 0.6]] * 4 + [[0.7, 0.7, 0.7, 0.7], [0.8, 0.7, 0.7, 0.7]])
    np.testing.assert_allclose(truth.recall(found)[4:], [0.25, 0.5])


def test_truth_is_what_brute_force_finds():
    base, queries = normalised(clustered(0, 900)), normalised(clustered(1, 60))
    truth, _, _ = find_truth(queries, InMemory(base), 10)
    cosines = np.sort(queries.astype(np.float64) @ base.T.astype(np.float64), axis=1)[:, ::-1]
    for number, row in enumerate(cosines):
        np.testing.assert_allclose(truth.similarities[number], row[:10], atol=1e-6)


def test_the_halves_share_no_query():
    base, queries = normalised(clustered(0, 500)), normalised(clustered(1, 51))
    truth, _, _ = find_truth(queries, InMemory(base), 5)
    first, second = truth.half(0), truth.half(1)
    assert len(first) + len(second) == len(truth) == 51
    assert not {row.tobytes() for row in first.queries} & {row.tobytes() for row in second.queries}


@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize("rate", [0.9, 0.97, 0.995])
def test_the_bound_is_met_by_fresh_queries_nineteen_times_in_twenty(n, rate):
    rng = np.random.default_rng(n)
    met = 0
    for _ in range(400):
        tuned, fresh = (rng.binomial(10, rng.beta(20 * rate, 20 * (1 - rate), n)) / 10 for _ in range(2))
        met += fresh.mean() >= recall.lower_bound(tuned)
    assert met >= 0.95 * 400


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.99, 0.996])
def test_so_many_perfect_answers_show_a_recall_and_one_fewer_do_not(target):
    n = recall.queries_to_show(target)
    assert recall.lower_bound(np.ones(n)) >= target > recall.lower_bound(np.ones(n - 1))


@pytest.mark.parametrize("target", [0.9, 0.95, 0.99])
def test_the_rows_that_a_recall_is_said_to_take_are_enough_and_no_more(target):
    said = tune.too_few_to_show(target, 10)
    rows = int(said.split("which takes ")[1].removesuffix(" rows").replace(",", ""))
    assert tune.too_few_to_show(target, tune.n_held_out(rows) // 2) == ""
    assert tune.too_few_to_show(target, tune.n_held_out(rows - 20) // 2) != ""


def test_perfect_answers_of_few_queries_do_not_prove_perfection():
    assert recall.lower_bound(np.ones(20)) < 0.9
    assert 0.99 < recall.lower_bound(np.ones(1000)) < 1
    assert recall.lower_bound(np.empty(0)) == 0
