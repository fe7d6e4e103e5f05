import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from bignet.errors import ResourceError, UsageError
from bignet.reporting.settings import ReportSettings
from bignet.reporting.sweep.settings import SweepPageSettings
from bignet.reporting.sweep.write import write_sweep
from tests.reporting.sweep.factory import make_sweep

MEASURED = ("costs", "decision", "timings")


def read(files):
    def refuse(text):
        raise AssertionError(text)

    return json.loads(files.json.read_text(), parse_constant=refuse)


def test_the_record_holds_every_choice_with_full_records(twelve):
    world, files = twelve
    record = read(files)
    assert (record["schema_version"], record["kind"]) == (1, "bignet.sweep")
    assert [item["name"] for item in record["choices"]] == [item.choice.name for item in world.sweep.scored]
    for made, item in zip(record["choices"], world.sweep.scored, strict=True):
        assert made["reported"]["value"] == item.reported.value
        assert {"lo", "hi", "ci", "level", "estimator", "n_queries", "excluded", "chance"} <= set(made["reported"])
        for name, metric in made["metrics"].items():
            assert metric["value"] == item.metrics[name].value
            assert metric["value"] is not None or metric["reason"]
    assert record["costs"]["choices"].keys() == {item.choice.name for item in world.sweep.scored}
    assert [item["name"] for item in record["decision"]["recommendations"]] == [
        item.name for item in world.sweep.recommendations
    ]
    labels = record["classes"]["labels"]
    for item in world.sweep.scored:
        assert dict(zip(labels, record["classes"]["scores"][item.choice.name], strict=True)) == item.per_class
    assert record["timings"]["seconds"] == world.sweep.seconds
    assert len(record["dropped"]) == len(world.sweep.dropped)
    assert "/" + str(world.source.image_root).strip("/").split("/")[0] + "/" not in files.json.read_text()


def test_two_runs_are_byte_equal_apart_from_what_the_clock_says(twelve, tmp_path):
    world, files = twelve
    again = write_sweep(world.sweep, world.source, tmp_path / "a")
    assert again.json.read_bytes() == files.json.read_bytes()
    assert again.parquet.read_bytes() == files.parquet.read_bytes()
    assert again.html.read_bytes() == files.html.read_bytes()
    slower = tuple(
        replace(item, cost=replace(item.cost, images_s_forward=1.0, images_s_end2end=1.0, index_qps=2.0))
        for item in world.sweep.scored
    )
    other = write_sweep(replace(world.sweep, scored=slower, seconds={"score": 9.0}), world.source, tmp_path / "b")
    one, two = read(files), read(other)
    assert {key for key in one if one[key] != two[key]} <= set(MEASURED)


def test_the_table_holds_a_row_a_choice_with_all_columns(twelve):
    world, files = twelve
    parquet = pq.ParquetFile(files.parquet)
    assert parquet.schema_arrow.metadata[b"bignet.kind"] == b"sweep"
    assert parquet.schema_arrow.metadata[b"schema_version"] == b"1"
    assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
    for line, item in zip(pq.read_table(files.parquet).to_pylist(), world.sweep.scored, strict=True):
        assert line["choice"] == item.choice.name
        assert (line["score"], line["score_lo"]) == (item.reported.value, item.reported.lo)
        assert line["to_best"] == (None if item.to_best is None else item.to_best.value)
        assert line["images_s_end2end"] == item.cost.images_s_end2end
        assert line["plausible_fp"] is None
        assert dict(line["classes"]) == item.per_class
        assert {(p["transform"], p["strength"]): p["share"] for p in line["self_hit"]} == {
            (kind, s): share for kind, points in item.self_hit.items() for s, share in points
        }
        assert line["presets"] == [r.preset for r in world.sweep.recommendations if r.name == item.choice.name]


def test_undefined_numbers_are_null(tmp_path):
    world = make_sweep(None, 2)
    first = world.sweep.scored[0]
    broken = replace(
        first, metrics={"p@1": replace(first.reported, id="p@1", value=float("nan"))}, p_value=float("nan")
    )
    cka = {"net": (("a", "b"), np.array([[1.0, np.nan], [np.nan, 1.0]]))}
    files = write_sweep(replace(world.sweep, scored=(broken,), cka=cka), world.source, tmp_path)
    record = read(files)
    assert record["choices"][0]["metrics"]["p@1"]["value"] is None
    assert record["choices"][0]["metrics"]["p@1"]["reason"] == "undefined"
    assert record["cka"]["net"]["matrix"][0][1] is None
    assert pq.read_table(files.parquet).column("p@1").to_pylist() == [None]


def test_names_and_images_must_match(tmp_path):
    world = make_sweep(None, 1)
    with pytest.raises(UsageError, match=r"59 paths for 60 images"):
        write_sweep(replace(world.sweep, paths=world.sweep.paths[1:]), world.source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_page_that_would_not_open_is_refused(tmp_path):
    world = make_sweep(None, 1)
    settings = SweepPageSettings(pictures=ReportSettings(hard_max_bytes=1000))
    with pytest.raises(UsageError, match=r"sweep\.html would be .* MB"):
        write_sweep(world.sweep, world.source, tmp_path / "out", settings)


def test_a_file_in_the_way_is_an_error_of_the_disk(tmp_path):
    world = make_sweep(None, 1)
    (tmp_path / "out").write_text("here")
    with pytest.raises(ResourceError):
        write_sweep(world.sweep, world.source, tmp_path / "out")
