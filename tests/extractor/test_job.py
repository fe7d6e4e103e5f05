import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bignet.errors import MismatchError, ResourceError
from bignet.extractor import job, machine, prove
from bignet.extractor.run import extract
from bignet.extractor.settings import ExtractSettings
from bignet.spec import Preprocess
from bignet.store.snapshot import Snapshot
from bignet.store.writer import StoreWriter
from tests.extractor.networks import Unfollowable
from tests.extractor.pictures import put

SETTINGS = ExtractSettings(model="tests.tiny:build", weights="random:0", workers=2, batch_size=2, precision="fp32")
HERE = "tests.extractor.test_job"
SMALL = Preprocess(36, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def unfollowable():
    return Unfollowable()


unfollowable.preprocess = SMALL


class Dark(nn.Module):
    """Gives no number for pictures with hardly any light."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, batch):
        return self.conv(batch / (batch.amax(dim=(1, 2, 3), keepdim=True) > -0.9))


def dark():
    return Dark()


dark.preprocess = SMALL


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(9):
        put(folder, f"{number}.png", number)
    return folder


def run(images, store, **changes):
    return extract(images, store, replace(SETTINGS, **changes))


def content(store):
    with Snapshot.open(store) as snapshot:
        table = snapshot.table()
        names = [spec.name for spec in snapshot.manifest.embeddings]
        vectors = [snapshot.vectors(name) for name in names]
        return dict(zip(table["path"].to_pylist(), zip(*vectors, strict=True), strict=True)), snapshot.manifest


def test_a_limited_run_does_a_part_and_the_next_one_the_rest(images, tmp_path):
    store = tmp_path / "s"
    first = run(images, store, limit=4, shard_rows=3)
    assert (first.decoded, first.left, first.discovered) == (4, 5, 9)
    assert not content(store)[1].complete
    second = run(images, store, limit=4)
    assert (second.decoded, second.left, second.unchanged) == (4, 1, 4)
    third = run(images, store)
    assert (third.decoded, third.left, third.unchanged) == (1, 0, 8)
    assert content(store)[1].complete
    whole = tmp_path / "whole"
    run(images, whole)
    for path, vectors in content(whole)[0].items():
        np.testing.assert_allclose(content(store)[0][path], vectors, rtol=1e-5)


def test_of_changed_files_those_beyond_the_limit_are_left_and_not_unchanged(images, tmp_path):
    (images / "8.png").write_bytes(b"no picture")
    run(images, tmp_path / "s")
    for number in range(5):
        put(images, f"{number}.png", 50 + number)
    put(images, "8.png", 8)
    (images / "7.png").unlink()
    summary = run(images, tmp_path / "s", limit=2)
    assert (summary.decoded, summary.unchanged, summary.left, summary.discovered) == (2, 2, 4, 8)
    assert (summary.still_rejected, summary.total_rejected, summary.removed) == (0, 1, 0)


def test_a_limit_drops_nothing_that_is_stored(images, tmp_path):
    run(images, tmp_path / "s")
    before = content(tmp_path / "s")[1].number
    again = run(images, tmp_path / "s", limit=2)
    assert (again.decoded, again.removed, again.total_rows, again.snapshot) == (0, 0, 9, before)


@pytest.mark.parametrize(
    ("made", "asked", "named"),
    [
        ({"size": 48}, {"size": 64}, "size 48"),
        ({}, {"resize_mode": "pad"}, "resize mode crop"),
        ({"views": "flip"}, {"views": "five"}, "views flip"),
        ({}, {"decode": "fast"}, "decode exact"),
        ({}, {"precision": "bf16"}, "precision fp32"),
        ({"storage": "float16"}, {"storage": "float32"}, "storage float16"),
    ],
)
def test_another_form_than_the_stores_is_refused_and_its_own_needs_no_saying(images, tmp_path, made, asked, named):
    run(images, tmp_path / "s", **made)
    with pytest.raises(MismatchError, match=named):
        run(images, tmp_path / "s", **asked)
    put(images, "new.png", 77)
    assert run(images, tmp_path / "s", **made | {"precision": "auto", "decode": "auto"}).decoded == 1
    assert run(images, tmp_path / "s", precision=None).decoded == 0


class Listening:
    """Remembers what a run told it."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *what: self.told.append((name, *what))


def test_a_run_tells_that_something_is_tried_before_it_takes_its_time(images, tmp_path, monkeypatch):
    monkeypatch.setattr(prove, "fast_precisions", lambda _device: ("bf16",))
    first, second = Listening(), Listening()
    extract(images, tmp_path / "s", replace(SETTINGS, precision="auto"), first)
    assert [told[0] for told in first.told[:3]] == ["scanned", "trying", "encoder_ready"]
    assert first.told[1][1] == 9
    put(images, "new.png", 77)
    extract(images, tmp_path / "s", replace(SETTINGS, precision="auto"), second)
    assert "trying" not in [told[0] for told in second.told]


@pytest.mark.parametrize(("n_bytes", "rows"), [(1, [1] * 9), (4 * 16 * 4, [4, 4, 1]), (1 << 30, [5, 4])])
def test_long_vectors_make_shards_of_fewer_rows(images, tmp_path, monkeypatch, n_bytes, rows):
    monkeypatch.setattr(job, "_SHARD_BYTES", n_bytes)
    run(images, tmp_path / "s", shard_rows=5)
    _, manifest = content(tmp_path / "s")
    assert manifest.embeddings[0].dims == 16
    assert [shard.rows for shard in manifest.shards] == rows


def test_vectors_stored_in_half_are_near(images, tmp_path):
    run(images, tmp_path / "full")
    run(images, tmp_path / "half", storage="float16")
    full, half = content(tmp_path / "full")[0], content(tmp_path / "half")[0]
    for path, vectors in full.items():
        np.testing.assert_allclose(half[path], vectors, rtol=2e-3, atol=1e-4)
    with Snapshot.open(tmp_path / "half") as snapshot:
        assert "halffloat" in str(snapshot.table().schema)


def test_what_was_proved_is_on_record_and_stays_there(images, tmp_path, monkeypatch):
    monkeypatch.setattr(prove, "fast_precisions", lambda _device: ("bf16",))
    run(images, tmp_path / "s", precision="auto")
    _, manifest = content(tmp_path / "s")
    assert manifest.embeddings[0].encoder.precision == "bf16"
    assert manifest.environment["proof"].startswith("bf16: smallest cosine 0.9999")
    put(images, "new.png", 77)
    run(images, tmp_path / "s", precision="auto")
    assert content(tmp_path / "s")[1].environment["proof"] == manifest.environment["proof"]


def test_twins_of_a_picture_without_a_usable_vector_are_refused_with_it_in_every_shard(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    black = put(folder, "a.png", 0)
    black.write_bytes(_black())
    for name in ("b.png", "c.png", "z.png"):
        (folder / name).write_bytes(black.read_bytes())
        put(folder, f"{name}-other.png", ord(name[0]))
    model = {"model": f"{HERE}:dark", "layers": ("conv",)}
    summary = run(folder, tmp_path / "s", shard_rows=1, batch_size=1, **model)
    assert (summary.decoded, summary.rejected) == (3, 4)
    with Snapshot.open(tmp_path / "s") as snapshot:
        assert set(snapshot.rejected()["reason"].to_pylist()) == {"non_finite_vector"}


def _black():
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("model", ["tests.tiny:build", f"{HERE}:unfollowable"])
@pytest.mark.parametrize("cores", [1, 4])
def test_streams_side_by_side_give_what_one_gives(images, tmp_path, monkeypatch, model, cores):
    for number in range(9, 40):
        put(images, f"{number}.png", number)
    layers = ("conv", "act") if model.endswith("unfollowable") else ("body", "head")
    run(images, tmp_path / "one", model=model, layers=layers, batch_size=64)
    monkeypatch.setattr(machine, "available_cores", lambda: cores)
    run(images, tmp_path / "many", model=model, layers=layers, batch_size=1, shard_rows=7)
    one, many = content(tmp_path / "one")[0], content(tmp_path / "many")[0]
    assert list(one) == list(many) == sorted(os.fsencode(item.name) for item in images.iterdir())
    for path, vectors in one.items():
        for ours, theirs in zip(many[path], vectors, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_every_device_gets_its_own_network(images, tmp_path, monkeypatch):
    run(images, tmp_path / "one")
    monkeypatch.setattr(machine, "devices_for", lambda device: [device, torch.device("cpu"), torch.device("cpu")])
    run(images, tmp_path / "three")
    for path, vectors in content(tmp_path / "one")[0].items():
        np.testing.assert_allclose(content(tmp_path / "three")[0][path], vectors, rtol=1e-5)


def test_a_commit_that_fails_ends_the_run_and_what_was_committed_stays(images, tmp_path, monkeypatch):
    commit, calls = StoreWriter.commit, []

    def failing(self, batch, progress):
        calls.append(progress)
        if len(calls) == 2:
            raise ResourceError("disk full; free some")
        return commit(self, batch, progress)

    monkeypatch.setattr(StoreWriter, "commit", failing)
    with pytest.raises(ResourceError, match="disk full"):
        run(images, tmp_path / "s", shard_rows=2)
    monkeypatch.undo()
    assert len(content(tmp_path / "s")[0]) == 2
    assert run(images, tmp_path / "s").decoded == 7


def test_the_stages_of_a_run_are_accounted_for(images, tmp_path):
    seconds = run(images, tmp_path / "s").seconds
    assert {"scan", "load model", "read", "decode", "forward", "write", "wait", "total"} <= set(seconds)
    assert all(value >= 0 for value in seconds.values())
    assert seconds["forward"] > 0
    assert seconds["decode"] > 0


@pytest.mark.parametrize("n_files", [3, 100, 159, 160, 161, 479, 480, 481, 959, 1439, 2400])
def test_what_is_chosen_to_prove_on_lies_all_over_the_input(n_files):
    chosen = job._all_over(range(n_files), 160)
    assert len(set(chosen)) == len(chosen) == min(n_files, 480)
    thirds = np.bincount(np.array(chosen[:160]) * 3 // n_files, minlength=3)
    assert thirds.min() >= min(n_files, 160) // 3 - 25
