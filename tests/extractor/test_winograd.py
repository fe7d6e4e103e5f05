"""Winograd's convolutions against torch's own in double precision: any shape, any processor, any threads."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bignet.extractor import machine, native, network, onednn, winograd
from tests.extractor.networks import seeded
from tests.extractor.test_network import FLAT, batch_of, by_hooks, plain

BUILT = native.load("winograd") is not None
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
SOURCE = Path(native.__file__).with_name("winograd.c")
ROUNDING = 5e-5  # of the largest result
ACTIVATIONS = {
    "none": (onednn.NO_ACTIVATION, lambda x: x),
    "relu": (("relu", [], ""), F.relu),
    "relu6": (("hardtanh", [0.0, 6.0], ""), F.relu6),
    "silu": (("swish", [], ""), F.silu),
    "hardswish": (("hardswish", [], ""), F.hardswish),
}
pytestmark = pytest.mark.skipif(not BUILT, reason="no C compiler when BigNet was installed: plain convolutions only")


def layer(n_in=32, n_out=64, taps=3, padding=1, *, bias=True, seed=0):
    torch.manual_seed(seed)
    made = nn.Conv2d(n_in, n_out, taps, padding=padding, bias=bias).requires_grad_(requires_grad=False)
    nn.init.normal_(made.weight, std=(2 / (n_in * taps * taps)) ** 0.5)
    return made


def maps(shape, seed=1):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


def made_of(convolution, shape, activation="none"):
    return winograd.Convolution(convolution, onednn.Site.of(convolution, "c", list(shape), ACTIVATIONS[activation][0]))


def exactly(convolution, batch, activation="none", into=None):
    bias = None if convolution.bias is None else convolution.bias.double()
    result = F.conv2d(batch.double(), convolution.weight.double(), bias, padding=convolution.padding)
    return ACTIVATIONS[activation][1](result if into is None else result + into.double())


def assert_near(ours, theirs):
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= ROUNDING * max(float(theirs.abs().max()), 1.0)


SHAPES = [(1, 1), (1, 9), (2, 3), (4, 4), (5, 4), (7, 7), (8, 13), (14, 14), (17, 6), (27, 27)]


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("sides", SHAPES, ids=str)
@pytest.mark.parametrize("n_images", [1, 3])
def test_maps_of_any_shape(taps, sides, n_images):
    convolution = layer(taps=taps, padding=taps // 2)
    batch = maps((n_images, 32, *sides))
    assert_near(made_of(convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("padding", [(0, 0), (2, 0), (1, 3), (4, 4)], ids=str)
def test_any_padding(taps, padding):
    convolution = layer(taps=taps, padding=padding)
    batch = maps((2, 32, 9, 12))
    assert_near(made_of(convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize(("n_in", "n_out"), [(16, 16), (16, 144), (80, 48), (144, 80), (256, 32), (32, 272)])
@pytest.mark.parametrize("bias", [True, False])
def test_any_number_of_channels(n_in, n_out, bias):
    convolution = layer(n_in, n_out, bias=bias)
    batch = maps((2, n_in, 10, 11))
    assert_near(made_of(convolution, batch.shape)(batch), exactly(convolution, batch))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("adds", [True, False])
def test_what_follows_is_computed_along(activation, adds):
    convolution, batch = layer(), 3 * maps((2, 32, 10, 11))
    into = maps((2, 64, 10, 11), seed=2) if adds else None
    expected = exactly(convolution, batch, activation, into)
    found = made_of(convolution, batch.shape, activation)(batch, *([into] if adds else []))
    assert_near(found, expected)
    assert not adds or found.data_ptr() == into.data_ptr()


def test_maps_with_their_channels_first_are_taken():
    convolution, batch = layer(), torch.randn(2, 32, 10, 11)
    found = made_of(convolution, batch.shape)(batch)
    assert_near(found, exactly(convolution, batch))
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_image_gives_the_same_bits_wherever_it_stands_and_however_many_threads_there_are(threads):
    convolution, batch = layer(), maps((7, 32, 23, 19))
    ours = made_of(convolution, batch.shape)
    alone = torch.cat([ours(image[None].contiguous(memory_format=torch.channels_last)) for image in batch])
    with machine.threads_of_torch(threads):
        assert torch.equal(ours(batch), alone)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_stays_one_and_stays_in_its_image(bad):
    convolution, batch = layer(), maps((3, 32, 9, 9))
    ours = made_of(convolution, batch.shape, "relu")
    clean = ours(batch)
    batch[1, 5, 4, 4] = bad
    found = ours(batch)
    assert not torch.isfinite(found[1]).all()
    assert torch.equal(found[0], clean[0])
    assert torch.equal(found[2], clean[2])


def test_filters_are_transformed_as_published():
    """Lavin and Gray, section 4.1: F(2 x 2, 3 x 3) has other points; of F(4 x 4, 3 x 3) the corner is a sixteenth."""
    weight = torch.randn(1, 1, 3, 3)
    found = winograd.transformed(weight).reshape(6, 6)
    taps = weight[0, 0]
    assert found[0, 0] == pytest.approx(float(taps[0, 0]) / 16, rel=1e-6)
    assert found[5, 5] == pytest.approx(float(taps[2, 2]), rel=1e-6)
    assert found[1, 0] == pytest.approx(-float(taps[:, 0].sum()) / 24, rel=1e-5)


@pytest.mark.parametrize(
    "given",
    [
        {"stride": 2},
        {"dilation": 2},
        {"groups": 2},
        {"kernel_size": 1},
        {"kernel_size": 7},
        {"kernel_size": (3, 5)},
        {"in_channels": 3},
        {"out_channels": 60},
        {"in_channels": 1024, "out_channels": 1024},
    ],
    ids=str,
)
def test_other_convolutions_are_left_alone(given):
    usual = {"in_channels": 32, "out_channels": 64, "kernel_size": 3, "padding": 1, "device": "meta"}
    assert winograd.suits(nn.Conv2d(**usual))
    assert not winograd.suits(nn.Conv2d(**usual | given))


class Wide(nn.Module):
    """A stem, a residual block, and a convolution of five: two kinds that suit, and one that does not."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.one, self.two = nn.Conv2d(32, 32, 3, 1, 1), nn.Conv2d(32, 32, 3, 1, 1)
        self.last = nn.Conv2d(32, 64, 5, 1, 2)
        self.norm = nn.BatchNorm2d(32)

    def forward(self, batch):
        start = F.relu(self.stem(batch))
        return F.relu(self.last(F.relu(self.norm(self.two(F.relu(self.one(start)))) + start)))


def kinds_in(run):
    return sorted(type(module).__name__ for module in run.modules() if hasattr(module, "_activation"))


def test_a_network_uses_them_where_they_suit_and_gives_its_own_vectors():
    run = network.prepare(plain(Wide, ("one", "last")), "fp32", torch.device("cpu"))
    assert kinds_in(run) == ["Convolution"] * 3 + ["Packed"]
    batch = batch_of(5, side=37, seed=2)
    with torch.inference_mode():
        found = run(batch.to(memory_format=torch.channels_last))
    for ours, theirs in zip(found, by_hooks(seeded(Wide), ["one", "last"], batch), strict=True):
        assert_near(ours, theirs)


def test_where_nothing_was_compiled_the_network_runs_without(monkeypatch):
    monkeypatch.setattr(native, "load", lambda _name: None)
    run = network.prepare(plain(Wide, ("last",)), "fp32", torch.device("cpu"))
    assert kinds_in(run) == ["Packed"] * 4


def test_a_library_that_computes_something_else_is_not_used(monkeypatch):
    """The fused network is compared with the plain one before it may run."""
    right = winograd.transformed
    monkeypatch.setattr(winograd, "transformed", lambda weight: 1.01 * right(weight))
    run = network.prepare(plain(Wide, ("last",)), "fp32", torch.device("cpu"))
    batch = batch_of(2, side=37)
    with torch.inference_mode():
        (found,) = run(batch.to(memory_format=torch.channels_last))
    assert_near(found, by_hooks(seeded(Wide), ["last"], batch)[0])


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("taps", [3, 5])
def test_every_width_of_vectors_computes_the_same(lanes, taps, tmp_path, monkeypatch):
    """Also the widths of other processors: the compiler makes them of what this one has."""
    target = tmp_path / "winograd.so"
    flags = ["-O2", "-fPIC", "-shared", "-std=gnu11", "-Wno-psabi", f"-DLANES={lanes}"]
    subprocess.run([COMPILER, *flags, str(SOURCE), "-o", str(target)], check=True)
    library = ctypes.CDLL(str(target))
    assert library.lanes() == lanes
    monkeypatch.setattr(native, "load", lambda _name: library)
    convolution, batch = layer(48, 80, taps, taps // 2), maps((2, 48, 9, 14))
    assert_near(made_of(convolution, batch.shape, "relu6")(batch), exactly(convolution, batch, "relu6"))


def test_the_library_fits_the_processor(monkeypatch):
    none = dict.fromkeys(torch.cpu.get_capabilities(), False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: none)
    native.load.cache_clear()
    try:
        assert native.load("winograd") is None  # the one without needs is not built for x86
        assert native.load("nothing of this name") is None
    finally:
        native.load.cache_clear()


def test_a_file_that_is_no_library_is_passed_over(tmp_path, monkeypatch):
    for variant in ("avx512", "avx2", "any"):
        (tmp_path / f"winograd-{variant}.so").write_bytes(b"no library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "__init__.py"))
    native.load.cache_clear()
    try:
        assert native.load("winograd") is None
    finally:
        native.load.cache_clear()


def test_the_flat_vector_of_a_followed_network_is_near_to_rounding():
    given = plain(Wide, ("last",))
    run = network.prepare(given, "fp32", torch.device("cpu"))
    with torch.inference_mode():
        (found,) = run(given.sample_in(torch.float32))
    cosine = F.cosine_similarity(found.double(), FLAT(given.vectors[0]).double())
    assert float(cosine.min()) > 1 - 1e-9
