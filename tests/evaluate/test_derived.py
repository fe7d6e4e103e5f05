"""Steps judged on the images before and after, against brute force."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bignet.derive.fit import fit
from bignet.derive.steps import parse_steps
from bignet.evaluate.derived import judge
from bignet.evaluate.settings import EvaluateSettings


def fitter(steps):
    return partial(fit, parse_steps(steps))


@pytest.fixture(scope="module")
def digits():
    vectors, labels = load_digits(return_X_y=True)
    return vectors.astype(np.float32)[:600], [str(label) for label in labels[:600]]


def by_hand(queries, gallery, labels, query_labels, own=None):
    """Macro MAP@R: ``own`` says which gallery row a query is."""
    scores = np.round(unit(queries) @ unit(gallery).T, 10)
    if own is not None:
        scores[np.arange(len(own)), own] = -9
    found = {}
    for number, row in enumerate(scores):
        label = query_labels[number]
        hits = (labels == label)[np.argsort(-row, kind="stable")]
        r = int((labels == label).sum()) - (own is not None)
        first = hits[:r]
        found.setdefault(label, []).append((first.cumsum() / np.arange(1, r + 1))[first].sum() / r)
    return np.mean([np.mean(values) for values in found.values()])


def unit(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("steps", "verdict"), [("pca:32", "better"), ("whiten:32", "worse"), ("l2", None)])
def test_steps_on_each_image_alone_are_judged_leave_one_out(digits, steps, verdict):
    vectors, labels = digits
    found = judge(vectors, labels, fitter(steps))
    known, everyone = np.array(labels), np.arange(len(labels))
    after = fit(parse_steps(steps), vectors).apply(vectors)
    assert found.before == pytest.approx(by_hand(vectors, vectors, known, known, everyone), abs=1e-9)
    assert found.after == pytest.approx(by_hand(after, after, known, known, everyone), abs=1e-6)
    assert found.value == pytest.approx(found.after - found.before, abs=1e-9)
    assert (found.metric, found.mode, found.n_queries, found.gallery_size) == ("map@r.macro", "loo", 600, 600)
    assert found.verdict == (verdict or "no difference shown")
    assert found.lo <= found.value <= found.hi


def test_expanded_queries_ask_rows_that_are_not(digits):
    vectors, labels = digits
    found, known, everyone = judge(vectors, labels, fitter("qe:5:3")), np.array(labels), np.arange(len(labels))
    rows = unit(vectors)
    scores = rows @ rows.T
    np.fill_diagonal(scores, -9)
    near = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    asked = rows + (np.take_along_axis(scores, near, 1)[:, :, None] ** 3 * rows[near]).sum(axis=1)
    assert found.after == pytest.approx(by_hand(asked, rows, known, known, everyone), abs=1e-6)
    assert (found.mode, found.verdict) == ("loo", "better")


def test_rows_mixed_with_neighbours_are_judged_by_images_that_are_in_none_of_them(digits):
    vectors, labels = digits
    seen = []

    def spy(gallery):
        seen.append(len(gallery))
        return fit(parse_steps("center,dba:5:3"), gallery)

    found = judge(vectors, labels, spy)
    assert (found.mode, found.n_queries, found.gallery_size, seen[-1]) == ("split", 300, 300, 300)
    assert found == judge(vectors, labels, spy)
    assert found != judge(vectors, labels, spy, seed=1)
    assert found.verdict == "better"


def test_one_sided_centring_is_not_what_is_judged(digits):
    vectors, labels = digits
    known, everyone = np.array(labels), np.arange(len(labels))
    rows = unit(vectors)
    one_sided = by_hand(rows, rows - rows.mean(axis=0), known, known, everyone)
    assert abs(judge(vectors, labels, fitter("center")).after - one_sided) > 0.01


def test_without_labels_it_is_said_how_much_of_the_neighbours_stays(digits):
    vectors, _ = digits
    found = judge(vectors, [None] * 600, fitter("pca:8"))
    after = fit(parse_steps("pca:8"), vectors).apply(vectors)
    tops = []
    for rows in (unit(vectors), unit(after)):
        scores = rows @ rows.T
        np.fill_diagonal(scores, -9)
        tops.append(np.argsort(-scores, axis=1)[:, :10])
    same = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*tops, strict=True)])
    assert found.metric == "overlap@10"
    assert found.value == pytest.approx(same, abs=1e-9)
    assert (found.before, found.verdict) == (None, "no labels")
    assert found.lo < found.value < found.hi


@pytest.mark.parametrize("labelled", [True, False])
def test_of_many_images_a_sample_is_asked_and_it_is_said(digits, labelled, monkeypatch):
    vectors, labels = digits
    few = partial(EvaluateSettings, exact_rows=100, sample_queries=90)
    monkeypatch.setattr("bignet.evaluate.derived.EvaluateSettings", few)
    found = judge(vectors, labels if labelled else [None] * 600, fitter("pca:16"))
    assert found.n_queries < 600
    assert found.estimator.startswith(f"sampled, {found.n_queries} of 600 queries")


def test_of_two_images_each_finds_the_other_and_of_one_nothing_is_found():
    vectors = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    assert judge(vectors[:2], ["a", "a"], fitter("power:.5")).value == 0
    assert judge(vectors[:1], ["a"], fitter("l2")) is None
    assert judge(vectors[:2], [None, None], fitter("l2")).value == 1
    assert judge(vectors, ["a", "b", None], fitter("dba:1:1")).metric == "overlap@10"


def test_where_half_of_the_images_are_too_few_to_fit_to_there_is_no_judgement():
    vectors = np.random.default_rng(0).standard_normal((12, 20)).astype(np.float32)
    assert judge(vectors, list("abc") * 4, fitter("pca:8,dba:3:1")) is None
    assert judge(vectors, list("abc") * 4, fitter("pca:4,dba:3:1")) is not None
