"""From proposed rows to answers: ordered as float64 orders them, however quickly they were compared."""

import numpy as np
import pytest

from bignet.index.neighbors import NONE, best, normalise, normalised
from bignet.index.vectors import InMemory
from tests.index.stores import vectors_of


def nearly_equal(n, dims=64):
    """(n, dims) unit vectors whose cosines with the first differ by less than float32 can tell."""
    rng = np.random.default_rng(0)
    middle = rng.standard_normal(dims)
    return normalised((middle + 1e-4 * rng.standard_normal((n, dims))).astype(np.float32))


@pytest.mark.parametrize("made", [nearly_equal, lambda n: normalised(vectors_of(3, n, 64))])
def test_the_order_is_that_of_float64(made):
    unit = made(200)
    proposed = np.tile(np.random.default_rng(1).permutation(200), (5, 1))
    rows, scores = best(unit[:5], proposed, 20, InMemory(unit), None)
    wanted, cosines = best(unit[:5], proposed, 20, InMemory(unit), None, exactly=True)
    assert rows.tolist() == wanted.tolist()
    np.testing.assert_allclose(scores, cosines, atol=2e-7)


def test_equal_rows_come_in_the_order_of_their_rank():
    unit = np.repeat(normalised(vectors_of(4, 3, 64)), 30, axis=0)
    proposed = np.tile(np.random.default_rng(1).permutation(90), (2, 1))
    rank = np.arange(90)[::-1]
    rows, _ = best(unit[:2], proposed, 10, InMemory(unit), rank)
    assert rows.tolist() == [list(range(29, 19, -1))] * 2


def test_what_was_not_proposed_scores_nothing():
    unit = normalised(vectors_of(5, 40, 16))
    rows, scores = best(unit[:1], np.array([[3, NONE, 0, 7]]), 4, InMemory(unit), None)
    assert rows[0, 0] == 0
    assert (rows[0, 3], scores[0, 3]) == (NONE, -np.inf)
    assert np.isfinite(scores[0, :3]).all()


@pytest.mark.parametrize("rows", [1, 5000])
def test_rows_get_length_one_whatever_their_size_and_zeros_stay(rows):
    vectors = vectors_of(6, rows, 600) * np.float32(1e15)
    vectors[-1] = 0
    normalise(vectors)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths[:-1], 1, atol=1e-6)
    assert lengths[-1] == 0
