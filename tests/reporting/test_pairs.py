"""Closest pairs, and what the page shows when only a sample of the rows was asked."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.reporting import pairs as module
from bignet.reporting.facts import Facts
from bignet.reporting.lists import asked_rows, first_neighbours, line_of
from bignet.reporting.page import render_page
from bignet.reporting.pairs import affordable, closest_pairs
from bignet.reporting.settings import ReportSettings
from bignet.reporting.strips import choose_strips
from bignet.reporting.verdict import judge
from tests.reporting.factory import make_evaluation, make_world


def brute(evaluation, labels, n):
    """Every pair of a list, by cell, sorted the long way."""
    asked = asked_rows(evaluation.graph)
    found = {}
    for line, row in enumerate(asked.tolist()):
        for other, similarity in zip(evaluation.graph.rows[line], evaluation.graph.similarity[line], strict=True):
            ends = [evaluation.labels[row], evaluation.labels[other]] if other >= 0 else [None]
            if all(label in labels for label in ends):
                cell = tuple(sorted(labels.index(label) for label in ends))
                found.setdefault(cell, {})[tuple(sorted((row, int(other))))] = similarity
    return {cell: sorted(ends.items(), key=lambda item: (-item[1], item[0]))[:n] for cell, ends in found.items()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("block", [7, 4096])
def test_pairs_are_those_of_brute_force_whatever_the_block(monkeypatch, seed, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    rng = np.random.default_rng(seed)
    labels = [None if rng.random() < 0.1 else f"c{int(5 * rng.random() ** 2)}" for _ in range(90)]
    points = np.round(rng.normal(size=(90, 3)), 1) + 0.05
    points[40:50] = points[30:40]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    evaluation = make_evaluation(labels, points)
    names = sorted({label for label in labels if label})[:4]
    found = closest_pairs(evaluation, names, 5)
    expected = brute(evaluation, names, 5)
    assert {cell: [tuple(sorted((p.row, p.other))) for p in ps] for cell, ps in found.items()} == {
        cell: [ends for ends, _ in ps] for cell, ps in expected.items()
    }
    for (i, j), ps in found.items():
        assert all([labels[p.row], labels[p.other]] == [names[i], names[j]] for p in ps)


def test_pictures_go_to_the_first_pair_of_every_cell_before_a_second_of_any():
    evaluation = make_evaluation(["a", "b", "c"] * 20, spread=1.5)
    found = closest_pairs(evaluation, ["a", "b", "c"], 5)
    order = [(0, 1), (1, 2), (0, 2), (0, 0)]
    kept = affordable(found, order, [], 6)
    rows = {row for ps in kept.values() for pair in ps for row in (pair.row, pair.other)}
    assert len(rows) <= 6
    assert max(len(ps) for ps in kept.values()) <= 2
    assert list(affordable(found, order, range(60), 0)) == order


def sampled(evaluation, step=3):
    """The same as if only every third row had been asked."""
    graph, queries = evaluation.graph, np.arange(1, len(evaluation.ids), step)
    asked = np.isin(np.arange(len(evaluation.ids)), queries)
    scores = {name: np.where(asked, getattr(evaluation.per_query, name), np.nan) for name in ("p1", "apr", "rp")}
    return replace(
        evaluation,
        graph=replace(graph, rows=graph.rows[queries], similarity=graph.similarity[queries], queries=queries),
        per_query=replace(evaluation.per_query, **scores),
        metrics=tuple(replace(metric, n_queries=len(queries)) for metric in evaluation.metrics),
    )


def test_lines_and_rows_of_a_sampled_graph_find_each_other():
    graph = sampled(make_evaluation(["a", "b"] * 20)).graph
    assert [line_of(graph, row) for row in (0, 1, 2, 4)] == [None, 0, None, 1]
    rows, other, similarity = first_neighbours(graph)
    assert rows.tolist() == graph.queries.tolist()
    assert other.tolist() == graph.rows[:, 0].tolist()
    assert similarity.tolist() == graph.similarity[:, 0].tolist()


@pytest.mark.parametrize("labels", [["a", "b", "c"] * 40, [None] * 120])
def test_only_rows_that_were_asked_become_strips(labels):
    whole = make_evaluation(labels, spread=1.5, families=True)
    evaluation = sampled(whole)
    strips = choose_strips(evaluation, ReportSettings())
    assert {strip.row for strip in strips} <= set(evaluation.graph.queries.tolist())
    for strip in strips:
        assert [item.row for item in strip.neighbours] == whole.graph.rows[strip.row].tolist()


def test_a_sampled_graph_gives_a_page_with_the_pairs_of_its_own_lists():
    world = make_world(None, ["a", "b", "c"] * 40, spread=1.5, families=True)
    evaluation = sampled(world.evaluation)
    assert Facts(evaluation, world.source).is_sampled
    html = render_page(evaluation, world.source, judge(Facts(evaluation, world.source)), ReportSettings())
    assert "not asked" in html
    names = list(evaluation.class_distance.labels)
    found, expected = closest_pairs(evaluation, names, 5), brute(evaluation, names, 5)
    assert {cell: len(ps) for cell, ps in found.items()} == {cell: len(ps) for cell, ps in expected.items()}
