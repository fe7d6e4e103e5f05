import numpy as np
import pytest

from bignet.evaluate.candidates import PADDING, candidates


@pytest.mark.parametrize("depth", [1, 10, 500])
@pytest.mark.parametrize("order", ["random", "falling", "rising", "nearly all hidden"])
def test_every_score_within_slack_of_the_last_place_is_kept_and_nothing_else(depth, order):
    rng = np.random.default_rng(depth)
    scores = rng.random((3, 60_000)).astype(np.float32)
    if order != "random":
        scores.sort(axis=1)
    scores = scores[:, ::-1].copy() if order == "falling" else scores
    if order == "nearly all hidden":
        scores[:, rng.random(60_000) < 0.99] = -np.inf
    columns, near = candidates(scores, depth, 1e-5)
    for row in range(3):
        last = np.sort(scores[row])[-depth]
        kept = columns[row][columns[row] >= 0]
        assert kept.tolist() == np.flatnonzero(scores[row] >= last - np.float32(1e-5)).tolist()
        assert np.array_equal(near[row][columns[row] >= 0], scores[row][kept])
        assert np.all(near[row][columns[row] < 0] == PADDING)


def test_a_row_whose_evenly_spaced_scores_mislead_is_looked_at_in_full():
    scores = np.full((2, 32_768), 0.1, dtype=np.float32)
    scores[0, ::8] = 0.9  # the first guess sees these alone
    scores[1, 1::8] = 0.9
    for depth in (100, 5000):
        columns, _ = candidates(scores, depth, 0.0)
        for row in range(2):
            last = np.sort(scores[row])[-depth]
            assert (columns[row] >= 0).sum() == (scores[row] >= last).sum()


def test_hidden_places_are_never_candidates():
    scores = np.array([[0.5, -np.inf, 0.2]], dtype=np.float32)
    columns, _ = candidates(scores, 3, 1e-6)
    assert columns.tolist() == [[0, 2]]
