"""A layer's rate is that of the network up to it: what later layers and other layers' pools take does not count."""

import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from bignet.extractor import encoder, fusion, layer_timing, machine, network, tail
from bignet.extractor.settings import Form
from tests import tiny

HERE = "tests.extractor.test_layer_timing"
LAYERS = ["stem", "body", "head"]
CPU = torch.device("cpu")
PAUSE = 0.05


def drawn(form=None):
    return encoder.draw("tests.tiny:build", "random:0", LAYERS, ("gap", "max"), form or Form())


def rates_of(blueprint, seconds=0.0):
    return layer_timing.layer_rates({"it": blueprint}, CPU, seconds)["it"]


def test_networks_are_visited_in_turn(monkeypatch):
    visited, told = [], []
    monkeypatch.setattr(layer_timing._LayerClock, "visit", lambda self, _seconds: visited.append(self))
    monkeypatch.setattr(layer_timing._LayerClock, "rates", lambda self: self)
    found = layer_timing.layer_rates({"a": drawn(), "b": drawn()}, CPU, advanced=lambda: told.append(len(visited)))
    assert visited == [found["a"], found["b"]] * layer_timing.VISITS
    assert told == [1, 2, 3, 4, 5, 6]


def test_every_layer_of_a_store_is_measured_in_the_stores_own_precision():
    found = rates_of(drawn(Form(precision="bf16")), seconds=0.02)

    assert list(found.rates) == LAYERS
    assert (found.device, found.precision) == ("cpu", "bf16")
    for rate in found.rates.values():
        streams = machine.streams_for(CPU, machine.available_cores())
        assert (rate.streams, rate.threads) == (streams.number, streams.threads)
        assert rate.batch == machine.batch_size_for(CPU, 32 * 32)
        assert layer_timing.VISITS <= len(rate.rate.measured) <= layer_timing.MOST_ROUNDS
        assert rate.rate.low <= rate.images_s <= rate.rate.high
        assert rate.peak_bytes > 2**20
    assert found.setting.startswith("bf16 on cpu, ")


class Pause(nn.Module):
    """Takes its time; a symbol has no sum, so that it stays whole in a graph."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def forward(self, batch):
        time.sleep(self.times * PAUSE + 0 * float(batch.sum()))
        return batch + 1.0


class Pausing(nn.Module):
    """Three layers."""

    def __init__(self, *, followed):
        super().__init__()
        self.first, self.second, self.third, self.followed = Pause(1), Pause(2), Pause(4), followed

    def forward(self, batch):
        assert self.followed or float(batch.sum()) < 1e30
        return self.third(self.second(self.first(batch)))


def graph():
    return Pausing(followed=True)


def hooks():
    return Pausing(followed=False)


graph.preprocess = hooks.preprocess = tiny.build.preprocess


def slowed(blueprint):
    """Every pool takes three pauses longer."""

    def slow(head):
        def apply(output):
            time.sleep(3 * PAUSE)
            return head.pool.apply(output)

        return replace(head, pool=replace(head.pool, apply=apply))

    return replace(blueprint, heads=tuple(map(slow, blueprint.heads)))


@pytest.mark.parametrize("form", ["graph", "hooks"])
def test_a_layer_takes_what_comes_before_it_and_its_own_first_pool_but_no_other(form):
    layers = ["first", "second", "third"]
    blueprint = encoder.draw(f"{HERE}:{form}", "random:0", layers, ("gap", "max"), Form())
    assert network.can_be_followed(blueprint.plain) == (form == "graph")

    found = rates_of(slowed(blueprint))

    streams = machine.streams_for(CPU, machine.available_cores()).number
    least = [streams * rate.batch / max(rate.rate.measured) / PAUSE for rate in found.rates.values()]
    for seconds, own, others in zip(least, (1 + 3, 3 + 3, 7 + 3), (3, 3, 6), strict=True):
        assert own <= seconds < own + others


class TwoLinear(nn.Module):
    """Convolutions, then linear layers, the way AlexNet ends."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(256, 20), nn.ReLU(), nn.Linear(20, 7))

    def forward(self, batch):
        return self.classifier(self.features(batch).flatten(1))


def two_linear():
    return TwoLinear()


two_linear.preprocess = tiny.build.preprocess


def test_what_comes_before_large_linear_layers_is_timed_on_as_many_images_as_it_takes(monkeypatch):
    monkeypatch.setattr(tail, "_LARGE_BYTES", 1)
    layers = ["features.0", "features", "classifier.0", "classifier"]
    blueprint = encoder.draw(f"{HERE}:two_linear", "random:0", layers, ("flat",), Form())
    assert blueprint.encoder(CPU).batches_a_pass == tail.PARTS

    found = rates_of(blueprint)

    size = machine.batch_size_for(CPU, 32 * 32)
    assert [rate.batch for rate in found.rates.values()] == [size, size, tail.PARTS * size, tail.PARTS * size]


def test_ranges_of_8_bit_convolutions_are_kept():
    names = [node.name for node, _ in fusion.convolutions(network.folded(drawn().plain))]
    blueprint = drawn(Form(precision="int8", ranges=tuple((name, 3.0) for name in names)))
    assert rates_of(blueprint).precision == "int8"


def test_threads_of_torch_are_what_they_were():
    before = torch.get_num_threads()
    rates_of(drawn())
    assert torch.get_num_threads() == before


def test_of_a_layer_that_ends_for_some_images_at_a_time_the_first_time_counts_as_often():
    stamps = layer_timing._Stamps(CPU)
    early, late = (stamps.around(layer, lambda output: output) for layer in ("early", "late"))

    def run():
        for pause in (1, 20):
            time.sleep(pause * PAUSE)
            early(torch.zeros(1))
        late(torch.zeros(1))

    found, in_pieces = stamps.of(run)

    assert in_pieces == ["early"]
    assert 2 * PAUSE <= found["early"] < 20 * PAUSE <= found["late"]
