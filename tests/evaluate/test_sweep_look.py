"""Scores of a choice in all images and in each half, against plain loops; and the halves themselves."""

import numpy as np
import pytest

from bignet.evaluate import clock
from bignet.evaluate.evaluate import evaluate
from bignet.evaluate.jackknife import of_queries, without_pairs
from bignet.evaluate.labels import code_labels
from bignet.evaluate.settings import EvaluateSettings
from bignet.evaluate.sweep.design import Design
from bignet.evaluate.sweep.halves import reported_half
from bignet.evaluate.sweep.look import look
from bignet.evaluate.unit_rows import UnitRows
from tests.evaluate.brute import Brute, means
from tests.evaluate.worlds import world


def design_of(labels, groups=None, seed=0):
    return Design.of(np.arange(len(labels)), code_labels(labels), groups, "exact", seed)


def brute_half(oracle, vectors, labels, groups, part):
    names = None if groups is None else [None if group < 0 else group for group in groups.tolist()]
    return Brute(oracle, vectors, labels, apart=names, asked=part.tolist(), findable=part.tolist())


@pytest.mark.parametrize("seed", range(30))
def test_each_half_is_scored_among_its_own_images(oracle, seed):
    vectors, labels, groups = world(seed)
    groups = groups if seed % 2 else None
    design = design_of(labels, groups, seed)
    seen = look(UnitRows(vectors), design, 5)
    for part, found in zip((~design.reported, design.reported), seen.halves, strict=True):
        scores = brute_half(oracle, vectors, labels, groups, part).scores(3, (1,))
        assert found.n_queries == len(scores)
        assert found.value == pytest.approx(means(scores, labels)["map@r.macro"], abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_whole_is_what_an_evaluation_says(seed, monkeypatch):
    monkeypatch.setattr(clock, "give_back", lambda: None)  # it takes longer than all the rest
    vectors, labels, groups = world(seed, n=70)
    told = evaluate(
        vectors, range(70), labels, EvaluateSettings(k=5, graph_k=6, families=False, bootstrap=0), groups=groups
    )
    codes = np.unique(groups, return_inverse=True)[1]
    seen = look(UnitRows(vectors), design_of(labels, codes), 5)
    np.testing.assert_array_equal(seen.graph.rows, told.graph.rows)
    np.testing.assert_array_equal(seen.scores["map@r"], told.per_query.apr)
    np.testing.assert_array_equal(seen.scores["p@1"], told.per_query.p1)
    for name in ("map@r.macro", "map@r", "p@1"):
        ours, theirs = seen.estimates[name], told.estimate(name)
        assert ours.value == pytest.approx(theirs.value, abs=1e-12)
        np.testing.assert_allclose(ours.influences, theirs.influences, atol=1e-12)
        assert ours.spread().error == pytest.approx(theirs.spread().error, abs=1e-12)


def test_influences_in_a_half_are_what_is_lost_without_an_image_pairs_counted_once(oracle):
    rng = np.random.default_rng(8)
    labels = [f"c{code}" for code in rng.integers(3, size=24)]
    vectors = rng.standard_normal((24, 3)).astype(np.float32)
    design = design_of(labels)
    seen = look(UnitRows(vectors), design, 3)
    for part, found in zip((~design.reported, design.reported), seen.halves, strict=True):
        whole = {
            query: one["map@r"]
            for query, one in brute_half(oracle, vectors, labels, None, part).scores(1, (1,)).items()
        }
        weight = {query: 1 / 3 / sum(labels[other] == labels[query] for other in whole) for query in whole}
        lost, pairs = [], 0.0
        for image in np.flatnonzero(part):
            left = part.copy()
            left[image] = False
            scores = brute_half(oracle, vectors, labels, None, left).scores(1, (1,))
            lost.append(found.value - means(scores, labels)["map@r.macro"])
            pairs += sum((weight[query] * (whole[query] - one["map@r"])) ** 2 for query, one in scores.items())
        alone = of_queries(np.array([*whole.values()]), found.classes, by_class=True)
        once = without_pairs(alone.influences, np.array(lost), pairs, found.classes, by_class=True)
        np.testing.assert_allclose(found.influences, once, atol=1e-12)
        assert np.abs(once - lost).max() > 1e-3


def test_halves_cut_every_class_in_two_whatever_the_order():
    rng = np.random.default_rng(0)
    codes, ids = rng.integers(-1, 5, size=200), rng.permutation(1000)[:200]
    half = reported_half(ids, codes, None, 3)
    for code in range(5):
        assert abs(int(half[codes == code].sum()) * 2 - int((codes == code).sum())) <= 1
    order = rng.permutation(200)
    np.testing.assert_array_equal(reported_half(ids[order], codes[order], None, 3), half[order])
    assert (reported_half(ids, codes, None, 4) != half).any()


def test_small_classes_and_groups_stay_in_one_half():
    codes = np.repeat(np.arange(40), 3)
    half = reported_half(np.arange(120), codes, None, 0)
    assert set(np.bincount(codes[half], minlength=40).tolist()) == {0, 3}
    groups = np.where(np.arange(120) < 60, np.arange(120) // 5, -1)
    half = reported_half(np.arange(120), np.arange(120) % 2, groups, 0)
    assert all(half[groups == group].all() or not half[groups == group].any() for group in range(12))
    assert 40 <= half.sum() <= 80
