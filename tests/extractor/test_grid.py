import pytest

from bignet.errors import UsageError
from bignet.extractor import backbones, costs, pools
from bignet.extractor.grid import draw_grid, stages
from bignet.extractor.settings import Tap

LADDERS = {
    "alexnet": ["features.2", "features.5", "features"],
    "squeezenet1_1": ["features.5", "features.8", "features"],
    "resnet18": ["layer1", "layer2", "layer3", "layer4"],
    "efficientnet_lite0": ["blocks.0", "blocks.1", "blocks.2", "blocks.4", "bn2"],
    "mobilenet_v2": ["features.1", "features.3", "features.6", "features.13", "features"],
    "inception_v3": ["Mixed_5d", "Mixed_6e", "Mixed_7c"],
    "vit_b_32": [*(f"encoder.layers.encoder_layer_{number}" for number in (2, 5, 8)), "encoder"],
    "tests.tiny:build": ["stem", "body", "head"],
}
TINY = ("tests.tiny:build",)
RANDOM = {"tests.tiny:build": "random:0"}


@pytest.mark.parametrize("model", LADDERS)
def test_the_layers_taken_are_the_ends_of_a_networks_stages(model):
    backbone = backbones.find(model)
    found = stages(costs.outline(backbone, backbone.preprocess.crop), backbone)
    assert [row.name for row in found] == LADDERS[model]
    assert [row.flops_so_far for row in found] == sorted({row.flops_so_far for row in found})


def test_every_layer_is_combined_with_every_pool_or_left_out_with_a_reason():
    grid = draw_grid(TINY, pool_names=("gap", "gem", "avg:2", "avg:5", "cls"), weights_of=RANDOM, max_dims=150)
    chosen = {(item.layer, item.pool): item.dims for item in grid.choices}
    assert chosen == {
        ("stem", "gap"): 8,
        ("stem", "gem:3"): 8,
        ("stem", "avg:5"): 72,
        ("body", "gap"): 12,
        ("body", "gem:3"): 12,
        ("body", "avg:5"): 12,
        ("head", "gap"): 16,
        ("head", "gem:3"): 16,
        ("head", "avg:2"): 64,
    }
    dropped = {(item.layer, item.pool): (item.dims, item.reason) for item in grid.dropped}
    assert dropped[("stem", "avg:2")] == (512, "512 numbers a vector, more than 150")
    assert dropped[("head", "avg:5")][0] is None
    assert "larger than the 4 x 4 map" in dropped[("head", "avg:5")][1]
    assert "without a class token" in dropped[("body", "cls")][1]
    assert len(chosen) + len(dropped) == 15
    (request,) = grid.requests
    assert request.taps == tuple(Tap(layer, pool) for layer, pool in chosen)
    assert (request.model, request.weights) == ("tests.tiny:build", "random:0")


def test_a_choice_says_what_it_is():
    grid = draw_grid(TINY, ("stem.conv",), ("avg:5", "gem"), RANDOM)
    (choice,) = grid.choices
    assert (choice.embedding, choice.shape, choice.trained) == ("stem.conv.avg5", (8, 16, 16), False)
    assert choice.coverage == pools.coverage(pools.find("avg:5"), 16, 16) == (15 / 16) ** 2
    assert choice.store == "stores/tests.tiny-build.bignet"
    assert choice.flops == 2 * 8 * 27 * 16 * 16
    assert [item.reason for item in grid.dropped] == [
        "pool 'gem:3' needs a map without negative values, and layer 'stem.conv' has them"
    ]


def test_each_model_tries_the_named_layers_that_it_has():
    both = ("tests.tiny:build", "tests.extractor.test_job:unfollowable")
    grid = draw_grid(both, ("head", "act"), ("gap",), dict.fromkeys(both, "random:0"))
    assert [(item.model, item.layer) for item in grid.choices] == [(both[0], "head"), (both[1], "act")]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"models": ("resnet19",)}, "nearest: 'resnet18'"),
        ({"layers": ("haed",)}, "no layer 'haed'; nearest: 'head'"),
        ({"layers": ("head", "boddy")}, "no model has a layer 'boddy'"),
        ({"pool_names": ("gapp",)}, "pool 'gapp' is unknown"),
        ({"max_dims": 4}, "nothing is left to try"),
        ({"max_dims": 0}, "at least 1"),
        ({"weights_of": {"resnet18": "random:0"}}, "weights are given for 'resnet18'"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(asked, message):
    request = {"models": TINY, "weights_of": RANDOM if "models" not in asked else {}} | asked
    with pytest.raises(UsageError, match=message):
        draw_grid(**request)
