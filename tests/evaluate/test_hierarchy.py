import itertools

import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate import deep_ranking, hierarchy
from bignet.evaluate.hierarchical_precision import area_under_precision, hierarchical_precision
from bignet.evaluate.hierarchy import measure_hierarchy
from bignet.evaluate.taxonomy import hierarchical_scores, wu_palmer
from tests.evaluate.worlds import TREE, subject, world

SEEDS = range(30)
EVEN = ("a#x#1", "a#x#2", "a#other#1", "b#other#1", "b#y#1")


def parts(label):
    return tuple(label.split("#"))


def ancestors(label):
    return {parts(label)[:n] for n in range(1, len(parts(label)) + 1)}


def similarity(a, b):
    """Wu and Palmer over nodes counted from a root of depth 1."""
    return 2 * (len(ancestors(a) & ancestors(b)) + 1) / (len(parts(a)) + 1 + len(parts(b)) + 1)


def lca_height(a, b, labels):
    """Edges from the lowest common ancestor of two labels down to the deepest label below it."""
    common = max(ancestors(a) & ancestors(b), key=len, default=())
    return max(len(parts(x)) for x in labels if x and parts(x)[: len(common)] == common) - len(common)


class Brute:
    """Every ranking of an embedding as labels, and the scores of its definitions, one query at a time."""

    def __init__(self, vectors, labels, groups=None):
        rows = vectors.astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        self.labels, self.ranked = labels, {}
        for i, label in enumerate(labels):
            free = [j for j in range(len(labels)) if j != i]
            if groups is not None and groups[i] >= 0:
                free = [j for j in free if groups[j] != groups[i]]
            order = sorted(free, key=lambda j: (-round(float(rows[i] @ rows[j]), 12), j))
            if label is not None:
                self.ranked[i] = [labels[j] for j in order]
        self.queries = [i for i in self.ranked if labels[i] in self.ranked[i]]

    def known(self, i):
        return [label for label in self.ranked[i] if label is not None]

    def level(self, depth, *, distractor=False):
        """(P@1, its chance, MAP@R, queries) where only the first parts count."""
        first, chance, precision = [], [], []
        for i, ranked in self.ranked.items():
            own = parts(self.labels[i])[:depth]
            deep = [label for label in ranked if distractor or (label and len(parts(label)) >= depth)]
            hits = [bool(label) and len(parts(label)) >= depth and parts(label)[:depth] == own for label in deep]
            if len(own) < depth or not any(hits):
                continue
            n = sum(hits)
            first.append(hits[0])
            chance.append(n / len(hits))
            precision.append(sum(sum(hits[: r + 1]) / (r + 1) for r in range(n) if hits[r]) / n)
        return np.mean(first), np.mean(chance), np.mean(precision), len(first)

    def curve(self, i, n):
        """Hierarchical precision at 1 to n, as Barz and Denzler's ClassHierarchy.hierarchical_precision."""
        found = [similarity(self.labels[i], label) for label in self.known(i)]
        best = sorted(found, reverse=True)
        return (np.cumsum(found) / np.cumsum(best))[:n]

    def mistakes(self):
        pairs = [(self.labels[i], self.known(i)[0]) for i in self.queries]
        return [(a, b) for a, b in pairs if a != b]


@pytest.fixture(params=[False, True], ids=["no groups", "groups"])
def grouped(request):
    return request.param


def metrics_of(found):
    return {metric.id: metric for metric in found.metrics}


@pytest.mark.parametrize("names", [TREE, EVEN], ids=["uneven", "even"])
@pytest.mark.parametrize("seed", SEEDS)
def test_levels_equal_brute_force(seed, names, grouped):
    vectors, labels, groups = world(seed, names)
    groups = groups if grouped else None
    brute = Brute(vectors, labels, groups)
    found = measure_hierarchy(subject(vectors, labels, groups, bootstrap=0))
    assert [level.depth for level in found.levels] == [1, 2, 3]
    for level in found.levels:
        p1, chance, map_r, n = brute.level(level.depth)
        assert level.p1.value == pytest.approx(p1, abs=1e-9)
        assert level.p1.chance == pytest.approx(chance, abs=1e-9)
        assert level.map_r.value == pytest.approx(map_r, abs=1e-9)
        assert level.p1.n_queries == level.map_r.n_queries == n
        deep = [parts(x) for x in labels if x and len(parts(x)) >= level.depth]
        assert level.n_classes == len({path[: level.depth] for path in deep})
        assert level.p1.gallery_size == level.map_r.gallery_size == len(deep)
        assert level.p1.params["shorter_labels"] == sum(len(parts(x)) < level.depth for x in labels if x)


@pytest.mark.parametrize("seed", SEEDS)
def test_levels_out_of_deep_rankings_equal_brute_force(seed, grouped):
    """A graph of 9 neighbours is too shallow for R, so all rows are ranked again."""
    vectors, labels, groups = world(seed, TREE)
    groups = groups if grouped else None
    brute = Brute(vectors, labels, groups)
    found = measure_hierarchy(subject(vectors, labels, groups, depth=9, bootstrap=0))
    for level in found.levels:
        assert level.map_r.value == pytest.approx(brute.level(level.depth)[2], abs=1e-9)
        assert level.map_r.estimator == "exact"


@pytest.mark.parametrize("seed", range(10))
def test_unlabelled_distractors_are_wrong_at_every_level(seed):
    vectors, labels, _ = world(seed, TREE)
    brute = Brute(vectors, labels)
    for depth in (100, 9):
        found = measure_hierarchy(subject(vectors, labels, depth=depth, bootstrap=0, unlabelled="distractor"))
        for level in found.levels:
            p1, chance, map_r, _ = brute.level(level.depth, distractor=True)
            assert (level.p1.value, level.map_r.value) == pytest.approx((p1, map_r), abs=1e-9)
            assert level.p1.chance == pytest.approx(chance, abs=1e-9)
            assert level.p1.gallery_size == len(labels)


def test_a_level_of_one_class_has_no_score_unless_distractors_can_be_wrong():
    vectors = np.random.default_rng(0).standard_normal((9, 4))
    labels = ["a#x", "a#x", "a#x", "a#y", "a#y", "a#y", None, None, None]
    for depth in (100, 2):
        top, leaf = measure_hierarchy(subject(vectors, labels, depth=depth)).levels
        assert {top.p1.value, top.map_r.value} == {None}
        assert top.p1.reason == top.map_r.reason
        assert "none can be wrong" in top.p1.reason
        assert None not in (leaf.p1.value, leaf.map_r.value)
    top = measure_hierarchy(subject(vectors, labels, unlabelled="distractor")).levels[0]
    assert top.p1.chance == 5 / 8
    assert top.p1.reason is None


@pytest.mark.parametrize("seed", SEEDS)
def test_ancestor_scores_equal_their_definition(seed, grouped):
    vectors, labels, groups = world(seed, TREE)
    groups = groups if grouped else None
    brute = Brute(vectors, labels, groups)
    found = metrics_of(measure_hierarchy(subject(vectors, labels, groups, bootstrap=0)))
    pairs = [(ancestors(labels[i]), ancestors(brute.known(i)[0])) for i in brute.queries]
    shared = np.array([len(a & b) for a, b in pairs])
    true, said = np.array([[len(a), len(b)] for a, b in pairs]).T
    precision, recall = shared.sum() / said.sum(), shared.sum() / true.sum()
    assert found["hP"].value == pytest.approx(precision, abs=1e-9)
    assert found["hR"].value == pytest.approx(recall, abs=1e-9)
    assert found["hF"].value == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-9)
    blind_shared, blind_said = np.sum(
        [
            np.mean(
                [(len(ancestors(labels[i]) & ancestors(other)), len(ancestors(other))) for other in brute.known(i)],
                axis=0,
            )
            for i in brute.queries
        ],
        axis=0,
    )
    assert found["hP"].chance == pytest.approx(blind_shared / blind_said, abs=1e-9)
    assert found["hR"].chance == pytest.approx(blind_shared / true.sum(), abs=1e-9)
    assert found["hF"].chance == pytest.approx(2 * blind_shared / (blind_said + true.sum()), abs=1e-9)
    each = {"hP": shared / said, "hR": shared / true, "hF": 2 * shared / (said + true)}
    own = np.array([labels[i] for i in brute.queries])
    for name, values in each.items():
        assert found[name].params["mean_over_queries"] == pytest.approx(values.mean(), abs=1e-9)
        by_class = [values[own == label].mean() for label in np.unique(own)]
        assert found[f"{name}.macro"].value == pytest.approx(np.mean(by_class), abs=1e-9)


def test_two_branches_with_the_same_last_part_are_two_nodes():
    precision, recall, score = hierarchical_scores(["a#other", "a#other#z", "a"], ["b#other", "a#other", "a#x"])
    assert precision.tolist() == [0, 1, 0.5]
    assert recall.tolist() == [0, 2 / 3, 1]
    assert score.tolist() == [0, 0.8, 2 / 3]


def test_an_escaped_separator_parts_nothing():
    assert hierarchical_scores([r"c\##x"], [r"c\##y"])[0].tolist() == [0.5]
    assert measure_hierarchy(subject(np.eye(4), [r"c\#", r"c\#", "d", "d"])) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_hierarchical_precision_equals_its_definition(seed, grouped):
    vectors, labels, groups = world(seed, TREE)
    groups = groups if grouped else None
    brute = Brute(vectors, labels, groups)
    found = measure_hierarchy(subject(vectors, labels, groups, bootstrap=0))
    shortest = min(len(brute.known(i)) for i in brute.queries)
    curves = np.array([brute.curve(i, shortest) for i in brute.queries])
    np.testing.assert_allclose(found.precision[:shortest], curves.mean(axis=0), atol=1e-9)
    metrics = metrics_of(found)
    assert metrics["hprec@5"].value == pytest.approx(curves[:, 4].mean(), abs=1e-9)
    areas = []
    for i in brute.queries:
        curve = brute.curve(i, 250)
        areas.append(np.trapezoid(curve, dx=1 / len(curve)))
    assert metrics["ahp@250"].value == pytest.approx(np.mean(areas), abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_mistakes_equal_brute_force(seed, grouped):
    vectors, labels, groups = world(seed, TREE)
    groups = groups if grouped else None
    brute = Brute(vectors, labels, groups)
    found = measure_hierarchy(subject(vectors, labels, groups, bootstrap=0))
    metrics, mistakes = metrics_of(found), brute.mistakes()
    heights = [lca_height(a, b, labels) for a, b in mistakes]
    assert metrics["mistake_severity"].value == pytest.approx(np.mean(heights), abs=1e-9)
    assert found.severity == tuple(heights.count(height) for height in range(4))
    inside = [parts(b)[: len(parts(a)) - 1] == parts(a)[:-1] for a, b in mistakes if len(parts(a)) > 1]
    assert metrics["plausible_fp"].value == pytest.approx(np.mean(inside), abs=1e-9)
    assert metrics["plausible_fp"].n_queries == len(inside)


@pytest.mark.parametrize("seed", range(10))
def test_chance_of_a_plausible_mistake_is_the_share_of_the_parent(seed):
    vectors, labels, _ = world(seed, EVEN)
    known, brute = [label for label in labels if label], Brute(vectors, labels)
    expected = []
    for label, _ in brute.mistakes():
        leaf = known.count(label)
        parent = sum(parts(x)[:2] == parts(label)[:2] for x in known)
        expected.append((parent - leaf) / (len(known) - leaf))
    metric = metrics_of(measure_hierarchy(subject(vectors, labels, bootstrap=0)))["plausible_fp"]
    assert metric.chance == pytest.approx(np.mean(expected), abs=1e-9)
    assert metric.params["lift"] == pytest.approx(metric.value / metric.chance)


def test_chance_is_what_permuted_labels_score():
    rng = np.random.default_rng(0)
    values, chances = {}, {}
    for _ in range(60):
        labels = list(rng.permutation(["a#x#1"] * 9 + ["a#x#2"] * 7 + ["a#y"] * 6 + ["b#z#1"] * 7 + ["c"] * 5))
        groups = rng.integers(-1, 9, size=len(labels))
        found = measure_hierarchy(subject(rng.standard_normal((len(labels), 3)), labels, groups, bootstrap=0))
        for metric in (*found.metrics, *(item for level in found.levels for item in (level.p1, level.map_r))):
            if metric.chance is not None:
                values.setdefault(metric.id, []).append(metric.value)
                chances.setdefault(metric.id, []).append(metric.chance)
    assert set(values) >= {
        "p@1@level1",
        "hP",
        "hR",
        "hF",
        "hprec@5",
        "plausible_fp",
        "mistake_severity",
        "map@r@level3",
    }
    for name, found in values.items():
        above = np.subtract(found, chances[name])
        assert abs(above.mean()) < 3.5 * above.std() / np.sqrt(len(above)), name


def test_severity_is_the_height_of_the_node_where_the_labels_meet():
    rows = np.repeat(np.eye(4), 2, axis=0)[[0, 2, 1, 3, 4, 6, 5, 7]]  # every first neighbour is of another class
    found = measure_hierarchy(subject(rows, ["a#x#1", "a#x#1", "a#y", "a#y", "b#p", "b#p", "b#q", "b#q"], bootstrap=0))
    assert found.severity == (0, 4, 4, 0)
    assert metrics_of(found)["mistake_severity"].value == 1.5


def test_a_sample_ranks_some_rows_again_and_says_so(monkeypatch):
    vectors, labels, _ = world(0, TREE, n=300)
    whole = measure_hierarchy(subject(vectors, labels, depth=30))
    monkeypatch.setattr(deep_ranking, "_CELLS", 300 * 220)
    part = measure_hierarchy(subject(vectors, labels, depth=30))
    metric = part.levels[0].map_r
    assert metric.estimator == f"sampled, 220 of {300 - labels.count(None)} rows"
    assert metric.lo <= whole.levels[0].map_r.value <= metric.hi
    assert metrics_of(part)["ahp@250"].estimator == metric.estimator
    assert part.levels[0].p1 == whole.levels[0].p1


def test_too_many_rows_to_rank_again_are_undefined_with_the_reason(monkeypatch):
    vectors, labels, _ = world(0, TREE)
    monkeypatch.setattr(deep_ranking, "_CELLS", 100)
    found = measure_hierarchy(subject(vectors, labels, depth=5))
    assert "the graph holds 5 neighbours" in found.levels[0].map_r.reason
    assert found.levels[0].map_r.value is None
    assert metrics_of(found)["ahp@250"].value is None
    deep = measure_hierarchy(subject(vectors, labels, depth=100))
    assert deep.levels[0].map_r.value is not None


def test_blocks_change_nothing(monkeypatch):
    vectors, labels, groups = world(1, TREE)
    before = measure_hierarchy(subject(vectors, labels, groups))
    for module, name, cells in (
        (hierarchy, "_CELLS", 300),
        (deep_ranking, "_BLOCK_CELLS", 100),
        (deep_ranking, "_PART", 7),
    ):
        monkeypatch.setattr(module, name, cells)
    after = measure_hierarchy(subject(vectors, labels, groups))
    for old, new in zip(before.metrics, after.metrics, strict=True):
        assert new.value == pytest.approx(old.value, abs=1e-11)
    np.testing.assert_allclose(after.precision, before.precision, atol=1e-11)
    assert after.levels == before.levels


def test_a_sample_of_queries_speaks_for_all_rows_of_its_classes():
    vectors, labels, _ = world(2, EVEN, n=200)
    rng, brute = np.random.default_rng(0), Brute(vectors, labels)
    per_class = [np.flatnonzero([x == name for x in labels]) for name in EVEN]
    queries = np.sort(np.concatenate([rng.choice(rows, 6, replace=False) for rows in per_class]))
    found = measure_hierarchy(subject(vectors, labels, queries=queries))
    weight = np.array([labels.count(labels[i]) / 6 for i in queries])
    first = [parts(brute.known(i)[0])[:1] == parts(labels[i])[:1] for i in queries]
    assert found.levels[0].p1.value == pytest.approx(weight @ first / weight.sum(), abs=1e-9)
    curves = np.array([brute.curve(i, 20) for i in queries])
    np.testing.assert_allclose(found.precision[:20], weight @ curves / weight.sum(), atol=1e-9)


def test_perfect_neighbours_make_no_mistake():
    labels = [name for name in EVEN for _ in range(4)]
    found = measure_hierarchy(subject(np.repeat(np.eye(5), 4, axis=0), labels))
    metrics = metrics_of(found)
    assert metrics["hF"].value == metrics["hP.macro"].value == 1
    assert metrics["plausible_fp"].reason == metrics["mistake_severity"].reason == "no first neighbour is wrong"
    assert sum(found.severity) == 0
    assert found.levels[2].p1.value == found.levels[2].map_r.value == 1


def test_mistakes_that_cannot_leave_the_parent_are_not_called_plausible():
    vectors = np.random.default_rng(0).standard_normal((12, 4))
    found = measure_hierarchy(subject(vectors, ["pet#cat", "pet#dog"] * 6))
    metrics = metrics_of(found)
    assert sum(found.severity) > 0
    assert metrics["plausible_fp"].value is None
    assert "same parent" in metrics["plausible_fp"].reason
    assert metrics["mistake_severity"].value == 1.0


@pytest.mark.parametrize(
    "labels",
    [[], [None] * 3, ["a"], ["a", "a", "b"], ["a", None, "b"]],
    ids=["no rows", "all unlabelled", "one row", "flat", "flat and unlabelled"],
)
def test_flat_labels_have_no_hierarchy(labels):
    assert measure_hierarchy(subject(np.ones((len(labels), 2)), labels)) is None


@pytest.mark.parametrize("labels", [["a#b"], ["a#b", "a#c"], ["a#b", "c", "d#e#f"], ["a#b", None]])
@pytest.mark.parametrize("dim", [1, 3])
def test_all_singletons_are_undefined_with_a_reason(labels, dim):
    found = measure_hierarchy(subject(np.random.default_rng(0).standard_normal((len(labels), dim)), labels))
    for metric in (*found.metrics, found.levels[-1].p1, found.levels[-1].map_r):
        assert metric.value is None
        assert "one image: nothing to find" in metric.reason


@pytest.mark.parametrize("seed", range(3))
def test_rotation_scale_and_order_of_rows_change_nothing(seed):
    vectors, labels, groups = world(seed, TREE)
    vectors = vectors + np.random.default_rng(9).normal(0, 1e-3, vectors.shape)  # no copies: their order is the rows'
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((vectors.shape[1],) * 2))[0]
    order = np.random.default_rng(seed).permutation(len(labels))
    moved = subject((vectors @ turn * 3)[order], [labels[i] for i in order], groups[order], bootstrap=0)
    before, after = measure_hierarchy(subject(vectors, labels, groups, bootstrap=0)), measure_hierarchy(moved)
    for old, new in zip(before.metrics, after.metrics, strict=True):
        assert (new.id, new.value) == (old.id, pytest.approx(old.value, abs=1e-9))
    assert after.severity == before.severity


def test_wu_palmer_counts_nodes_from_the_root():
    found = wu_palmer(TREE)
    for (i, a), (j, b) in itertools.product(enumerate(TREE), repeat=2):
        assert found[i, j] == pytest.approx(similarity(a, b), abs=1e-15)


def test_bad_arrays_are_refused():
    with pytest.raises(MismatchError, match="predicted: found 2; there are 1 labels"):
        hierarchical_scores(["a"], ["a", "b"])
    with pytest.raises(UsageError, match="empty part"):
        hierarchical_scores(["a#"], ["a"])
    with pytest.raises(MismatchError, match="best: found"):
        hierarchical_precision(np.ones((1, 2)), np.ones((1, 3)))
    with pytest.raises(UsageError, match="needed at least one"):
        area_under_precision(np.ones((1, 0)))
