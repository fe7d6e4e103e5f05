"""What a selection makes of an index that proposes too little, and which way it takes."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.index.neighbors import NONE
from bignet.index.search import Index
from bignet.index.selection import Searched, Selection
from bignet.index.tuning import Effort, OperatingPoint, Tuning
from tests.index.stores import vectors_of

VECTORS, IDS = vectors_of(0, 400), np.arange(400) * 5 + 3
EXACT = Index.exact(VECTORS, IDS)
POINT = OperatingPoint(search=8, shortlist=1, recall=0.99, recall_low=0.98, batch_qps=1e4, single_ms=0.1)
TUNING = Tuning(0.95, 10, True, 0.99, 0.98, 100, POINT, (POINT,), exact_ms=10.0, exact_qps=1e3)


class Sparse:
    """The true nearest rows, of which only the first are given."""

    def __init__(self, most):
        self.most = most
        self.efforts = []

    def __len__(self):
        return len(IDS)

    def nearest(self, unit, n, effort, only=None):
        self.efforts.append((n, effort))
        rows = EXACT.candidates.nearest(unit, n, effort, only)[:, :n].copy()
        rows[:, self.most :] = NONE
        return rows


def index(most=400, tuning=TUNING):
    return Index(IDS, EXACT.vectors, Sparse(most), tuning.chosen.effort, kind="stub", tuning=tuning)


@pytest.mark.parametrize("most", [400, 40, 5, 1, 0])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_an_index_that_gives_too_few_never_shortens_an_answer(most, share):
    only = np.random.default_rng(1).random(400) < share
    only[-1] = True  # the row that NONE would stand for
    cheap = replace(TUNING, exact_ms=1e9, exact_qps=1e-9)
    found, how = Selection(index(most, cheap), only).nearest(vectors_of(2, 30), 10)
    wanted = EXACT.search_many(vectors_of(2, 30), 10, only)
    np.testing.assert_array_equal(found.ids, wanted[0])
    np.testing.assert_allclose(found.scores, wanted[1], atol=1e-6)
    assert how.scanned == found.scanned.sum()
    assert how.scanned == 30 or most > 1


@pytest.mark.parametrize(("share", "exact"), [(0.9, False), (0.5, False), (0.1, True), (0.01, True), (0.0, True)])
def test_many_rows_are_searched_and_few_compared(share, exact):
    only = np.arange(400) < 400 * share
    found, how = Selection(index(), only).nearest(vectors_of(3, 1), 10)
    assert how.exact is exact
    assert how.rows == len(only[only])
    assert found.ids.shape == (1, min(10, how.rows))


def test_times_of_many_queries_decide_for_many():
    tuning = replace(TUNING, exact_qps=1e6)
    only = np.arange(400) < 300
    assert not Selection(index(tuning=tuning), only).nearest(vectors_of(3, 1), 10)[1].exact
    assert Selection(index(tuning=tuning), only).nearest(vectors_of(3, 2), 10)[1].exact


class Shards:
    """Vectors that are not in memory."""

    dims = 16
    at = staticmethod(EXACT.vectors.at)


def test_reading_vectors_from_disk_counts():
    only = np.arange(400) < 40
    assert Selection(index(), only).plan(10) is None
    assert Selection(replace(index(), vectors=Shards()), only).plan(10) is not None


def test_the_effort_grows_as_the_share_falls():
    efforts = [Selection(index(), np.arange(400) < 400 * share).plan(10) for share in (0.9, 0.7, 0.5)]
    assert [plan.n_near for plan in efforts] == sorted(plan.n_near for plan in efforts)
    assert all(plan.n_near >= 10 / share for plan, share in zip(efforts, (0.9, 0.7, 0.5), strict=True))
    assert all(plan.effort.search >= 8 * plan.n_near / 10 for plan in efforts)


def test_codes_that_are_all_compared_need_no_more_effort():
    flat = replace(POINT, search=0, shortlist=4)
    plan = Selection(index(tuning=replace(TUNING, chosen=flat)), np.arange(400) < 350).plan(10)
    assert (plan.effort, plan.n_near) == (Effort(0, 4), 0)


def test_without_a_filter_the_index_is_asked_as_it_was_tuned():
    stub = index()
    _, how = Selection(stub).nearest(vectors_of(3, 4), 10)
    assert stub.candidates.efforts == [(10, Effort(8, 1))]
    assert str(how) == "stub index"


@pytest.mark.parametrize(
    ("searched", "text"),
    [
        (Searched("flat", exact=True, rows=2500, filtered=True), "exact scan of 2,500 matching rows"),
        (Searched("hnsw", exact=True, rows=1, filtered=True), "exact scan of 1 matching row"),
        (Searched("flat", exact=True, rows=12, filtered=False), "exact scan of 12 rows"),
        (Searched("hnsw", exact=False, rows=12, filtered=True), "hnsw index, filtered"),
        (Searched("ivf", exact=False, rows=12, filtered=False), "ivf index"),
        (Searched("ivf", False, 12, True, 3), "ivf index, filtered, completed by an exact scan"),
    ],
)
def test_the_way_is_said_in_words(searched, text):
    assert str(searched) == text
