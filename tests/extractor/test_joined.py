"""Convolutions that write their channels beside those of others, where a network joins their results."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bignet.extractor import joined, machine, network
from tests.extractor.libraries import COMPILER
from tests.extractor.networks import seeded
from tests.extractor.test_kernels import NAMES, assert_near, exactly, layer, made_of, maps
from tests.extractor.test_network import batch_of, by_hooks, plain

CPU = torch.device("cpu")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler: there is nothing to test"),
    pytest.mark.usefixtures("kernels_there"),
]


class Fire(nn.Module):
    """Two branches of one map and one of another, joined; then what the subclasses do."""

    def __init__(self):
        super().__init__()
        self.stem, self.squeeze = nn.Conv2d(3, 32, 3, 2), nn.Conv2d(32, 48, 1)
        self.left, self.right = nn.Conv2d(48, 32, 1), nn.Conv2d(48, 64, 3, padding=1)
        self.third = nn.Conv2d(32, 16, 5, padding=2)
        self.joined, self.last = nn.Identity(), nn.Conv2d(112, 16, 3)

    def forward(self, batch):
        start = F.relu(self.stem(batch))
        squeezed = F.relu(self.squeeze(start))
        parts = [F.relu(self.left(squeezed)), F.relu(self.right(squeezed)), self.third(start)]
        return self.last(self.joined(self.join(parts, squeezed)))

    def join(self, parts, _squeezed):
        return torch.cat(parts, 1)


class ByName(Fire):
    def join(self, parts, _squeezed):
        return torch.cat(tuple(parts), dim=1)


class ReadBesides(Fire):
    def join(self, parts, _squeezed):
        return torch.cat(parts, 1) + parts[0].mean()


class Twice(Fire):
    def join(self, parts, _squeezed):
        return torch.cat([parts[1], parts[0], parts[2], parts[2]], 1)[:, :112]


class OneBelow(Fire):
    def join(self, parts, _squeezed):
        return torch.cat([torch.cat([parts[1], parts[1]], 2)[:, :, : parts[0].shape[2]], parts[0], parts[2]], 1)


class WithAnother(Fire):
    def join(self, parts, squeezed):
        return torch.cat([parts[1], squeezed], 1)


class Smooth(Fire):
    """Activations that take a pass of their own."""

    def join(self, parts, squeezed):
        return torch.cat([parts[0], F.silu(self.right(squeezed)), parts[2]], 1)


class InOrder(Fire):
    """A branch that adds to what is there, and so has no place of its own."""

    def join(self, parts, _squeezed):
        return torch.cat([parts[0], parts[1] + F.relu(parts[1]), parts[2]], 1)


def n_joined(run):
    return sum(isinstance(module, joined.Joined) for module in run.modules())


def assert_its_own(run, kind, layers):
    batch = batch_of(3, side=37, seed=2)
    with torch.inference_mode():
        found = run(batch.to(memory_format=torch.channels_last))
    for ours, theirs in zip(found, by_hooks(seeded(kind), layers, batch), strict=True):
        assert_near("winograd", ours, theirs)


@pytest.mark.parametrize("kind", [Fire, ByName])
def test_branches_that_nobody_else_reads_are_joined(kind):
    run = network.prepare(plain(kind, ("joined", "last")), "fp32", CPU)
    assert n_joined(run) == 1
    assert_its_own(run, kind, ["joined", "last"])


@pytest.mark.parametrize("kind", [ReadBesides, Twice, OneBelow, WithAnother, Smooth, InOrder])
def test_others_are_joined_as_the_network_says(kind):
    run = network.prepare(plain(kind, ("last",)), "fp32", CPU)
    assert n_joined(run) == 0
    assert_its_own(run, kind, ["last"])


def test_a_branch_that_is_asked_for_keeps_its_own_map():
    run = network.prepare(plain(Fire, ("left", "last")), "fp32", CPU)
    assert n_joined(run) == 0
    assert_its_own(run, Fire, ["left", "last"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_branch_leaves_the_channels_of_others_alone(name, threads):
    convolution, batch = layer(), maps((3, 32, 13, 10))
    whole = torch.full((3, 112, 13, 10), 7.0).contiguous(memory_format=torch.channels_last)
    with machine.threads_of_torch(threads):
        made_of(name, convolution, batch.shape, "relu").fill(batch, whole, 32)
    assert_near(name, whole[:, 32:96], exactly(convolution, batch, "relu"))
    assert torch.equal(whole[:, :32], torch.full((3, 32, 13, 10), 7.0))
    assert torch.equal(whole[:, 96:], torch.full((3, 16, 13, 10), 7.0))
