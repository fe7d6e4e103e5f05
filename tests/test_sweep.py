"""The whole of a sweep: from images to the page."""

import gc
import json
import weakref

import numpy as np
import pyarrow.parquet as pq
import pytest

import bignet
from bignet import sweep_costs
from bignet.errors import LockedError, MismatchError, UsageError
from bignet.evaluate.sweep.result import Dropped
from bignet.extractor import backbones, costs, decode, encoder, weights
from bignet.sweep_job import SweepRequest
from tests import tiny
from tests.extractor.pictures import put

HERE = "tests.test_sweep"
POOLS = ("gap", "max", "avg:4")


def other():
    return tiny.build()


other.preprocess = tiny.build.preprocess.sized(40)
MODELS = ("tests.tiny:build", f"{HERE}:other")
WEIGHTS = dict.fromkeys(MODELS, "random:0")
OPTIONS = {"models": MODELS, "pools": POOLS, "weights": WEIGHTS, "precision": "fp32", "max_dims": 150}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(24):
        put(folder, f"{'ab'[number % 2]}/{number:02}.png", number % 6 + 10 * (number % 2), (48 + number, 48))
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(sweep_costs, "_SECONDS_A_NETWORK", 0.01)
    monkeypatch.setattr(sweep_costs, "_SECONDS_DECODING", 0.05)


@pytest.fixture(scope="module")
def made(images, tmp_path_factory):
    """A sweep with PCA, and where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_costs, "_SECONDS_A_NETWORK", 0.01)
        patch.setattr(sweep_costs, "_SECONDS_DECODING", 0.05)
        out = tmp_path_factory.mktemp("sweep") / "out"
        return bignet.sweep(images, out, **OPTIONS, steps=("pca:8",)), out


class Listening:
    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *what: self.told.append((name, *what))


def test_every_choice_is_scored_or_dropped_with_its_reason(made):
    sweep = made[0].sweep
    names = {item.choice.name for item in sweep.scored}
    assert "tests.tiny:build/head.gap" in names
    assert f"{HERE}:other/head.gap+pca:8" in names
    dropped = {(item.model, item.layer, item.pool, item.reason) for item in sweep.dropped}
    assert (MODELS[0], "stem", "gap", "pca:8: its 8 numbers a vector are not more") in dropped
    plain = [name for name in names if "+" not in name]
    assert len(plain) + sum("pca" not in item.reason for item in sweep.dropped) == 2 * 3 * 3
    assert all(isinstance(item, Dropped) for item in sweep.dropped)


def test_scores_are_those_of_the_vectors_in_the_stores(made):
    """A report on the store gives the same figure as the sweep."""
    done, out = made
    item = next(item for item in done.sweep.scored if item.choice.name == "tests.tiny:build/head.max")
    found = bignet.report(out / item.choice.store, out.parent / "report", embedding=item.choice.embedding)[0]
    expected = next(metric.value for metric in found.metrics if metric.id == "map@r.macro")
    assert item.metrics["map@r.macro"].value == pytest.approx(expected, abs=1e-9)
    assert item.choice.dims == 16
    assert item.choice.shape == (16, 4, 4)


def test_files_that_could_not_be_embedded_are_told(made):
    assert made[0].sweep.warnings[0].startswith("1 of 25 files could not be embedded; bignet info STORE --rejected")


def test_every_choice_has_its_costs(made):
    for item in made[0].sweep.scored:
        cost = item.cost
        assert cost.bytes_per_vector == 4 * item.choice.dims
        assert 0 < cost.images_s_end2end < cost.images_s_forward
        assert cost.index_qps > 0
    found = {item.choice.name: item.cost for item in made[0].sweep.scored}
    outline = costs.outline(backbones.find("tests.tiny:build"), 32)
    flops = {row.name: row.flops_so_far for row in outline.layers}
    for layer in ("stem", "body", "head"):
        assert found[f"tests.tiny:build/{layer}.gap"].flops == flops[layer]
    assert "decoding with" in made[0].sweep.cost_setting


def test_a_page_a_record_and_a_table_are_written(made):
    done, out = made
    assert {item.name for item in out.iterdir()} == {
        "scores",
        "speeds.json",
        "stores",
        "views",
        "sweep.html",
        "sweep.json",
        "sweep.parquet",
    }
    assert pq.read_table(done.files.parquet).num_rows == len(done.sweep.scored)
    assert json.loads(done.files.json.read_text())["name"] == "out"
    assert done.sweep.recommendations[0].name in done.files.html.read_text()


def test_altered_copies_are_found_under_every_choice(made):
    assert all({"rotate", "flip", "jpeg"} <= set(item.self_hit) for item in made[0].sweep.scored)


def test_the_same_again_embeds_nothing_and_scores_the_same(images, made, monkeypatch):
    done, out = made

    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decode, "decode_all", never)
    monkeypatch.setattr("bignet.sweep_vectors.embed_copies", never)
    again = bignet.sweep(images, out, **OPTIONS, steps=("pca:8",))
    assert [item.summary.decoded for item in again.stores] == [0, 0]

    def scores(sweep):
        return {item.choice.name: {key: metric.value for key, metric in item.metrics.items()} for item in sweep.scored}

    assert scores(again.sweep) == scores(done.sweep)


def test_the_same_again_measures_and_scores_nothing_and_writes_the_same_bytes(images, made, monkeypatch):
    done, out = made
    before = {file.name: file.read_bytes() for file in (done.files.json, done.files.parquet, done.files.html)}

    def never(*_, **__):
        raise AssertionError("measured or scored again")

    monkeypatch.setattr("bignet.evaluate.sweep.scoring.look", never)
    for name in ("layer_rates", "decode_rate", "_searches_a_second"):
        monkeypatch.setattr(sweep_costs, name, never)
    listening = Listening()
    bignet.sweep(images, out, **OPTIONS, steps=("pca:8",), listener=listening)
    assert {name: (out / name).read_bytes() for name in before} == before
    assert [told[1].startswith("all speeds as measured here on ") for told in listening.told if told[0] == "kept"] == [
        True
    ]


def test_speeds_of_another_machine_or_asked_for_again_are_measured(images, made, monkeypatch):
    _, out = made
    record = json.loads((out / "speeds.json").read_text())
    dims = next(name for name in record["measured"] if name.startswith("search "))
    record["measured"][dims]["depends_on"]["processor"] = "another"
    (out / "speeds.json").write_text(json.dumps(record))
    listening = Listening()
    bignet.sweep(images, out, **OPTIONS, steps=("pca:8",), listener=listening)
    n = len(record["measured"])
    assert any(told[1].startswith(f"{n - 1} of {n} speeds") for told in listening.told if told[0] == "kept")
    bignet.sweep(images, out, **OPTIONS, steps=("pca:8",), again=True, listener=(listening := Listening()))
    assert not any(told[0] == "kept" for told in listening.told)


def test_damaged_speeds_and_scores_are_made_again(images, made):
    done, out = made
    (out / "speeds.json").write_text('{"schema_version": 1, "measured": {"search 16": 5}}')
    next((out / "scores").iterdir()).write_bytes(b"PK nothing")
    again = bignet.sweep(images, out, **OPTIONS, steps=("pca:8",))
    assert {item.choice.name for item in again.sweep.scored} == {item.choice.name for item in done.sweep.scored}


def test_a_rate_is_known_between_the_ends_of_its_repeated_measurements(made):
    for item in made[0].sweep.scored:
        cost = item.cost
        assert 0 < cost.images_s_end2end_lo <= cost.images_s_end2end <= cost.images_s_end2end_hi
        assert 0 < cost.images_s_forward_lo <= cost.images_s_forward <= cost.images_s_forward_hi
        assert 0 < cost.index_qps_lo <= cost.index_qps <= cost.index_qps_hi
    columns = pq.read_table(made[0].files.parquet).column_names
    assert {"images_s_end2end_lo", "images_s_end2end_hi"} <= set(columns)


def test_files_that_are_no_pictures_are_said_to_be_and_nothing_is_judged(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"none of the 1 files of '.*bad'.*bignet info .* --rejected"):
        bignet.sweep(tmp_path / "bad", tmp_path / "out", **OPTIONS)


def test_a_store_of_other_layers_and_pools_is_refused(images, tmp_path):
    bignet.extract(
        images,
        tmp_path / "out/stores/tests.tiny-build.bignet",
        model=MODELS[0],
        weights="random:0",
        limit=9,
        precision="fp32",
    )
    with pytest.raises(MismatchError, match=r"tests.tiny-build.bignet' was made otherwise: .*another folder \(-o\)"):
        bignet.sweep(images, tmp_path / "out", **OPTIONS)


def test_labels_of_a_file_and_a_limit_are_kept_to(images, tmp_path):
    file = tmp_path / "labels.csv"
    paths = sorted(item.relative_to(images).as_posix() for item in images.rglob("*.png"))
    file.write_text("path,label\n" + "".join(f"{path},{number % 3}\n" for number, path in enumerate(paths)))
    listening = Listening()
    done = bignet.sweep(images, tmp_path / "out", **OPTIONS | {"labels": file, "limit": 12, "listener": listening})
    assert len(done.sweep.ids) == 12
    assert set(done.sweep.labels) == {"0", "1", "2"}
    assert any("about nothing in the store" in warning for warning in done.sweep.warnings)
    stages = [told[1] for told in listening.told if told[0] == "stage"]
    assert list(dict.fromkeys(stages))[:3] == ["networks", "labels", "speeds"]
    assert stages[-1] == "page"
    np.testing.assert_array_equal(np.sort(done.sweep.ids), np.unique(done.sweep.ids))


def test_without_labels_choices_are_ranked_by_what_needs_none(images, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(images.rglob("*.png"))):
        (flat / f"{number}.png").write_bytes(path.read_bytes())
    done = bignet.sweep(flat, tmp_path / "out", **OPTIONS)
    assert done.sweep.ranking == "self_hit@1"
    assert done.sweep.recommendations


def test_while_one_is_measured_and_judged_no_other_runs_in_the_folder(images, made, monkeypatch):
    _, out = made

    def measured(*_):
        with pytest.raises(LockedError):
            bignet.sweep(images, out, **OPTIONS)
        raise UsageError("seen")

    monkeypatch.setattr("bignet.sweep_job.measure", measured)
    with pytest.raises(UsageError, match="seen"):
        bignet.sweep(images, out, **OPTIONS)


def test_networks_are_loaded_and_drawn_once_and_let_go_before_choices_are_scored(images, tmp_path, monkeypatch):
    networks, scored, n_loaded = [], [], []
    draw, load = encoder.draw_taps, weights.prepare

    def counted(*what):
        blueprint = draw(*what)
        networks.append(weakref.ref(blueprint.plain.model))
        return blueprint

    class Watching(Listening):
        def encoder_ready(self, ready, *_):
            networks.append(weakref.ref(ready))

        def stage(self, name, *_):
            if name == "score" and not scored:
                gc.collect()
                scored.extend(network() for network in networks)

    monkeypatch.setattr(encoder, "draw_taps", counted)
    monkeypatch.setattr(weights, "prepare", lambda *what: n_loaded.append(what) or load(*what))
    done = bignet.sweep(images, tmp_path / "out", **OPTIONS, listener=Watching())

    assert scored == [None] * 2 * len(MODELS)
    assert len(n_loaded) == len(MODELS)
    assert all(item.network is None for item in done.stores)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"k": 0}, "k: found 0"),
        ({"steps": ("pca",)}, "step 'pca' is unknown"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown"),
        ({"limit": -1}, "limit is -1"),
        ({"limit": 1.5}, "limit is 1.5; give a whole number"),
    ],
)
def test_what_cannot_be_is_an_error_before_anything_is_done(asked, message):
    with pytest.raises(UsageError, match=message):
        SweepRequest(**asked)


def test_a_sweep_is_not_written_into_a_store(images, tmp_path):
    bignet.extract(images, tmp_path / "s", model=MODELS[0], weights="random:0", precision="fp32")
    with pytest.raises(UsageError, match="it is a store"):
        bignet.sweep(images, tmp_path / "s" / "out", **OPTIONS)


def test_what_a_killed_sweep_left_half_written_is_removed(images, made):
    _, out = made
    for place in (out / ".tmp-1-speeds.json", out / "scores" / ".tmp-1-x.npz"):
        place.write_bytes(b"half")
    bignet.sweep(images, out, **OPTIONS, steps=("pca:8",))
    assert list(out.rglob(".tmp-*")) == []


@pytest.mark.parametrize("content", [None, "a,b\n1,2\n"])
def test_labels_that_cannot_be_read_are_an_error_before_anything_is_embedded(images, tmp_path, content):
    labels = tmp_path / "labels.csv"
    if content:
        labels.write_text(content)
    with pytest.raises(UsageError, match="label file"):
        bignet.sweep(images, tmp_path / "s", **OPTIONS, labels=labels)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("name", ["models", "layers", "pools"])
def test_a_single_name_is_one_and_none_is_an_error(images, tmp_path, name):
    with pytest.raises(UsageError, match=f"{name}: none is named"):
        bignet.sweep(images, tmp_path / "s", **OPTIONS | {name: (), "weights": {}})
    with pytest.raises(UsageError, match=r"unknown|has no layer|no published"):
        bignet.sweep(images, tmp_path / "s", **OPTIONS | {name: "nonsense", "weights": {}})
