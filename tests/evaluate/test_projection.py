import importlib.util

import numpy as np
import pytest
import sklearn.manifold
from sklearn.decomposition import PCA

from bignet.errors import UsageError
from bignet.evaluate import projection, spectrum
from bignet.evaluate.moments import second_moments
from bignet.evaluate.projection import pca_map, stratified, trustworthiness, tsne_map, with_trust
from bignet.evaluate.unit_rows import UnitRows
from tests.evaluate.subjects import awkward_vectors, unit


def pca_of(vectors, shown=None):
    rows, n = UnitRows(vectors), len(vectors)
    return pca_map(rows, second_moments(rows, np.ones(n, dtype=bool))[1], np.arange(n) if shown is None else shown)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dim", [3, 20, 90])
def test_the_map_is_that_of_scikit_learns_pca(seed, dim):
    vectors = awkward_vectors(seed, n=40, dim=dim)
    found, model = pca_of(vectors), PCA(2, svd_solver="full").fit(unit(vectors))
    expected = model.transform(unit(vectors))
    for axis in range(2):
        turned = np.sign(found.xy[:, axis] @ expected[:, axis])
        np.testing.assert_allclose(found.xy[:, axis] * turned, expected[:, axis], atol=1e-7)
    assert found.explained == pytest.approx(model.explained_variance_ratio_.sum(), rel=1e-9)


def test_blocks_and_chosen_rows_do_not_move_the_map(monkeypatch):
    vectors = awkward_vectors(0, n=50, dim=7)
    whole = pca_of(vectors)
    monkeypatch.setattr(spectrum, "_CELLS", 7 * 8)
    some = np.array([3, 17, 40, 41, 42, 43, 44, 45, 46, 47, 49])
    found = pca_of(vectors, some)
    np.testing.assert_allclose(found.xy, whole.xy[some], atol=1e-9)
    assert np.array_equal(found.rows, some)


def test_one_dimension_is_a_line_and_no_variance_is_a_point():
    line = pca_of(np.array([[1.0], [-2.0], [3.0]]))
    assert line.explained == 1
    assert (line.xy[:, 1] == 0).all()
    assert len(set(line.xy[:, 0])) == 2
    for same in (np.ones((4, 3)), np.outer(np.linspace(0.1, 9, 50), np.linspace(0.3, 1, 7))):
        point = pca_of(same)
        assert point.explained is None
        assert (point.xy == 0).all()


@pytest.mark.parametrize("seed", range(30))
def test_trustworthiness_is_scikit_learns(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(20, 80)), int(rng.integers(1, 8))
    monkeypatch.setattr(projection, "_CELLS", 200)
    vectors, xy = rng.standard_normal((n, 6)), rng.standard_normal((n, 2))
    xy[:, 0] += vectors[:, 0]
    expected = sklearn.manifold.trustworthiness(vectors, xy, n_neighbors=k)
    assert trustworthiness(vectors, xy, k) == pytest.approx(expected, abs=1e-12)


def test_a_faithful_map_is_trusted_and_a_random_one_is_half_right():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((300, 2))
    assert trustworthiness(flat, flat * 3 + 1) == 1
    assert trustworthiness(flat, rng.standard_normal((300, 2))) == pytest.approx(0.5, abs=0.05)


def test_trustworthiness_needs_more_than_twice_as_many_rows_as_neighbours():
    xy = np.random.default_rng(0).standard_normal((11, 2))
    assert trustworthiness(xy[:10], xy[:10]) is None
    assert trustworthiness(xy, xy) == 1


def test_it_is_judged_on_a_sample_of_a_large_map(monkeypatch):
    vectors = awkward_vectors(0, n=60, dim=8)
    whole = with_trust(pca_of(vectors), UnitRows(vectors), 0).trustworthiness
    monkeypatch.setattr(projection, "TRUST_ROWS", 40)
    some = [with_trust(pca_of(vectors), UnitRows(vectors), seed).trustworthiness for seed in (0, 0, 1)]
    assert some[0] == some[1]
    assert len({whole, *some}) == 3
    assert some[0] == pytest.approx(whole, abs=0.1)


def test_a_map_of_some_rows_is_judged_by_those_rows():
    vectors, some = awkward_vectors(1, n=60, dim=8), np.arange(1, 60, 2)
    made = with_trust(pca_of(vectors, some), UnitRows(vectors), 0)
    expected = sklearn.manifold.trustworthiness(np.round(unit(vectors[some]), 15), made.xy)
    assert made.trustworthiness == pytest.approx(expected, abs=0.02)  # copies tie, and ties may fall otherwise


def test_every_class_is_on_the_map_at_the_same_rate():
    codes = np.repeat([-1, 0, 1, 2, 3], [300, 600, 90, 9, 1])
    order = np.random.default_rng(0).permutation(1000)
    shown = stratified(codes[order], 100, seed=0)
    assert len(shown) == len(set(shown)) == 100
    assert (np.diff(shown) > 0).all()
    assert np.bincount(codes[order][shown] + 1).tolist() == pytest.approx([30, 60, 9, 1, 1], abs=1)
    assert not np.array_equal(shown, stratified(codes[order], 100, seed=1))
    assert np.array_equal(shown, stratified(codes[order], 100, seed=0))


def test_with_more_classes_than_places_some_are_drawn():
    shown = [stratified(np.arange(50), 10, seed) for seed in range(30)]
    assert all(len(rows) == 10 for rows in shown)
    assert len(np.unique(shown)) > 40


def test_rows_of_a_class_are_drawn_at_random_whatever_their_order():
    drawn = np.concatenate([stratified(np.zeros(20, dtype=np.int64), 5, seed) for seed in range(200)])
    assert np.bincount(drawn, minlength=20).min() > 25


def test_few_rows_are_all_shown():
    assert stratified(np.array([4, -1, 4]), 3, 0).tolist() == [0, 1, 2]
    assert stratified(np.zeros(0, dtype=np.int64), 3, 0).tolist() == []


def blobs():
    rng = np.random.default_rng(0)
    return (5 * np.eye(8)[rng.integers(8, size=120)] + 0.5 * rng.standard_normal((120, 8))).astype(np.float32)


def test_tsne_keeps_neighbours_together_better_and_repeats():
    vectors = blobs()
    pca = pca_of(vectors)
    found = [with_trust(tsne_map(UnitRows(vectors), pca.xy, 0), UnitRows(vectors), 0) for _ in range(2)]
    assert found[0].trustworthiness > with_trust(pca, UnitRows(vectors), 0).trustworthiness + 0.1
    assert np.array_equal(found[0].xy, found[1].xy)
    assert (found[0].method, found[0].explained) == ("tsne", None)


@pytest.mark.parametrize("n", [3, 5001])
def test_tsne_refuses_too_few_and_too_many_rows(n):
    with pytest.raises(UsageError, match=f"found {n:,} rows; needed 4 to 5,000"):
        projection.check_tsne(n)


def test_tsne_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"install bignet\[eval\]"):
        projection.check_tsne(100)


@pytest.mark.parametrize("vectors", [np.ones((4, 3)), np.array([[1.0], [-1.0], [2.0], [3.0]])])
def test_tsne_takes_vectors_without_a_direction_to_start_from(vectors):
    assert np.isfinite(tsne_map(UnitRows(vectors), pca_of(vectors).xy, 0).xy).all()
