import numpy as np
import pytest
import torch

from bignet.extractor import calibrate
from bignet.extractor.calibrate import Candidate, Closeness
from tests.extractor.marks import needs_vnni
from tests.extractor.networks import Residual, Unfollowable
from tests.extractor.test_network import batch_of, plain


def some(*rows):
    return [Candidate(name, 1.0, share, share, loss) for name, share, loss in rows]


def test_those_are_taken_first_that_lose_least_for_what_they_save():
    found = some(("dear", 0.1, 0.5), ("cheap", 0.4, 0.4), ("small", 0.1, 0.05), ("large", 0.4, 0.9))
    assert [each.name for each in calibrate.cheapest(found, 1.0)] == ["small", "cheap", "dear"]
    assert [each.name for each in calibrate.cheapest(found, 0.3)] == ["small"]
    assert len(calibrate.cheapest(found, np.inf)) == 4
    assert calibrate.cheapest(found, 0.01) == []


def test_a_spec_names_them_in_order_with_what_their_input_reaches():
    found = [Candidate("b", 2.5, 0.3, 0.25, 0.1), Candidate("a", 1.5, 0.2, 0.15, 0.1)]
    assert calibrate.ranges_of(found) == (("a", 1.5), ("b", 2.5))
    assert calibrate.share_of(found) == pytest.approx(0.5)
    assert calibrate.gain_of(found) == pytest.approx(0.4)


def test_closeness_is_the_smallest_cosine_and_the_median_one_about_the_mean():
    generator = np.random.default_rng(0)
    reference = generator.normal(size=(9, 5)) + 10
    found = reference + generator.normal(size=(9, 5)) * 0.1
    near = Closeness.of(reference, found)

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    mean = reference.mean(axis=0)
    pairs = list(zip(reference, found, strict=True))
    assert near.cosine == pytest.approx(min(cosine(a, b) for a, b in pairs), abs=1e-12)
    assert near.about_mean == pytest.approx(np.median([cosine(a - mean, b - mean) for a, b in pairs]), abs=1e-12)
    assert near.about_mean < near.cosine  # what all vectors share hides differences


def test_vectors_that_are_not_finite_are_near_nothing_and_those_without_direction_do_not_count():
    reference = np.eye(3) + 1
    assert np.isnan(Closeness.of(reference, np.full((3, 3), np.inf)).cosine)
    reference[1] = 0
    assert Closeness.of(reference, reference + [[0], [5], [0]] * np.ones(3)).cosine == pytest.approx(1)
    assert np.isnan(Closeness.of(np.zeros((2, 3)), np.ones((2, 3))).cosine)
    assert np.isnan(calibrate.worst([]).cosine)


def test_overlap_is_the_share_of_the_ten_nearest_that_stays():
    generator = np.random.default_rng(0)
    reference = generator.normal(size=(40, 6))
    found = reference + generator.normal(size=(40, 6)) * 0.2

    def nearest(vectors, query):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        order = np.argsort(-(unit @ unit[query]))
        return set(order[order != query][:10])

    shares = [len(nearest(reference, query) & nearest(found, query)) / 10 for query in range(40)]
    assert 0.3 < np.mean(shares) < 1
    near = Closeness.of(reference, found)
    assert near.overlap == pytest.approx(np.mean(shares))
    assert near.overlap_lo == pytest.approx(np.mean(shares) - 1.6449 * np.std(shares, ddof=1) / np.sqrt(40), abs=1e-5)
    assert Closeness.of(reference, reference * 3).overlap == 1
    assert Closeness.of(reference[:1], found[:1]).overlap == 1  # nothing to be near to
    worst = calibrate.worst([Closeness(0.9, 0.8, 0.7, 0.6), Closeness(0.95, 0.75, 0.6, 0.5)])
    assert worst == Closeness(0.9, 0.75, 0.6, 0.5)


def test_which_copy_is_the_nearest_does_not_count():
    generator = np.random.default_rng(0)
    reference = np.repeat(generator.normal(size=(4, 8)), 32, axis=0)
    found = reference + generator.normal(size=reference.shape) * 1e-7
    assert Closeness.of(reference, found).overlap == 1


def test_a_loss_is_counted_from_what_was_lost_before():
    unit = Closeness(0.99, 0.98, 1.0, 1.0)
    base = Closeness(0.999, 0.998, 1.0, 1.0)
    assert Closeness(0.994, 0.998, 0, 0).loss_beyond(base, unit) == pytest.approx(0.5)
    assert Closeness(0.999, 0.988, 0, 0).loss_beyond(base, unit) == pytest.approx(0.5)
    assert 0 < Closeness(1.0, 1.0, 1.0, 1.0).loss_beyond(base, unit) < 0.01
    assert Closeness(np.nan, np.nan, np.nan, np.nan).loss_beyond(base, unit) == np.inf


@needs_vnni
def test_every_convolution_is_tried_on_the_sample(monkeypatch):
    monkeypatch.setattr(calibrate, "_ROUNDING", 0)
    batches = [batch_of(4, seed=seed).to(torch.bfloat16, memory_format=torch.channels_last) for seed in range(3)]
    found = {each.name: each for each in calibrate.candidates(plain(Residual, ("second",)), batches)}
    names = {"stem_0", "first_conv1", "first_conv2", "second_conv1", "second_conv2", "second_shortcut_0"}
    assert set(found) == names
    assert found["stem_0"].largest == max(float(batch.abs().max()) for batch in batches)
    assert sum(each.share for each in found.values()) == pytest.approx(1)
    # 8 -> 12 channels: a kernel of 3 x 3 multiplies nine times as often as one of 1 x 1
    assert found["second_conv1"].share == pytest.approx(9 * found["second_shortcut_0"].share)
    assert all(0 < each.loss < 100 for each in found.values())


@needs_vnni
def test_a_convolution_that_would_spend_more_on_rounding_than_it_saves_is_left_alone():
    batches = [batch_of(8).to(torch.bfloat16, memory_format=torch.channels_last)]
    found = calibrate.candidates(plain(Residual, ("second",)), batches)
    # 8 channels out, 3 x 3: 72 multiplications for a number of the input, fewer than rounding it costs
    assert "first_conv1" not in {each.name for each in found}


def test_a_network_that_cannot_be_followed_has_no_candidates():
    batches = [batch_of(8).to(torch.bfloat16, memory_format=torch.channels_last)]
    assert calibrate.candidates(plain(Unfollowable, ("act",)), batches) == []
