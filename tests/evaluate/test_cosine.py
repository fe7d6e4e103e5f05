import numpy as np

from bignet.evaluate.cosine import Cosines, UnitRows, usable_rows


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
