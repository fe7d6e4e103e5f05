"""All retrieval metrics, in every mode, against plain Python on thirty awkward data sets."""

import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate import ranking
from bignet.evaluate.evaluate import EvaluateSettings, evaluate
from tests.evaluate.brute import Brute, means

K, SEVERAL = 4, (1, 3, 7)


def settings(**changes):
    return core(**{"k": K, "several_k": SEVERAL, "graph_k": 6, "bootstrap": 0, **changes})


def core(**changes):
    """Settings by which the retrieval scores alone are measured."""
    return EvaluateSettings(**{"families": False, **changes})


@pytest.fixture
def hard(awkward):
    """Seed -> vectors, labels that are paths of several depths, and groups within and across classes."""

    def make(seed, n=40):
        vectors, flat = awkward(seed, n)
        path = {"c0": "a#x", "c1": "a#y", "c2": "b#x#1", "c3": "b#x#2", "c4": "b", "c5": "c"}
        labels = [None if label is None else path.get(label, label) for label in flat]
        rng = np.random.default_rng([seed, 7])
        groups = [None if g < 0 else f"video {g}" for g in rng.integers(-2, 9, size=n)]
        return vectors, labels, groups

    return make


def found_by(evaluation):
    return {metric.id: metric.value for metric in evaluation.metrics if not metric.id.endswith(".nogroups")}


def assert_agrees(evaluation, brute, tolerance=1e-9):
    scores = brute.scores(K, SEVERAL)
    expected = means(scores, brute.labels)
    found = found_by(evaluation)
    assert len([name for name in found if "/tie-mean" not in name]) == 36
    for name, value in found.items():
        assert value == pytest.approx(expected.get(name), abs=tolerance), name
    assert np.flatnonzero(evaluation.per_query.n_relevant > 0).tolist() == sorted(scores)
    for query, (named, share) in enumerate(
        zip(evaluation.per_query.knn_pred, evaluation.per_query.knn_conf, strict=True)
    ):
        if query not in scores:
            assert named is None
            assert np.isnan(share)
            continue
        ranking = brute.oracle.ranking(brute.vectors, query, brute.candidates(query))
        votes = brute.votes(ranking)
        assert named == brute.vote(ranking)
        assert share == pytest.approx(votes[named] / sum(votes.values()), abs=tolerance)


@pytest.mark.parametrize("seed", range(30))
def test_every_metric_equals_brute_force_with_groups_kept_apart(seed, oracle, hard):
    vectors, labels, groups = hard(seed)
    unlabelled = ("drop", "distractor")[seed % 2]
    found = evaluate(vectors, np.arange(40), labels, settings(unlabelled=unlabelled), groups=groups)
    assert_agrees(found, Brute(oracle, vectors, labels, apart=groups, distractors=bool(seed % 2)))
    together = means(Brute(oracle, vectors, labels, distractors=bool(seed % 2)).scores(K, SEVERAL), labels)
    for name in ("map@r", "p@1", "r_precision"):
        assert found.metric(f"{name}.nogroups").value == pytest.approx(together[name], abs=1e-9)
        macro = found.metric(f"{name}.macro.nogroups").value
        assert macro == pytest.approx(together[f"{name}.macro"], abs=1e-9)


@pytest.mark.parametrize("seed", range(30, 40))
def test_every_metric_equals_brute_force_all_against_all(seed, oracle, hard):
    vectors, labels, _ = hard(seed)
    dtype = (np.float32, np.float64)[seed % 2]
    found = evaluate(vectors.astype(dtype), np.arange(40), labels, settings())
    assert_agrees(found, Brute(oracle, vectors, labels))
    assert not [metric.id for metric in found.metrics if metric.id.endswith(".nogroups")]


@pytest.mark.parametrize("seed", range(4))
def test_in_a_split_queries_find_the_gallery_only(seed, oracle, hard):
    vectors, labels, groups = hard(seed)
    words = np.random.default_rng(seed).choice(["train", "gallery", "test", "query", "val"], size=40).tolist()
    found = evaluate(vectors, np.arange(40), labels, settings(mode="split"), groups=groups, split=words)
    is_query = [word in {"test", "query", "val"} for word in words]
    brute = Brute(oracle, vectors, labels, apart=groups, asked=is_query, findable=[not flag for flag in is_query])
    assert_agrees(found, brute)
    assert found.graph.queries.tolist() == np.flatnonzero(is_query).tolist()
    listed = found.graph.rows[found.graph.rows >= 0]
    assert not np.array(is_query)[listed].any()


@pytest.mark.parametrize("seed", range(4))
def test_folds_are_group_exclusion_with_coarse_groups(seed, oracle, hard, monkeypatch):
    vectors, labels, groups = hard(seed)
    kept = {}
    measure = ranking.measure

    def watched(cosines, gallery, *rest):
        kept["gallery"] = gallery
        return measure(cosines, gallery, *rest)

    monkeypatch.setattr("bignet.evaluate.evaluate.measure", watched)
    found = evaluate(vectors, np.arange(40), labels, settings(mode="folds", folds=3), groups=groups)
    folds = kept["gallery"].apart.tolist()
    assert set(folds) == {0, 1, 2}
    for group in set(groups) - {None}:
        assert len({fold for fold, own in zip(folds, groups, strict=True) if own == group}) == 1
    assert_agrees(found, Brute(oracle, vectors, labels, apart=folds))


def test_copies_across_a_split_are_counted_and_need_a_split():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 8))
    vectors[40:50] = 3 * vectors[:10]  # of the 20 asked, half have a copy among the 40 that can be found
    words, labels = ["train"] * 40 + ["test"] * 20, [f"c{row % 3}" for row in range(60)]
    found = evaluate(vectors, np.arange(60), labels, settings(mode="split", families=True), split=words).metric(
        "leak_rate"
    )
    assert (found.value, found.n_queries, found.ci) == (0.5, 20, "wilson")
    everybody = evaluate(vectors, np.arange(60), labels, settings(families=True)).metric("leak_rate")
    assert everybody.value is None
    assert "split" in everybody.reason


def test_frames_of_one_video_find_each_other_only_without_groups():
    rng = np.random.default_rng(0)
    videos = np.repeat(np.arange(30), 4)
    vectors = rng.standard_normal((30, 16))[videos] + 0.01 * rng.standard_normal((120, 16))
    labels = [f"c{video % 3}" for video in videos]
    found = evaluate(vectors, np.arange(120), labels, core(), groups=videos.tolist())
    assert found.metric("p@1.nogroups").value == 1.0
    assert found.metric("p@1").value < 0.6
    assert found.metric("p@1").cluster_unit == "group"
    assert any("leak" in sentence for sentence in found.warnings)


def test_a_sample_that_is_everything_gives_the_exact_numbers(hard):
    vectors, labels, groups = hard(3, n=90)
    exact = evaluate(vectors, np.arange(90), labels, settings(permutations=0), groups=groups)
    everything = settings(permutations=0, exact_rows=10, sample_queries=10_000)
    sampled = evaluate(vectors, np.arange(90), labels, everything, groups=groups)
    for metric in sampled.metrics:
        if metric.id in {"map", "map.macro"}:
            assert (metric.value, metric.reason) == (None, "ranks everything, so up to 10 rows only")
        else:
            assert metric.value == pytest.approx(exact.metric(metric.id).value, abs=1e-12)
            assert metric.estimator.startswith("sampled, ")


def large(seed=0, n=1600):
    rng = np.random.default_rng(seed)
    codes = rng.choice(5, size=n, p=[0.6, 0.2, 0.1, 0.09, 0.01])
    vectors = rng.standard_normal((5, 12))[codes] + 1.2 * rng.standard_normal((n, 12))
    return vectors.astype(np.float32), [f"c{code}" for code in codes]


def test_a_sample_estimates_what_all_queries_score_and_names_itself():
    vectors, labels = large()
    exact = evaluate(vectors, np.arange(1600), labels, core(bootstrap=0, permutations=0))
    chosen = core(exact_rows=1000, sample_queries=600, class_cap=10_000, bootstrap=500)
    found = evaluate(vectors, np.arange(1600), labels, chosen)
    asked = found.graph.queries
    assert len(asked) == len(found.graph.rows) == found.metric("p@1").n_queries
    assert 600 <= len(asked) <= 630
    counts = {label: sum(labels[i] == label for i in asked) for label in set(labels)}
    assert counts["c4"] >= min(20, labels.count("c4"))
    for name in ("p@1", "map@r", "mrr", "recall@10"):
        metric, truth = found.metric(name), exact.metric(name).value
        assert metric.value == pytest.approx(truth, abs=0.04)
        assert metric.lo <= truth <= metric.hi
    assert found.metric("p@1").estimator == f"sampled, {len(asked)} of 1,600 queries by class, full gallery"
    not_asked = np.setdiff1d(np.arange(1600), asked)
    assert np.isnan(found.per_query.p1[not_asked]).all()
    assert set(found.per_query.n_relevant[not_asked]) == {-1}
    assert not np.isnan(found.per_query.p1[asked]).any()


def test_a_common_class_weighs_in_the_micro_mean_as_it_does_among_all_rows():
    vectors, labels = large()
    found = evaluate(vectors, np.arange(1600), labels, core(exact_rows=10, sample_queries=40, bootstrap=0))
    asked = found.graph.queries
    share = {label: labels.count(label) / 1600 for label in set(labels)}
    of_class = {label: [found.per_query.p1[i] for i in asked if labels[i] == label] for label in share}
    expected = sum(share[label] * np.mean(values) for label, values in of_class.items())
    assert found.metric("p@1").value == pytest.approx(expected, abs=1e-12)
    assert found.metric("p@1").value != pytest.approx(np.mean(found.per_query.p1[asked]), abs=1e-3)


def test_scores_at_r_of_a_sample_rank_a_capped_gallery(oracle):
    vectors, labels = large(n=200)
    chosen = core(exact_rows=10, sample_queries=30, class_cap=15, bootstrap=0)
    found = evaluate(vectors, np.arange(200), labels, chosen)
    metric = found.metric("map@r")
    assert metric.estimator.endswith("gallery capped at 15 a class")
    sizes = [labels.count(label) for label in set(labels)]
    assert metric.gallery_size == sum(min(15, size) for size in sizes)
    assert found.metric("p@1").gallery_size == 200
    again = evaluate(vectors, np.arange(200), labels, chosen)
    assert again.metrics == found.metrics


def test_without_labels_a_sample_is_drawn_at_random():
    vectors, _ = large()
    found = evaluate(vectors, np.arange(1600), None, core(exact_rows=100, sample_queries=50))
    assert len(found.graph.queries) == len(found.graph.rows) == 50
    assert found.metrics[0].reason == "no labels"
    assert (found.per_query.farthest >= 0).sum() == 50


@pytest.mark.parametrize(
    ("changes", "columns", "error", "words"),
    [
        ({"mode": "split"}, {}, UsageError, "needs the column 'split'"),
        (
            {"mode": "split"},
            {"split": ["train", "test", "dev"]},
            UsageError,
            "split of id 2: found 'dev'; every row needs a side",
        ),
        ({}, {"groups": ["a"]}, MismatchError, "groups: found 1; the vectors have 3 rows"),
        ({"mode": "split"}, {"split": ["test"]}, MismatchError, "split: found 1; the vectors have 3 rows"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(changes, columns, error, words):
    with pytest.raises(error, match=words):
        evaluate(np.eye(3), [0, 1, 2], list("aab"), EvaluateSettings(**changes), **columns)


def test_a_split_where_nobody_can_find_anything_says_so():
    chosen = core(mode="split")
    found = evaluate(np.eye(4), np.arange(4), list("aabb"), chosen, split=["test", "test", "train", "train"])
    assert found.metrics[0].reason == "no query has an image of its class to find"


def test_progress_is_told_by_stage_and_ends_where_it_should():
    told = []
    vectors, labels = large(n=300)
    evaluate(vectors, np.arange(300), labels, progress=lambda *state: told.append(state))
    core = ["vectors", "neighbours", "intervals", "classes"]
    families = ["separation", "confusion", "hierarchy", "geometry", "clusters"]
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == core + families
    assert ("neighbours", 300, 300) in told
