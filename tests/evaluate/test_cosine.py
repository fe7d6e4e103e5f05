import tracemalloc

import numpy as np
import pytest

from bignet.evaluate.candidates import rounding_units
from bignet.evaluate.cosine import Cosines
from bignet.evaluate.unit_rows import UnitRows, usable_rows


def test_usable_rows_are_told_from_nonfinite_and_zero_ones():
    vectors = np.ones((6, 3), dtype=np.float32)
    vectors[1, 2], vectors[3, 0], vectors[4] = np.nan, np.inf, 0
    usable, nonfinite, zero = (rows.tolist() for rows in usable_rows(vectors))
    assert (usable, nonfinite, zero) == ([0, 2, 5], [1, 3], [4])


def test_copies_score_alike_at_every_position_and_in_both_directions():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((700, 131)).astype(np.float32)
    vectors[1::2] = vectors[1]
    cosines = Cosines(UnitRows(vectors))
    odd = np.arange(1, 700, 2)
    there = cosines.exact(np.zeros(len(odd), dtype=np.int64), odd)
    back = cosines.exact(odd, np.zeros(len(odd), dtype=np.int64))
    assert len(set(there)) == 1
    assert np.array_equal(there, back)


def test_scaled_copies_are_exactly_alike():
    vector = np.random.default_rng(0).standard_normal((1, 33))
    cosines = Cosines(UnitRows(vector * np.array([[1.0], [3.7], [1e-9], [1e9]])))
    assert cosines.exact(np.array([0, 0, 1, 2]), np.array([1, 2, 3, 2])).tolist() == [1.0] * 4


def test_scores_stay_well_within_the_stated_slack():
    rng = np.random.default_rng(1)
    for dim in (1, 7, 512, 3000):
        cosines = Cosines(UnitRows(np.abs(rng.standard_normal((120, dim))) + 5))
        queries = np.arange(120)
        exact = cosines.rows.unit(queries) @ cosines.rows.unit(queries).T
        scores = cosines.block(queries)
        assert np.abs(scores - exact).max() < cosines.slack(scores) / 4
        double = cosines.double_block(queries)
        assert np.abs(double - exact).max() < cosines.slack(double) / 4


@pytest.mark.parametrize("away", [0, 1, 5, 50])
@pytest.mark.parametrize("dim", [1, 7, 512, 3000])
def test_the_slack_of_float32_vectors_shrinks_with_their_cone_and_still_holds(away, dim):
    rng = np.random.default_rng(dim)
    vectors = (rng.standard_normal((300, dim)) + away).astype(np.float32) * rng.uniform(0.1, 50, (300, 1)).astype("f")
    cosines, queries = Cosines(UnitRows(vectors)), np.arange(300)
    scores = cosines.block(queries)

    exact = cosines.rows.unit(queries) @ cosines.rows.unit(queries).T

    assert scores.dtype == np.float32
    assert np.abs(scores - exact).max() < cosines.slack(scores) / 4
    if dim > 7:
        mean = cosines.rows.unit(queries).mean(axis=0)
        units = rounding_units(dim) * np.linalg.norm(cosines.rows.unit(queries) - mean, axis=1).max()
        assert cosines.slack(scores) == pytest.approx(2 * (units + 4) * 2.0**-24)


def test_the_farthest_row_is_the_last_of_the_whole_order(oracle, awkward):
    vectors, _ = awkward(5)
    cosines, queries = Cosines(UnitRows(vectors)), np.arange(len(vectors))
    scores = cosines.block(queries)
    scores[queries, queries] = np.inf
    rows, similarity = cosines.farthest(queries, scores)
    last = [oracle.ranking(vectors, i, queries)[-1] for i in queries]
    assert rows.tolist() == [row for _, row in last]
    np.testing.assert_allclose(similarity * 1e12, [s for s, _ in last], atol=1.01)


def test_a_subset_of_rows_keeps_their_similarities():
    vectors = np.random.default_rng(2).standard_normal((20, 6))
    part = UnitRows(vectors).only(np.array([3, 9, 11]))
    assert np.array_equal(part.unit(np.arange(3)), UnitRows(vectors).unit(np.array([3, 9, 11])))


def test_the_matrix_is_never_copied():
    vectors = np.random.default_rng(3).standard_normal((40_000, 256)).astype(np.float32)
    tracemalloc.start()
    cosines = Cosines(UnitRows(vectors))
    for scores in cosines.scored(list(cosines.blocks(np.arange(96)))):
        assert scores.shape[1] == 40_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.8 * vectors.nbytes


@pytest.mark.parametrize("scale", [1e-35, 1e-25, 1.0, 1e25, 1e36])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_any_length_are_scored_alike(scale, dtype):
    vectors = np.random.default_rng(4).standard_normal((50, 8))
    plain, scaled = (Cosines(UnitRows((vectors * s).astype(dtype))) for s in (1.0, scale))
    queries = np.arange(50)
    np.testing.assert_allclose(scaled.block(queries), plain.block(queries), atol=1e-5)


def test_rows_left_out_here_and_there_are_not_scored():
    vectors = np.random.default_rng(5).standard_normal((30_000, 4)).astype(np.float32)
    rows = np.delete(np.arange(30_000), [0, 7, 9000, 20_000])
    part, alone = Cosines(UnitRows(vectors, rows)), Cosines(UnitRows(vectors[rows]))
    assert np.array_equal(part.block(np.arange(5)), alone.block(np.arange(5)))


def test_pieces_scored_ahead_are_the_pieces_scored_one_by_one():
    cosines = Cosines(UnitRows(np.random.default_rng(6).standard_normal((90, 4)).astype(np.float32)))
    pieces = [np.arange(start, start + 30) for start in (0, 30, 60)]
    for piece, scores in zip(pieces, cosines.scored(pieces), strict=True):
        np.testing.assert_allclose(scores, cosines.block(piece), atol=1e-6)
    assert list(cosines.scored([])) == []
