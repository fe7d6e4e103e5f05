import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve, silhouette_samples

from bignet.errors import MismatchError, UsageError
from bignet.evaluate import own_group as own_group_module
from bignet.evaluate import pair_draw, separation, silhouette
from bignet.evaluate.contrast import alignment, relative_contrast
from bignet.evaluate.graph import knn_graph
from bignet.evaluate.labels import code_labels
from bignet.evaluate.pair_draw import PairDraw
from bignet.evaluate.pair_scores import pair_scores
from bignet.evaluate.separation import cdnv, class_distance
from bignet.evaluate.separation_scores import _auroc_influences, measure_separation
from bignet.evaluate.silhouette import silhouette_cosine
from tests.evaluate.worlds import subject, world

SEEDS = range(30)


def unit(vectors):
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def one_group(groups, i, j):
    return groups is not None and groups[i] >= 0 and groups[i] == groups[j]


def all_pairs(vectors, labels, groups):
    """[(cosine on a grid, label, label)] of all labelled pairs of different groups, one by one."""
    rows = unit(vectors)
    return [
        (round(float(rows[i] @ rows[j]), 12), labels[i], labels[j])
        for i, j in itertools.combinations(range(len(labels)), 2)
        if labels[i] is not None and labels[j] is not None and not one_group(groups, i, j)
    ]


def weighed(vectors, labels, groups):
    """Scores, 1 for same-class pairs, and weights: each class the same, each two classes the same."""
    pairs = all_pairs(vectors, labels, groups)
    kinds = [tuple(sorted(pair[1:])) for pair in pairs]
    same = np.array([a == b for a, b in kinds], dtype=int)
    return np.array([pair[0] for pair in pairs]), same, np.array([1 / kinds.count(kind) for kind in kinds])


@pytest.fixture(params=[False, True], ids=["no groups", "groups"])
def grouped(request):
    return request.param


@pytest.mark.parametrize("seed", SEEDS)
def test_class_distance_leaves_out_pairs_of_a_group_within_a_class(seed):
    vectors, labels, groups = world(seed)
    found = class_distance(vectors, labels, groups=groups)
    pairs = all_pairs(vectors, labels, groups)
    free = class_distance(vectors, labels)
    for place, name in enumerate(found.labels):
        inside = [1 - cosine for cosine, a, b in pairs if a == b == name]
        expected = np.mean(inside) if inside else np.nan
        assert found.matrix[place, place] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    order = [free.labels.index(name) for name in found.labels]
    apart = ~np.eye(len(order), dtype=bool)
    assert np.array_equal(found.matrix[apart], free.matrix[np.ix_(order, order)][apart])


@pytest.mark.parametrize("seed", SEEDS)
def test_cdnv_equals_its_definition(seed):
    vectors, labels, _ = world(seed)
    found, rows = cdnv(vectors, labels), unit(vectors)
    mean = {name: rows[[label == name for label in labels]].mean(axis=0) for name in found.labels}
    spread = {
        name: np.mean(
            [np.sum((row - mean[name]) ** 2) for row, label in zip(rows, labels, strict=True) if label == name]
        )
        for name in found.labels
    }
    for (i, a), (j, b) in itertools.product(enumerate(found.labels), repeat=2):
        expected = np.nan if a == b else (spread[a] + spread[b]) / 2 / np.sum((mean[a] - mean[b]) ** 2)
        assert found.matrix[i, j] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def test_cdnv_of_equal_means_is_undefined():
    rng = np.random.default_rng(0)
    vectors, labels = 3 + rng.standard_normal((40, 9)), [str(i // 40) for i in range(800)]
    vectors = np.concatenate([rng.permutation(vectors) for _ in range(20)])  # sums that differ by rounding alone
    assert np.isnan(cdnv(vectors, labels).matrix).all()
    row = measure_separation(subject(vectors, labels)).classes[0]
    assert (row.cdnv, row.cdnv_class, row.cdnv_min) == (None, None, None)


@pytest.mark.parametrize("seed", SEEDS)
def test_silhouettes_agree_with_scikit_learn(seed):
    vectors, labels, _ = world(seed)
    found = silhouette_cosine(vectors, labels)
    labelled = [i for i, label in enumerate(labels) if label is not None]
    expected = silhouette_samples(unit(vectors)[labelled], [labels[i] for i in labelled], metric="cosine")
    np.testing.assert_allclose(found[labelled], expected, atol=1e-9)
    assert np.isnan(np.delete(found, labelled)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_silhouettes_leave_out_the_own_group(seed):
    vectors, labels, groups = world(seed)
    found, rows = silhouette_cosine(vectors, labels, groups=groups), unit(vectors)
    for i, label in enumerate(labels):
        if label is None:
            continue
        far = {
            name: [1 - rows[i] @ rows[j] for j in range(len(labels)) if labels[j] == name]
            for name in set(labels) - {None, label}
        }
        mine = [
            1 - rows[i] @ rows[j]
            for j in range(len(labels))
            if j != i and labels[j] == label and not one_group(groups, i, j)
        ]
        outer = min(np.mean(distances) for distances in far.values())
        expected = (outer - np.mean(mine)) / max(outer, np.mean(mine)) if mine else 0.0
        assert found[i] == pytest.approx(expected, abs=1e-9)


def test_silhouettes_of_close_classes_are_decided_in_float64():
    rng = np.random.default_rng(0)
    vectors = 1.0 + 1e-4 * rng.standard_normal((60, 8))
    labels = [str(i % 6) for i in range(60)]
    expected = silhouette_samples(unit(vectors), labels, metric="cosine")
    np.testing.assert_allclose(silhouette_cosine(vectors, labels), expected, atol=1e-3)  # distances of 1e-8
    classes = np.array([vectors[i::6].mean(axis=0) for i in range(6)])
    assert np.ptp(unit(vectors) @ unit(classes).T) < 1e-7


@pytest.mark.parametrize("seed", SEEDS)
def test_pair_auroc_and_rates_agree_with_scikit_learn(seed, grouped):
    vectors, labels, groups = world(seed)
    groups = groups if grouped else None
    found = pair_scores(vectors, labels, groups=groups)
    scores, same, weight = weighed(vectors, labels, groups)
    assert found.auroc() == pytest.approx(roc_auc_score(same, scores, sample_weight=weight), abs=1e-9)
    far, tar, _ = roc_curve(same, scores, sample_weight=weight, drop_intermediate=False)
    for rate in (0.3, 0.1, 0.01):
        point = found.curve.at(rate)
        assert point.tar == pytest.approx(tar[far <= rate + 1e-12].max(), abs=1e-9)
        accepted = weight[(same == 0) & (scores >= point.threshold)].sum() / weight[same == 0].sum()
        assert accepted <= rate + 1e-12
    summary = found.summary()
    for kind, bars in ((1, summary.same), (0, summary.different)):
        expected = np.histogram(scores[same == kind], summary.edges, weights=weight[same == kind])[0]
        np.testing.assert_allclose(bars, expected / expected.sum(), atol=1e-9)
    rate, threshold = found.curve.equal_error()
    assert threshold in scores
    crossing = far - (1 - tar)
    after = int(np.argmax(crossing >= 0))
    part = -crossing[after - 1] / (crossing[after] - crossing[after - 1])
    assert rate == pytest.approx(far[after - 1] + part * (far[after] - far[after - 1]), abs=1e-9)


def test_unweighted_auroc_of_balanced_classes_is_scikit_learns():
    vectors = np.random.default_rng(0).standard_normal((40, 4)) + 2 * np.eye(4)[np.arange(40) % 4]
    labels = [str(i % 4) for i in range(40)]
    scores, same, _ = weighed(vectors, labels, None)
    assert pair_scores(vectors, labels).auroc() == pytest.approx(roc_auc_score(same, scores), abs=1e-9)


def test_sampled_pairs_come_near_all_pairs_and_repeat(grouped):
    vectors, labels, groups = world(1, n=300)
    groups = groups // 10 if grouped else None
    whole = pair_scores(vectors, labels, groups=groups)
    part = pair_scores(vectors, labels, groups=groups, limit=4000, seed=3)
    assert part.sampled
    assert not whole.sampled
    assert part.auroc() == pytest.approx(whole.auroc(), abs=0.02)
    assert part.auroc() == pair_scores(vectors, labels, groups=groups, limit=4000, seed=3).auroc()
    assert part.auroc() != pair_scores(vectors, labels, groups=groups, limit=4000, seed=4).auroc()


@pytest.mark.parametrize("limit", [4000, 10**6])
def test_drawn_pairs_share_no_group_and_say_their_classes(limit, grouped):
    _, labels, groups = world(1, n=300)
    groups, codes = groups // 10 if grouped else None, code_labels(labels).codes
    draw = PairDraw(codes, groups, limit, 0)
    for pairs, is_same in ((draw.same(), True), (draw.different(), False)):
        assert len(pairs.left) <= limit
        assert (pairs.left != pairs.right).all()
        assert np.array_equal(np.repeat(pairs.kinds, pairs.counts, axis=1), codes[[pairs.left, pairs.right]])
        assert ((pairs.kinds[0] == pairs.kinds[1]) == is_same).all()
        assert (pairs.kinds[0] <= pairs.kinds[1]).all()
        assert len(np.unique(pairs.kinds, axis=1).T) == len(pairs.counts)
        assert not grouped or not any(one_group(groups, i, j) for i, j in zip(pairs.left, pairs.right, strict=True))


def test_every_permitted_pair_of_a_class_is_equally_likely():
    groups = np.array([0, 0, 0, 0, 1, -1] * 50)
    groups[4::6] = np.arange(50) % 2 + 1
    drawn = PairDraw(np.zeros(300, dtype=np.int64), groups, 20_000, 0).same()
    assert drawn.sampled
    often = np.bincount(np.concatenate([drawn.left, drawn.right]), minlength=300) / 40_000
    permitted = np.array([sum(not one_group(groups, i, j) for j in range(300) if j != i) for i in range(300)])
    np.testing.assert_allclose(often, permitted / permitted.sum(), atol=0.0015)


def test_more_class_pairs_than_the_limit_are_drawn_at_random():
    vectors = np.random.default_rng(0).standard_normal((90, 4))
    found = pair_scores(vectors, [str(i // 2) for i in range(90)], limit=200)
    assert found.different.n_pairs == 200
    assert found.same.n_pairs == 45


@pytest.mark.parametrize("seed", SEEDS)
def test_contrast_and_alignment_equal_brute_force(seed, grouped):
    vectors, labels, groups = world(seed)
    groups = groups if grouped else None
    rows, n = unit(vectors), len(labels)
    far, near = [], []
    for i in range(n):
        others = [1 - round(float(rows[i] @ rows[j]), 12) for j in range(n) if j != i and not one_group(groups, i, j)]
        far.append(np.mean(others))
        near.append(min(others))
    similarity = knn_graph(vectors, 1, groups=groups).similarity[:, 0]
    assert relative_contrast(vectors, similarity, groups=groups) == pytest.approx(
        np.mean(far) / np.mean(near), abs=1e-9
    )
    square = [2 - 2 * cosine for cosine, a, b in all_pairs(vectors, labels, groups) if a == b]
    assert alignment(vectors, labels, groups=groups) == pytest.approx(np.mean(square), abs=1e-9)
    metrics = {metric.id: metric for metric in measure_separation(subject(vectors, labels, groups)).metrics}
    assert metrics["relative_contrast"].value == pytest.approx(np.mean(far) / np.mean(near), abs=1e-9)
    assert metrics["alignment"].value == pytest.approx(np.mean(square), abs=1e-9)


def test_contrast_of_a_sample_is_that_of_the_rows_asked():
    vectors, labels, _ = world(2)
    queries = np.arange(0, len(labels), 3)
    metrics = measure_separation(subject(vectors, labels, queries=queries)).metrics
    found = next(metric for metric in metrics if metric.id == "relative_contrast")
    rows = unit(vectors)
    cosines = np.round(rows @ rows.T, 12)
    np.fill_diagonal(cosines, np.nan)
    far = 1 - np.nanmean(cosines[queries], axis=1)
    near = 1 - np.nanmax(cosines[queries], axis=1)
    assert found.value == pytest.approx(far.mean() / near.mean(), abs=1e-9)
    assert found.estimator == f"sampled, {len(queries)} of {len(labels)} rows"


def values(metrics):
    return {metric.id: metric.value for metric in metrics}


@pytest.mark.parametrize("seed", range(5))
def test_rotation_scale_and_order_of_rows_change_nothing(seed):
    vectors, labels, groups = world(seed)
    vectors = vectors.astype(np.float64)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((vectors.shape[1],) * 2))[0]
    order = rng.permutation(len(labels))
    before = measure_separation(subject(vectors, labels, groups))
    moved = subject(
        (vectors @ turn * rng.uniform(0.5, 9, (len(labels), 1)))[order], [labels[i] for i in order], groups[order]
    )
    after = measure_separation(moved)
    assert values(after.metrics) == pytest.approx(values(before.metrics), abs=1e-9)
    np.testing.assert_allclose(after.silhouette, before.silhouette[order], atol=1e-9)
    for old, new in zip(before.classes, after.classes, strict=True):
        assert (old.label, old.cdnv_class) == (new.label, new.cdnv_class)
        assert new.cdnv == pytest.approx(old.cdnv, abs=1e-9)


@pytest.mark.parametrize("kind", ["float16", "int8", "int64", "huge", "tiny"])
def test_vectors_of_any_type_give_the_same(kind):
    vectors, labels, groups = world(0)
    whole = np.rint(vectors.astype(np.float64) * 20).clip(-100, 100)
    whole[:, 0] += (whole == 0).all(axis=1)
    moved = whole * {"huge": 1e200, "tiny": 1e-200}[kind] if kind in ("huge", "tiny") else whole.astype(kind)
    before = measure_separation(subject(whole.astype(np.float64), labels, groups))
    after = measure_separation(subject(moved, labels, groups))
    assert values(after.metrics) == pytest.approx(values(before.metrics), abs=1e-9)


def test_blocks_change_nothing(monkeypatch):
    vectors, labels, groups = world(4, n=120)
    before = measure_separation(subject(vectors, labels, groups // 9))
    for module, name, cells in (
        (separation, "_BLOCK_CELLS", 12),
        (separation, "_PART", 7),
        (own_group_module, "_PART", 5),
        (silhouette, "_BLOCK_CELLS", 60),
    ):
        monkeypatch.setattr(module, name, cells)
    after = measure_separation(subject(vectors, labels, groups // 9))
    assert values(after.metrics) == pytest.approx(values(before.metrics), abs=1e-11)
    np.testing.assert_allclose(after.silhouette, before.silhouette, atol=1e-11)


def test_perfect_classes_score_perfectly():
    found = measure_separation(subject(np.repeat(np.eye(6), 8, axis=0), [str(i // 8) for i in range(48)]))
    scores = values(found.metrics)
    assert (scores["pair_auroc"], scores["eer"], scores["silhouette_cosine"], scores["alignment"]) == (1, 0, 1, 0)
    assert scores["tar@far1e-2"] == 1
    assert scores["relative_contrast"] is None
    assert found.pairs.points[0].threshold == 1
    assert found.pairs.same.sum() == pytest.approx(1)
    assert found.pairs.same[-1] == 1


def test_identical_vectors_say_nothing():
    found = measure_separation(subject(np.ones((20, 3)), [str(i % 5) for i in range(20)]))
    scores = values(found.metrics)
    assert (scores["pair_auroc"], scores["eer"], scores["silhouette_cosine"]) == (0.5, 0.5, 0)
    assert scores["tar@far1e-2"] == 0
    assert found.pairs.points[0].threshold > 1


def test_rates_finer_than_the_pairs_are_undefined_with_the_reason():
    vectors, labels, _ = world(0)
    found = measure_separation(subject(vectors, labels))
    finest = next(metric for metric in found.metrics if metric.id == "tar@far1e-4")
    assert finest.value is None
    assert finest.reason.startswith("needs 10000 pairs of different classes; there are")
    assert [point.far for point in found.pairs.points] == [1e-2]


@pytest.mark.parametrize(
    ("n", "labels"),
    [(0, []), (1, ["a"]), (2, ["a", "b"]), (3, ["a"] * 3), (4, list("abcd")), (3, [None] * 3)],
    ids=["no rows", "one row", "two rows", "one class", "all singletons", "all unlabelled"],
)
@pytest.mark.parametrize("dim", [1, 4])
def test_too_little_to_compare_is_undefined_with_a_reason(n, labels, dim):
    found = measure_separation(subject(np.random.default_rng(0).standard_normal((n, dim)), labels))
    scores = {metric.id: metric for metric in found.metrics}
    assert found.pairs is None
    for metric in found.metrics:
        assert (metric.value is None) == (metric.reason is not None)
    assert scores["pair_auroc"].value is None
    assert len(found.classes) == len(set(labels) - {None})


def test_classes_come_largest_first_with_the_class_they_are_hardest_to_tell_from():
    rng = np.random.default_rng(0)
    centre = np.array([[4, 0, 0], [4, 1, 0], [0, 0, 4]])
    labels = ["near"] * 30 + ["nearer"] * 20 + ["far"] * 10
    codes = np.repeat([0, 1, 2], [30, 20, 10])
    found = measure_separation(subject(centre[codes] + rng.standard_normal((60, 3)), labels)).classes
    assert [row.label for row in found] == ["near", "nearer", "far"]
    assert [row.cdnv_class for row in found[:2]] == ["nearer", "near"]
    assert found[0].cdnv > found[0].cdnv_min > 0


def new_classes(rng, n_classes):
    centre, codes = rng.standard_normal((n_classes, 8)), np.repeat(np.arange(n_classes), 6)
    return centre[codes] + rng.standard_normal((len(codes), 8)), [str(code) for code in codes]


def test_class_bootstrap_of_the_auroc_is_as_wide_as_it_varies():
    """New classes from one process: what the AUROC varies by, and the intervals of some of them."""
    rng = np.random.default_rng(0)
    spread = np.std([pair_scores(*new_classes(rng, 25)).auroc() for _ in range(150)], ddof=1)
    found = [measure_separation(subject(*new_classes(rng, 25), bootstrap=500)).metrics[0] for _ in range(8)]
    half = np.mean([metric.hi - metric.lo for metric in found]) / 2
    assert half / 1.96 == pytest.approx(spread, rel=0.2)


@pytest.mark.simulation
def test_class_bootstrap_of_the_auroc_holds_the_truth():
    """The interval must hold the AUROC of very many classes."""
    rng = np.random.default_rng(0)
    truth = pair_scores(*new_classes(rng, 600), limit=100_000).auroc()
    held = 0
    for _ in range(100):
        metric = measure_separation(subject(*new_classes(rng, 25), bootstrap=200)).metrics[0]
        held += metric.lo <= truth <= metric.hi
    assert held >= 88


def test_influences_are_what_a_class_more_or_less_would_change():
    """Their definition: the slope of the AUROC in the weight of one class, by finite differences."""
    vectors, labels, groups = world(0)
    pairs, names = pair_scores(vectors, labels, groups=groups), sorted({label for label in labels if label})
    every = all_pairs(vectors, labels, groups)
    found = _auroc_influences(pairs, len(names))
    assert found.mean() == pytest.approx(pairs.auroc(), abs=1e-9)
    kinds = [tuple(sorted(pair[1:])) for pair in every]
    same = [a == b for a, b in kinds]
    for code, name in enumerate(names):
        slope = 0
        for sign in (1, -1):
            heavy = [(1 + 1e-5 * sign * (a == name)) * (1 + 1e-5 * sign * (b == name) * (a != b)) for a, b in kinds]
            weight = [w / kinds.count(kind) for w, kind in zip(heavy, kinds, strict=True)]
            slope += sign * roc_auc_score(same, [pair[0] for pair in every], sample_weight=weight) / 2e-5
        assert (found[code] - found.mean()) / len(names) == pytest.approx(slope, abs=1e-6)


def test_more_pairs_than_the_limit_are_named_a_sample(monkeypatch):
    vectors, labels, _ = world(0)
    monkeypatch.setattr("bignet.evaluate.separation_scores.PAIR_LIMIT", 300)
    metric = measure_separation(subject(vectors, labels)).metrics[0]
    pairs = metric.params["n_different"]
    assert 250 < pairs <= 300
    assert metric.estimator == f"sampled, all same-class pairs and {pairs} different-class pairs by class"


def test_bad_arrays_are_refused():
    with pytest.raises(MismatchError, match="labels: found 1; the vectors have 3 rows"):
        silhouette_cosine(np.eye(3), ["a"])
    with pytest.raises(MismatchError, match="groups: found shape"):
        class_distance(np.eye(3), ["a"] * 3, groups=np.zeros(2, dtype=np.int64))
    with pytest.raises(UsageError, match="limit: found 0"):
        pair_scores(np.eye(3), ["a", "a", "b"], limit=0)
    with pytest.raises(UsageError, match="false accept rate: found 2"):
        pair_scores(np.eye(3), ["a", "a", "b"]).curve.at(2)
    with pytest.raises(MismatchError, match="nearest_similarity"):
        relative_contrast(np.eye(3), np.zeros(2))


@pytest.mark.parametrize("part", [1, 7, 100, 1000])
def test_distinct_scores_are_the_same_in_parts_of_any_size(monkeypatch, part):
    monkeypatch.setattr(pair_draw, "_DRAWN", part)
    scores = np.random.default_rng(part).integers(0, 30, size=100) / 30
    np.testing.assert_array_equal(pair_draw.distinct_scores(scores), np.unique(scores))
    assert len(pair_draw.distinct_scores(scores[:0])) == 0
