import numpy as np
import pytest
from scipy import stats

from bignet.evaluate.jackknife import of_queries
from bignet.evaluate.labels import code_labels
from bignet.evaluate.paired import paired_difference
from bignet.evaluate.sweep.compare import compare, holm, p_value
from bignet.evaluate.sweep.design import Design
from bignet.evaluate.sweep.look import look
from bignet.evaluate.sweep.student import two_sided
from bignet.evaluate.unit_rows import UnitRows


@pytest.mark.parametrize("freedom", [1, 2, 3.3, 29, 57.2, 1000, 1e5, 1e6, np.inf])
def test_tails_of_students_t_are_those_of_scipy(freedom):
    for t in (0.0, 1e-9, 0.3, -1.0, 1.96, 3.0, 8.0, 100.0):
        expected = 2 * (stats.norm if freedom == np.inf else stats.t(freedom)).sf(abs(t))
        assert two_sided(t, freedom) == pytest.approx(expected, rel=1e-3 if expected < 1e-9 else 1e-6, abs=1e-300)
    assert two_sided(np.inf, freedom) == 0.0


def test_a_paired_p_value_is_that_of_the_t_test():
    one, other = np.random.default_rng(0).random((2, 40))
    same = np.full(40, -1)
    found = paired_difference(*(of_queries(values, same, by_class=False) for values in (one, other)))
    assert p_value(found) == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_holm_rejects_step_by_step_as_the_paper_says(seed):
    rng = np.random.default_rng(seed)
    p_values = (rng.random(12) ** 4).tolist()
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for step, place in enumerate(np.argsort(p_values)):
            if p_values[place] * (12 - step) > level:
                break
            rejected.add(int(place))
        assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_choices_that_score_alike_image_by_image_are_tied_for_certain():
    values = np.random.default_rng(1).random(30)
    same = of_queries(values, np.zeros(30, dtype=np.int64), by_class=True)
    found = compare([same, same, None], 0, 0.95)
    assert [(one.p_value, one.tied) for one in found] == [(None, True), (1.0, True), (None, False)]


def test_one_small_p_value_among_many_choices_is_still_a_tie():
    rng = np.random.default_rng(0)
    base, where = rng.random(60), np.zeros(60, dtype=np.int64)
    shift = base + 0.06 * (rng.standard_normal(60) + 0.2)
    several = [base, shift, *(base + 0.06 * rng.standard_normal(60) for _ in range(20))]
    estimates = [of_queries(values, where, by_class=True) for values in several]
    alone, among = compare(estimates[:2], 0, 0.95)[1], compare(estimates, 0, 0.95)[1]
    assert alone.p_value == among.p_value < 0.05
    assert (alone.tied, among.tied) == (False, True)


CENTRES = np.random.default_rng(5).standard_normal((4, 8))


def halves(rng, n, noises):
    """A new data set under choices that add noise of their own: their scores in both halves."""
    codes = rng.integers(4, size=n)
    base = CENTRES[codes] + rng.standard_normal((n, 8))
    design = Design.of(np.arange(n), code_labels([str(code) for code in codes]), None, "exact", 0)
    seen = [(base + noise * rng.standard_normal((n, 8))).astype(np.float32) for noise in noises]
    return [look(UnitRows(vectors), design, 1).halves for vectors in seen]


def beside_the_best(found):
    order = sorted(range(len(found)), key=lambda i: -found[i][0].value)
    return order[0], compare([found[i][1] for i in order], 0, 0.95)


def test_equal_choices_are_tied_and_different_ones_are_not():
    tied, told = 0, 0
    for seed in range(30):
        rng = np.random.default_rng([seed, 1])
        tied += beside_the_best(halves(rng, 80, [0.5, 0.5]))[1][1].tied
        best, compared = beside_the_best(halves(rng, 80, [0.2, 1.8]))
        told += best == 0 and not compared[1].tied
    assert tied >= 27
    assert told >= 27


def test_the_half_that_is_reported_does_not_profit_from_luck():
    gained = []
    for seed in range(16):
        found = halves(np.random.default_rng([seed, 2]), 80, [0.6] * 8)
        best = max(found, key=lambda pair: pair[0].value)
        means = [np.mean([pair[half].value for pair in found]) for half in (0, 1)]
        gained.append([best[half].value - means[half] for half in (0, 1)])
    (chosen, reported), spread = np.mean(gained, axis=0), np.std(gained, axis=0) / 4
    assert chosen > 4 * spread[0]
    assert abs(reported) < 2.5 * spread[1]
