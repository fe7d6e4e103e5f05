import numpy as np
import pytest

from bignet.evaluate import findings
from bignet.evaluate.result import Excluded, KnnGraph, Metric


def headline(value=0.5, lo=0.4, hi=0.6, chance=0.1, n_queries=50):
    return Metric("map@r.macro", value, lo, hi, chance=chance, n_queries=n_queries)


def test_rows_left_out_are_named_by_id():
    found = findings.rows_left_out({"nonfinite": (3, 8), "zero": tuple(range(9))})
    assert found == [
        "2 rows hold NaN or infinity and were left out of everything: ids 3, 8",
        "9 rows are all zero and were left out of everything: ids 0, 1, 2, 3, 4 and 4 more",
    ]
    assert findings.rows_left_out({"nonfinite": (), "zero": ()}) == []


def test_without_labels_only_that_is_said():
    found = findings.about_queries(Excluded(unlabelled=9), 0, 9, 0)
    assert found == ["no labels: nothing here says the neighbours are right"]


def test_without_rows_it_is_not_the_labels_that_are_missing():
    assert findings.about_queries(Excluded(zero=4), 0, 0, 0) == ["no usable rows: there was nothing to measure"]


def test_who_was_not_asked_is_counted():
    found = findings.about_queries(Excluded(unlabelled=4, singleton=1), 12, 17, 3)
    assert found[0] == "4 of 17 rows have no label and were not asked"
    assert found[1].startswith("1 class of one image")
    assert found[2].startswith("fewer than 100 queries (12)")


def test_a_hundred_queries_of_two_classes_need_no_sentence():
    assert findings.about_queries(Excluded(), 100, 100, 2) == []


@pytest.mark.parametrize(
    ("metric", "sentences"),
    [
        (headline(), ["interval wider than 0.10"]),
        (headline(lo=0.48, hi=0.52), []),
        (headline(lo=0.48, hi=0.52, chance=0.5), ["no better than chance"]),
        (headline(value=1.0, lo=1.0, hi=1.0, n_queries=12), ["score alike"]),
        (headline(lo=None, hi=None), []),
        (headline(value=None), []),
    ],
)
def test_the_headline_is_doubted_by_fixed_rules(metric, sentences):
    found = findings.about_headline(metric, np.ones(50))
    assert len(found) == len(sentences)
    assert all(part in sentence for part, sentence in zip(sentences, found, strict=True))


def test_ties_are_told_above_one_in_a_hundred():
    empty = np.zeros((0, 1))
    graph = KnnGraph(empty.astype(np.int64), empty, {1: 0.5, 10: 0.01, 100: 0.9})
    (sentence,) = findings.about_ties(graph, 10)
    assert sentence.startswith("50% of rows have equally similar neighbours at places 1 and 2;")


def test_queries_that_score_differently_are_not_said_to_score_alike():
    """An interval has no width too where each class is all right or all wrong."""
    metric = headline(lo=0.5, hi=0.5, n_queries=4)
    (alike,) = findings.about_headline(metric, np.array([0.5, 0.5, np.nan]))
    (differ,) = findings.about_headline(metric, np.array([0.0, 1.0, np.nan]))
    assert "all 4 queries score alike, so the interval has no width" in alike
    assert "scores of the 4 queries differ, but the interval has no width" in differ
