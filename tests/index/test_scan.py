"""Scans against brute force in float64, with ties and whatever block size."""

import numpy as np
import pytest

from bignet.index import scan
from bignet.index.neighbors import normalised
from bignet.index.search import Index
from bignet.index.vectors import InMemory
from tests.index.stores import vectors_of


@pytest.fixture(params=[1 << 22, 64, 1])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(scan, "_VECTOR_NUMBERS", request.param)
    monkeypatch.setattr(scan, "_SIMILARITIES", request.param)
    monkeypatch.setattr(InMemory, "at_a_time", request.param)


VECTORS = np.concatenate([vectors_of(0, 150), np.repeat(vectors_of(1, 3), 20, axis=0)])
QUERIES = np.concatenate([vectors_of(2, 4), vectors_of(1, 1)])
PLACES = np.flatnonzero(np.random.default_rng(3).random(210) < 0.6)


def brute_force(query):
    unit = VECTORS.astype(np.float64) / np.linalg.norm(VECTORS.astype(np.float64), axis=1, keepdims=True)
    scores = unit[PLACES] @ (query.astype(np.float64) / np.linalg.norm(query.astype(np.float64)))
    order = np.argsort(-scores.round(6), kind="stable")
    return PLACES[order], scores[order]


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("k", [1, 7, 30, 500])
def test_the_nearest_are_those_of_brute_force_and_ties_come_in_row_order(k):
    rows, scores = scan.nearest(Index.exact(VECTORS, np.arange(210)), normalised(QUERIES), k, PLACES)
    assert rows.shape == (5, min(k, len(PLACES)))
    for query, some_rows, some_scores in zip(QUERIES, rows, scores, strict=True):
        wanted, cosines = brute_force(query)
        np.testing.assert_allclose(some_scores, cosines[:k], atol=1e-6)
        assert some_rows.tolist() == wanted[:k].tolist()


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("threshold", [-1, 0.1, 0.5, 1])
def test_all_within_a_threshold_are_found(threshold):
    index = Index.exact(VECTORS, np.arange(210))
    for query in QUERIES:
        rows, scores = scan.within(index, normalised(query[None])[0], threshold, PLACES)
        wanted, cosines = brute_force(query)
        assert rows.tolist() == wanted[cosines >= threshold - 1e-6].tolist()
        assert (np.diff(scores) <= 0).all()


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("k", [1, 3, 13, 50])
def test_each_group_gives_its_best(k):
    index, groups = Index.exact(VECTORS, np.arange(210)), np.random.default_rng(4).integers(13, size=210)
    for query in QUERIES:
        rows, _ = scan.best_of_groups(index, normalised(query[None])[0], k, PLACES, groups[PLACES])
        wanted = brute_force(query)[0]
        firsts = {int(group): int(row) for row, group in reversed(list(zip(wanted, groups[wanted], strict=True)))}
        assert rows.tolist() == [row for row in wanted if firsts[int(groups[row])] == row][:k]


def test_no_rows_give_no_answers():
    index, unit, none = Index.exact(VECTORS, np.arange(210)), normalised(QUERIES), np.empty(0, np.int64)
    assert scan.nearest(index, unit, 5, none)[0].shape == (5, 0)
    assert len(scan.within(index, unit[0], -1, none)[0]) == 0
    assert len(scan.best_of_groups(index, unit[0], 5, none, none)[0]) == 0


def test_answers_are_put_in_the_store_s_order_where_that_is_another():
    order = np.random.default_rng(5).permutation(210)
    index = Index(np.arange(210), Index.exact(VECTORS, np.arange(210)).vectors, None, rank=order)
    rows, scores = scan.nearest(index, normalised(QUERIES[-1:]), 20, np.arange(210))
    tied = np.isclose(scores[0], scores[0][0])
    assert tied.sum() == 20
    assert (np.diff(order[rows[0]]) > 0).all()
