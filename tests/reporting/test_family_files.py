"""What separation, confusion, hierarchy, geometry and clusters put into the files beside the page."""

import json
from dataclasses import fields, replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from bignet.evaluate.confusion_result import ConfusedPair
from bignet.evaluate.result import Metric
from bignet.reporting.atlas import atlas_table
from bignet.reporting.class_tables import class_pairs_table
from bignet.reporting.facts import Facts
from bignet.reporting.record import json_text, report_record
from bignet.reporting.source import GivenLabels
from bignet.reporting.tables import neighbours_table
from bignet.reporting.verdict import judge
from bignet.reporting.write import write_report
from tests.reporting.factory import make_world

LABELS = [f"{parent}#{kind}" for parent, kind in (
    ("pet", "cat"), ("pet", "dog"), ("farm", "cow"), ("farm", "pig"),
) for _ in range(12)] + ["lone#newt", None, None]  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """51 images with every family computed, groups and split given: (world, files, record)."""
    folder = tmp_path_factory.mktemp("filled")
    world = make_world(None, LABELS, spread=1.6, families=True)
    groups = tuple(None if i % 5 == 0 else f"video {i // 4}" for i in range(len(LABELS)))
    split = tuple("query" if i % 2 else "gallery" for i in range(len(LABELS)))
    given = GivenLabels("labels.csv", groups, split, (7, 9), ("gone.jpg",))
    source = replace(world.source, labels=given)
    files = write_report(world.evaluation, source, folder / "report")
    return replace(world, source=source), files, json.loads(files.json.read_text())


def record_of(world):
    return json_text(report_record(world.evaluation, world.source, judge(Facts(world.evaluation, world.source))))


def column(path, name):
    return pq.read_table(path)[name].to_pylist()


def known(values):
    return [None if not np.isfinite(value) else value for value in values.tolist()]


def test_the_record_lists_every_metric_of_every_family_once(filled):
    world, _, record = filled
    evaluation = world.evaluation
    listed = [metric["id"] for metric in record["metrics"]]
    families = (evaluation.separation, evaluation.confusion, evaluation.hierarchy, evaluation.geometry)

    assert listed[0] == "map@r.macro"
    assert len(listed) == len(set(listed))
    assert listed == [metric.id for metric in evaluation.metrics]
    for family in (*families, evaluation.clusters):
        assert {metric.id for metric in family.metrics} <= set(listed)
    for level in evaluation.hierarchy.levels:
        assert {level.p1.id, level.map_r.id} <= set(listed)


def test_a_metric_keeps_every_field_it_has_and_no_other(filled):
    _, _, record = filled
    assert all(set(metric) == {item.name for item in fields(Metric)} for metric in record["metrics"])


def test_blocks_name_images_by_id_and_leave_tables_to_parquet(filled):
    world, _, record = filled
    evaluation = world.evaluation
    hubs, cards = record["geometry"]["hubness"], record["clusters"]["clustering"]["clusters"]

    assert record["separation"]["pairs"]["n_same"] == evaluation.separation.pairs.n_same
    assert len(record["separation"]["pairs"]["points"]) == 3
    assert record["confusion"]["pairs"][0]["lift"] == max(pair.lift for pair in evaluation.confusion.pairs)
    assert [level["n_classes"] for level in record["hierarchy"]["levels"]] == [3, 5]
    assert sum(hubs["histogram"]) == hubs["n"] == len(evaluation.ids)
    top = int(np.argmax(evaluation.geometry.hubness.counts))
    assert hubs["hubs"][0] == {"id": int(evaluation.ids[top]), "lists": int(evaluation.geometry.hubness.counts[top])}
    assert [card["medoid_id"] for card in cards] == [
        evaluation.ids[card.medoid] for card in evaluation.clusters.chosen.clusters
    ]
    assert not any("rows" in name or name == "medoid" for card in cards for name in card)
    assert len(record["clusters"]["curve"]) == len(evaluation.clusters.curve)


def test_classes_say_what_they_are_taken_for(filled):
    world, _, record = filled
    confusion = {item.label: item for item in world.evaluation.confusion.classes}

    for line in record["classes"]:
        expected = confusion[line["label"]]
        assert [item["label"] for item in line["taken_for"]] == [pair.other for pair in expected.top]
        assert line["purity"] == expected.purity
    assert any(line["taken_for"] for line in record["classes"])


def test_the_record_says_where_labels_come_from_and_what_found_no_partner(filled):
    _, _, record = filled
    assert record["labels"] == {
        "file": "labels.csv",
        "n_labelled": 49,
        "n_unlabelled": 2,
        "n_groups": 13,
        "n_split": 2,
        "n_not_in_file": 2,
        "not_in_file": [7, 9],
        "n_not_in_store": 1,
        "not_in_store": ["gone.jpg"],
    }


def test_families_that_were_not_asked_for_are_null():
    record = json.loads(record_of(make_world(None, LABELS)))

    assert [record[name] for name in ("separation", "confusion", "hierarchy", "geometry", "clusters")] == [None] * 5


def test_two_runs_give_the_same_bytes_but_for_the_seconds():
    runs = [json.loads(record_of(make_world(None, LABELS, families=True, seconds=float(n)))) for n in (1, 2)]

    assert runs[0].pop("timings") != runs[1].pop("timings")
    assert json_text(runs[0]) == json_text(runs[1])


def test_per_query_has_what_each_family_says_of_an_image(filled):
    world, files, _ = filled
    evaluation = world.evaluation

    assert column(files.per_query, "group") == list(world.source.labels.groups)
    assert column(files.per_query, "split") == list(world.source.labels.split)
    assert column(files.per_query, "silhouette") == known(evaluation.separation.silhouette)
    assert column(files.per_query, "lid") == known(evaluation.geometry.dimension.lid)
    assert column(files.per_query, "N_k") == evaluation.geometry.hubness.counts.tolist()
    assert column(files.per_query, "cluster") == evaluation.clusters.chosen.assignment.tolist()


def test_per_query_is_null_where_a_family_looked_at_a_sample(tmp_path):
    world = make_world(None, LABELS, families=True)
    geometry = world.evaluation.geometry
    some = np.array([3, 8, 20])
    hubness = replace(geometry.hubness, rows=some, counts=np.array([5, 0, 2]))
    evaluation = replace(world.evaluation, geometry=replace(geometry, hubness=hubness, dimension=None), clusters=None)

    files = write_report(evaluation, world.source, tmp_path)

    listed = column(files.per_query, "N_k")
    assert {row: count for row, count in enumerate(listed) if count is not None} == {3: 5, 8: 0, 20: 2}
    for name in ("lid", "cluster", "group", "split"):
        assert set(column(files.per_query, name)) == {None}


def test_neighbours_are_those_of_the_rows_asked():
    world = make_world(None, LABELS)
    graph, ids = world.evaluation.graph, world.evaluation.ids
    asked = np.array([2, 5, 40])
    sampled = replace(graph, rows=graph.rows[asked], similarity=graph.similarity[asked], queries=asked)

    found = neighbours_table(replace(world.evaluation, graph=sampled), 10).to_pylist()

    wanted = set(ids[asked].tolist())
    assert found == [line for line in neighbours_table(world.evaluation, 10).to_pylist() if line["id"] in wanted]
    assert len(found) == 3 * 10


def test_per_class_has_spread_and_confusion_by_name(filled):
    world, files, _ = filled
    table = {line["class"]: line for line in pq.read_table(files.per_class).to_pylist()}
    evaluation = world.evaluation

    assert set(table) == {row.label for row in evaluation.classes}
    for spread, confusion, row in zip(
        evaluation.separation.classes, evaluation.confusion.classes, evaluation.classes, strict=True
    ):
        line = table[row.label]
        assert (line["silhouette"], line["cdnv"], line["cdnv_class"], line["cdnv_min"]) == (
            spread.silhouette, spread.cdnv, spread.cdnv_class, spread.cdnv_min,
        )  # fmt: skip
        assert (line["purity"], line["plausible_fp"]) == (confusion.purity, confusion.plausible_fp)
        assert line["top3_confused"] == [pair.other for pair in confusion.top]
        assert line["top3_lift"] == [pair.lift for pair in confusion.top]
        assert line["n_excluded"] == row.n - row.n_queries
    assert table["lone#newt"]["n_excluded"] == 1


def test_families_are_matched_by_name_whatever_their_order(filled, tmp_path):
    world, files, _ = filled
    separation, confusion = world.evaluation.separation, world.evaluation.confusion
    turned = replace(
        world.evaluation,
        separation=replace(separation, classes=separation.classes[::-1]),
        confusion=replace(confusion, classes=confusion.classes[::-1]),
    )

    again = write_report(turned, world.source, tmp_path)

    assert pq.read_table(again.per_class).equals(pq.read_table(files.per_class))


def test_class_pairs_have_confusion_both_ways(filled):
    world, files, _ = filled
    confusion = world.evaluation.confusion
    lift = {(pair.label, pair.other): pair.lift for pair in confusion.pairs}
    place = {name: i for i, name in enumerate(confusion.labels)}
    lines = pq.read_table(files.class_pairs).to_pylist()

    assert len(lines) == 5 * 6 // 2
    for line in lines:
        a, b = place[line["class_a"]], place[line["class_b"]]
        assert line["lift_ab"] == lift.get((line["class_a"], line["class_b"]))
        assert line["lift_ba"] == lift.get((line["class_b"], line["class_a"]))
        for share, one, other in (("share_ab", a, b), ("share_ba", b, a)):
            total = confusion.counts[one].sum()
            assert line[share] == (confusion.counts[one, other] / total if total else None)
    assert any(line["lift_ab"] for line in lines)


def test_more_classes_than_a_matrix_holds_list_the_confused_pairs():
    world = make_world(None, LABELS, families=True)
    pairs = tuple(
        ConfusedPair(*names, 10, 0.2, lift) for names, lift in ((("b", "a"), 3.0), (("a", "b"), 2.0), (("c", "a"), 1.0))
    )
    confusion = replace(world.evaluation.confusion, counts=None, pairs=pairs)

    lines = class_pairs_table(replace(world.evaluation, class_distance=None, confusion=confusion)).to_pylist()

    assert [(line["class_a"], line["class_b"], line["lift_ab"], line["lift_ba"]) for line in lines] == [
        ("a", "b", 2.0, 3.0),
        ("a", "c", None, 1.0),
    ]
    assert [(line["distance"], line["share_ab"]) for line in lines] == [(None, 0.2), (None, None)]


def test_the_spectrum_has_a_row_a_dimension(filled):
    world, files, _ = filled
    spectrum = world.evaluation.geometry.spectrum

    assert column(files.spectrum, "rank") == list(range(1, 17))
    assert column(files.spectrum, "eigenvalue") == pytest.approx(spectrum.eigenvalues, rel=1e-7)
    assert column(files.spectrum, "singular_value") == pytest.approx(spectrum.singular_values, rel=1e-7)
    assert column(files.spectrum, "zero_share") == spectrum.zero_share.tolist()
    assert not any(column(files.spectrum, "dead"))


def test_the_atlas_has_a_row_an_image_with_its_place_and_neighbours_by_row(filled):
    world, files, _ = filled
    evaluation, lines = world.evaluation, pq.read_table(files.atlas).to_pylist()

    assert [line["id"] for line in lines] == evaluation.ids.tolist()
    assert [line["image"].encode() for line in lines] == list(world.source.paths)
    assert [line["label"] for line in lines] == list(evaluation.labels)
    xy = evaluation.geometry.projections[0].xy
    for row, line in enumerate(lines):
        assert (line["projection_x"], line["projection_y"]) == tuple(xy[row])
        assert line["neighbors"]["ids"] == evaluation.graph.rows[row, :10].tolist()
        assert line["neighbors"]["distances"] == pytest.approx(1 - evaluation.graph.similarity[row, :10], abs=1e-6)


def test_the_atlas_of_a_sample_counts_rows_within_it(filled):
    world, _, _ = filled
    evaluation = world.evaluation
    shown, asked = np.array([9, 4, 30, 17, 2]), np.array([4, 9, 17])
    first = evaluation.geometry.projections[0]
    few = replace(first, rows=shown, xy=first.xy[shown])
    graph = evaluation.graph
    sampled = replace(graph, rows=graph.rows[asked], similarity=graph.similarity[asked], queries=asked)
    changed = replace(evaluation, graph=sampled, geometry=replace(evaluation.geometry, projections=(few,)))

    lines = atlas_table(changed, world.source, 10).to_pylist()

    order = sorted(shown.tolist())
    assert [line["id"] for line in lines] == evaluation.ids[order].tolist()
    assert [line["projection_x"] for line in lines] == first.xy[order, 0].tolist()
    for place, row in enumerate(order):
        near = [other for other in graph.rows[row, :10].tolist() if other in order] if row in asked else []
        assert [order[i] for i in lines[place]["neighbors"]["ids"]] == near


def test_without_a_map_there_is_no_atlas_and_an_older_one_goes(filled, tmp_path):
    world, _, _ = filled
    first = write_report(world.evaluation, world.source, tmp_path)
    second = write_report(replace(world.evaluation, geometry=None, clusters=None), world.source, tmp_path)

    assert first.atlas.name == "atlas.parquet"
    assert (second.atlas, second.spectrum) == (None, None)
    assert not (tmp_path / "atlas.parquet").exists()
    assert sorted(path.name for path in second.tables) == [
        "class_pairs.parquet", "neighbours.parquet", "per_class.parquet", "per_query.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b"], [None] * 5, ["a"] * 5])
def test_tiny_stores_have_files_too(tmp_path, labels):
    world = make_world(None, labels, families=True)

    files = write_report(world.evaluation, world.source, tmp_path)

    assert all(pq.read_metadata(path).metadata[b"schema_version"] == b"2" for path in files.tables)
    assert pq.read_metadata(files.per_query).num_rows == len(labels)
