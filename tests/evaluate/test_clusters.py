import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.clusters import kmeans, stability
from bignet.evaluate.clusters import placement as placements
from bignet.evaluate.clusters.cards import cards
from bignet.evaluate.clusters.find import cluster, find_clusters
from bignet.evaluate.clusters.kmeans import MANY, at_once, directions
from bignet.evaluate.clusters.placement import look_around, place, place_given
from bignet.evaluate.clusters.result import KPoint
from bignet.evaluate.clusters.settings import ClusterSettings
from bignet.evaluate.clusters.stability import ks_to_try, stabilities, suggest
from bignet.evaluate.labels import code_labels
from bignet.evaluate.unit_rows import UnitRows

QUICK = ClusterSettings(starts=1, splits=2)


def blobs(n_groups=6, each=40, dim=8, width=0.1, seed=0):
    """Vectors in separate groups, and the group of each."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(n_groups), each))
    return 3 * np.eye(dim)[groups] + width * rng.standard_normal((len(groups), dim)), groups


def unit_of(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def one(vectors, labels=None, k=5, **settings):
    return cluster(vectors, labels, ClusterSettings(k=(k,), starts=1, splits=2, **settings)).chosen


@pytest.mark.parametrize("seed", range(30))
def test_every_fact_of_a_card_equals_brute_force(seed, awkward):
    vectors, labels = awkward(seed, n=60)
    unit = unit_of(vectors.astype(np.float64))
    found = one(vectors, labels)
    similar = unit @ unit.T
    assert sum(card.size for card in found.clusters) == 60
    names = sorted({label for label in labels if label is not None})
    n_labelled = sum(label is not None for label in labels)
    for card in found.clusters:
        rows = np.flatnonzero(found.assignment == card.number)
        mean = np.array([np.mean([similar[i, j] for j in rows]) for i in rows])
        assert mean[list(rows).index(card.medoid)] == pytest.approx(mean.max(), abs=1e-9)
        pairs = [similar[i, j] for i in rows for j in rows if i != j]
        assert card.size == len(rows)
        assert card.cohesion == (pytest.approx(np.mean(pairs), abs=1e-9) if pairs else None)
        within = sorted(1 - found.similarity[rows])[-(-95 * len(rows) // 100) - 1]
        assert card.p95 == pytest.approx(within, abs=1e-11)
        low, high = np.percentile(mean, [25, 75])
        far = {int(row) for row, value in zip(rows, mean, strict=True) if value < low - 1.5 * (high - low) - 1e-11}
        assert set(card.outlier_rows) <= far
        assert len(card.outlier_rows) == min(3, len(far))
        own = [labels[row] for row in rows if labels[row] is not None]
        assert card.unlabelled_share == pytest.approx(1 - len(own) / len(rows))
        if not own:
            assert (card.label, card.label_share, card.label_lift, card.entropy) == (None, None, None, None)
            continue
        counts = {name: own.count(name) for name in names}
        assert card.label == max(names, key=lambda name: (counts[name], [-ord(c) for c in name]))
        assert card.label_share == pytest.approx(counts[card.label] / len(own))
        assert card.label_lift == pytest.approx(card.label_share / (labels.count(card.label) / n_labelled))
        shares = np.array([count / len(own) for count in counts.values() if count])
        assert card.entropy == pytest.approx(-(shares * np.log(shares)).sum() / np.log(len(names)), abs=1e-9)
        other = [row for row in rows if labels[row] not in (None, card.label)]
        assert card.minority_rows == tuple(sorted(other, key=lambda row: (-found.similarity[row], row))[:12])
        ranked = sorted(rows, key=lambda row: (-found.similarity[row], row))
        assert card.nearest_rows == tuple(row for row in ranked if row != card.medoid)[:3]
        assert card.boundary_rows == tuple(sorted(rows, key=lambda row: (found.margin[row], row))[:3])


@pytest.mark.parametrize("seed", range(30))
def test_rows_go_to_the_nearest_centre_and_know_the_next(seed):
    rng = np.random.default_rng(seed)
    vectors, centres = rng.standard_normal((50, 4)).astype(np.float32), directions(rng.standard_normal((6, 4)))

    found = place(UnitRows(vectors), [centres])[0]

    assert {tuple(row) for row in found.centres} <= {tuple(row) for row in centres}
    scores = np.sort(unit_of(vectors.astype(np.float64)) @ found.centres.T, axis=1)
    np.testing.assert_allclose(scores[:, -1], (unit_of(vectors) @ centres.T).max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.similarity, scores[:, -1], atol=1e-6)
    np.testing.assert_allclose(found.margin, scores[:, -1] - scores[:, -2], atol=1e-6)
    own, other = 1 - scores[:, -1], 1 - scores[:, -2]
    assert found.silhouette == pytest.approx(np.mean((other - own) / np.maximum(own, other)), abs=1e-9)
    assert (np.diff(found.sizes) <= 0).all()
    assert (found.assignment == (unit_of(vectors) @ found.centres.T).argmax(axis=1)).all()


def test_blocks_change_nothing(monkeypatch):
    vectors, groups = blobs()
    labels = [f"g{g}" for g in groups]
    whole = cluster(vectors, labels, QUICK)
    monkeypatch.setattr(placements, "_CELLS", 8 * 7)
    parts = cluster(vectors, labels, QUICK)
    assert parts.curve == whole.curve
    assert parts.chosen.clusters == whole.chosen.clusters


def test_separate_groups_are_found_and_their_number_is_suggested():
    vectors, groups = blobs(each=60)

    found = cluster(vectors, [f"g{g}" for g in groups], ClusterSettings(starts=5))

    assert found.suggested == 6
    by_id = {metric.id: metric for metric in found.metrics}
    assert [by_id[name].value for name in ("v_measure", "ari", "ami", "purity")] == [1.0] * 4
    assert by_id["v_measure"].chance < 0.1
    assert by_id["cluster_stability"].value > 0.95
    assert [card.size for card in found.chosen.clusters] == [60] * 6
    assert all(card.label_lift == pytest.approx(6) and card.entropy == 0 for card in found.chosen.clusters)
    assert found.chosen.warnings == ()


def test_a_wrong_label_is_in_the_minority_and_a_stray_row_is_an_outlier():
    vectors, groups = blobs(n_groups=3, each=50)
    labels = [f"g{g}" for g in groups]
    labels[10] = f"g{(groups[10] + 1) % 3}"
    vectors[20] = 3 * np.eye(8)[groups[20]] + 2 * np.eye(8)[7]

    found = cluster(vectors, labels, ClusterSettings(k=(3,), starts=5))

    cards = found.chosen.clusters
    assert 10 in cards[found.chosen.assignment[10]].minority_rows
    assert cards[found.chosen.assignment[20]].outlier_rows[0] == 20


def test_unlabelled_rows_are_clustered_and_count_in_no_agreement():
    vectors, groups = blobs()
    labels = [None if row % 3 == 0 else f"g{g}" for row, g in enumerate(groups)]

    found = cluster(vectors, labels, QUICK)

    record = next(metric for metric in found.metrics if metric.id == "v_measure")
    assert (record.n_queries, record.excluded.unlabelled, record.gallery_size) == (160, 80, 240)
    assert sum(card.size for card in found.chosen.clusters) == 240


def test_without_labels_agreement_is_undefined_with_the_reason():
    found = cluster(blobs()[0], None, QUICK)
    assert all(point.v_measure is None for point in found.curve)
    missing = [metric for metric in found.metrics if metric.value is None]
    assert {metric.id for metric in missing} == {"homogeneity", "completeness", "v_measure", "ari", "ami", "purity"}
    assert {metric.reason for metric in missing} == {"no labels"}


@pytest.mark.parametrize("change", ["rotated", "scaled", "half"])
def test_rotation_scale_and_precision_leave_the_clusters(change):
    vectors, _ = blobs(dim=16)
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((16, 16)))[0]
    other = {
        "rotated": vectors @ turn,
        "scaled": vectors * np.random.default_rng(6).uniform(0.5, 9, (len(vectors), 1)),
        "half": vectors.astype(np.float32),
    }[change]
    before, after = (one(item, k=6) for item in (vectors, other))
    assert (before.assignment == after.assignment).all()
    assert [card.medoid for card in before.clusters] == [card.medoid for card in after.clusters]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_rows_give_none(n):
    assert cluster(np.eye(5)[:n]) is None


def test_twelve_images_in_seven_classes_are_divided_into_seven_with_a_warning():
    vectors = np.random.default_rng(3).standard_normal((12, 6))

    found = cluster(vectors, [f"c{row % 7}" for row in range(12)])

    assert found.suggested == 7
    assert "too few rows" in found.reason
    assert found.chosen.k == 7
    assert "fewer than 39" in found.chosen.warnings[0]
    assert all(point.stability is None for point in found.curve)


def test_copies_of_one_vector_are_one_cluster_and_say_so():
    found = cluster(np.ones((50, 4)), ["a", "b"] * 25)
    assert found.chosen.k == 1
    assert found.chosen.warnings == ("only 1 different rows: there can be no more clusters",)
    assert np.isnan(found.chosen.margin).all()
    card = found.chosen.clusters[0]
    assert (card.size, card.medoid, card.cohesion, card.p95, card.nearest) == (50, 0, 1.0, 0.0, None)
    assert next(metric for metric in found.metrics if metric.id == "simplified_silhouette").value is None


def test_more_clusters_than_rows_become_one_a_row():
    found = cluster(np.random.default_rng(0).standard_normal((9, 5)), None, ClusterSettings(k=(500,)))
    assert found.suggested == 9
    assert {card.size for card in found.chosen.clusters} == {1}
    assert all(card.cohesion is None for card in found.chosen.clusters)
    assert "only 9 different rows" in found.chosen.warnings[0]


@pytest.mark.parametrize("dim", [1, 2])
def test_few_dimensions_and_a_constant_one_are_defined(dim):
    vectors = np.random.default_rng(0).standard_normal((80, dim))
    vectors[:, -1] = 1.0
    found = cluster(vectors, ["one"] * 80)
    assert sum(card.size for card in found.chosen.clusters) == 80
    assert all(card.entropy is None for card in found.chosen.clusters)


def test_an_empty_cluster_is_left_out():
    centres = np.array([[1.0, 0], [0, 1.0], [-1.0, 0]])
    found = place(UnitRows(np.array([[2.0, 0.1], [0.1, 1], [0.2, 1]])), [centres])[0]
    assert found.centres.tolist() == [[0, 1], [1, 0]]
    assert found.assignment.tolist() == [1, 0, 0]
    assert found.margin[0] == pytest.approx((2 - 0.1) / np.hypot(2, 0.1))


def test_noise_has_no_similarity_and_no_cluster():
    vectors, groups = blobs(n_groups=2, each=5)
    given = np.where(np.arange(10) == 4, -1, groups)
    found = place_given(UnitRows(vectors), given, 2)
    assert found.assignment[4] == -1
    assert np.flatnonzero(np.isnan(found.similarity)).tolist() == [4]
    assert sorted(found.sizes.tolist()) == [4, 5]
    assert np.isfinite(found.silhouette)


def test_largest_cluster_comes_first_and_equals_by_their_first_row():
    vectors = np.eye(3)[[2, 1, 1, 0, 0, 0, 2]]
    assert place(UnitRows(vectors), [np.eye(3)])[0].assignment.tolist() == [1, 2, 2, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("n", "classes", "expected"),
    [
        (50_000, 100, (8, 16, 32, 64, 100, 128, 256, 512)),
        (2_000, 10, (8, 10, 16, 32)),
        (312, 0, (8,)),
        (311, 1, (2, 4, 8)),
        (12, 7, (2, 7)),
        (11, 0, (2,)),
        (5, 5, (2,)),
        (10_000, 3_000, (8, 16, 32, 64, 128, 256)),
    ],
)
def test_the_grid_has_rows_for_each_cluster_and_the_number_of_classes(n, classes, expected):
    assert ks_to_try(n, n, classes, ClusterSettings()) == expected


def test_no_more_clusters_are_tried_than_there_are_different_rows():
    assert ks_to_try(2_000, 9, 10, ClusterSettings()) == (8, 9)
    assert ks_to_try(2_000, 9, 10, ClusterSettings(k=[50, 4, 20])) == (4, 9)


def point(k, stability, error=0.0, silhouette=0.0):
    return KPoint(k, silhouette, stability, error, None, 10)


def test_the_largest_k_within_one_standard_error_of_the_best_is_suggested():
    curve = [point(8, 0.80, 0.3), point(16, 0.90, 0.05), point(32, 0.86, 0.001), point(64, 0.84, 0.5)]
    k, reason = suggest(curve, 64)
    assert k == 32
    assert "0.86" in reason
    assert "k = 16" in reason


def test_without_stability_the_number_of_classes_or_the_silhouette_decides():
    curve = [point(2, None, None, 0.2), point(4, None, None, 0.6), point(7, None, None, 0.6)]
    assert suggest(curve, 7)[0] == 7
    assert suggest(curve, 5)[0] == 4


def test_stability_is_one_for_groups_that_exist_and_low_for_those_that_do_not():
    firm = stabilities(UnitRows(blobs(n_groups=3, each=80)[0]), (3,), ClusterSettings(starts=5))
    loose = stabilities(UnitRows(np.random.default_rng(1).standard_normal((400, 20))), (16,), ClusterSettings())
    assert firm[3] == (1.0, 0.0)
    assert loose[16][0] < 0.3
    assert 0 < loose[16][1] < 0.1


def test_the_suggested_k_the_classes_and_the_ks_beside_get_cards():
    vectors, groups = blobs(n_groups=5, each=100)
    found = cluster(
        vectors, [f"g{g}" for g in groups], ClusterSettings(k=(2, 3, 5, 9, 12), cards=3, starts=5, splits=2)
    )
    assert found.suggested == 5
    assert sorted(found.clusterings) == [3, 5, 9]
    assert found.metrics == found.clusterings[5].metrics


def test_two_runs_and_any_number_of_threads_give_the_same_bytes():
    code = (
        "import hashlib, numpy as np\n"
        "from bignet.evaluate.clusters.find import cluster\n"
        "from bignet.evaluate.clusters.settings import ClusterSettings\n"
        "x = np.random.default_rng(0).standard_normal((1500, 64)).astype(np.float32)\n"
        "f = cluster(x, None, ClusterSettings(k=(7, 30), splits=2, starts=1))\n"
        "arrays = [getattr(c, n) for c in f.clusterings.values() for n in ('assignment', 'similarity', 'margin')]\n"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in arrays)).hexdigest())\n"
        "print(f.curve, f.chosen.clusters, f.metrics)\n"
    )
    answers = set()
    for threads, core in (("1", True), ("2", False)):
        words = [sys.executable, "-c", code]
        if core:
            words = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *words]
        done = subprocess.run(
            words, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": threads}
        )
        answers.add(hashlib.sha256(done.stdout.encode()).hexdigest())
    assert len(answers) == 1


def test_vectors_are_not_written_to():
    vectors, groups = blobs()
    vectors.flags.writeable = False
    assert cluster(vectors, [str(g) for g in groups], QUICK) is not None


def test_what_cannot_be_clustered_is_refused():
    with pytest.raises(MismatchError, match="found 1; the vectors have 5 rows"):
        cluster(np.eye(5), ["a"])
    with pytest.raises(UsageError, match="the first is row 2"):
        cluster(np.diag([1.0, 1, 0, np.nan, 1]))
    with pytest.raises(UsageError, match="shape"):
        cluster(np.zeros(4))


@pytest.mark.parametrize(
    "wrong", [{"method": "dbscan"}, {"k": "many"}, {"k": ()}, {"k": (0,)}, {"k": (2.5,)}, {"cards": 0}, {"splits": 1}]
)
def test_settings_that_cannot_be_used_are_named(wrong):
    with pytest.raises(UsageError, match=f"{next(iter(wrong))}: found"):
        ClusterSettings(**wrong)


def test_a_subject_is_clustered_as_its_vectors_are():
    class Subject:
        rows = UnitRows(blobs()[0])
        coded = code_labels([f"g{g}" for g in blobs()[1]])

    found = find_clusters(Subject(), QUICK)

    assert found.curve == cluster(blobs()[0], [f"g{g}" for g in blobs()[1]], QUICK).curve


@pytest.mark.parametrize("seed", range(5))
def test_the_medoid_is_nearest_to_all_rows_and_not_to_the_centre(seed):
    rng = np.random.default_rng(seed)
    vectors, centres = rng.standard_normal((60, 3)), directions(rng.standard_normal((4, 3)))
    rows = UnitRows(vectors)
    found = place(rows, [centres])[0]
    look_around(rows, [found])
    similar = unit_of(vectors) @ unit_of(vectors).T
    for card in cards(found, code_labels([None] * 60)):
        members = np.flatnonzero(found.assignment == card.number)
        assert card.medoid == members[similar[np.ix_(members, members)].mean(axis=1).argmax()]


def test_stability_is_measured_on_rows_that_no_fit_has_seen(monkeypatch):
    seen, judged = [], []
    real_sampled, real_ari = stability.sampled, stability._ari_on
    monkeypatch.setattr(stability, "sampled", lambda rows, at: seen.append(set(at)) or real_sampled(rows, at))
    monkeypatch.setattr(
        stability, "_ari_on", lambda rows, at, *rest: judged.append(set(at)) or real_ari(rows, at, *rest)
    )
    rows = UnitRows(np.random.default_rng(0).standard_normal((90, 4)))
    for split in range(3):
        stability._agreement(rows, 3, split, ClusterSettings())
        first, second, third = seen[-2], seen[-1], judged[-1]
        assert len(first | second | third) == len(first) + len(second) + len(third) == 90
    assert len({frozenset(each) for each in seen}) == 6


def test_a_large_sample_held_in_16_bits_gives_the_centres_of_one_in_32(monkeypatch):
    vectors, groups = blobs(width=0.5, dim=16)
    rows, every = UnitRows(vectors), np.arange(len(vectors))
    whole = kmeans.sampled(rows, every)
    monkeypatch.setattr(kmeans, "_LARGE", 0)
    monkeypatch.setattr(kmeans, "_DECODED", 64)
    halves = kmeans.sampled(rows, every)
    assert (whole.dtype, halves.dtype) == (np.float32, np.float16)
    assert np.array_equal(halves, whole.astype(np.float16))
    settings = ClusterSettings(starts=5)
    own, same = (kmeans.fit(points, 6, settings, 0) for points in (whole, halves))
    assert (own @ same.T).max(axis=1).min() > 0.999999
    assert kmeans.count_distinct(halves) == len(vectors)
    assert len(np.unique(np.stack([groups, (unit_of(vectors) @ same.T).argmax(axis=1)]), axis=1).T) == 6


def test_fits_have_one_core_each_and_leave_the_caller_its_own():
    before = faiss.omp_get_max_threads()
    assert set(at_once(lambda *_: faiss.omp_get_max_threads(), [(2, place) for place in range(6)])) == {1}
    assert faiss.omp_get_max_threads() == before


def test_fits_of_many_centres_come_first_with_small_products_and_answers_keep_the_order_of_the_tasks():
    usual, began = faiss.cvar.distance_compute_blas_query_bs, []

    def work(k, name):
        began.append(k)
        return k, name, faiss.cvar.distance_compute_blas_query_bs

    tasks = [(8, "a"), (MANY, "b"), (MANY + 1, "c"), (512, "d"), (9, "e")]
    found = at_once(work, tasks)
    assert [each[:2] for each in found] == tasks
    assert [each[2] for each in found] == [usual, usual, 1024, 1024, usual]
    assert set(began[:2]) == {MANY + 1, 512}
    with pytest.raises(ZeroDivisionError):
        at_once(lambda k, _: k // 0, [(512, "a")])
    assert faiss.cvar.distance_compute_blas_query_bs == usual


def test_two_that_fit_alike_go_on_together_and_one_that_fits_otherwise_waits():
    usual = faiss.cvar.distance_compute_blas_query_bs
    both, seen = threading.Barrier(2, timeout=20), []

    def few(k, name):
        both.wait()
        seen.append((k, name, faiss.cvar.distance_compute_blas_query_bs))

    def many(k, name):
        seen.append((k, name, faiss.cvar.distance_compute_blas_query_bs))

    with ThreadPoolExecutor(3) as callers:
        first = callers.submit(at_once, few, [(8, "a")])
        while not both.n_waiting and not first.done():
            time.sleep(0.001)
        other = callers.submit(at_once, many, [(512, "b")])
        time.sleep(0.1)
        assert not other.done()
        callers.submit(at_once, few, [(9, "c")]).result()
        other.result()
    assert sorted(seen[:2]) == [(8, "a", usual), (9, "c", usual)]
    assert seen[2] == (512, "b", 1024)
    assert faiss.cvar.distance_compute_blas_query_bs == usual


def test_directions_are_counted_until_there_are_enough():
    points = np.repeat(np.eye(50, dtype=np.float32), 100, axis=0)
    assert kmeans.count_distinct(points) == 50
    assert 20 <= kmeans.count_distinct(points, enough=20) < 50


def test_the_number_of_classes_gets_cards_however_far_it_is_from_the_suggested():
    vectors, _ = blobs(n_groups=3, each=100)
    labels = [f"g{row % 40}" for row in range(300)]
    found = cluster(vectors, labels, ClusterSettings(k=(2, 3, 4, 40), cards=2, starts=5, splits=2))
    assert found.suggested == 3
    assert sorted(found.clusterings) == [3, 40]
