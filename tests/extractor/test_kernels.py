"""Convolutions by C kernels against torch's in double precision: any shape, any processor, any threads."""

import threading
import time
from concurrent.futures import wait
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bignet.extractor import direct, kernels, machine, native, network, onednn, winograd
from tests.extractor.libraries import COMPILER, WIDTHS, run_checked
from tests.extractor.networks import seeded
from tests.extractor.test_network import FLAT, batch_of, by_hooks, plain

NAMES = ("winograd", "direct")
MODULES = {"winograd": winograd, "direct": direct}
ROUNDING = {"winograd": 5e-5, "direct": 5e-6}  # of the largest result
ACTIVATIONS = {
    "none": (onednn.NO_ACTIVATION, lambda x: x),
    "relu": (("relu", [], ""), F.relu),
    "relu6": (("hardtanh", [0.0, 6.0], ""), F.relu6),
    "silu": (("swish", [], ""), F.silu),
    "hardswish": (("hardswish", [], ""), F.hardswish),
}
CPU = torch.device("cpu")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler: there is nothing to test"),
    pytest.mark.usefixtures("kernels_there"),
]


def layer(n_in=32, n_out=64, taps=3, padding=1, *, stride=1, bias=True):
    torch.manual_seed(0)
    return nn.Conv2d(n_in, n_out, taps, stride, padding, bias=bias).requires_grad_(requires_grad=False)


def maps(shape, seed=1):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


def site_of(convolution, shape, activation="none"):
    return onednn.Site.of(convolution, "c", list(shape), ACTIVATIONS[activation][0])


def made_of(name, convolution, shape, activation="none"):
    return MODULES[name].Convolution(convolution, site_of(convolution, shape, activation))


def exactly(convolution, batch, activation="none", into=None):
    bias = None if convolution.bias is None else convolution.bias.double()
    geometry = (convolution.stride, convolution.padding)
    result = F.conv2d(batch.double(), convolution.weight.double(), bias, *geometry)
    return ACTIVATIONS[activation][1](result if into is None else result + into.double())


def assert_near(name, ours, theirs):
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= ROUNDING[name] * max(float(theirs.abs().max()), 1.0)


SHAPES = [(1, 1), (1, 9), (2, 3), (4, 4), (5, 4), (7, 7), (8, 13), (14, 14), (17, 6), (27, 27)]


TAPS = [("winograd", 3), ("winograd", 5), ("direct", 1), ("direct", 3), ("direct", 7)]


@pytest.mark.parametrize(("name", "taps"), TAPS)
@pytest.mark.parametrize("sides", SHAPES, ids=str)
@pytest.mark.parametrize("n_images", [1, 3])
def test_maps_of_any_shape(name, taps, sides, n_images):
    convolution = layer(taps=taps, padding=taps // 2)
    batch = maps((n_images, 32, *sides))
    assert_near(name, made_of(name, convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize(("name", "taps"), TAPS)
@pytest.mark.parametrize("padding", [(0, 0), (2, 0), (1, 3), (4, 4)], ids=str)
def test_any_padding(name, taps, padding):
    convolution = layer(taps=taps, padding=padding)
    batch = maps((2, 32, 9, 12))
    assert_near(name, made_of(name, convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize("stride", [(2, 2), (3, 1), (1, 4)], ids=str)
@pytest.mark.parametrize(
    ("n_in", "taps"), [(3, (7, 7)), (3, (11, 11)), (64, (1, 1)), (33, (3, 3)), (20, (1, 7))], ids=str
)
def test_any_stride_and_form_of_filter(stride, n_in, taps):
    convolution = layer(n_in, taps=taps, padding=(taps[0] // 2, taps[1] // 2), stride=stride)
    batch = maps((2, n_in, 21, 18))
    assert direct.suits(convolution, site_of(convolution, batch.shape))
    assert_near("direct", made_of("direct", convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n_in", "n_out"), [(16, 16), (16, 144), (80, 48), (144, 80), (256, 32), (32, 272)])
@pytest.mark.parametrize("bias", [True, False])
def test_any_number_of_channels(name, n_in, n_out, bias):
    convolution = layer(n_in, n_out, bias=bias)
    batch = maps((2, n_in, 10, 11))
    assert_near(name, made_of(name, convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("adds", [True, False])
def test_what_follows_is_computed_along(name, activation, adds):
    convolution, batch = layer(), 3 * maps((2, 32, 10, 11))
    into = maps((2, 64, 10, 11), seed=2) if adds else None
    expected = exactly(convolution, batch, activation, into)
    found = made_of(name, convolution, batch.shape, activation)(batch, *([into] if adds else []))
    assert_near(name, found, expected)
    assert not adds or found.data_ptr() == into.data_ptr()


@pytest.mark.parametrize("name", NAMES)
def test_what_it_is_added_to_may_have_its_channels_first(name):
    convolution, batch = layer(), maps((2, 32, 10, 11))
    into = torch.randn(2, 64, 10, 11)
    expected = exactly(convolution, batch, "relu", into)
    assert_near(name, made_of(name, convolution, batch.shape, "relu")(batch, into), expected)


@pytest.mark.parametrize("name", NAMES)
def test_maps_with_their_channels_first_are_taken(name):
    convolution, batch = layer(), torch.randn(2, 32, 10, 11)
    found = made_of(name, convolution, batch.shape)(batch)
    assert_near(name, found, exactly(convolution, batch))
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 3])
def test_an_image_gives_the_same_bits_wherever_it_stands_and_however_many_threads_there_are(name, threads):
    convolution, batch = layer(), maps((7, 32, 23, 19))
    ours = made_of(name, convolution, batch.shape)
    alone = torch.cat([ours(image[None].contiguous(memory_format=torch.channels_last)) for image in batch])
    with machine.threads_of_torch(threads):
        assert torch.equal(ours(batch), alone)


def test_nobody_is_still_at_work_when_a_part_fails():
    """What the others write into would be freed under them."""
    done = []

    def run(first, _end, _room):
        if first == 0:
            raise RuntimeError("out of memory")
        time.sleep(0.2)
        done.append(first)

    with machine.threads_of_torch(3), pytest.raises(RuntimeError, match="out of memory"):
        kernels.in_parallel(run, 3, 1, 1)
    assert sorted(done) == [1, 2]


def test_nobody_goes_to_work_later_where_a_thread_cannot_be_started(monkeypatch):
    """Its piece must not be left to another thread: what it points to is freed by then."""
    kernels._threads.cache_clear()
    start, started, done = threading.Thread.start, [], []

    def refused(thread):
        if thread.name.startswith("bignet-convolution"):
            started.append(thread)
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(machine, "available_cores", lambda: 3)
    monkeypatch.setattr(threading.Thread, "start", refused)
    with machine.threads_of_torch(3), pytest.raises(RuntimeError, match="new thread"):
        kernels.in_parallel(lambda first, _end, _room: done.append(first), 3, 1, 1)
    for thread in started[:1]:
        thread.join()
    assert done == []
    monkeypatch.setattr(threading.Thread, "start", start)
    with machine.threads_of_torch(3):
        kernels.in_parallel(lambda first, _end, _room: done.append(first), 3, 1, 1)
    assert sorted(done) == [0, 1, 2]
    kernels._threads.cache_clear()


def test_nobody_is_still_at_work_after_ctrl_c(monkeypatch):
    done, waited = [], []

    def interrupted(running):
        waited.append(len(running))
        if len(waited) < 3:
            raise KeyboardInterrupt
        return wait(running)

    monkeypatch.setattr(kernels, "wait", interrupted)
    with machine.threads_of_torch(2), pytest.raises(KeyboardInterrupt):
        kernels.in_parallel(lambda first, _end, _room: (time.sleep(0.2), done.append(first)), 2, 1, 1)
    assert sorted(done) == [0, 1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_stays_one_and_stays_in_its_image(name, bad):
    convolution, batch = layer(), maps((3, 32, 9, 9))
    ours = made_of(name, convolution, batch.shape, "relu")
    clean = ours(batch)
    batch[1, 5, 4, 4] = bad
    found = ours(batch)
    assert not torch.isfinite(found[1]).all()
    assert torch.equal(found[0], clean[0])
    assert torch.equal(found[2], clean[2])


def test_filters_are_transformed_as_published():
    """Lavin and Gray, section 4.1: F(2 x 2, 3 x 3) has other points; of F(4 x 4, 3 x 3) the corner is a sixteenth."""
    taps = torch.randn(3, 3)
    found = (winograd.transformation(3) @ taps.double().flatten()).reshape(6, 6)
    assert found[0, 0] == pytest.approx(float(taps[0, 0]) / 16, rel=1e-6)
    assert found[5, 5] == pytest.approx(float(taps[2, 2]), rel=1e-6)
    assert found[1, 0] == pytest.approx(-float(taps[:, 0].sum()) / 24, rel=1e-5)


USUAL = {"in_channels": 32, "out_channels": 64, "kernel_size": 3, "padding": 1, "device": "meta"}
OTHERS = {
    "winograd": [
        {"stride": 2},
        {"kernel_size": 1},
        {"kernel_size": 7},
        {"kernel_size": (3, 5)},
        {"in_channels": 3},
        {"in_channels": 1024, "out_channels": 1024},
    ],
    "direct": [{"in_channels": 15, "kernel_size": 1}, {"kernel_size": 17}, {"out_channels": 24, "stride": 2}],
}
ALWAYS = [{"dilation": 2}, {"groups": 2}, {"out_channels": 60}, {"dtype": torch.float64}]


def suits(name, convolution, activation="relu"):
    site = site_of(convolution, (1, 32, 8, 8), activation)
    return winograd.suits(convolution) if name == "winograd" else direct.suits(convolution, site)


@pytest.mark.parametrize(
    ("name", "given"), [(name, given) for name in NAMES for given in OTHERS[name] + ALWAYS], ids=str
)
def test_other_convolutions_are_left_alone(name, given):
    assert suits(name, nn.Conv2d(**USUAL))
    assert not suits(name, nn.Conv2d(**USUAL | given))


def test_small_convolutions_are_taken_where_that_saves_a_copy():
    small = nn.Conv2d(16, 64, 1)
    site = onednn.Site.of(small, "c", [1, 16, 8, 8], onednn.NO_ACTIVATION)
    assert not direct.suits(small, site)
    assert direct.suits(small, replace(site, is_joined=True))


def test_what_would_need_a_pass_of_its_own_is_left_to_onednn_unless_much_is_saved():
    assert not suits("direct", nn.Conv2d(**USUAL), "hardswish")
    assert suits("winograd", nn.Conv2d(**USUAL), "hardswish")


class Wide(nn.Module):
    """A stem, a residual block, and a convolution of five: two kinds that suit, and one that does not."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2, 3)
        self.one, self.two = nn.Conv2d(32, 32, 3, 1, 1), nn.Conv2d(32, 32, 3, 1, 1)
        self.last = nn.Conv2d(32, 64, 5, 1, 2)
        self.norm = nn.BatchNorm2d(32)

    def forward(self, batch):
        start = F.relu(self.stem(batch))
        return F.relu(self.last(F.relu(self.norm(self.two(F.relu(self.one(start)))) + start)))


class Turned(nn.Module):
    """A sum with maps whose channels are first in memory where the batch's are last."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 1, 1)
        self.one, self.two = nn.Conv2d(32, 32, 3, 1, 1), nn.Conv2d(32, 32, 3, 1, 1)
        self.end = nn.Sigmoid()

    def forward(self, batch):
        turned = F.relu(self.stem(batch).unflatten(1, (2, 16)).transpose(1, 2).flatten(1, 2))
        return self.end(turned + self.two(F.relu(self.one(turned))))


def kinds_in(run):
    return sorted(
        type(module).__module__.rpartition(".")[2] for module in run.modules() if hasattr(module, "_activation")
    )


def test_a_network_uses_them_where_they_suit_and_gives_its_own_vectors():
    run = network.prepare(plain(Wide, ("one", "last")), "fp32", CPU)
    assert kinds_in(run) == ["direct"] + ["winograd"] * 3
    batch = batch_of(5, side=37, seed=2)
    with torch.inference_mode():
        found = run(batch.to(memory_format=torch.channels_last))
    for ours, theirs in zip(found, by_hooks(seeded(Wide), ["one", "last"], batch), strict=True):
        assert_near("winograd", ours, theirs)
        assert float(F.cosine_similarity(ours.double(), theirs.double()).min()) > 1 - 1e-9


def test_sums_with_maps_in_another_order_of_memory_are_the_networks_own():
    model, sample = seeded(Turned), batch_of(1, side=32)
    given = network.Plain(model, {"end": [FLAT]}, sample, [FLAT(model(sample))])
    run = network.prepare(given, "fp32", CPU)
    assert kinds_in(run).count("winograd") == 2
    batch = batch_of(3, side=32, seed=2)
    with torch.inference_mode():
        (found,) = run(batch.to(memory_format=torch.channels_last))
        assert_near("winograd", found, FLAT(model(batch)))


def test_where_nothing_was_compiled_the_network_runs_without(monkeypatch):
    monkeypatch.setattr(native, "load", lambda _name: None)
    run = network.prepare(plain(Wide, ("last",)), "fp32", CPU)
    assert kinds_in(run) == ["onednn"] * 4


def test_kernels_that_compute_something_else_are_not_used(monkeypatch):
    """The fused network is compared with the plain one before it may run; oneDNN's convolutions take their place."""
    right = winograd.transformation
    monkeypatch.setattr(winograd, "transformation", lambda taps: 1.01 * right(taps))
    run = network.prepare(plain(Wide, ("last",)), "fp32", CPU)
    assert kinds_in(run) == ["onednn"] * 4
    batch = batch_of(2, side=37)
    with torch.inference_mode():
        (found,) = run(batch.to(memory_format=torch.channels_last))
    assert_near("direct", found, by_hooks(seeded(Wide), ["last"], batch)[0])


@pytest.mark.parametrize(("lanes", "rows"), WIDTHS)
@pytest.mark.parametrize(("name", "taps"), TAPS)
def test_every_processor_computes_the_same(lanes, rows, name, taps, compiled, monkeypatch):
    library = compiled(name, lanes, rows)
    assert library.lanes() == lanes
    monkeypatch.setattr(native, "load", lambda _name: library)
    convolution = layer(48, 80, taps, taps // 2)
    for sides in ((9, 14), (30, 29), (1, 1)):
        batch = maps((2, 48, *sides))
        found = made_of(name, convolution, batch.shape, "relu6")(batch)
        assert_near(name, found, exactly(convolution, batch, "relu6"))


@pytest.mark.parametrize(("lanes", "rows"), WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_kernels_stay_within_their_memory(name, lanes, rows, tmp_path):
    assert "kinds of maps" in run_checked(name, "accesses.c", lanes, rows, tmp_path)
