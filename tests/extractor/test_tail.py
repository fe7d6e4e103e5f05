import pytest
import torch
from torch import nn

from bignet.extractor import encoder, network, tail
from bignet.extractor.network import Plain
from bignet.extractor.settings import Form
from tests.extractor.test_network import CPU, FLAT, PACKED, batch_of, by_hooks


class TwoLinear(nn.Module):
    """Convolutions, then linear layers, the way AlexNet and VGG end."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 6, 3, 2), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(54, 20), nn.ReLU(), nn.Linear(20, 7), nn.ReLU())

    def forward(self, batch):
        return self.classifier(self.features(batch).flatten(1))


def plain(layers):
    torch.manual_seed(0)
    model, sample = TwoLinear().eval().requires_grad_(False), batch_of(1)
    return Plain(model, {layer: [pool] for layer, pool in layers.items()}, sample, by_hooks(model, layers, sample))


@pytest.fixture
def every_linear_is_large(monkeypatch):
    monkeypatch.setattr(tail, "_LARGE_BYTES", 1)


@pytest.mark.usefixtures("every_linear_is_large")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "layers",
    [
        {"classifier.3": FLAT},
        {"features.1": FLAT, "classifier": FLAT},
        {"features": FLAT, "classifier.0": FLAT, "classifier.1": FLAT, "classifier.2": FLAT},
    ],
    ids=["the last", "one before and one after", "several"],
)
def test_a_network_in_two_pieces_gives_the_same_vectors_for_any_number_of_images(monkeypatch, precision, layers):
    given = plain(layers)
    dtype = network.TYPES[precision]
    monkeypatch.setattr(network.machine, "batch_size_for", lambda _device, _pixels: 4)
    run = network.prepare(given, precision, CPU)
    assert isinstance(run, tail.Split) == (precision in PACKED)
    for n_images in (1, 4, 5, 16, 19):
        batch = batch_of(n_images, seed=n_images)
        with torch.inference_mode():
            found = run(batch.to(dtype, memory_format=torch.channels_last))
        assert len(found) == len(layers)
        for ours, theirs in zip(found, by_hooks(given.model, layers, batch), strict=True):
            assert len(ours) == n_images
            room = {"rtol": 1e-4, "atol": 1e-5} if precision == "fp32" else {"rtol": 3e-2, "atol": 3e-2}
            torch.testing.assert_close(ours.float(), theirs, **room)


@pytest.mark.usefixtures("every_linear_is_large")
def test_only_what_comes_before_the_first_large_linear_layer_is_done_in_parts(monkeypatch):
    monkeypatch.setattr(network.machine, "batch_size_for", lambda _device, _pixels: 4)
    run = network.prepare(plain({"classifier.3": FLAT}), "fp32", CPU)
    sizes = {}
    for name, part in run.named_modules():
        if name.endswith(("features_0", "classifier_0", "classifier_2")):
            part.register_forward_hook(
                lambda _m, given, _out, name=name: sizes.setdefault(name[-12:], []).append(len(given[0]))
            )
    run(batch_of(10))
    assert sorted(sizes.values()) == [[4, 4, 2], [10], [10]]


def test_a_network_without_large_linear_layers_stays_whole():
    assert not isinstance(network.prepare(plain({"classifier.3": FLAT}), "fp32", CPU), tail.Split)


@pytest.mark.usefixtures("every_linear_is_large")
def test_linear_layers_that_nobody_asked_for_split_nothing():
    assert not isinstance(network.prepare(plain({"features": FLAT}), "fp32", CPU), tail.Split)


def test_an_encoder_says_how_many_batches_it_wants_together():
    built = [
        encoder.build("alexnet", "random:0", [layer], ["flat"], "cpu", Form()) for layer in ("features", "classifier")
    ]
    assert [each.batches_a_pass for each in built] == [1, tail.PARTS]


class Awkward(nn.Module):
    """Something without a dimension of images is needed before and after the linear layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(3, 4, 3, 4), nn.Parameter(torch.rand(4, 1, 1))
        self.one, self.two = nn.Linear(64, 20), nn.Linear(20, 7)

    def forward(self, batch):
        number = batch.shape[0]
        doubled = self.scale * 2
        maps = self.conv(batch) * doubled
        return self.two(self.one(maps.reshape(number, -1)).reshape(number, 20) * doubled.mean())


@pytest.mark.usefixtures("every_linear_is_large")
def test_a_network_that_cannot_be_put_together_again_stays_whole():
    torch.manual_seed(0)
    model, sample = Awkward().eval().requires_grad_(False), batch_of(1)
    given = Plain(model, {"two": [FLAT]}, sample, by_hooks(model, ("two",), sample))
    run = network.prepare(given, "fp32", CPU)
    batch = batch_of(11, seed=3)
    torch.testing.assert_close(run(batch)[0], by_hooks(model, ("two",), batch)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["convnext_tiny", "swin_t", "vit_b_32"])
def test_linear_layers_of_tokens_are_left_where_they_are(name):
    built = encoder.build(name, "random:0", device="cpu", form=Form(size=64 if name != "vit_b_32" else None))
    side = built.spec.preprocess.crop
    squares = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    assert built.batches_a_pass == 1
    assert all(len(vectors) == 2 for vectors in built.encode(squares).values())
