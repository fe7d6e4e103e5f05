import dataclasses
import hashlib
import math
import re

import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.evaluate import EvaluateSettings, evaluate, gallery_fingerprint
from bignet.evaluate.result import Metric

WITHIN = "query bootstrap within class"

IDS = [
    "map@r.macro",
    "map@r",
    "p@1",
    "p@1.macro",
    "p@10",
    "p@10.macro",
    "r_precision",
    "r_precision.macro",
    "mrr",
    "mrr.macro",
    "p@5",
    "p@5.macro",
    "p@20",
    "p@20.macro",
    "hit@5",
    "hit@5.macro",
    "recall@5",
    "recall@5.macro",
    "hit@10",
    "hit@10.macro",
    "recall@10",
    "recall@10.macro",
    "hit@20",
    "hit@20.macro",
    "recall@20",
    "recall@20.macro",
    "map@10/minRk",
    "map@10/minRk.macro",
    "ndcg@10",
    "ndcg@10.macro",
    "map",
    "map.macro",
    "knn_acc",
    "knn_acc.macro",
    "ncc_acc",
    "ncc_acc.macro",
]


def clustered(n=120, n_classes=6, dim=16, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(n_classes, size=n)
    vectors = rng.standard_normal((n_classes, dim))[codes] + spread * rng.standard_normal((n, dim))
    return vectors.astype(np.float32), [f"class {code}" for code in codes]


def run(vectors, labels=None, **settings):
    asked = EvaluateSettings(**{"families": False, **settings})
    return evaluate(vectors, np.arange(len(vectors)) + 1000, labels, asked)


def every_metric(evaluation):
    return [
        *evaluation.metrics,
        *(m for row in evaluation.classes for m in (row.p1, row.r_precision, row.map_r)),
    ]


def check_sound(evaluation):
    """What holds of any evaluation: no NaN in a record, a reason where there is no value, ends around it."""
    for metric in every_metric(evaluation):
        for field in dataclasses.fields(Metric):
            value = getattr(metric, field.name)
            assert not (isinstance(value, float) and math.isnan(value)), (metric.id, field.name)
        assert (metric.value is None) == (metric.reason is not None)
        assert (metric.lo is None) == (metric.hi is None)
        if metric.value is not None and metric.lo is not None:
            assert metric.lo - 1e-12 <= metric.value <= metric.hi + 1e-12
            assert 0 <= metric.lo <= metric.hi <= 1
    for row in evaluation.classes:
        numbers = (row.within, row.margin, row.nearest_distance)
        assert not any(number is not None and math.isnan(number) for number in numbers)
    n = len(evaluation.ids)
    assert len(evaluation.labels) == len(evaluation.graph.rows) == len(evaluation.per_query.p1) == n
    assert evaluation.graph.rows.shape[1] >= evaluation.k


def values(evaluation):
    return {metric.id: metric.value for metric in evaluation.metrics}


def assert_same(left, right):
    assert values(left) == pytest.approx(values(right), abs=1e-12)


def test_metrics_come_headline_first_with_everything_needed_to_believe_them():
    vectors, labels = clustered()
    found = run(vectors, labels)
    check_sound(found)
    assert [metric.id for metric in found.metrics] == IDS
    for metric in found.metrics:
        assert metric.n_queries == metric.gallery_size == 120
        assert metric.lo < metric.hi or metric.value == 1.0
        assert metric.estimator == "exact"
        assert 0 < metric.chance < metric.value
        at_k = re.search(r"@(\d+)", metric.id)
        assert metric.k == (20 if metric.id.startswith("knn_acc") else at_k and int(at_k[1]))


@pytest.mark.parametrize("seed", range(4))
def test_overall_numbers_are_means_of_brute_force_scores(seed, oracle, awkward):
    vectors, labels = awkward(seed)
    found = values(run(vectors, labels, k=5))
    expected = oracle.scores(vectors, labels, 5)
    by_class = {}
    for query, scores in expected.items():
        by_class.setdefault(labels[query], []).append(scores)
    names = {"p@1": "p1", "p@5": "pk", "r_precision": "rp", "map@r": "apr", "mrr": "rr"}
    for metric_id, name in names.items():
        assert found[metric_id] == pytest.approx(np.mean([s[name] for s in expected.values()]), abs=1e-12)
        macro = np.mean([np.mean([s[name] for s in scores]) for scores in by_class.values()])
        assert found.get(f"{metric_id}.macro", macro) == pytest.approx(macro, abs=1e-12)


def test_two_runs_are_equal_to_the_bit_except_for_time():
    vectors, labels = clustered()
    labels[5] = None
    first, second = (run(vectors, labels) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.classes == second.classes
    assert first.warnings == second.warnings
    assert first.gallery_fingerprint == second.gallery_fingerprint
    for part in ("graph", "per_query", "class_distance"):
        for field in dataclasses.fields(getattr(first, part)):
            np.testing.assert_array_equal(*(getattr(getattr(run_, part), field.name) for run_ in (first, second)))


def test_no_input_is_written_to():
    vectors, labels = clustered()
    vectors.flags.writeable = False
    ids = np.arange(120)
    ids.flags.writeable = False
    before = list(labels)
    evaluate(vectors, ids, labels)
    assert labels == before


def test_permuting_rows_changes_no_number_and_keeps_every_id_with_its_neighbours():
    vectors, labels = clustered()
    order = np.random.default_rng(1).permutation(120)
    settings = EvaluateSettings(clusters=None)  # centres start from rows drawn by their place
    whole = evaluate(vectors, np.arange(120), labels, settings)
    mixed = evaluate(vectors[order], order, [labels[i] for i in order], settings)
    assert_same(whole, mixed)
    assert whole.gallery_fingerprint == mixed.gallery_fingerprint
    for position, row in enumerate(order):
        assert mixed.ids[mixed.graph.rows[position]].tolist() == whole.graph.rows[row].tolist()


def test_rotating_and_scaling_vectors_changes_no_number():
    vectors, labels = clustered()
    rng = np.random.default_rng(2)
    rotation, _ = np.linalg.qr(rng.standard_normal((16, 16)))
    whole = run(vectors.astype(np.float64), labels)
    assert_same(whole, run(vectors.astype(np.float64) @ rotation, labels))
    assert_same(whole, run(vectors * rng.uniform(0.1, 9.0, size=(120, 1)), labels))


def test_renaming_classes_changes_no_number():
    vectors, labels = clustered()
    assert_same(run(vectors, labels), run(vectors, [f"x{int(label[-1]) * 7 % 6}" for label in labels]))


def test_parents_of_classes_change_graded_gains_only():
    vectors, labels = clustered()
    flat, nested = run(vectors, labels), run(vectors, [f"x{int(label[-1]) % 4}#{label}" for label in labels])
    differing = {name for name, value in values(flat).items() if abs(value - values(nested)[name]) > 1e-12}
    assert differing == {"ndcg@10", "ndcg@10.macro"}


def test_one_hot_class_vectors_score_one():
    codes = np.arange(60) % 5
    found = run(np.eye(5)[codes], [str(code) for code in codes])
    check_sound(found)
    left = {name: value for name, value in values(found).items() if "recall" not in name and "p@20" not in name}
    assert left == pytest.approx(dict.fromkeys(left, 1.0), abs=1e-12)
    assert all(row.margin == 1.0 for row in found.classes)


def test_shuffled_labels_score_what_chance_says():
    vectors, labels = clustered(n=600)
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(labels).tolist()
        found = run(vectors, shuffled)
        for metric in found.metrics:
            width = metric.hi - metric.lo
            assert metric.lo - width / 2 < metric.chance < metric.hi + width / 2
            assert metric.chance == pytest.approx(metric.params["chance_exact"], abs=width)


def test_an_unlabelled_row_moves_no_label_metric_unless_it_stays_as_a_distractor():
    vectors, labels = clustered(spread=0.5)
    more = np.concatenate([vectors, vectors[:1] * 2, vectors[10:11]])
    unlabelled = [*labels, None, None]
    whole = run(vectors, labels)
    assert_same(whole, run(more, unlabelled))
    assert run(more, unlabelled).metrics[0].excluded.unlabelled == 2
    assert run(more, unlabelled, unlabelled="distractor").metric("p@1").value < whole.metric("p@1").value
    assert run(more, unlabelled, unlabelled="distractor").metrics[0].gallery_size == 122


def test_a_singleton_is_no_query_but_can_be_a_wrong_answer():
    vectors = np.array([[1.0, 0], [1, 0.2], [1, 0.1], [0, 1], [0.1, 1]])
    found = run(vectors, ["a", "a", "alone", "b", "b"])
    assert found.metrics[0].excluded.singleton == 1
    assert found.metric("p@1").n_queries == 4
    assert found.metric("p@1").value == 0.5
    alone = next(row for row in found.classes if row.label == "alone")
    assert (alone.n, alone.n_queries, alone.within, alone.margin) == (1, 0, None, None)
    assert alone.nearest_class == "a"
    assert alone.map_r.value is None


def test_rows_without_a_direction_are_listed_and_change_nothing_else():
    vectors, labels = clustered()
    spoiled = np.insert(vectors, [4, 50, 80], 0, axis=0)
    spoiled[4], spoiled[51, 2] = np.nan, -np.inf
    found = run(spoiled, [*labels[:4], "x", *labels[4:50], "y", *labels[50:80], "z", *labels[80:]])
    check_sound(found)
    assert found.unusable == {"nonfinite": (1004, 1051), "zero": (1082,)}
    assert_same(found, run(vectors, labels))
    assert found.metrics[0].excluded.nonfinite == 2
    assert found.warnings[0] == "2 rows hold NaN or infinity and were left out of everything: ids 1004, 1051"
    assert not set(found.ids) & {1004, 1051, 1082}


def test_without_labels_the_graph_remains_and_every_metric_says_why():
    found = run(clustered()[0])
    check_sound(found)
    assert {metric.reason for metric in found.metrics} == {"no labels"}
    assert (found.classes, found.class_distance) == ((), None)
    assert np.all(found.graph.rows >= 0)
    assert found.warnings == ("no labels: nothing here says the neighbours are right",)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("labels", ["none", "one class", "all different", "unlabelled"])
def test_hardly_any_rows_never_crash(n, labels):
    given = {"none": None, "one class": ["a"] * n, "all different": list("abc")[:n], "unlabelled": [None] * n}
    found = run(np.eye(3)[:n], given[labels])
    check_sound(found)
    assert found.graph.rows.shape == (n, EvaluateSettings().graph_k)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_twelve_images_in_seven_categories_are_evaluated_with_wide_intervals(dtype):
    vectors, _ = clustered(12)
    labels = [f"animal#{name}" for name in "aabbccddeefg"]
    found = run(vectors.astype(dtype), labels)
    check_sound(found)
    first = found.metric("p@1")
    assert (first.n_queries, first.ci, first.excluded.singleton) == (10, "wilson", 2)
    assert first.hi - first.lo > 0.2
    assert found.metric("p@10").value is not None
    assert any("fewer than 100 queries" in sentence for sentence in found.warnings)


def test_precision_at_k_has_no_value_where_the_gallery_is_smaller_than_k():
    vectors, labels = clustered(9, n_classes=2)
    found = run(vectors, labels)
    metric = found.metric("p@10")
    assert (metric.value, metric.n_queries, metric.excluded.short) == (None, 0, 9)
    assert metric.reason == "the gallery holds 8 other images, fewer than k = 10"
    assert found.metric("map@r").value is not None


def test_one_class_is_always_right_and_says_so():
    found = run(clustered()[0], ["only"] * 120)
    check_sound(found)
    left = {name: value for name, value in values(found).items() if "recall" not in name}
    assert left == pytest.approx(dict.fromkeys(left, 1.0), abs=1e-12)
    assert all(metric.chance == pytest.approx(metric.value, abs=1e-12) for metric in found.metrics)
    assert found.class_distance is None
    assert any(sentence.startswith("one class") for sentence in found.warnings)


def test_all_singletons_have_nothing_to_find():
    found = run(clustered()[0], [str(i) for i in range(120)])
    check_sound(found)
    assert {metric.reason for metric in found.metrics} == {"every class has one image: nothing to find"}
    assert len(found.classes) == len(found.class_distance.labels) == 120


def test_identical_vectors_are_one_big_tie():
    found = run(np.ones((90, 4), dtype=np.float32), [str(i % 3) for i in range(90)])
    check_sound(found)
    assert found.graph.tie_rate[10] == 1.0
    metric = found.metric("p@10")
    assert metric.params["tie_rate"] == 1.0
    assert metric.params["value_over_tie_orders"] == pytest.approx(metric.params["chance_exact"], abs=1e-12)
    assert any("equally similar" in sentence for sentence in found.warnings)


def test_where_ties_matter_the_mean_over_their_orders_is_a_number_of_its_own():
    """Brute force: every order of the tied rows, of which precision at k counts the first."""
    rng = np.random.default_rng(0)
    vectors, labels = np.sign(rng.standard_normal((40, 3))), [str(i % 3) for i in range(40)]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = np.round(unit @ unit.T, 12)
    found = run(vectors, labels, k=5)
    for k in (1, 5):
        scores = []
        for i in range(40):
            others = [j for j in range(40) if j != i]
            orders = [sorted(others, key=lambda j, i=i: (-similarity[i, j], rng.random())) for _ in range(100)]
            scores.append(np.mean([[labels[j] == labels[i] for j in order[:k]] for order in orders]))
        metric = found.metric(f"p@{k}/tie-mean")
        assert metric.value == pytest.approx(np.mean(scores), abs=0.02)
        assert metric.value == pytest.approx(found.metric(f"p@{k}").params["value_over_tie_orders"], abs=1e-12)
        assert metric.value != found.metric(f"p@{k}").value
        assert metric.lo <= metric.value <= metric.hi
        assert (metric.k, metric.n_queries) == (k, 40)
        assert found.metric(f"p@{k}/tie-mean.macro").value is not None
    listed = [metric.id for metric in found.metrics]
    for name in ("p@1", "p@5"):
        place = listed.index(name)
        assert listed[place : place + 4] == [name, f"{name}.macro", f"{name}/tie-mean", f"{name}/tie-mean.macro"]
    assert listed.index("p@5/tie-mean") < listed.index("r_precision")
    plain = run(*clustered())
    assert not [metric.id for metric in plain.metrics if "tie-mean" in metric.id]


@pytest.mark.parametrize("spoil", ["one dimension", "constant dimension", "empty rows only"])
def test_degenerate_dimensions_never_crash(spoil):
    vectors, labels = clustered()
    shapes = {
        "one dimension": vectors[:, :1],
        "constant dimension": np.column_stack([np.full(120, 1e6), vectors]),
        "empty rows only": np.zeros_like(vectors),
    }
    found = run(shapes[spoil], labels)
    check_sound(found)
    if spoil == "empty rows only":
        assert {metric.reason for metric in found.metrics} == {"no usable rows"}


def test_unicode_and_markup_labels_pass_through_unchanged():
    vectors, _ = clustered(30)
    labels = [["<script>alert(1)</script>", "日本#猫", r"C\#", "a, b"][i % 4] for i in range(30)]
    found = run(vectors, labels)
    assert found.labels == tuple(labels)
    assert {row.label for row in found.classes} == set(labels) == set(found.class_distance.labels)


def test_classes_are_listed_largest_first_with_their_own_intervals():
    vectors, _ = clustered(100)
    labels = ["small"] * 20 + ["large"] * 60 + ["also small"] * 20
    found = run(vectors, labels)
    assert [(row.label, row.n) for row in found.classes] == [("large", 60), ("also small", 20), ("small", 20)]
    assert [row.p1.ci for row in found.classes] == [f"{WITHIN}, widened for the gallery", "wilson", "wilson"]
    for row in found.classes:
        own = [i for i, label in enumerate(labels) if label == row.label]
        assert row.map_r.value == pytest.approx(found.per_query.apr[own].mean(), abs=1e-12)
        assert row.margin == pytest.approx(row.nearest_distance - row.within)
        assert row.map_r.chance is not None


def test_a_class_closer_to_another_than_to_itself_is_named():
    vectors = np.concatenate([np.eye(8)[:6], np.ones((6, 8)) + 0.01 * np.eye(8)[:6]])
    found = run(vectors, ["scattered"] * 6 + ["tight"] * 6)
    sentence = next(s for s in found.warnings if "closer to another" in s)
    assert sentence.startswith("1 class lies closer to another class than to itself: scattered to tight (-0.")


def test_more_classes_than_a_matrix_can_show_still_have_margins(monkeypatch):
    monkeypatch.setattr("bignet.evaluate.evaluate.MAX_MATRIX_CLASSES", 3)
    vectors, labels = clustered()
    found = run(vectors, labels)
    assert found.class_distance is None
    assert all(row.margin is not None for row in found.classes)
    assert any(sentence.startswith("6 classes: the matrix") for sentence in found.warnings)


def test_without_resamples_and_permutations_values_are_the_same_and_chance_is_exact():
    vectors, labels = clustered()
    bare = run(vectors, labels, bootstrap=0, permutations=0)
    assert_same(bare, run(vectors, labels))
    for metric in bare.metrics:
        assert (metric.lo, metric.hi, metric.ci) == (None, None, "none")
        assert metric.chance == metric.params["chance_exact"]


def test_precision_at_one_is_not_listed_twice():
    vectors, labels = clustered()
    assert [m.id for m in run(vectors, labels, k=1).metrics].count("p@1") == 1


def test_every_number_of_every_family_is_listed_once():
    vectors, labels = clustered()
    found = run(vectors, [f"top {label[-1] in '01'}#{label}" for label in labels], families=True, bootstrap=0)
    listed = [metric.id for metric in found.metrics]
    assert len(listed) == len(set(listed))
    for family in (found.separation, found.confusion, found.hierarchy, found.geometry):
        assert {metric.id for metric in family.metrics} <= set(listed)
    assert {metric.id for level in found.hierarchy.levels for metric in (level.p1, level.map_r)} <= set(listed)


def test_the_fingerprint_is_the_hash_of_the_sorted_ids():
    ids = np.array([7, -2, 500])
    assert gallery_fingerprint(ids) == hashlib.sha256(np.array([-2, 7, 500], dtype="<i8").tobytes()).hexdigest()
    assert gallery_fingerprint(ids) != gallery_fingerprint(ids + 1)


@pytest.mark.parametrize(
    ("ids", "labels", "error", "words"),
    [
        ([1, 2], None, MismatchError, "3 vectors, 2 ids and 3 labels"),
        ([1, 2, 3], ["a"], MismatchError, "3 vectors, 3 ids and 1 labels"),
        ([1, 2, 2], None, UsageError, "ids: 1 ids occur more than once, first 2"),
        ([1.0, 2.0, 3.0], None, UsageError, "ids: found float64; needed integers"),
        ([1, 2, 3], ["a", "b", float("nan")], UsageError, "label of id 3: found nan"),
        ([1, 2, 3], ["a", "b#", "c"], UsageError, "label of id 2: 'b#' has an empty part"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused_by_name(ids, labels, error, words):
    with pytest.raises(error, match=words):
        evaluate(np.eye(3), ids, labels)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("k", 0),
        ("graph_k", 0),
        ("bootstrap", -1),
        ("level", 1.0),
        ("unlabelled", "ignore"),
        ("permutations", -1),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting, value):
    with pytest.raises(UsageError, match=f"{setting}: found"):
        EvaluateSettings(**{setting: value})


def test_a_store_on_disk_is_read_without_loading_it(tmp_path):
    vectors, labels = clustered()
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert run(mapped, labels).metrics == run(vectors, labels).metrics


def test_both_averages_of_equally_large_classes_are_one_number():
    vectors = np.random.default_rng(0).standard_normal((60, 6))
    found = evaluate(vectors, range(60), [f"c{row % 3}" for row in range(60)], EvaluateSettings(families=False))
    values = {metric.id: metric.value for metric in found.metrics}
    for name in ("p@1", "map@r", "r_precision", "mrr"):
        assert values[name] == values[f"{name}.macro"]
