import pytest
import torch
from torch import nn

from bignet.errors import UsageError
from bignet.extractor import taps
from tests.tiny import build


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build().eval()


@pytest.fixture
def batch():
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


class Shared(nn.Module):
    """One ReLU, in place, after each of two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.unused = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, batch):
        return self.relu(self.second(self.relu(self.first(batch))))


class Pair(nn.Module):
    def forward(self, batch):
        return batch, batch


def take(model, batch, layers):
    taken = {}
    watch = {layer: (lambda output, layer=layer: taken.__setitem__(layer, output.clone())) for layer in layers}
    taps.run(model, batch, watch, taps.calls(model, layers, batch[:1]))
    return taken


def plain_hook(model, batch, layer):
    taken = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: taken.append(output.clone()))
    with torch.no_grad():
        model(batch)
    handle.remove()
    return taken[-1]


def n_hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


LAYERS = ["stem", "stem.conv", "body.relu", "body.conv", "head", "fc"]


def test_one_pass_gives_what_a_hook_on_each_layer_gives(model, batch):
    taken = take(model, batch, LAYERS)
    for layer in LAYERS:
        torch.testing.assert_close(taken[layer], plain_hook(model, batch, layer), rtol=0, atol=0)


def test_order_of_asking_does_not_matter(model, batch):
    forwards, backwards = take(model, batch, LAYERS), take(model, batch, LAYERS[::-1])
    assert all(torch.equal(forwards[layer], backwards[layer]) for layer in LAYERS)


def test_the_network_stops_after_the_last_layer(model, batch):
    expected = taps.calls(model, ["stem", "body.conv"], batch)
    ran = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    taps.run(model, batch, {"stem": lambda _: None, "body.conv": lambda _: None}, expected)
    assert ran == ["stem.conv", "stem.relu", "stem", "body.conv"]


def test_what_was_taken_is_from_before_an_in_place_relu(model, batch):
    assert take(model, batch, ["stem.conv", "head"])["stem.conv"].min() < 0


def test_of_a_layer_called_twice_the_last_call_counts(batch):
    torch.manual_seed(0)
    model = Shared().eval()
    assert taps.calls(model, ["relu", "first"], batch) == {"relu": 2, "first": 1}
    taken = take(model, batch, ["relu", "first"])
    torch.testing.assert_close(taken["relu"], plain_hook(model, batch, "relu"), rtol=0, atol=0)
    assert taken["first"].min() < 0


def test_no_hook_stays(model, batch):
    take(model, batch, LAYERS)
    assert n_hooks(model) == 0


def test_no_hook_stays_after_an_error(model, batch):
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        taps.run(model, batch, {"stem": fail, "head": fail}, {"stem": 1, "head": 1})
    with pytest.raises(RuntimeError):
        taps.run(model, batch[:, :2], {"head": fail}, {"head": 1})
    assert n_hooks(model) == 0


def test_an_unknown_layer_names_the_nearest(model):
    with pytest.raises(UsageError, match=r"layer 'heat' is not in the model; nearest: 'head'.*bignet layers MODEL"):
        taps.find(model, ["stem", "heat"])


def test_the_whole_network_is_no_layer(model):
    with pytest.raises(UsageError, match="layer '' is not in the model"):
        taps.find(model, [""])


def test_a_layer_that_never_runs_is_refused(batch):
    with pytest.raises(UsageError, match="layer 'unused' does not run"):
        taps.calls(Shared().eval(), ["unused"], batch)


def test_a_layer_that_gives_no_tensor_is_refused(batch):
    model = nn.Sequential(Pair())
    with pytest.raises(UsageError, match="layer '0' gives a tuple, not a tensor"):
        taps.calls(model, ["0"], batch)
    assert n_hooks(model) == 0
