import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.confusion import SUPPORT, measure_confusion, neighbour_confusion
from tests.evaluate.worlds import FLAT, TREE, subject, world

SEEDS = range(30)


def listed(vectors, labels, groups, k, *, unlabelled=False):
    """{query: labels of its k nearest rows that can be found}, by brute force."""
    rows = vectors.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = {}
    for i, label in enumerate(labels):
        own = range(len(labels))
        if groups is not None and groups[i] >= 0:
            own = [j for j in own if groups[j] != groups[i]]
        others = [j for j in own if j != i and (unlabelled or labels[j] is not None)]
        if label is not None and label in [labels[j] for j in others]:
            ranked = sorted(others, key=lambda j: (-round(float(rows[i] @ rows[j]), 12), j))
            found[i] = [labels[j] for j in ranked[:k]]
    return found


@pytest.mark.parametrize("grouped", [False, True], ids=["no groups", "groups"])
@pytest.mark.parametrize("seed", SEEDS)
def test_shares_agree_with_scikit_learn(seed, grouped):
    vectors, labels, groups = world(seed)
    groups = groups if grouped else None
    found = measure_confusion(subject(vectors, labels, groups, depth=20))
    near = listed(vectors, labels, groups, 5)
    truth, held = np.repeat([labels[i] for i in near], 5), np.concatenate(list(near.values()))
    expected = confusion_matrix(truth, held, labels=found.labels, normalize="true")
    total = found.counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.counts / np.maximum(total, 1), expected, atol=1e-9)
    assert sorted(found.labels) == sorted({label for label in labels if label is not None})
    micro = np.mean([row.count(labels[i]) / 5 for i, row in near.items()])
    assert found.metrics[0].value == pytest.approx(micro, abs=1e-9)
    by_class = [
        np.mean([row.count(name) / 5 for i, row in near.items() if labels[i] == name])
        for name in set(labels)
        if any(labels[i] == name for i in near)
    ]
    assert found.metrics[1].value == pytest.approx(np.mean(by_class), abs=1e-9)
    for row in found.classes:
        place = found.labels.index(row.label)
        assert row.purity == pytest.approx(expected[place, place]) if total[place] else row.purity is None


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_come_by_lift_over_the_share_of_the_other_class(seed):
    vectors, labels, _ = world(seed)
    found = measure_confusion(subject(vectors, labels))
    n = len(labels) - labels.count(None)
    for pair in found.pairs:
        a, b = found.labels.index(pair.label), found.labels.index(pair.other)
        assert pair.n_slots == found.counts[a, b] >= SUPPORT
        assert pair.share == pytest.approx(found.counts[a, b] / found.counts[a].sum())
        assert pair.lift == pytest.approx(pair.share / (labels.count(pair.other) / (n - 1)))
    expected = (found.counts >= SUPPORT).sum() - (np.diag(found.counts) >= SUPPORT).sum()
    assert len(found.pairs) == expected
    assert [pair.lift for pair in found.pairs] == sorted((pair.lift for pair in found.pairs), reverse=True)
    for row in found.classes:
        assert list(row.top) == [pair for pair in found.pairs if pair.label == row.label][:3]


def test_a_small_class_next_door_outranks_a_large_one():
    rng = np.random.default_rng(0)
    labels = ["large"] * 300 + ["small"] * 15 + ["next"] * 15
    centre = np.array([[1, 0, 0], [0, 4, 0], [0, 4, 0.5]])
    vectors = centre[np.repeat([0, 1, 2], [300, 15, 15])] + rng.standard_normal((330, 3))
    found = measure_confusion(subject(vectors, labels))
    top = next(row.top for row in found.classes if row.label == "small")
    assert top[0].other == "next"
    assert top[0].lift > 1


def test_unlabelled_rows_are_passed_over_or_hold_places():
    vectors, labels, _ = world(3)
    dropped = measure_confusion(subject(vectors, labels))
    kept = measure_confusion(subject(vectors, labels, unlabelled="distractor"))
    assert (dropped.counts.sum(axis=1) == kept.counts.sum(axis=1) + kept.unlabelled).all()
    assert dropped.unlabelled is None
    near = listed(vectors, labels, None, 5, unlabelled=True)
    assert kept.unlabelled.sum() == sum(row.count(None) for row in near.values()) > 0
    assert "passed over, the next labelled ones of 100 neighbours taken" in dropped.metrics[0].params.values()
    assert kept.metrics[0].gallery_size == len(labels) > dropped.metrics[0].gallery_size


def test_a_list_that_ends_before_k_labelled_rows_is_short():
    vectors, labels, _ = world(5)
    found = measure_confusion(subject(vectors, labels, depth=5))
    near = listed(vectors, labels, None, 5, unlabelled=True)
    full = [row for row in near.values() if None not in row]
    assert found.metrics[0].n_queries == len(full)
    assert found.metrics[0].excluded.short == len(near) - len(full) > 0


def test_a_sample_of_queries_speaks_for_all_rows_of_its_classes():
    vectors, labels, _ = world(6, n=200)
    rng = np.random.default_rng(0)
    queries = np.sort(
        np.concatenate([rng.choice(np.flatnonzero([x == name for x in labels]), 6, replace=False) for name in FLAT])
    )
    found = measure_confusion(subject(vectors, labels, queries=queries))
    near = listed(vectors, labels, None, 5)
    purity = {i: row.count(labels[i]) / 5 for i, row in near.items()}
    weight = {i: labels.count(labels[i]) / 6 for i in queries}
    expected = sum(purity[i] * weight[i] for i in queries) / sum(weight.values())
    assert found.metrics[0].value == pytest.approx(expected, abs=1e-9)
    assert found.metrics[0].estimator == f"sampled, 30 of {len(labels) - labels.count(None)} rows by class"
    assert found.metrics[0].lo < expected < found.metrics[0].hi
    assert found.metrics[0].ci == "normal approximation, of queries only"
    assert found.counts.sum() == 30 * 5


def test_chance_is_what_permuted_labels_score():
    rng = np.random.default_rng(0)
    scores, chances = [], []
    for _ in range(100):
        labels = list(rng.permutation(["a"] * 20 + ["b"] * 10 + ["c"] * 4))
        groups = rng.integers(-1, 8, size=34)
        metric = measure_confusion(subject(rng.standard_normal((34, 4)), labels, groups, bootstrap=0)).metrics[0]
        scores.append(metric.value)
        chances.append(metric.chance)
    assert np.mean(chances) == pytest.approx(np.mean(scores), abs=0.01)


def test_fewer_neighbours_than_k_are_counted_as_far_as_they_go():
    found = measure_confusion(subject(np.eye(4) + 1, list("aabb"), k=10))
    assert found.k == 3
    assert found.counts.sum() == 12
    assert found.metrics[0].value is None
    assert found.metrics[0].reason == "no query has 10 neighbours that can be found"
    assert found.metrics[0].excluded.short == 4
    assert [row.purity for row in found.classes] == [pytest.approx(1 / 3)] * 2


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "no labels"),
        (["a"], "every class has one image: nothing to find"),
        (["a", "b"], "every class has one image: nothing to find"),
        ([None] * 3, "no labels"),
    ],
)
@pytest.mark.parametrize("dim", [1, 3])
def test_nothing_to_confuse_is_undefined_with_a_reason(labels, reason, dim):
    found = measure_confusion(subject(np.random.default_rng(0).standard_normal((len(labels), dim)), labels))
    assert [metric.reason for metric in found.metrics] == [reason] * 2
    assert found.pairs == ()
    assert len(found.classes) == len(found.labels) == len(set(labels) - {None})


def test_one_class_is_pure():
    found = measure_confusion(subject(np.random.default_rng(0).standard_normal((9, 3)), ["a"] * 9))
    assert found.metrics[0].value == found.metrics[0].chance == 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_plausible_mistakes_of_a_class_stay_under_its_parent(seed):
    vectors, labels, groups = world(seed, TREE)
    found = measure_confusion(subject(vectors, labels, groups))
    near = listed(vectors, labels, groups, 1)
    for row in found.classes:
        wrong = [names[0] for i, names in near.items() if labels[i] == row.label and names[0] != row.label]
        parent = row.label.split("#")[:-1]
        inside = [name for name in wrong if name.split("#")[: len(parent)] == parent]
        assert row.plausible_fp == (len(inside) / len(wrong) if wrong and parent else None)


def test_where_no_mistake_could_leave_the_parent_none_is_called_plausible():
    vectors = np.random.default_rng(0).standard_normal((24, 4))
    alone = measure_confusion(subject(vectors, ["pet#cat", "pet#dog"] * 12)).classes
    both = measure_confusion(subject(vectors, ["pet#cat", "pet#dog", "farm#cow"] * 8)).classes
    assert [row.plausible_fp for row in alone] == [None, None]
    assert {row.label: row.plausible_fp is None for row in both} == dict.fromkeys(
        ("pet#cat", "pet#dog", "farm#cow"), False
    )


def test_codes_outside_the_classes_are_refused():
    with pytest.raises(UsageError, match="outside 0 to 1"):
        neighbour_confusion(np.array([0]), np.array([[2]]), 2)
    with pytest.raises(MismatchError, match="a row for each of 1 queries"):
        neighbour_confusion(np.array([0]), np.array([[0], [1]]), 2)
    assert neighbour_confusion(np.array([0, 1]), np.array([[1, -1], [0, 1]]), 2).tolist() == [[0, 1], [1, 1]]
