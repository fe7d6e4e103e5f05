import numpy as np
import pytest

from bignet.evaluate.jackknife import Spread, jackknife, of_queries, without_pairs
from bignet.evaluate.widening import Widening
from tests.evaluate.test_coverage import SIZES, classes, draw, run


def test_the_error_of_a_mean_is_the_textbook_one():
    scores = np.random.default_rng(0).random(40)
    found = of_queries(scores, np.zeros(40, dtype=int), by_class=False)
    assert found.spread().error == pytest.approx(scores.std(ddof=1) / 40**0.5)
    assert found.spread().freedom == 39


def test_the_error_of_class_means_adds_up_those_of_the_classes():
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], [30, 8, 5])
    scores = rng.random(43)
    found = of_queries(scores, codes, by_class=True)
    each = [scores[codes == c].var(ddof=1) / (codes == c).sum() for c in range(3)]
    assert found.spread().error == pytest.approx(sum(each) ** 0.5 / 3)
    assert 4 < found.spread().freedom < 40


def test_classes_of_two_vary_as_the_classes_do():
    means = np.random.default_rng(2).random(30)
    codes = np.repeat(np.arange(30), 2)
    half = np.repeat((means - means.mean()) / 29 / 2, 2)  # each image bears half of its class
    for by_class in (False, True):
        assert jackknife(half, codes, by_class=by_class).error == pytest.approx(means.std() / 30**0.5, rel=0.05)


def test_pairs_are_taken_off_once_and_never_more_than_the_part_of_the_gallery():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(5), 20)
    queries, gallery = rng.normal(size=(2, 100))
    whole = queries + gallery
    before, least = (jackknife(x, codes, by_class=True).error ** 2 for x in (whole, queries))
    some = jackknife(without_pairs(queries, whole, 30.0, codes, by_class=True), codes, by_class=True).error ** 2
    assert some == pytest.approx(before - 30.0)
    all_ = without_pairs(queries, whole, 1e6, codes, by_class=True)
    assert jackknife(all_, codes, by_class=True).error ** 2 >= 0.99 * min(before, least)
    assert without_pairs(queries, whole, 0.0, codes, by_class=True) is whole


def test_near_one_the_ends_are_wilsons_with_as_many_trials_as_vary_as_much():
    spread = Spread(0.01, 1e9)
    lo, hi, is_wilson = Widening(spread, spread, 0.95).ends((0.975, 1.0), 0.99, 500)
    assert is_wilson
    assert lo < 0.96
    assert 0.99 < hi < 1
    assert not Widening(spread, spread, 0.95).ends((0.48, 0.52), 0.5, 500)[2]


def test_ends_move_out_and_never_in():
    wide, narrow = Spread(0.04, 1e9), Spread(0.001, 1e9)
    for whole, ends in ((wide, (0.4216, 0.5784)), (narrow, (0.49, 0.51))):
        found = Widening(Spread(0.005, 1e9), whole, 0.95).ends((0.49, 0.51), 0.5, 5000)
        assert found[:2] == pytest.approx(ends, abs=1e-4)


def test_an_evaluation_gives_estimates_of_its_headline_family():
    evaluation = run(draw(0))
    assert set(evaluation.influences) == {
        f"{name}{kind}" for name in ("map@r", "p@1", "r_precision") for kind in ("", ".macro")
    }
    found = evaluation.estimate("map@r.macro")
    assert found.value == evaluation.metric("map@r.macro").value
    assert np.array_equal(np.bincount(found.classes), SIZES)
    assert found.by_class
    assert not evaluation.estimate("p@1").by_class
    half = (evaluation.metric("map@r.macro").hi - evaluation.metric("map@r.macro").lo) / 2
    assert half == pytest.approx(1.99 * found.spread().error, rel=0.06)
    with pytest.raises(KeyError):
        evaluation.estimate("mrr")


def test_intervals_for_other_classes_hold_what_the_classes_do_to_each_other():
    """Classes near to each other, some of them near to many: without them the others score better."""
    sizes = np.full(12, 8)
    vectors = draw(5, sizes, 1.0)
    metric = run(vectors, sizes).metric("map@r.macro")
    codes, whole = classes(sizes), metric.value
    left = [run_without(vectors, codes, code) for code in range(12)]
    change = whole - np.array(left)
    error = np.sqrt(11 / 12 * ((change - change.mean()) ** 2).sum())
    assert (metric.cluster_hi - metric.cluster_lo) / 2 == pytest.approx(2.2 * error, rel=0.25)


def run_without(vectors, codes, gone):
    keep = codes != gone
    return run(vectors[keep], np.full(11, 8)).metric("map@r.macro").value
