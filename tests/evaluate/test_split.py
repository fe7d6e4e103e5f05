"""In a split, families judge the queries by the gallery alone, as the retrieval scores do."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.evaluate.evaluate import EvaluateSettings, evaluate
from tests.evaluate.worlds import TREE, world

N, K = 120, 4
SETTINGS = EvaluateSettings(k=K, graph_k=N, mode="split", bootstrap=0, clusters=None)


def split_world(seed):
    """Vectors, labels, groups, and a side for each row: more rows asked than can be found."""
    vectors, labels, groups = world(seed, TREE, n=N)
    words = np.random.default_rng(seed).choice(["test", "val", "train"], size=N).tolist()
    return vectors, labels, [None if group < 0 else group for group in groups], words


def assert_alike(ours, theirs):
    """A family's number and the retrieval score that says the same."""
    assert ours.value == pytest.approx(theirs.value, abs=1e-9)
    assert ours.chance == pytest.approx(theirs.chance, abs=1e-9)
    assert (ours.n_queries, ours.gallery_size, ours.estimator) == (theirs.n_queries, theirs.gallery_size, "exact")


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("unlabelled", ["drop", "distractor"])
def test_levels_and_purity_are_the_scores_of_labels_cut_to_their_level(unlabelled, grouped):
    vectors, labels, groups, words = split_world(3)
    settings, columns = replace(SETTINGS, unlabelled=unlabelled), {"groups": groups if grouped else None}

    def run(given, **changes):
        return evaluate(vectors, np.arange(N), given, replace(settings, **changes), split=words, **columns)

    found = run(labels)
    for depth, level in enumerate(found.hierarchy.levels, 1):
        paths = [None if label is None else label.split("#") for label in labels]
        cut = run(["#".join(path[:depth]) if path and len(path) >= depth else None for path in paths], families=False)
        assert_alike(level.p1, cut.metric("p@1"))
        assert_alike(level.map_r, cut.metric("map@r"))
    assert_alike(found.metric(f"neighbour_purity@{K}"), found.metric(f"p@{K}"))
    assert_alike(found.metric(f"neighbour_purity@{K}.macro"), found.metric(f"p@{K}.macro"))


def test_lift_is_over_the_share_of_the_gallery():
    vectors, labels, _, words = split_world(1)
    found = evaluate(vectors, np.arange(N), labels, SETTINGS, split=words).confusion
    gallery = [label for label, word in zip(labels, words, strict=True) if word == "train" and label is not None]
    assert found.pairs
    for pair in found.pairs:
        assert pair.lift == pytest.approx(pair.share * len(gallery) / gallery.count(pair.other), abs=1e-9)


@pytest.mark.parametrize("grouped", [False, True])
def test_contrast_is_to_the_gallery(grouped):
    vectors, labels, groups, words = split_world(2)
    given = {"groups": groups if grouped else None}
    found = evaluate(vectors, np.arange(N), labels, SETTINGS, split=words, **given).metric("relative_contrast")
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    gallery = [row for row in range(N) if words[row] == "train"]
    far, near = [], []
    for row in set(range(N)) - set(gallery):
        others = [g for g in gallery if not (grouped and groups[row] is not None and groups[g] == groups[row])]
        distances = 1 - unit[others] @ unit[row]
        far.append(distances.mean())
        near.append(distances.min())
    assert found.value == pytest.approx(np.sum(far) / np.sum(near), rel=1e-6)
    assert (found.gallery_size, found.estimator) == (len(gallery), "exact")


def test_rankings_deeper_than_the_graph_are_of_the_gallery_too():
    vectors, labels, groups, words = split_world(4)
    whole, short = (
        evaluate(vectors, np.arange(N), labels, replace(SETTINGS, graph_k=graph_k), groups=groups, split=words)
        for graph_k in (N, K)
    )
    for ours, theirs in zip(short.hierarchy.levels, whole.hierarchy.levels, strict=True):
        assert_alike(ours.map_r, theirs.map_r)
