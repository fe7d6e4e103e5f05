"""Filters over an index: its recall, the way that is taken, and filters that go against the query."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.errors import MismatchError
from bignet.search.searcher import Searcher
from bignet.search.settings import Opening, SearchSettings
from tests.index.stores import clustered, extend, index, make
from tests.search.shelf import asked, brute_force, shelf, units, width_of


def ids(answer):
    return [hit.id for hit in answer.hits]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """3,000 rows with a graph over them."""
    snapshot = shelf(tmp_path_factory.mktemp("many") / "s", n=3000, vectors_of=clustered)
    index(snapshot, kind="hnsw")
    return snapshot


def cheap(searcher, **costs):
    """As if comparing took long, so that the index is taken."""
    tuning = replace(searcher.index.tuning, **({"exact_ms": 1e9, "exact_qps": 1e-9} | costs))
    searcher.__dict__["index"] = replace(searcher.index, tuning=tuning)
    return searcher


def recall(answers, snapshot, queries, rows, k=10):
    found = []
    for query, answer in zip(queries, answers, strict=True):
        kth = brute_force(snapshot, query, rows)[1][:k][-1]
        found.append(np.mean(np.array([hit.score for hit in answer.hits]) >= kth - 1e-6))
    return np.mean(found)


@pytest.mark.parametrize("limit", [500, 50, 5])
def test_the_index_answers_a_filter_with_its_recall_and_says_so(many, limit):
    searcher, queries = cheap(Searcher(many)), clustered(60, 100)
    rows = [row for row in range(3000) if width_of(1000 + row) < limit]
    answers = searcher.answer_all([asked(q) for q in queries], SearchSettings(10, where=f"width < {limit}"))
    assert {len(answer.hits) for answer in answers} == {10}
    assert all(width_of(hit.id) < limit for answer in answers for hit in answer.hits)
    assert recall(answers, many, queries, rows) >= 0.95
    assert {str(answer.searched).split(", comp")[0] for answer in answers} == {"hnsw index, filtered"}


def test_few_matching_rows_are_compared(many):
    searcher, queries = Searcher(many), clustered(60, 20)
    settings = SearchSettings(10, where="width < 5")
    rows = [row for row in range(3000) if width_of(1000 + row) < 5]
    for query in queries:
        answer = searcher.answer(asked(query), settings)
        assert answer.searched.exact
        assert ids(answer) == brute_force(many, query, rows)[0][:10]


@pytest.mark.parametrize("share", [0.5, 0.2, 0.02])
def test_a_filter_that_goes_against_the_query_loses_nothing(many, share):
    """The rows that match are those least similar to where the queries are."""
    searcher = cheap(Searcher(many))
    queries = clustered(61, 400)
    towards = units(queries[0])
    queries = queries[units(queries) @ towards > 0.5][:40]
    order = np.argsort(units(many.vectors()) @ towards)
    rows = np.sort(order[: int(3000 * share)])
    listed = ", ".join(str(1000 + row) for row in rows)
    answers = searcher.answer_all([asked(q) for q in queries], SearchSettings(10, where=f"id IN ({listed})"))
    assert recall(answers, many, queries, rows) >= 0.95
    assert any(answer.searched.scanned for answer in answers)
    completed = "hnsw index, filtered, completed by an exact scan"
    assert {str(a.searched) for a in answers if a.searched.scanned} == {completed}


def test_the_index_alone_would_lose_much_there(many):
    """What the scan is for: FAISS's own selector gives ten rows that match, not the best ten."""
    searcher, queries = Searcher(many), clustered(61, 400)
    towards = units(queries[0])
    queries = queries[units(queries) @ towards > 0.5][:40]
    rows = np.sort(np.argsort(units(many.vectors()) @ towards)[:600])
    mask = np.isin(searcher.rows.of_ids(searcher.index.ids), rows)
    _, found = searcher.index.search_many(queries, 10, mask)
    kth = [brute_force(many, query, rows)[1][9] for query in queries]
    assert (found >= np.array(kth)[:, None] - 1e-6).mean() < 0.95


def test_a_store_that_grew_answers_from_the_older_index_only_if_allowed(tmp_path):
    snapshot = make(tmp_path / "s", ids=range(600), vectors_of=clustered)
    index(snapshot, kind="hnsw")
    newer = extend(tmp_path / "s", range(600, 650), drop=tuple(range(10)), vectors_of=clustered)
    with pytest.raises(MismatchError, match="--stale-ok"):
        Searcher(newer).answer(asked(clustered(3, 1)[0]), SearchSettings())
    for limit, wanted in ((300, 290), (620, 590), (5, 0)):
        searcher = Searcher(newer, Opening(stale_ok=True))
        answer = searcher.answer(asked(clustered(3, 1)[0]), SearchSettings(1000, where=f"id < {limit}"))
        assert len(answer.hits) == wanted
        assert set(ids(answer)) == set(range(10, min(limit, 600)))
        assert str(answer.searched).endswith("the store is at snapshot 2 (640 rows)")
    fresh = searcher.reader.read("id:620")
    np.testing.assert_array_equal(fresh.vector, newer.vectors()[newer.ids() == 620][0])
    assert len(searcher.answer(fresh, SearchSettings(1000)).hits) == 590
    grouped = searcher.answer(asked(clustered(3, 1)[0]), SearchSettings(1000, group_by="id % 2"))
    assert [hit.group for hit in grouped.hits] == [hit.id % 2 for hit in grouped.hits]
    assert len(grouped.hits) == 2


@pytest.mark.parametrize("kind", ["ivf", "bits:sign", "bits:rabitq", "IVF16,SQ8"])
def test_every_kind_of_index_keeps_to_a_filter(tmp_path, kind):
    snapshot = shelf(tmp_path / "s", n=1500, vectors_of=clustered)
    index(snapshot, kind=kind)
    searcher, queries = cheap(Searcher(snapshot)), clustered(62, 60)
    rows = [row for row in range(1500) if width_of(1000 + row) < 200]
    answers = searcher.answer_all([asked(q) for q in queries], SearchSettings(10, where="width < 200"))
    assert {len(answer.hits) for answer in answers} == {10}
    assert not answers[0].searched.exact
    assert recall(answers, snapshot, queries, rows) >= 0.93


def test_a_stored_image_finds_itself_though_a_graph_may_not(tmp_path):
    def copies(seed, n):
        unit = np.zeros((n, 16), np.float32)
        unit[np.arange(n), np.arange(n) % 16] = 1
        return unit

    snapshot = make(tmp_path / "s", ids=range(1000), vectors_of=copies)
    index(snapshot, kind="hnsw")
    searcher = Searcher(snapshot)
    answers = [searcher.answer(searcher.reader.read(f"id:{number}"), SearchSettings(3)) for number in range(0, 1000, 7)]
    assert all(answer.hits[0].score == pytest.approx(1) for answer in answers)
    assert all(len(answer.hits) == 3 for answer in answers)
    elsewhere = searcher.answer(searcher.reader.read("id:8"), SearchSettings(3, where="id < 5"))
    assert set(ids(elsewhere)) <= set(range(5))
    shown = searcher.index.tuning.met
    assert all(
        ("whose recall was not shown" in str(a.searched)) == (not shown) for a in answers if not a.searched.exact
    )


def test_asked_for_fewer_an_index_finds_what_it_finds_among_more(many):
    searcher = Searcher(many)
    for query in clustered(91, 60):
        ten = ids(searcher.answer(asked(query), SearchSettings(10)))
        assert [ids(searcher.answer(asked(query), SearchSettings(k))) for k in (1, 3)] == [ten[:1], ten[:3]]
