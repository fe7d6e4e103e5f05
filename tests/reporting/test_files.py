import json
import math
import os
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from bignet.errors import ResourceError, UsageError
from bignet.reporting.settings import ReportSettings
from bignet.reporting.write import write_report
from tests.reporting.factory import make_world

TABLES = ("per_query", "neighbours", "per_class", "class_pairs")


def test_every_table_is_zstd_and_says_its_schema_version(animals):
    _, files = animals
    for name in TABLES:
        parquet = pq.ParquetFile(getattr(files, name))
        assert parquet.schema_arrow.metadata[b"schema_version"] == b"2"
        assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"


def test_neighbours_keep_ids_ranks_and_relations_together(animals):
    world, files = animals
    evaluation = world.evaluation
    labels = dict(zip(evaluation.ids.tolist(), evaluation.labels, strict=True))
    seen = set()
    for line in pq.read_table(files.neighbours).to_pylist():
        row = evaluation.ids.tolist().index(line["id"])
        place = line["rank"] - 1
        assert line["nn_id"] == evaluation.ids[evaluation.graph.rows[row, place]]
        assert line["sim"] == evaluation.graph.similarity[row, place]
        assert line["relation"] == expected_relation(labels[line["id"]], labels[line["nn_id"]])
        seen.add(line["relation"])
    assert seen == {"same", "parent", "different", "unlabelled"}


def expected_relation(a, b):
    if a is None or b is None:
        return "unlabelled"
    if a == b:
        return "same"
    return "parent" if a.split("#")[0] == b.split("#")[0] else "different"


def test_per_query_has_a_row_for_every_image_and_null_where_it_was_no_query(animals):
    world, files = animals
    table = pq.read_table(files.per_query).to_pylist()
    assert [line["id"] for line in table] == world.evaluation.ids.tolist()
    assert [line["path"] for line in table] == list(world.source.paths)
    assert [line["apr"] is None for line in table] == [
        label is None or label.startswith("lone") for label in world.evaluation.labels
    ]
    for line, named in zip(table, world.evaluation.per_query.knn_pred, strict=True):
        assert line["knn_pred"] == named
        assert (line["knn_pred"] is None) == (line["knn_conf"] is None) == (line["apr"] is None)
        assert line["knn_conf"] is None or 0 < line["knn_conf"] <= 1


def test_class_tables_hold_every_class_and_every_pair_once(animals):
    world, files = animals
    classes = pq.read_table(files.per_class).to_pylist()
    assert len(classes) == len(world.evaluation.classes) == 8
    pairs = pq.read_table(files.class_pairs).to_pylist()
    assert len(pairs) == 8 * 9 // 2
    alone = [line for line in pairs if line["distance"] is None]
    assert sorted(line["class_a"] for line in alone) == ["lone#eel", "lone#newt"]


def test_record_has_no_nan_and_every_null_has_a_reason(animals):
    _, files = animals

    def refuse(name):
        raise AssertionError(name)

    record = json.loads(files.json.read_text(), parse_constant=refuse)
    everything = record["metrics"] + [row[name] for row in record["classes"] for name in ("p1", "map_r")]
    assert all(metric["value"] is not None or metric["reason"] for metric in everything)
    assert len(record["verdict"]["sentences"]) == 3
    assert {"id", "condition", "inputs", "fired", "sentence", "group"} == set(record["verdict"]["rules"][0])
    assert not any(math.isnan(m["value"] or 0) for m in everything)


def test_no_file_names_a_folder_of_this_machine(tmp_path):
    world = make_world(tmp_path / "images", ["a", "b"] * 8)
    source = replace(world.source, provenance={"weights": str(tmp_path / "weights.pt")})
    files = write_report(world.evaluation, source, tmp_path / "report")
    for path in files.folder.iterdir():
        assert os.fsencode(tmp_path) not in path.read_bytes()
    assert "weights.pt" in files.json.read_text()


def test_two_runs_differ_only_in_their_timings(tmp_path):
    reports = []
    for run in (1, 2):
        world = make_world(tmp_path / "images", ["a", "b", "c"] * 9, seconds=float(run))
        reports.append(write_report(world.evaluation, world.source, tmp_path / str(run)))
    first, second = reports
    for name in ("html", *TABLES):
        assert getattr(first, name).read_bytes() == getattr(second, name).read_bytes()
    records = [json.loads(files.json.read_text()) for files in reports]
    assert records[0].pop("timings") != records[1].pop("timings")
    assert records[0] == records[1]
    assert list(records[0]) == sorted(records[0])


def test_writing_again_replaces_the_files_and_leaves_nothing_else(tmp_path, write):
    world = make_world(tmp_path / "images", ["a", "b"] * 8)
    write(world)
    files = write(world)
    assert sorted(path.name for path in files.folder.iterdir()) == [
        "class_pairs.parquet", "neighbours.parquet", "per_class.parquet", "per_query.parquet",
        "report.html", "report.json",
    ]  # fmt: skip


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_way_of_the_folder_is_explained(tmp_path, below):
    world = make_world(None, ["a", "b"] * 4)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(ResourceError, match="cannot write the report"):
        write_report(world.evaluation, world.source, blocked / below)


def test_a_full_disk_is_explained_and_leaves_the_old_report(tmp_path, write, monkeypatch):
    world = make_world(None, ["a", "b"] * 4)
    before = write(world).html.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="disk is full"):
        write(world)
    assert (tmp_path / "report" / "report.html").read_bytes() == before
    assert not [path for path in (tmp_path / "report").iterdir() if path.name.startswith(".")]


def test_paths_that_do_not_match_the_rows_are_refused(write):
    world = make_world(None, ["a", "b"] * 4)
    short = replace(world, source=replace(world.source, paths=world.source.paths[1:]))
    with pytest.raises(UsageError, match="7 paths for 8"):
        write(short)


def test_a_page_over_the_hard_limit_is_refused_with_advice(write):
    world = make_world(None, ["a", "b"] * 4)
    with pytest.raises(UsageError, match="fewer than 60 strips"):
        write(world, settings=ReportSettings(hard_max_bytes=10_000))


def test_pictures_beyond_the_budget_are_left_out_and_counted(tmp_path, write):
    world = make_world(tmp_path / "images", ["a", "b"] * 20)
    files = write(world, settings=ReportSettings(max_bytes=20_000))
    assert "not shown" in files.html.read_text()
    assert "left out" in files.html.read_text()


def test_a_thousand_classes_stay_within_the_budget(thousand):
    assert thousand.html.stat().st_size < 15_000_000
    assert pq.read_metadata(thousand.class_pairs).num_rows == 1000 * 1001 // 2
    text = thousand.html.read_text()
    assert text.count('<tr><th scope="row" title=') == 60
    assert "class_pairs.parquet" in text
