import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from bignet.errors import MismatchError
from bignet.extractor import fusion, int8, machine, network, onednn
from bignet.extractor.int8 import Grid, Source
from tests.extractor.marks import needs_vnni
from tests.extractor.networks import Residual, Unfollowable
from tests.extractor.test_network import CPU, batch_of, by_hooks, cosine, plain

GRIDS = [Grid(4.0, signed=False), Grid(4.0, signed=True), Grid(0.37, signed=False), Grid(1234.5, signed=True)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_number_becomes_the_nearest_byte_and_one_out_of_range_the_last(grid, dtype):
    values = torch.linspace(-2 * grid.largest, 2 * grid.largest, 4001).to(dtype)
    lowest = -127 if grid.signed else 0
    steps = np.clip(values.double().numpy() / grid.step, lowest, 127 if grid.signed else 255)
    found = grid.bytes_of(values).numpy().astype(int) - grid.zero
    assert np.abs(found - steps).max() <= 0.5 + 1e-4
    assert found.min() == lowest
    assert torch.equal(values, torch.linspace(-2 * grid.largest, 2 * grid.largest, 4001).to(dtype))  # not overwritten


def test_every_number_of_a_grid_stays_what_it_is():
    for grid in GRIDS:
        numbers = (torch.arange(256 if not grid.signed else 255) - (127 if grid.signed else 0)) * grid.step
        torch.testing.assert_close(grid.rounded(numbers), numbers.float(), rtol=1e-6, atol=0)


def test_filters_keep_254_steps_each_and_a_filter_of_zeros_stays_zero():
    weight = (
        torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
        * torch.logspace(-3, 3, 5)[:, None, None, None]
    )
    weight[2] = 0
    source = Source(weight, None, GRIDS[0])
    error = (source.integers.float() * source.scales[:, None, None, None] - weight).abs().amax((1, 2, 3))
    assert (error <= weight.abs().amax((1, 2, 3)) / 254 * 1.0001).all()
    assert source.integers[2].abs().sum() == 0


def made(signed, activation, stride=1, side=9):
    generator = torch.Generator().manual_seed(3)
    convolution = nn.Conv2d(6, 10, 3, stride, 1)
    convolution.weight = nn.Parameter(torch.randn(10, 6, 3, 3, generator=generator))
    batch = torch.randn(2, 6, side, side, generator=generator)
    batch = batch if signed else batch.relu()
    grid = Grid(float(batch.abs().max()), signed)
    source = Source(convolution.weight.detach(), convolution.bias.detach(), grid)
    site = onednn.Site.of(convolution, "one", [1, 6, side, side], activation)
    return (
        int8.Convolution(source, site),
        source,
        convolution,
        batch.to(torch.bfloat16, memory_format=torch.channels_last),
    )


def by_integers(source, convolution, batch):
    """The same roundings, added up in float64."""
    grid = source.grid
    numbers = (grid.bytes_of(batch).double() - grid.zero) * grid.step
    weight = source.integers.double() * source.scales.double()[:, None, None, None]
    return F.conv2d(numbers, weight, source.bias.double(), convolution.stride, convolution.padding)


@needs_vnni
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_adds_up_exactly_what_was_rounded(signed, stride):
    for activation, function in ((("none", [], ""), lambda x: x), (("relu", [], ""), torch.relu)):
        ours, source, convolution, batch = made(signed, activation, stride)
        expected = function(by_integers(source, convolution, batch)).float()
        torch.testing.assert_close(ours(batch).float(), expected, rtol=1e-2, atol=1e-3)  # bf16 in the end
        torch.testing.assert_close(ours(source.grid.bytes_of(batch)).float(), expected, rtol=1e-2, atol=1e-3)


@needs_vnni
def test_a_convolution_adds_to_what_is_there_before_its_activation():
    ours, source, convolution, batch = made(signed=False, activation=("relu", [], ""))
    before = torch.randn(2, 10, 9, 9).to(torch.bfloat16, memory_format=torch.channels_last)
    expected = torch.relu(by_integers(source, convolution, batch) + before.double()).float()
    torch.testing.assert_close(ours(batch, before.clone()).float(), expected, rtol=2e-2, atol=2e-2)


def ranges_of(given, largest=6.0):
    return {node.name: largest for node, _ in fusion.convolutions(network.folded(given))}


def vectors(given, ranges, batch, monkeypatch, *, integers):
    monkeypatch.setattr(machine, "has_int8", lambda _device: integers)
    run = network.prepare(given, "int8", CPU, ranges)
    kinds = {type(part) for part in run.modules()}
    assert (int8.Convolution in kinds, int8.Imitation in kinds) == (integers, not integers)
    with torch.inference_mode():
        return run(batch.to(torch.bfloat16, memory_format=torch.channels_last))


@needs_vnni
def test_a_device_without_integers_gives_the_same_vectors(monkeypatch):
    layers = ("stem", "first", "second")
    given, batch = plain(Residual, layers), batch_of(5, seed=2)
    ranges = ranges_of(given)
    ours = vectors(given, ranges, batch, monkeypatch, integers=True)
    imitated = vectors(given, ranges, batch, monkeypatch, integers=False)
    exact = by_hooks(given.model, layers, batch)
    for a, b, truth in zip(ours, imitated, exact, strict=True):
        assert cosine(a, b) > 0.9999
        assert 0.99 < cosine(a, truth) < 0.9999999


def operations(module, kind):
    return [
        node
        for node in module.graph.nodes
        if node.op == "call_module" and type(module.get_submodule(node.target)) is kind
    ]


@needs_vnni
def test_numbers_are_rounded_once_for_several_readers_and_not_between_two_convolutions():
    given = plain(Residual, ("second",))
    module = network.prepare(given, "int8", CPU, ranges_of(given))
    convolutions = operations(module, int8.Convolution)
    assert len(convolutions) == 6
    (shared,) = operations(module, int8.Bytes)  # the second block's input: its first convolution and its shortcut
    assert {reader.name for reader in shared.users} == {"second_conv1", "second_shortcut_0"}
    inside = [node for node in convolutions if node.name.endswith("conv1")]
    with torch.inference_mode():
        batch = torch.randn(1, 8, 4, 4).to(torch.bfloat16, memory_format=torch.channels_last)
        assert all(module.get_submodule(node.target)(batch).dtype is torch.uint8 for node in inside)


@needs_vnni
def test_only_the_convolutions_named_are_in_integers_and_a_tapped_one_answers_in_numbers():
    layers = ("first.conv1", "first.relu", "second")
    given = plain(Residual, layers)
    module = network.prepare(given, "int8", CPU, {"first_conv1": 6.0, "second_conv2": 6.0})
    assert [node.name for node in operations(module, int8.Convolution)] == ["first_conv1", "second_conv2"]
    batch = batch_of(3, seed=2)
    with torch.inference_mode():
        found = module(batch.to(torch.bfloat16, memory_format=torch.channels_last))
    for ours, theirs in zip(found, by_hooks(given.model, layers, batch), strict=True):
        assert cosine(ours, theirs) > 0.999


@pytest.mark.parametrize("kind", [Residual, Unfollowable])
def test_vectors_that_need_a_convolution_which_is_not_there_are_refused(kind):
    layer = "first" if kind is Residual else "act"
    with pytest.raises(MismatchError, match="'elsewhere_conv'"):
        network.prepare(plain(kind, (layer,)), "int8", CPU, {"elsewhere_conv": 1.0})


class Signs(nn.Module):
    """Inputs of convolutions that can be negative, and some that cannot."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(7))
        self.pool, self.relu6 = nn.MaxPool2d(2), nn.ReLU6()

    def forward(self, batch):
        start = self.convs[0](batch)  # may be
        never = self.relu6(start)
        pooled = self.convs[1](self.pool(never))
        joined = self.convs[2](torch.cat([F.relu(pooled), self.pool(never)]))
        shifted = self.convs[3](joined.relu() + (-1))  # may be
        half = self.convs[4](torch.cat([shifted, shifted.relu()]))  # may be
        summed = self.convs[5](F.relu(half) + F.relu(half))
        return self.convs[6](F.hardswish(summed))  # may be


def test_an_input_that_can_be_negative_gets_a_grid_with_negative_numbers():
    module = fx.GraphModule(Signs(), fx.Tracer().trace(Signs()))
    found = int8.sources(module, {f"convs_{number}": 1.0 for number in range(7)})
    assert [source.grid.signed for source in found.values()] == [True, False, False, True, True, False, True]
