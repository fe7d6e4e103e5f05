"""Max pooling by a C kernel gives torch's bits: any shape, any processor, any threads."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bignet.extractor import machine, max_pool, native, network
from tests.extractor.libraries import COMPILER, WIDTHS, run_checked
from tests.extractor.networks import seeded
from tests.extractor.test_network import batch_of, by_hooks, plain

CPU = torch.device("cpu")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler: there is nothing to test"),
    pytest.mark.usefixtures("kernels_there"),
]
WINDOWS = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 1, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": (2, 5), "stride": (3, 1), "padding": (1, 2)},
    {"kernel_size": 5, "stride": 4, "padding": 2, "ceil_mode": True},
    {"kernel_size": 1, "stride": 2},
]


def maps(shape, seed=1):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


def assert_equal(pooling, batch):
    found, expected = max_pool.MaxPool(pooling)(batch), pooling(batch)
    assert found.shape == expected.shape
    assert torch.equal(found.nan_to_num(7.0), expected.nan_to_num(7.0))
    assert torch.equal(found.isnan(), expected.isnan())


@pytest.mark.parametrize("given", WINDOWS, ids=str)
@pytest.mark.parametrize("sides", [(5, 5), (7, 13), (16, 9), (27, 30)], ids=str)
def test_windows_and_maps_of_any_shape(given, sides):
    assert_equal(nn.MaxPool2d(**given), maps((2, 32, *sides)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_torchs(value):
    batch = maps((2, 32, 9, 9))
    batch[1, 5, 4, 4] = value
    batch[0, :, :4, :4] = -float("inf")
    assert_equal(nn.MaxPool2d(3, 2, 1), batch)


def test_maps_with_their_channels_first_are_taken():
    assert_equal(nn.MaxPool2d(3, 2), torch.randn(2, 32, 9, 9))


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads(threads):
    with machine.threads_of_torch(threads):
        assert_equal(nn.MaxPool2d(3, 2, 1), maps((5, 32, 23, 19)))


@pytest.mark.parametrize(("lanes", "rows"), WIDTHS)
def test_every_processor_computes_the_same(lanes, rows, compiled, monkeypatch):
    library = compiled("max_pool", lanes, rows)
    assert library.lanes() == lanes
    monkeypatch.setattr(native, "load", lambda _name: library)
    assert_equal(nn.MaxPool2d(3, 2, ceil_mode=True), maps((2, 48, 14, 9)))


@pytest.mark.parametrize(("lanes", "rows"), WIDTHS)
def test_it_stays_within_its_memory(lanes, rows, tmp_path):
    assert "kinds of maps" in run_checked("max_pool", "accesses_max_pool.c", lanes, rows, tmp_path)


@pytest.mark.parametrize("given", [{"dilation": 2}, {"return_indices": True}], ids=str)
def test_other_poolings_are_left_alone(given):
    usual = {"kernel_size": 3, "stride": 2}
    assert max_pool.suits(nn.MaxPool2d(**usual), 64)
    assert not max_pool.suits(nn.MaxPool2d(**usual | given), 64)
    assert not max_pool.suits(nn.MaxPool2d(**usual), 63)
    assert not max_pool.suits(nn.AvgPool2d(**usual), 64)


class Stem(nn.Module):
    """The same pooling twice, once of channels that suit."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 20, 3)
        self.pool = nn.MaxPool2d(3, 2, 1)

    def forward(self, batch):
        return self.pool(F.relu(self.two(self.pool(F.relu(self.one(batch))))))


def kinds_in(run):
    return sorted(type(module).__name__ for module in run.modules() if "MaxPool" in type(module).__name__)


def test_a_network_uses_it_where_it_suits_and_gives_its_own_vectors():
    run = network.prepare(plain(Stem, ("one", "pool")), "fp32", CPU)
    assert kinds_in(run) == ["MaxPool", "MaxPool2d"]
    batch = batch_of(3, side=37, seed=2)
    with torch.inference_mode():
        found = run(batch.to(memory_format=torch.channels_last))
    for ours, theirs in zip(found, by_hooks(seeded(Stem), ["one", "pool"], batch), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_torchs_in_other_types_and_where_nothing_was_compiled(precision, monkeypatch):
    if precision == "fp32":
        monkeypatch.setattr(native, "load", lambda _name: None)
    run = network.prepare(plain(Stem, ("pool",)), precision, CPU)
    assert kinds_in(run) == ["MaxPool2d"]
