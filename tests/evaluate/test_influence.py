"""What the means lose without each image, against the scores of what is left, worked out anew each time."""

import math

import numpy as np
import pytest

from bignet.evaluate import ranking
from bignet.evaluate.cosine import Cosines
from bignet.evaluate.gallery import Gallery
from bignet.evaluate.labels import code_labels
from bignet.evaluate.settings import EvaluateSettings
from bignet.evaluate.unit_rows import UnitRows
from tests.evaluate.brute import Brute, parts, shared

K, SEVERAL, N = 3, (1, 5), 18
AT_R = ("map@r", "r_precision", "p@1")


class Table:
    """Ranks out of a table of similarities that is worked out once."""

    def __init__(self, oracle, vectors):
        self._steps = [[oracle.grid(a, b) for b in vectors] for a in vectors]

    def ranking(self, _, query, rows):
        return sorted(((self._steps[query][row], row) for row in rows), key=lambda pair: (-pair[0], pair[1]))


class Left(Brute):
    """Scores with one image gone."""

    def ndcg(self, label, ranked, k):
        gains = [shared(label, self.labels[row]) for _, row in ranked]
        best = sorted(gains, reverse=True)
        dcg, ideal = (sum(g / math.log2(r + 2) for r, g in enumerate(order[:k])) for order in (gains, best))
        return dcg / ideal

    def centre(self, query, rows):
        return self.labels[query]


def world(seed, mode, *, ties):
    """Vectors, labels, and who finds whom: singletons, imbalance, unlabelled images, copies, groups, a split, folds."""
    rng = np.random.default_rng(seed)
    labels = [f"c{c}" for c in rng.choice(5, size=N, p=[0.4, 0.25, 0.15, 0.1, 0.1])]
    labels[2], labels[5] = "alone", None
    vectors = (rng.normal(size=(6, 6))[[parts(x or "c5")[0] == "alone" or int((x or "c5")[1:]) for x in labels]]
               + rng.normal(size=(N, 6)) * 1.2).astype(np.float32)  # fmt: skip
    if ties:
        vectors[rng.integers(N, size=5)] = vectors[rng.integers(N, size=5)]
    apart = rng.integers(-1, 6, size=N) if mode == "groups" else np.arange(N) % 3 if mode == "folds" else None
    asked = rng.random(N) < 0.6 if mode == "split" else np.ones(N, dtype=bool)
    findable = ~asked if mode == "split" else np.ones(N, dtype=bool)
    return vectors, labels, apart, asked, findable


def measured(vectors, labels, apart, asked, findable, *, distractors):
    coded = code_labels(labels)
    member = findable & ((coded.codes >= 0) | distractors)
    gallery = Gallery(coded.codes, asked, findable, member, None if apart is None else np.asarray(apart))
    settings = EvaluateSettings(k=K, several_k=SEVERAL, graph_k=5, permutations=0)
    return ranking.measure(Cosines(UnitRows(vectors)), gallery, coded.names, settings)


def expected(brute):
    """{metric id: (2, N)} whole means less those without each image, by the rule for classes left without a query."""
    whole = brute.scores(K, SEVERAL)
    left = [brute_without(brute, j).scores(K, SEVERAL) for j in range(N)]
    names = {name for one in whole.values() for name in one}
    return {name: influences(name, brute.labels, whole, left) for name in names}


def brute_without(brute, row):
    some = Left(brute.oracle, brute.vectors, brute.labels)
    some.apart = brute.apart
    some.asked = [flag and i != row for i, flag in enumerate(brute.asked)]
    some.findable = [flag and i != row for i, flag in enumerate(brute.findable)]
    return some


def mean(scores, labels, by_class):
    if not by_class:
        return sum(scores.values()) / len(scores) if scores else None
    classes = {labels[q] for q in scores}
    means = [np.mean([x for q, x in scores.items() if labels[q] == c]) for c in classes]
    return float(np.mean(means)) if means else None


def influences(name, labels, whole, left):
    found = np.zeros((2, N))
    whole = {q: one[name] for q, one in whole.items() if name in one}
    rests = [{q: one[name] for q, one in rest.items() if name in one} for rest in left]
    emptied = [labels[j] in {labels[q] for q in whole} - {labels[q] for q in rests[j]} for j in range(N)]
    for j, rest in enumerate(rests):
        for by_class in (False, True):
            all_, now = mean(whole, labels, by_class), mean(rest, labels, by_class)
            if not emptied[j]:
                found[int(by_class), j] = all_ - now
                continue
            dropped = mean({q: x for q, x in whole.items() if labels[q] != labels[j]}, labels, by_class)
            if dropped is not None:
                share = sum(emptied[i] for i in range(N) if labels[i] == labels[j])
                found[int(by_class), j] = (all_ - dropped) / share + dropped - now
    return found


@pytest.mark.parametrize("mode", ["loo", "groups", "split", "folds", "distractors"])
@pytest.mark.parametrize("seed", range(6))
def test_influences_equal_means_without_the_image(monkeypatch, oracle, mode, seed):
    vectors, labels, apart, asked, findable = world(seed, mode, ties=seed % 2 == 1)
    names = [None if apart is None or a < 0 else int(a) for a in (apart if apart is not None else range(N))]
    brute = Left(Table(oracle, vectors), vectors, labels, apart=names, asked=asked, findable=findable,
                 distractors=mode == "distractors")  # fmt: skip
    found = measured(vectors, labels, apart, asked, findable, distractors=mode == "distractors")
    monkeypatch.setattr(ranking, "COMPLETE", 0)
    shallow = measured(vectors, labels, apart, asked, findable, distractors=mode == "distractors")
    wanted = expected(brute)
    names = (
        (set(wanted) & set(found.scored.influences.names()))
        - {"ncc_acc", "hit@1", "recall@1"}
        - ({f"ndcg@{K}"} if seed % 2 else set())
    )  # its ties are averaged
    assert {"map", "mrr", "knn_acc", *AT_R} <= names
    for name in names:
        each = found.scored.influences.of(name, found.scored.values[name])
        np.testing.assert_allclose([each.micro, each.macro], wanted[name], atol=1e-9, err_msg=name)
    for name in names - {"map", "mrr", f"ndcg@{K}"}:
        each = shallow.scored.influences.of(name, shallow.scored.values[name])
        np.testing.assert_allclose([each.micro, each.macro], wanted[name], atol=1e-9, err_msg=name)
