import hashlib
import sys
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from bignet.errors import IntegrityError, UsageError
from bignet.extractor import backbones, encoder, timm_models, weights
from bignet.spec import Preprocess

timm = pytest.importorskip("timm")

NAME = "timm/mobilenetv3_small_050"
PUBLISHED = "mobilenetv3_small_050.lamb_in1k"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def state():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return timm.create_model(NAME.removeprefix("timm/")).state_dict()


def same(model, state):
    ours = model.state_dict()
    return list(ours) == list(state) and all(torch.equal(ours[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("name", "preprocess"),
    [
        (NAME, Preprocess(256, 224, "bicubic", *IMAGENET)),
        ("timm/resnet18", Preprocess(235, 224, "bicubic", *IMAGENET)),
        ("timm/resnet18.a3_in1k", Preprocess(168, 160, "bicubic", *IMAGENET)),
        ("timm/resnet18.tv_in1k", Preprocess(256, 224, "bilinear", *IMAGENET)),
        ("timm/vit_tiny_patch16_224", Preprocess(248, 224, "bicubic", *HALF)),
    ],
)
def test_preprocessing_is_that_of_the_published_weights(name, preprocess):
    assert backbones.find(name).preprocess == preprocess


@pytest.mark.parametrize(
    ("crop_mode", "interpolation", "found"),
    [
        ("squash", "bicubic", ("squash", "bicubic")),
        ("border", "random", ("crop", "bicubic")),
        ("center", "bilinear", ("crop", "bilinear")),
    ],
)
def test_rarer_ways_to_resize_become_the_closest(crop_mode, interpolation, found):
    described = timm_models.config(NAME) | {"crop_mode": crop_mode, "interpolation": interpolation}
    preprocess = timm_models.preprocess(described)
    assert (preprocess.mode, preprocess.interpolation) == found


@pytest.mark.parametrize("size", [(1, 224, 224), (3, 224, 192)])
def test_a_model_of_other_pictures_is_refused(size):
    with pytest.raises(UsageError, match=rf"takes {size[0]} x 224 x {size[2]} images; only square RGB"):
        timm_models.preprocess(timm_models.config(NAME) | {"input_size": size})


@pytest.mark.parametrize(
    ("name", "layer", "dims"),
    [
        ("timm/resnet18", "layer4", 512),
        (NAME, "blocks", 288),
        ("timm/convnext_atto", "norm_pre", 320),
        ("timm/vit_tiny_patch16_224", "norm", 192),
    ],
)
def test_without_a_layer_asked_for_the_last_with_positions_is_taken(name, layer, dims):
    spec = encoder.build(name, "random:0", (), ("gap",)).specs[0]
    assert (spec.layer, spec.dims) == (layer, dims)


def test_a_swin_names_the_layer_that_can_be_taken():
    name = "timm/swin_tiny_patch4_window7_224"
    with pytest.raises(UsageError, match=r"channels last.*--layer head\.global_pool --pool flat"):
        encoder.build(name, "random:0", (), ("gap",))
    assert encoder.build(name, "random:0", ("head.global_pool",), ("flat",)).specs[0].dims == 768


def test_random_weights_are_those_of_timm_after_seeding(state):
    model, loaded = weights.prepare("random:5", backbones.find(NAME))
    assert same(model, state)
    assert loaded.origin == "random:5"


def test_an_unknown_model_names_the_nearest_as_they_can_be_given():
    with pytest.raises(UsageError, match=r"'timm/resnet81' is unknown; nearest: 'timm/resnet18'.*bignet models --timm"):
        backbones.find("timm/resnet81")
    with pytest.raises(UsageError, match=r"no such weights of resnet18; nearest: 'timm/resnet18\."):
        backbones.find("timm/resnet18.a9_in1k")


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"need the extra 'timm': pip install 'bignet\[timm\]'"):
        backbones.find(NAME)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_of_ones_own_is_loaded(tmp_path, state, suffix):
    path = tmp_path / f"w.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    model, loaded = weights.prepare(str(path), backbones.find(NAME))
    assert same(model, state)
    assert not model.training
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_does_not_fit_is_refused(tmp_path, state):
    save_file(state | {"extra": torch.zeros(1)}, tmp_path / "more.safetensors")
    save_file({name: state[name] for name in list(state)[1:]}, tmp_path / "less.safetensors")
    for name, kind in (("more", "unexpected"), ("less", "missing")):
        with pytest.raises(UsageError, match=rf"do not fit model '{NAME}': 1 key {kind} \('.*'\); give the file"):
            weights.prepare(str(tmp_path / f"{name}.safetensors"), backbones.find(NAME))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Hugging Face's cache, empty, and nobody to ask."""

    def refuse(*_args, **_options):
        raise URLError("no route")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(timm_models, "urlopen", refuse)
    return tmp_path / "hub"


def cache(hub, state):
    """The published file as the hub's client leaves it: a link to a blob named by its SHA-256 -> the blob."""
    repository = hub / f"models--timm--{PUBLISHED}"
    for folder in ("refs", "blobs", "snapshots/abc"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    save_file(state, repository / "new")
    blob = repository / "blobs" / hashlib.sha256((repository / "new").read_bytes()).hexdigest()
    (repository / "new").rename(blob)
    (repository / "snapshots" / "abc" / "model.safetensors").symlink_to(blob)
    return blob


@pytest.mark.parametrize("request_", ["default", f"published:{PUBLISHED}"])
def test_published_weights_come_from_the_hubs_cache(hub, state, request_):
    blob = cache(hub, state)
    model, loaded = weights.prepare(request_, backbones.find(NAME))
    assert same(model, state)
    assert (loaded.origin, loaded.sha256) == (f"published:{PUBLISHED}", blob.name)


def test_an_altered_file_in_the_hubs_cache_is_refused(hub, state):
    blob = cache(hub, state)
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"do not have SHA-256 .*delete the file"):
        weights.prepare("default", backbones.find(NAME))


@pytest.mark.usefixtures("hub")
def test_without_cache_and_internet_the_error_says_what_to_fetch():
    with pytest.raises(UsageError) as caught:
        weights.prepare("default", backbones.find(NAME))
    message = str(caught.value)
    assert f"https://huggingface.co/timm/{PUBLISHED}/resolve/main/model.safetensors" in message
    assert "--weights FILE" in message
    assert "no route" in message


def test_a_model_nobody_trained_has_no_published_weights():
    with pytest.raises(UsageError, match=r"'timm/mixer_s32_224' has no published weights; give a file or random:SEED"):
        weights.prepare("default", backbones.find("timm/mixer_s32_224"))


def test_unknown_published_weights_name_those_there_are():
    with pytest.raises(UsageError, match=rf"'x' are not published for {NAME}; there are: {PUBLISHED}"):
        weights.prepare("published:x", backbones.find(NAME))
