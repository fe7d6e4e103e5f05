"""Storages and indexes against the exact scan, by brute force."""

import faiss
import numpy as np
import pytest
from sklearn.datasets import load_digits

from bignet.errors import UsageError
from bignet.evaluate.ladder.climb import climb
from bignet.evaluate.ladder.settings import LadderSettings

QUICK = LadderSettings(seconds=0.0, bootstrap=200)


@pytest.fixture(scope="module")
def digits():
    vectors, labels = load_digits(return_X_y=True)
    return vectors.astype(np.float32), [str(label) for label in labels]


@pytest.fixture(scope="module")
def climbed(digits):
    ladder = climb(*digits, QUICK)
    return ladder, {rung.id: rung for rung in ladder.rungs}


def unit(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_hand(scores, exact, labels, k=10):
    """Overlap with the exact scan, and P@1, both as the mean over all orders of what ties."""
    np.fill_diagonal(scores, -9)
    np.fill_diagonal(exact, -9)
    overlap, first = [], []
    for own, best, label in zip(scores, exact, labels, strict=True):
        good = best >= np.sort(best)[-k] - 1e-6
        edge = np.sort(own)[-k]
        better, tied = own > edge, own == edge
        overlap.append((good[better].sum() + good[tied].mean() * (k - better.sum())) / k)
        first.append((labels[own == own.max()] == label).mean())
    return np.mean(overlap), np.mean(first)


def test_digits_come_out_as_published(climbed):
    _, rungs = climbed
    assert rungs["fp32"].p1.value == pytest.approx(0.988870, abs=1e-6)
    assert rungs["fp16"].overlap.value == pytest.approx(0.9997, abs=5e-5)
    assert rungs["bf16"].overlap.value == pytest.approx(0.9972, abs=5e-5)
    assert all(rungs[name].p1.value == rungs["fp32"].p1.value for name in ("fp16", "bf16", "int8"))
    assert rungs["int8"].overlap.value > 0.99
    assert rungs["sign"].overlap.value == pytest.approx(0.509, abs=3e-3)  # published for one order of what ties
    assert rungs["sign"].p1.value == pytest.approx(0.954, abs=3e-3)


@pytest.mark.parametrize("name", ["fp16", "int8", "sign"])
def test_storages_are_compared_as_brute_force_compares_them(digits, climbed, name):
    vectors, labels = digits
    rows = unit(vectors).astype(np.float32)
    quantised = faiss.index_factory(64, "SQ8", faiss.METRIC_INNER_PRODUCT)
    quantised.train(rows)
    quantised.add(rows)
    stored = {
        "fp16": rows.astype(np.float16),
        "int8": np.asarray(
            quantised.reconstruct_n(0, len(rows))
        ),  # a tensor once faiss.contrib.torch_utils is imported
        "sign": np.where(rows > rows.mean(axis=0, dtype=np.float64), 1.0, -1.0),
    }[name]
    scores, exact = (np.round(unit(each) @ unit(each).T, 12) for each in (stored, rows))
    overlap, first = by_hand(scores, exact, np.array(labels))
    rung = climbed[1][name]
    assert rung.overlap.value == pytest.approx(overlap, abs=1e-9)
    assert rung.p1.value == pytest.approx(first, abs=1e-9)
    assert rung.p1_change.value == pytest.approx(first - climbed[1]["fp32"].p1.value, abs=1e-9)
    assert rung.overlap.lo <= overlap <= rung.overlap.hi


def test_indexes_are_judged_by_what_they_find(digits, climbed):
    vectors, _ = digits
    rung = climbed[1]["ivf"]
    rows = unit(vectors).astype(np.float32)
    index = faiss.index_factory(64, f"IVF{rung.params['lists']},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.nprobe = 0, rung.params["nprobe"]
    faiss.omp_set_num_threads(1)
    index.train(rows)
    index.add(rows)
    exact = rows.astype(np.float64) @ rows.astype(np.float64).T
    np.fill_diagonal(exact, -9)
    edges = np.sort(exact, axis=1)[:, -10]
    found = [
        [row for row in hits if row not in (-1, own)][:10]
        for own, hits in enumerate(index.search(rows, 11)[1].tolist())
    ]
    kept = [np.sum(exact[own, hits] >= edges[own] - 1e-6) / 10 for own, hits in enumerate(found)]
    assert rung.overlap.value == pytest.approx(np.mean(kept), abs=1e-9)
    assert climbed[1]["hnsw"].overlap.value > 0.99


def test_bytes_are_those_of_the_codes_and_what_holds_them(climbed):
    rungs = climbed[1]
    assert [rungs[name].bytes_a_vector for name in ("fp32", "fp16", "int8", "sign", "itq")] == [256, 128, 64, 8, 4]
    assert rungs["pq"].bytes_a_vector == pytest.approx(4 + 256 * 64 * 4 / 1797, abs=1e-3)
    assert 256 < rungs["ivf"].bytes_a_vector < 300 < rungs["hnsw"].bytes_a_vector


def test_numbers_are_the_same_each_time_and_timings_stand_apart(digits):
    first, again = (climb(digits[0][:400], digits[1][:400], QUICK) for _ in range(2))
    assert again.rungs == first.rungs
    assert set(again.timings) == {rung.id for rung in again.measured}
    assert all(min(timing.single, timing.batch) > 0 for timing in again.timings.values())


def test_turning_and_scaling_change_no_storage_that_is_not_by_coordinate(digits):
    vectors, labels = digits[0][:400], digits[1][:400]
    before = {rung.id: rung for rung in climb(vectors, labels, QUICK).rungs}
    turned = vectors @ np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    scaled = turned * np.random.default_rng(1).uniform(0.1, 9, size=(len(turned), 1))
    rungs = {rung.id: rung for rung in climb(scaled.astype(np.float32), labels, QUICK).rungs}
    assert rungs["fp32"].p1.value == before["fp32"].p1.value
    assert rungs["fp16"].overlap.value > 0.999
    assert rungs["sign"].overlap.value != before["sign"].overlap.value


def test_more_vectors_than_wanted_are_sampled_and_it_is_said(digits):
    vectors, labels = digits
    ladder = climb(vectors, labels, LadderSettings(most_rows=600, queries=100, seconds=0.0, bootstrap=0))
    assert (ladder.n_rows, ladder.n_queries) == (600, 100)
    assert ladder.estimator == "sampled, 600 of 1,797 vectors, 100 of 600 asked"
    assert {rung.overlap.estimator for rung in ladder.rungs} == {ladder.estimator}
    assert ladder.exact.overlap.value == 1


def test_without_labels_only_neighbours_are_judged(digits):
    vectors, _ = digits
    ladder = climb(vectors[:300], [None] * 300, QUICK)
    assert all(rung.overlap.value is not None for rung in ladder.measured)
    assert {rung.p1.value for rung in ladder.rungs} == {None}
    assert "no label can be found again" in {rung.p1.reason for rung in ladder.rungs}
    assert ladder.exact.p1.excluded.unlabelled == 300


def test_images_alone_in_their_class_are_not_asked_for_it(digits):
    vectors, labels = digits
    given = ["alone", *labels[1:300]]
    ladder = climb(vectors[:300], given, QUICK)
    assert (ladder.exact.p1.n_queries, ladder.exact.p1.excluded.singleton) == (299, 1)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 12, 90])
def test_few_vectors_give_what_they_can_and_a_reason_for_the_rest(n):
    vectors = np.random.default_rng(0).normal(size=(n, 20)).astype(np.float32)
    ladder = climb(vectors, ["a"] * n, QUICK)
    if n < 2:
        assert ladder is None
        return
    assert ladder.k == min(10, n - 1)
    assert {rung.overlap.value for rung in ladder.rungs if rung.id in ("fp32", "hnsw")} == {1}
    assert all(rung.reason for rung in ladder.rungs if rung.overlap.value is None)
    assert all(rung.overlap.reason == rung.reason for rung in ladder.rungs)


def test_equal_vectors_and_single_dimensions_are_defined():
    for vectors in (np.ones((40, 8), np.float32), np.arange(1, 41, dtype=np.float32)[:, None]):
        ladder = climb(vectors, ["a", "b"] * 20, QUICK)
        assert all(rung.overlap.value == 1 for rung in ladder.measured)
        assert ladder.exact.tie_rate == 1
        assert ladder.exact.p1.value == pytest.approx(19 / 39)


def test_settings_below_one_are_refused():
    with pytest.raises(UsageError, match="queries: found 0; needed at least 1"):
        LadderSettings(queries=0)
