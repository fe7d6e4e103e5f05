import re

import pytest
import torch
import torchvision
from torch import nn

from bignet.errors import ResourceError, UsageError
from bignet.extractor import backbones, encoder, weights
from bignet.spec import Preprocess
from tests import tiny


@pytest.fixture
def narrow(monkeypatch):
    """Whatever is built counts."""
    built = []
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, **_: built.append(name) or nn.Identity())
    return built


def test_every_torchvision_classifier_and_the_offline_model_has_a_name():
    names = backbones.names()
    assert set(names) >= set(torchvision.models.list_models(module=torchvision.models))
    assert {"alexnet", "squeezenet1_1", "resnet18", "resnet34", "resnet50", "resnet152"} <= set(names)
    assert names == sorted(names)
    assert backbones.OFFLINE_MODEL in names


def test_finding_a_model_builds_nothing(narrow):
    found = [backbones.find(name) for name in backbones.names()]
    assert narrow == []
    assert all(item.preprocess.crop <= item.preprocess.resize for item in found)


def test_every_published_file_carries_its_digest_in_its_name():
    for name in torchvision.models.list_models(module=torchvision.models):
        for published in torchvision.models.get_model_weights(name):
            assert re.search(r"-[0-9a-f]{8,}\.pth$", published.url)


def test_preprocessing_is_that_of_the_published_weights():
    expected = Preprocess(232, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert backbones.find("resnet50").preprocess == expected
    assert backbones.find("inception_v3").preprocess.crop == 299
    assert backbones.find("efficientnet_b0").preprocess.interpolation == "bicubic"


@pytest.mark.parametrize(
    ("name", "layer", "dims"),
    [("squeezenet1_1", "features", 512), ("alexnet", "features", 256), ("resnet18", "layer4", 512)],
)
def test_a_model_without_a_layer_asked_for_gives_its_last_map(name, layer, dims):
    spec = encoder.build(name, "random:0", (), ("gap",)).specs[0]
    assert (spec.layer, spec.dims) == (layer, dims)


def test_layers_of_known_models_give_the_dims_of_the_literature():
    alexnet = encoder.build("alexnet", "random:0", ("features",), ("avg:3", "avg:4"))
    assert [spec.dims for spec in alexnet.specs] == [1024, 256]
    assert [round(head.coverage, 2) for head in alexnet.heads] == [1.0, 0.44]
    squeezenet = encoder.build("squeezenet1_1", "random:0", ("features",), ("avg:3", "avg:4", "avg:5"))
    assert [spec.dims for spec in squeezenet.specs] == [8192, 4608, 2048]


@pytest.mark.parametrize("name", ["resnet50", "alexnet"])
def test_random_weights_are_those_of_the_constructor_after_seeding(name):
    before = torch.get_rng_state()
    model, loaded = weights.prepare("random:0", backbones.find(name))
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = getattr(torchvision.models, name)(weights=None)
    assert loaded.origin == "random:0"
    assert not model.training
    ours, theirs = model.state_dict(), plain.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UsageError, match=r"model 'resnet51' is unknown; nearest: 'resnet50'.*bignet models"):
        backbones.find("resnet51")


def test_a_factory_brings_its_own_preprocessing():
    found = backbones.find("tests.tiny:build")
    assert found.preprocess == tiny.build.preprocess
    assert isinstance(found.build(), tiny.Tiny)


def test_a_factory_without_preprocessing_gets_the_usual_one():
    assert backbones.find("torch.nn:Identity").preprocess.crop == 224


@pytest.mark.parametrize(
    "name", ["nowhere:build", "tests.tiny:nothing", "tests.tiny:", ":build", ".tiny:build", "os:path"]
)
def test_a_factory_that_is_not_there_is_a_usage_error(name):
    with pytest.raises(UsageError, match=r"give package\.module:function"):
        backbones.find(name)


SMALL = ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small", "mobilenet_v2", "mnasnet0_5", "regnet_y_400mf"]
SMALL += [
    "efficientnet_b0",
    "googlenet",
    "densenet121",
    "inception_v3",
    "convnext_tiny",
    "swin_t",
    "vit_b_32",
    "resnet18",
]


@pytest.mark.parametrize("name", SMALL)
def test_the_customary_layer_is_the_last_with_positions(name):
    backbone = backbones.find(name)
    assert backbones.last_map(backbone.build().eval(), backbone.preprocess) == backbone.usual_layer


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_of_another_normalisation_convert_to_it(name):
    """As torchvision sets it when it loads the weights itself."""
    assert backbones.find(name).build().transform_input is True


def test_a_vision_transformer_is_built_for_the_size_of_its_weights(monkeypatch):
    sizes = {}
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights, **given: sizes.update({name: given}))
    for name in ("vit_b_16", "vit_h_14"):
        backbones.find(name).build()
    assert sizes == {"vit_b_16": {"image_size": 224}, "vit_h_14": {"image_size": 518}}


def test_a_size_that_the_memory_does_not_hold_is_said_in_words():
    torchs = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    error = RuntimeError(f"{torchs}you tried to allocate 25594880256 bytes. Error code 12 (Cannot allocate memory)")
    found = backbones.wrong_size(backbones.find("squeezenet1_1"), 5000, error)
    assert isinstance(found, ResourceError)
    assert str(found) == (
        "out of memory for one 5000 x 5000 image in model 'squeezenet1_1' (25.6 GB more were needed at once); "
        "take a smaller --size (it was trained with 224) or model, or free some memory"
    )


def test_last_map_is_the_last_output_larger_than_one_pixel():
    assert backbones.last_map(tiny.build().eval(), tiny.build.preprocess) == "head"


def test_a_network_without_maps_asks_for_a_layer():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    with pytest.raises(UsageError, match=r"no layer of this model gives a feature map; name one with --layer"):
        backbones.last_map(model, tiny.build.preprocess)


class Tokens(nn.Module):
    """Patches, then tokens: a vision transformer in two layers."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, kernel_size=8, stride=8)
        self.encoder = nn.Linear(8, 8)

    def forward(self, batch):
        return self.encoder(self.patches(batch).flatten(2).transpose(1, 2)).mean(dim=1)


def test_of_a_network_of_tokens_the_last_tokens_are_taken():
    assert backbones.last_map(Tokens().eval(), tiny.build.preprocess) == "encoder"


class Listed(nn.Module):
    """Stages in a list, which never runs itself, as many of timm's networks have them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, kernel_size=3, stride=2)
        self.stages = nn.ModuleList([nn.Conv2d(4, 4, kernel_size=3), nn.Conv2d(4, 8, kernel_size=3)])

    def forward(self, batch):
        maps = self.stem(batch)
        for stage in self.stages:
            maps = stage(maps)
        return maps.mean(dim=(2, 3))


def test_stages_in_a_list_are_outermost_layers():
    assert backbones.last_map(Listed().eval(), tiny.build.preprocess) == "stages.1"


class Pairs(nn.Module):
    """A map, then a layer that gives two."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, kernel_size=3)
        self.stages = Two()

    def forward(self, batch):
        return self.stages(self.stem(batch))[0].mean(dim=(2, 3))


class Two(nn.Module):
    def forward(self, maps):
        return maps, maps


def test_a_map_before_a_layer_that_gives_no_single_tensor_is_not_taken_silently():
    with pytest.raises(UsageError, match="name one with --layer"):
        backbones.last_map(Pairs().eval(), tiny.build.preprocess)


class ChannelsLast(nn.Module):
    """A map, then the same with its channels last, as timm's Swin has them."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, kernel_size=8, stride=8)
        self.norm = nn.LayerNorm(8)

    def forward(self, batch):
        return self.norm(self.patches(batch).permute(0, 2, 3, 1)).mean(dim=(1, 2))


def test_a_last_map_with_its_channels_last_names_the_layer_to_take():
    with pytest.raises(UsageError, match=r"'norm', has its channels last; .*--layer head\.global_pool --pool flat"):
        backbones.last_map(ChannelsLast().eval(), tiny.build.preprocess)


def leaves():
    raise SystemExit(3)


def test_a_factory_that_ends_the_program_is_a_usage_error():
    with pytest.raises(UsageError, match=r"fails \(SystemExit: 3\)"):
        backbones.find("tests.extractor.test_backbones:leaves").build()
