import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from bignet.errors import UsageError
from bignet.extractor import fusion, graph, network, onednn, pools, taps
from bignet.extractor.network import Plain
from tests.extractor.networks import (
    Alias,
    AuthorsHooks,
    Branching,
    Clamped,
    Doubled,
    ReadAgain,
    Residual,
    Scaled,
    SeenThrough,
    Shared,
    Unfollowable,
    ViewInside,
    WeightNormed,
    seeded,
)

CPU = torch.device("cpu")
# oneDNN takes bf16 on processors with AVX-512 alone; elsewhere the folded network is used as it is.
PACKED = ("fp32", "bf16") if torch.ops.mkldnn._is_mkldnn_bf16_supported() else ("fp32",)
FLAT, GAP = pools.find("flat").apply, pools.find("gap").apply
CASES = {
    "residual": (Residual, ("stem.0", "stem.1", "stem", "first.conv1", "first.bn1", "first", "second.relu", "second")),
    "residual, last only": (Residual, ("second",)),
    "residual, first only": (Residual, ("stem.1",)),
    "read again": (ReadAgain, ("one", "two", "three")),
    "shared": (Shared, ("conv", "norm", "branch", "leave.0", "leave")),
    "clamped": (Clamped, ("one", "two")),
    "alias": (Alias, ("one", "two")),
    "unfollowable": (Unfollowable, ("conv", "act")),
    "seen through a view": (SeenThrough, ("end",)),
    "hooks of its author's": (AuthorsHooks, ("norm", "idle", "pool")),
    "hooks of its author's, last only": (AuthorsHooks, ("pool",)),
    "weight norm": (WeightNormed, ("two",)),
    "in two types": (Doubled, ("one", "pool")),
    "a view inside": (ViewInside, ("cut", "two")),
    "a scaled sum": (Scaled, ("two",)),
}


def batch_of(n_images, side=17, seed=1):
    return torch.randn(n_images, 3, side, side, generator=torch.Generator().manual_seed(seed))


def by_hooks(model, layers, batch):
    """What each layer gives at its last call, flat."""
    found = {}
    calls = taps.calls(model, layers, batch)
    taps.run(
        model, batch, {la: lambda out, la=la: found.__setitem__(la, out.flatten(1).clone()) for la in layers}, calls
    )
    return [found[layer] for layer in layers]


def plain(kind, layers):
    model, sample = seeded(kind), batch_of(1)
    return Plain(model, {layer: [FLAT] for layer in layers}, sample, by_hooks(model, layers, sample))


def cosine(a, b):
    a, b = a.double().flatten(), b.double().flatten()
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize(("kind", "layers"), CASES.values(), ids=CASES)
def test_every_form_of_a_network_gives_the_vectors_of_plain_hooks(kind, layers):
    before = {name: value.clone() for name, value in seeded(kind).state_dict().items()}
    given = plain(kind, layers)
    batch = batch_of(5, seed=2)
    expected = by_hooks(seeded(kind), layers, batch)
    for _again in range(2):  # nothing may be left over from the pass before
        found = network.prepare(given, "fp32", CPU)(batch.to(memory_format=torch.channels_last))
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=1e-5)
    for name, value in given.model.state_dict().items():
        assert torch.equal(value, before[name]), name


class Views(nn.Module):
    """Code that asks for channels first in memory, where batches have them last; it may also be no graph."""

    def __init__(self, followed=True):
        super().__init__()
        self.followed = followed
        self.conv, self.end = nn.Conv2d(3, 6, 3, 2, 1), nn.Linear(6 * 9 * 9, 4)

    def forward(self, batch):
        maps = self.conv(batch)
        if not self.followed and maps.sum() > 1e9:  # a number that symbols do not have
            return maps
        return self.end(maps.view(len(batch), -1) if not self.followed else maps.view(maps.size(0), -1))


@pytest.mark.parametrize("followed", [True, False])
def test_networks_that_ask_for_channels_first_in_memory_get_them(followed):
    model, sample, batch = seeded(lambda: Views(followed)), batch_of(1), batch_of(5, seed=2)
    given = Plain(model, {"end": [FLAT]}, sample, by_hooks(model, ["end"], sample))
    assert network.can_be_followed(given) == followed
    run = network.prepare(given, "fp32", CPU)
    with torch.inference_mode():
        (found,) = run(batch.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, by_hooks(model, ["end"], batch)[0], rtol=1e-4, atol=1e-5)


class Counting(nn.Module):
    """Gives something else in every call."""

    def __init__(self):
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 6, 3), 0

    def forward(self, batch):
        self.calls += 1
        return self.conv(batch) * self.calls if bool(batch.sum() > -1e9) else batch


class Frequencies(nn.Module):
    """Torch has no such operation for fewer bits."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)

    def forward(self, batch):
        return torch.fft.rfft2(self.conv(batch)).abs()


def of_itself(kind):
    """Tapped at its end, as a part of a network that does nothing else."""
    model, sample = nn.Sequential(seeded(kind)), batch_of(1)
    return Plain(model, {"0": [FLAT]}, sample, by_hooks(model, ["0"], sample))


def test_a_network_whose_copy_gives_something_else_is_refused():
    with pytest.raises(UsageError, match="other vectors than the model itself"):
        network.prepare(of_itself(Counting), "fp32", CPU)


def test_arithmetic_that_a_network_cannot_be_computed_in_is_refused(capfd):
    network.prepare(of_itself(Frequencies), "fp32", CPU)
    with pytest.raises(UsageError, match=r"cannot be computed in bf16 on cpu .*; give another --precision"):
        network.prepare(of_itself(Frequencies), "bf16", CPU)
    assert capfd.readouterr() == ("", "")


def test_memory_that_does_not_suffice_is_no_reason_to_take_a_slower_form(monkeypatch):
    def refused(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(onednn.Packed, "__init__", refused)
    with pytest.raises(RuntimeError, match="allocate memory"):
        network.prepare(plain(Residual, ("second",)), "fp32", CPU)


@pytest.mark.parametrize(("kind", "layers"), CASES.values(), ids=CASES)
def test_bf16_is_near(kind, layers):
    batch = batch_of(5, seed=2)
    run = network.prepare(plain(kind, layers), "bf16", CPU)
    with torch.inference_mode():
        found = run(batch.to(torch.bfloat16, memory_format=torch.channels_last))
    for ours, theirs in zip(found, by_hooks(seeded(kind), layers, batch), strict=True):
        assert ours.dtype == torch.float32
        assert cosine(ours, theirs) > 0.999


def operations(module):
    return [str(node.target) for node in module.graph.nodes if node.op.startswith("call")]


def test_the_pass_ends_after_the_last_layer_asked_for():
    module = graph.trace(seeded(Residual), {"first": [GAP]})
    assert not any("second" in name or "fc" in name for name in operations(module))
    assert not any(name.startswith(("second", "fc")) for name, _ in module.named_parameters())


def test_convolutions_take_over_norms_activations_and_sums():
    module = graph.trace(seeded(Residual), {"second": [GAP]})
    assert len(operations(module)) == 20
    fusion.fold_batch_norms(module)
    fusion.pack(module, batch_of(1), onednn.Packed)
    kinds = [type(module.get_submodule(name)).__name__ for name in operations(module)]
    assert sorted(kinds) == ["MaxPool2d", *["Packed"] * 6, "Pooling"]


def test_a_tapped_norm_or_activation_is_still_there_to_be_tapped():
    layers = ("first.conv1", "first.bn1", "first.relu")
    module = graph.trace(seeded(Residual), {layer: [FLAT] for layer in layers})
    fusion.fold_batch_norms(module)
    fusion.pack(module, batch_of(1), onednn.Packed)
    batch = batch_of(3)
    for ours, theirs in zip(module(batch), by_hooks(seeded(Residual), layers, batch), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_what_is_read_again_is_not_summed_into():
    module = graph.trace(seeded(ReadAgain), {"three": [FLAT]})
    fusion.pack(module, batch_of(1), onednn.Packed)
    with_two_inputs = [node for node in module.graph.nodes if node.op == "call_module" and len(node.args) == 2]
    assert with_two_inputs == []


class Sums(nn.Module):
    """Sums that must not be made inside a convolution: its own input, one read in between, one made later."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(n, 6, 3, 1, 1) for n in (3, 6, 6, 6))
        self.pool, self.end = nn.MaxPool2d(3, 1, 1), nn.ReLU()

    def forward(self, batch):
        start = self.a(batch)
        own = F.relu(self.b(start) + start)
        kept = self.c(own)
        between = self.d(own)
        meanwhile = F.relu(kept)
        read = F.relu(between + kept) + meanwhile
        late = self.d(read)
        return self.end(late + self.pool(read))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_sum_is_not_made_where_it_would_overwrite_what_is_still_read(precision):
    given = plain(Sums, ("end",))
    batch = batch_of(4, seed=2)
    run = network.prepare(given, precision, CPU)
    assert any(isinstance(part, onednn.Packed) for part in run.modules()) == (precision in PACKED)
    with torch.inference_mode():
        found = run(batch.to(network.TYPES[precision], memory_format=torch.channels_last))
    (expected,) = by_hooks(given.model, ("end",), batch)
    assert cosine(found[0], expected) > 0.9999


def test_a_part_that_cannot_be_followed_stays_whole_and_can_be_tapped_only_from_outside():
    module = graph.trace(seeded(Shared), {"leave": [FLAT]})
    assert [type(m) for m in module.modules()].count(Branching) == 1
    with pytest.raises(graph.Untraceable, match=r"branch\.inside"):
        graph.trace(seeded(Shared), {"branch.inside": [FLAT]})
    with pytest.raises(graph.Untraceable):
        graph.trace(seeded(Unfollowable), {"conv": [FLAT]})


@pytest.mark.parametrize("kind", [Clamped, Alias])
def test_what_is_overwritten_and_read_again_is_not_followed(kind):
    with pytest.raises(graph.Untraceable, match="overwrites what is read again"):
        graph.trace(seeded(kind), {"two": [FLAT]})


def test_hooks_answer_where_the_graph_cannot():
    found = network.prepare(plain(Shared, ("branch.inside",)), "fp32", CPU)
    assert not isinstance(found, fx.GraphModule)
    batch = batch_of(2)
    torch.testing.assert_close(found(batch), by_hooks(seeded(Shared), ("branch.inside",), batch), rtol=1e-4, atol=1e-5)


def test_a_graph_that_gives_other_numbers_is_not_used(monkeypatch):
    given = plain(Residual, ("second",))
    wrong = seeded(Residual)
    wrong.second.conv1.weight.mul_(2)
    traced = graph.trace(wrong, given.pools)
    monkeypatch.setattr(graph, "trace", lambda *_: traced)
    batch = batch_of(2)
    found = network.prepare(given, "fp32", CPU)(batch)
    torch.testing.assert_close(found[0], by_hooks(seeded(Residual), ("second",), batch)[0], rtol=1e-4, atol=1e-5)


def test_without_onednns_operators_the_network_runs_unpacked(monkeypatch):
    def refuse(*_):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(fusion, "pack", refuse)
    run = network.prepare(plain(Residual, ("second",)), "fp32", CPU)
    assert isinstance(run, fx.GraphModule)
    batch = batch_of(2)
    torch.testing.assert_close(run(batch)[0], by_hooks(seeded(Residual), ("second",), batch)[0], rtol=1e-4, atol=1e-5)


def test_norms_after_shared_convolutions_are_folded_for_their_own_call_only():
    module = graph.trace(seeded(Shared), {"norm": [FLAT], "conv": [FLAT]})
    fusion.fold_batch_norms(module)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in module.modules())
    batch = batch_of(2)
    for ours, theirs in zip(module(batch), by_hooks(seeded(Shared), ("norm", "conv"), batch), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_network_that_gives_no_numbers_is_said_to():
    def broken():
        model = nn.Sequential(nn.Conv2d(3, 4, 3))
        model[0].weight.data[:] = float("nan")
        return model

    with pytest.raises(UsageError, match="numbers that are not finite"):
        network.prepare(plain(broken, ("0",)), "fp32", CPU)
