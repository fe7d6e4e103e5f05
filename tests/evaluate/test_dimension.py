import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from bignet.evaluate.all_pairs import all_pairs
from bignet.evaluate.dimension import chord, harmonic_mean, lid_mle, measure_dimension, twonn
from tests.evaluate.subjects import awkward_vectors, subject_of, unit


def sorted_distances(points):
    table = cdist(points, points)
    np.fill_diagonal(table, np.inf)
    return np.sort(table, axis=1)


def twonn_by_hand(points):
    """Facco et al., one row at a time, the line by a general least-squares solver."""
    near = sorted_distances(points)
    ratios = sorted(near[i, 1] / near[i, 0] for i in range(len(points)) if near[i, 0] > 0)
    kept = int(len(ratios) * 0.9)
    x = np.array([[math.log(ratio)] for ratio in ratios[:kept]])
    y = np.array([-math.log(1 - (place + 1) / len(ratios)) for place in range(kept)])
    return float(np.linalg.lstsq(x, y, rcond=None)[0][0])


def lid_by_hand(distances):
    return 1 / (math.fsum(math.log(distances[-1] / r) for r in distances[:-1]) / (len(distances) - 1))


def dimension_of(vectors, groups=None, most=20_000):
    return measure_dimension(all_pairs(subject_of(vectors, groups=groups), 20, most))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dimensions_are_those_of_the_papers_formulas(seed, dtype):
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((int(rng.integers(30, 90)), 3)) @ rng.standard_normal((3, 8)) + 1).astype(dtype)
    found = dimension_of(vectors)
    points = unit(vectors)
    assert found.metrics[0].value == pytest.approx(twonn_by_hand(points), rel=1e-6)
    local = [lid_by_hand(row) for row in sorted_distances(points)[:, :20]]
    np.testing.assert_allclose(found.lid, local, rtol=1e-7)
    assert found.metrics[1].value == pytest.approx(len(local) / sum(1 / value for value in local), rel=1e-7)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_points_drawn_evenly_have_the_dimension_they_were_drawn_in(dim):
    rng = np.random.default_rng(dim)
    points = rng.random((1000, dim)) @ np.linalg.qr(rng.standard_normal((12, dim)))[0].T
    near = sorted_distances(points)
    assert twonn(near[:, 0], near[:, 1]) == pytest.approx(dim, rel=0.12)
    assert harmonic_mean(lid_mle(near[:, :20])) == pytest.approx(dim, rel=0.15)  # edges of the box lower it


def test_scikit_dimension_gives_the_same_for_known_distances():
    # scikit-dimension 0.5.0 on these 300 points: TwoNN(discard_fraction=0.1), MLE() with n_neighbors=20
    near = sorted_distances(np.random.default_rng(0).random((300, 4)))
    assert twonn(near[:, 0], near[:, 1]) == pytest.approx(4.005781595053092, rel=1e-8)
    assert harmonic_mean(lid_mle(near[:, :20])) == pytest.approx(3.464392036585175, rel=1e-8)


def test_copies_are_counted_and_left_out():
    vectors = np.random.default_rng(1).standard_normal((60, 4))
    vectors[:7] = vectors[10:17]
    found = dimension_of(vectors)
    whole, local = found.metrics
    assert (whole.params["copies"], whole.n_queries, whole.gallery_size) == (14, 46, 60)
    assert whole.value == pytest.approx(twonn_by_hand(unit(vectors)), rel=1e-6)
    near = sorted_distances(unit(vectors))[0, :20]
    assert near[0] == 0
    assert found.lid[0] == pytest.approx(lid_by_hand(near[1:]), rel=1e-7)
    assert local.params["copies"] == 14


def test_rows_of_a_group_are_no_neighbours():
    rng = np.random.default_rng(3)
    scenes = rng.standard_normal((70, 6))
    frames = np.repeat(scenes, 2, axis=0) + 1e-4 * rng.standard_normal((140, 6))
    groups = np.repeat(np.arange(70), 2)
    apart, together = dimension_of(frames, groups), dimension_of(frames)
    assert apart.metrics[0].value > 5 * together.metrics[0].value


def test_local_dimension_is_undefined_where_distances_say_nothing():
    table = np.array([[1, 2, 4], [0, 2, 4], [0, 0, 4], [2, 2, 2], [0, 0, 0], [1, 2, np.nan]])
    found = lid_mle(table)
    assert found[0] == pytest.approx(2 / (math.log(4) + math.log(2)))
    assert found[1] == pytest.approx(1 / math.log(2))
    assert np.isnan(found[2:]).all()
    assert np.isnan(lid_mle(np.ones((3, 1)))).all()
    assert lid_mle(np.ones((0, 5))).shape == (0,)
    assert harmonic_mean(found[2:]) is None


def test_twonn_is_undefined_without_two_different_distances():
    assert twonn(np.zeros(20), np.ones(20)) is None
    assert twonn(np.ones(20), np.ones(20)) is None
    assert twonn(np.ones(0), np.ones(0)) is None
    assert twonn(np.ones(2), np.full(2, 3.0)) is None
    assert twonn(np.full(4, 1.0), np.full(4, np.nan)) is None


def test_chords_are_distances_between_unit_vectors():
    assert chord(np.array([1, 0, -1, 1 + 1e-15])).tolist() == [0, math.sqrt(2), 2, 0]
    assert np.isnan(chord(np.array([-np.inf]))).all()


def test_longer_lists_do_not_change_the_neighbours_it_is_judged_by():
    subject = subject_of(np.random.default_rng(0).standard_normal((50, 4)))
    long, short = (measure_dimension(all_pairs(subject, depth)) for depth in (30, 20))
    assert np.array_equal(long.lid, short.lid)


def test_rows_not_looked_at_have_no_local_dimension():
    vectors = awkward_vectors(0, n=60, dim=9)
    near = all_pairs(subject_of(vectors), 20, 40)
    found = measure_dimension(near)
    assert np.isnan(np.delete(found.lid, near.positions)).all()
    assert np.isfinite(found.lid).sum() == found.metrics[1].n_queries
    assert found.metrics[0].estimator == "sampled, all pairs of 40 of 60 rows"


@pytest.mark.parametrize("n", [1, 2, 3, 20, 21])
def test_few_rows_say_why_there_is_no_number(n):
    found = dimension_of(np.random.default_rng(0).standard_normal((n, 4)))
    assert (found is None) == (n < 3)
    if found is not None:
        local = found.metrics[1]
        assert (local.value is None) == (n < 21)
        assert local.reason == (None if n == 21 else "needs more than 20 rows")


def test_identical_vectors_have_no_dimension_and_say_so():
    whole, local = dimension_of(np.ones((30, 4))).metrics
    assert whole.value is None
    assert local.value is None
    assert "different distances" in whole.reason
    assert "several distances" in local.reason
