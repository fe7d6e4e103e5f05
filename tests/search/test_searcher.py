import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bignet.errors import UsageError
from bignet.index import selection
from bignet.search.expand import expanded
from bignet.search.results import Query
from bignet.search.searcher import Searcher
from bignet.search.settings import SearchSettings
from tests.index.stores import make, vectors_of
from tests.search.shelf import asked, brute_force, label_of, shelf, units, width_of

ROOT = Path(__file__).parents[2]
QUERIES = vectors_of(50, 12)


def ids(answer):
    return [hit.id for hit in answer.hits]


def scores(answer):
    return [hit.score for hit in answer.hits]


@pytest.mark.parametrize("k", [1, 10, 199, 200, 10**6])
def test_answers_equal_brute_force(searcher, snapshot, k):
    for query, answer in zip(QUERIES, searcher.answer_all([asked(q) for q in QUERIES], SearchSettings(k)), strict=True):
        wanted, cosines = brute_force(snapshot, query)
        assert ids(answer) == wanted[:k]
        np.testing.assert_allclose(scores(answer), cosines[:k], atol=1e-6)
        assert all((hit.label, hit.path) for hit in answer.hits)
        assert str(answer.searched) == "exact scan of 200 rows"


@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("where", ["label = 'cat'", "width < 100", "id = 1007", "false", "true"])
def test_a_filter_gives_min_of_k_and_matches_and_equals_brute_force(searcher, snapshot, where, k):
    rules = {
        "label = 'cat'": lambda i: label_of(i) == "cat",
        "width < 100": lambda i: width_of(i) < 100,
        "id = 1007": lambda i: i == 1007,
        "false": lambda _: False,
        "true": lambda _: True,
    }
    rows = [row for row, row_id in enumerate(range(1000, 1200)) if rules[where](row_id)]
    for query in QUERIES:
        answer = searcher.answer(asked(query), SearchSettings(k, where=where))
        assert ids(answer) == brute_force(snapshot, query, rows)[0][:k]
        assert len(answer.hits) == min(k, len(rows))
        plural = "row" if len(rows) == 1 else "rows"
        assert str(answer.searched) == f"exact scan of {len(rows):,} matching {plural}"


@pytest.mark.parametrize("threshold", [-1, -0.2, 0.0, 0.3, 0.9, 1])
def test_a_threshold_alone_gives_all_that_reach_it(searcher, snapshot, threshold):
    query = snapshot.vectors()[3]
    wanted, cosines = brute_force(snapshot, query)
    answer = searcher.answer(asked(query), SearchSettings(threshold=threshold))
    assert ids(answer) == [row_id for row_id, score in zip(wanted, cosines, strict=True) if score >= threshold - 1e-6]
    assert ids(answer)[0] == 1003
    few = searcher.answer(asked(query), SearchSettings(k=2, threshold=threshold))
    assert ids(few) == ids(answer)[:2]


def test_a_threshold_and_a_filter_hold_together(searcher, snapshot):
    rows = [row for row in range(200) if label_of(1000 + row) == "dog"]
    wanted, cosines = brute_force(snapshot, QUERIES[0], rows)
    answer = searcher.answer(asked(QUERIES[0]), SearchSettings(threshold=0.2, where="label = 'dog'"))
    assert ids(answer) == [row_id for row_id, score in zip(wanted, cosines, strict=True) if score >= 0.2]


def best_of_each(snapshot, query, value, exclude=()):
    seen, wanted = set(), []
    for row_id in brute_force(snapshot, query)[0]:
        if value(row_id) not in seen and row_id not in exclude:
            seen.add(value(row_id))
            wanted.append(row_id)
    return wanted


@pytest.mark.parametrize("k", [1, 2, 5, 9, 150, 500])
@pytest.mark.parametrize(
    ("column", "value"), [("label", label_of), ("width % 40", lambda i: width_of(i) % 40), ("id", lambda i: i)]
)
def test_a_grouping_gives_the_best_hit_of_each_value(searcher, snapshot, column, value, k):
    for query in QUERIES:
        answer = searcher.answer(asked(query), SearchSettings(k, group_by=column))
        assert ids(answer) == best_of_each(snapshot, query, value)[:k]
        assert [hit.group for hit in answer.hits] == [value(hit.id) for hit in answer.hits]


def test_a_grouping_looks_at_all_rows_where_the_best_hits_are_of_few_groups(tmp_path):
    """The only row of the second value is the least similar of 400."""
    snapshot = shelf(tmp_path / "s", n=400)
    query = -snapshot.vectors()[397]
    answer = Searcher(snapshot).answer(asked(query), SearchSettings(5, group_by="id = 1397"))
    assert ids(answer) == best_of_each(snapshot, query, lambda i: i == 1397)
    assert [hit.group for hit in answer.hits] == [False, True]


def test_groups_without_a_k_are_all_those_that_reach_the_threshold(searcher, snapshot):
    query = QUERIES[1]
    cosine = dict(zip(*brute_force(snapshot, query), strict=True))
    wanted = [row_id for row_id in best_of_each(snapshot, query, label_of) if cosine[row_id] >= 0.4]
    assert ids(searcher.answer(asked(query), SearchSettings(threshold=0.4, group_by="label"))) == wanted


def test_the_query_itself_is_left_out_of_hits_groups_and_thresholds(searcher, snapshot):
    query = searcher.reader.read("id:1042")
    wanted = [row_id for row_id in brute_force(snapshot, query.vector)[0] if row_id != 1042]
    alone = SearchSettings(10, exclude_self=True)
    assert ids(searcher.answer(query, alone)) == wanted[:10]
    assert 1042 not in ids(searcher.answer(query, SearchSettings(threshold=-1, exclude_self=True)))
    grouped = searcher.answer(query, replace(alone, group_by="label"))
    assert ids(grouped) == best_of_each(snapshot, query.vector, label_of, {1042})[:10]
    filtered = searcher.answer(query, replace(alone, where="id >= 1042"))
    assert ids(filtered) == [row_id for row_id in wanted if row_id > 1042][:10]


@pytest.mark.parametrize("n", [1, 5, 500])
def test_an_expanded_query_is_the_weighted_mean_of_itself_and_its_best(searcher, snapshot, n):
    query = searcher.reader.read(1042)
    found, cosines = brute_force(snapshot, query.vector)
    rows = np.array(found)[1 : n + 1] - 1000
    hits, weights = units(snapshot.vectors()[rows]), np.maximum(cosines[1 : n + 1], 0) ** 3
    mean = units(query.vector) + weights @ hits
    wanted, expected = brute_force(snapshot, mean)
    answer = searcher.answer(query, SearchSettings(10, expand=n))
    assert ids(answer) == wanted[:10]
    np.testing.assert_allclose(scores(answer), expected[:10], atol=1e-5)


def test_hits_that_point_away_do_not_push_an_expanded_query():
    query, away = np.array([1, 0], np.float32), np.array([[-1, 0.5]], np.float32)
    np.testing.assert_array_equal(expanded(query, away, np.array([-0.9])), query)


def test_a_filter_holds_for_the_hits_a_query_is_expanded_with(searcher, snapshot):
    rows = [row for row in range(200) if label_of(1000 + row) == "cat"]
    query = asked(QUERIES[2])
    found, cosines = brute_force(snapshot, query.vector, rows)
    hits = units(snapshot.vectors()[np.array(found)[:3] - 1000])
    mean = units(query.vector) + np.maximum(cosines[:3], 0) ** 3 @ hits
    answer = searcher.answer(query, SearchSettings(10, where="label = 'cat'", expand=3))
    assert ids(answer) == brute_force(snapshot, mean, rows)[0][:10]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": -3}, "k is -3"),
        ({"k": 2.5}, "whole number"),
        ({"k": "10"}, "whole number"),
        ({"expand": -1}, "expand is -1"),
        ({"threshold": float("nan")}, "threshold nan"),
        ({"threshold": 1.5}, "threshold 1.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says):
    with pytest.raises(UsageError, match=says):
        SearchSettings(**settings)


@pytest.mark.parametrize(
    "vector",
    [np.ones(15), np.ones((1, 16)), np.array(1.0), np.full(16, np.nan), np.full(16, np.inf), np.zeros(16)],
)
@pytest.mark.parametrize(
    "settings",
    [
        SearchSettings(3),
        SearchSettings(threshold=0.1),
        SearchSettings(3, group_by="label"),
        SearchSettings(200, group_by="label"),
        SearchSettings(3, expand=2),
        SearchSettings(3, where="label = 'cat'"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused_however_it_is_searched(searcher, vector, settings):
    with pytest.raises(UsageError, match=r"shape|no direction"):
        searcher.answer(asked(vector), settings)


def test_a_vector_that_does_not_fit_is_refused_beside_one_that_does(searcher):
    with pytest.raises(UsageError, match=r"shape \(15,\)"):
        searcher.answer_all([asked(np.ones(16)), asked(np.ones(15))], SearchSettings())


def test_every_row_reaches_a_threshold_of_one_with_itself(searcher, snapshot):
    for settings in (SearchSettings(k=1, threshold=1), SearchSettings(threshold=1)):
        answers = searcher.answer_all([asked(vector) for vector in snapshot.vectors()], settings)
        assert [ids(answer) for answer in answers] == [[row_id] for row_id in snapshot.ids().tolist()]


def test_an_empty_store_says_so(tmp_path):
    searcher = Searcher(make(tmp_path / "s", ids=[]))
    with pytest.raises(UsageError, match="nothing to search"):
        searcher.answer(asked(np.ones(16)), SearchSettings())


def test_misuse_is_refused_without_assertions_too(snapshot):
    code = (
        "import sys, numpy as np, bignet\n"
        "store = bignet.open(sys.argv[1])\n"
        "good = np.ones(16, np.float32)\n"
        "tries = [(np.ones(3), {}), (good * np.nan, {}), (good * 0, {}), (good, {'k': 0}), (good, {'k': -1}),\n"
        "         (good, {'where': 'colour'}), (good, {'threshold': 2}), (good, {'expand': -1}), ([], {}),\n"
        "         ([(1000, 1), (1000, -1)], {}), ([(1000, float('nan'))], {})]\n"
        "for query, options in tries:\n"
        "    try:\n"
        "        store.search(query, **options)\n"
        "    except bignet.BigNetError:\n"
        "        print('refused')\n"
        "print(len(store.search(good, k=10**9)), len(store.search(good, k=7, where='id < 1003')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", code, str(snapshot.path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused"] * 11 + ["200", "3"]


def test_one_index_is_opened_for_all_searches(snapshot, monkeypatch):
    import bignet

    store = bignet.open(snapshot.path)
    first = [hit.id for hit in store.search(1000, k=3, where="width < 500")]

    def fail(*_args, **_kwargs):
        pytest.fail("it was opened before")

    monkeypatch.setattr("bignet.store.snapshot.Snapshot.vectors", fail)
    monkeypatch.setattr("bignet.store.snapshot.Snapshot.vectors_at", fail)
    monkeypatch.setattr("bignet.store.snapshot.Snapshot.metadata", fail)
    for _ in range(100):
        assert [hit.id for hit in store.search(1000, k=3, where="width < 500")] == first
    assert len(store.search_many([1000, 1001, QUERIES[0]], k=5, exclude_self=True)) == 3


def test_filters_beyond_the_last_few_are_forgotten(searcher):
    for number in range(20):
        searcher.answer(asked(QUERIES[0]), SearchSettings(1, where=f"id > {number}", group_by=f"id + {number}"))
    assert len(searcher._selections) <= 4
    assert len(searcher._groupings) <= 4


def test_queries_that_leave_themselves_out_do_not_shorten_each_other_s_answers(searcher):
    twins = Query("all", QUERIES[0], frozenset(range(1000, 1150)))
    settings = SearchSettings(60, exclude_self=True)
    first, second = searcher.answer_all([twins, asked(QUERIES[1])], settings)
    assert len(first.hits) == 50
    assert len(second.hits) == 60
    assert not set(ids(first)) & twins.own_ids


def test_large_parts_are_compared_without_a_copy(snapshot, monkeypatch):
    settings = SearchSettings(10, where="width < 700")
    before = [ids(answer) for answer in Searcher(snapshot).answer_all([asked(q) for q in QUERIES], settings)]
    monkeypatch.setattr(selection, "_KEPT_BYTES", 0)
    searcher = Searcher(snapshot)
    assert [ids(answer) for answer in searcher.answer_all([asked(q) for q in QUERIES], settings)] == before
    assert searcher._selection(settings)._alone is None
