import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bignet.errors import UsageError
from bignet.extractor import backbones, costs, pools, taps
from bignet.extractor.backbones import Backbone
from tests import tiny

TINY = backbones.find("tests.tiny:build")


def n_hooks(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def names(outline):
    return [row.name for row in outline.layers]


def test_layers_are_listed_in_the_order_they_finish():
    outline = costs.outline(TINY, 32)
    assert [(row.name, row.kind, row.shape) for row in outline.layers[:3]] == [
        ("stem.conv", "Conv2d", (8, 16, 16)),
        ("stem.relu", "ReLU", (8, 16, 16)),
        ("stem", "Sequential", (8, 16, 16)),
    ]
    assert [(row.name, row.shape) for row in outline.layers[-2:]] == [("head", (16, 4, 4)), ("fc", (5,))]


def test_costs_are_the_sums_of_multiplications_and_additions():
    by_name = {row.name: row for row in costs.outline(TINY, 32).layers}
    stem, body, head, fc = 2 * 27 * 8 * 256, 2 * 72 * 12 * 64, 2 * 108 * 16 * 16, 2 * 16 * 5
    assert [by_name[name].flops for name in ("stem", "stem.conv", "body", "head", "fc")] == [stem, stem, body, head, fc]
    assert by_name["body.relu"].flops == 0
    assert by_name["body.conv"].flops_so_far == stem + body
    assert costs.outline(TINY, 32).flops == by_name["fc"].flops_so_far == stem + body + head + fc


@pytest.mark.parametrize("layer", ["stem.conv", "stem", "body.conv", "head", "fc"])
def test_what_a_layer_costs_so_far_is_what_a_run_that_ends_there_computes(layer):
    model, batch = tiny.build().eval(), torch.zeros(1, 3, 32, 32)
    expected = taps.calls(model, [layer], batch)
    with FlopCounterMode(display=False) as counter:
        taps.run(model, batch, {layer: lambda _: None}, expected)
    row = next(row for row in costs.outline(TINY, 32).layers if row.name == layer)
    assert row.flops_so_far == counter.get_total_flops()


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "regnet_y_400mf", "vit_b_32", "swin_t"])
def test_the_whole_costs_what_torchvision_publishes(name):
    backbone = backbones.find(name)
    published = backbone.published.meta["_ops"]  # in thousand million multiplications with an addition
    assert costs.outline(backbone, backbone.preprocess.crop).flops == pytest.approx(2e9 * published, rel=0.02)


def test_layers_inside_blocks_are_marked():
    outline = costs.outline(backbones.find("resnet18"), 224)
    shown = [row.name for row in outline.layers if not row.inside]
    assert shown[:7] == ["conv1", "bn1", "relu", "maxpool", "layer1.0", "layer1.1", "layer1"]
    assert "layer1.0.conv1" in names(outline)
    vit = costs.outline(backbones.find("vit_b_32"), 224)
    assert "encoder.layers.encoder_layer_3" in [row.name for row in vit.layers if not row.inside]


def test_dims_are_those_of_the_pools_and_none_where_they_have_no_meaning():
    by_name = {row.name: row for row in costs.outline(TINY, 32).layers}
    wanted = [pools.find(name) for name in ("gap", "avg:3", "grid:2", "flat", "cls")]
    assert [by_name["head"].dims(pool) for pool in wanted] == [16, 16, 64, 256, None]
    assert [by_name["fc"].dims(pool) for pool in wanted] == [None, None, None, 5, None]


@pytest.mark.parametrize("name", ["tests.tiny:build", "squeezenet1_1", "swin_t", "vit_b_32"])
def test_the_last_map_is_the_one_a_run_would_take(name):
    backbone = backbones.find(name)
    found = costs.outline(backbone, backbone.preprocess.crop).last_map
    assert found == backbones.last_map(backbone.build().eval(), backbone.preprocess)


class Shared(nn.Module):
    """One convolution, called twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, kernel_size=1)

    def forward(self, batch):
        return self.conv(self.conv(batch))


def test_a_layer_that_runs_twice_costs_both_calls():
    outline = costs.outline(Backbone("shared", Shared, TINY.preprocess), 4)
    assert [(row.name, row.flops) for row in outline.layers] == [("conv", 2 * 2 * 9 * 16)]


class Stages(nn.Module):
    """Stages in a list, which never runs itself."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([nn.Sequential(nn.Conv2d(3, 3, kernel_size=1)), nn.Conv2d(3, 4, kernel_size=1)])

    def forward(self, batch):
        return self.stages[1](self.stages[0](batch)).mean(dim=(2, 3))


def test_stages_in_a_list_are_not_inside_a_block():
    outline = costs.outline(Backbone("stages", Stages, TINY.preprocess), 4)
    assert [(row.name, row.inside) for row in outline.layers] == [
        ("stages.0.0", False),
        ("stages.0", False),
        ("stages.1", False),
    ]
    assert outline.last_map == "stages.1"


class Looks(nn.Module):
    """A network that reads a number while it runs, which a tensor without numbers cannot give."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, kernel_size=1)

    def forward(self, batch):
        return self.conv(batch) * self.conv.weight.sum().item()


def test_a_network_that_looks_at_its_numbers_is_run_with_some():
    outline = costs.outline(Backbone("looks", Looks, TINY.preprocess), 8)
    assert [row.shape for row in outline.layers] == [(4, 8, 8)]


def test_a_size_that_the_network_does_not_take_is_a_usage_error():
    with pytest.raises(UsageError, match=r"'vit_b_32' takes no 96 x 96 images \(Wrong image height.*for example 224"):
        costs.outline(backbones.find("vit_b_32"), 96)


def test_nothing_stays_behind():
    model = tiny.build().eval()
    before = torch.backends.mha.get_fastpath_enabled()
    costs.measure(model, 32)
    with pytest.raises(RuntimeError):
        costs.measure(nn.Sequential(model, nn.Linear(3, 3)), 32)
    assert n_hooks(model) == 0
    assert torch.backends.mha.get_fastpath_enabled() is before


def test_outlining_a_large_network_builds_no_numbers(monkeypatch):
    devices = []
    real = torchvision.models.get_model

    def build(name, **options):
        model = real(name, **options)
        devices.append(next(model.parameters()).device.type)
        return model

    monkeypatch.setattr(torchvision.models, "get_model", build)
    costs.outline(backbones.find("vgg16"), 224)
    assert devices == ["meta"]
