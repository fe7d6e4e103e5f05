import numpy as np
import pytest
import torch

from bignet.errors import MismatchError, UsageError
from bignet.extractor import encoder, machine
from tests import tiny
from tests.extractor import networks

MODEL = "tests.tiny:build"
LAYERS = ("stem.conv", "body", "head")
POOLS = ("gap", "max", "avg:2", "flat")


@pytest.fixture(scope="module")
def squares():
    """(7, 3, 32, 32) uint8."""
    return torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def built():
    return encoder.build(MODEL, "random:0", LAYERS, POOLS)


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def reference(squares, layer, pool):
    """A hook, one picture at a time, nothing of ours."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = tiny.build().eval()
    taken = []
    model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: taken.append(output.clone()))
    with torch.no_grad():
        for square in squares:
            model(((square.float() / 255 - 0.5) / 0.5)[None])
    maps = torch.cat(taken)
    pooled = {
        "gap": maps.mean(dim=(2, 3)),
        "max": maps.flatten(2).max(dim=2).values,
        "avg:2": torch.nn.functional.avg_pool2d(maps, 2).flatten(1),
        "flat": maps.flatten(1),
    }
    return pooled[pool].numpy()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("layer", LAYERS)
def test_vectors_equal_a_plain_hook_on_one_picture_at_a_time(built, squares, layer, pool):
    ours = built.encode(squares)[f"{layer}.{pool.replace(':', '')}"]
    assert ours.dtype == np.float32
    assert cosines(ours, reference(squares, layer, pool)).min() >= 0.9999
    np.testing.assert_allclose(ours, reference(squares, layer, pool), rtol=1e-3, atol=1e-5)


def test_every_layer_gets_every_pool_in_one_pass(built, squares):
    found = built.encode(squares)
    assert [spec.name for spec in built.specs] == [f"{la}.{p.replace(':', '')}" for la in LAYERS for p in POOLS]
    assert set(found) == {spec.name for spec in built.specs}
    for spec in built.specs:
        assert found[spec.name].shape == (7, spec.dims)
        alone = encoder.build(MODEL, "random:0", (spec.layer,), (spec.pool,))
        assert alone.specs == (spec,)
        assert cosines(alone.encode(squares)[spec.name], found[spec.name]).min() >= 0.99999


def test_company_and_place_in_a_batch_do_not_matter(built, squares):
    together = built.encode(squares)
    for name, vectors in together.items():
        alone = np.concatenate([built.encode(squares[i : i + 1])[name] for i in range(7)])
        backwards = built.encode(squares.flip(0))[name][::-1]
        assert cosines(vectors, alone).min() >= 0.99999
        assert cosines(vectors, backwards).min() >= 0.99999


def test_encoding_leaves_the_callers_pixels_alone(built, squares):
    before = squares.clone()
    built.encode(squares)
    assert torch.equal(squares, before)


def test_pooling_is_not_touched_by_layers_that_follow(squares):
    """``fc`` is watched too, so the in-place ReLU after ``stem.conv`` runs before the pass ends."""
    both = encoder.build(MODEL, "random:0", ("stem.conv", "fc"), ("flat",)).encode(squares)
    assert (both["stem.conv.flat"] < 0).any()
    assert both["fc.flat"].shape == (7, 5)


def test_what_was_not_asked_for_is_the_usual():
    built = encoder.build(MODEL, "random:0")
    assert [spec.name for spec in built.specs] == ["head.gap"]


def test_what_was_asked_for_twice_is_there_once():
    built = encoder.build(MODEL, "random:0", ("head", "head"), ("gem", "gem:3.0", "gap"))
    assert [spec.name for spec in built.specs] == ["head.gem3", "head.gap"]


def test_a_pool_that_does_not_fit_is_refused_before_any_picture():
    with pytest.raises(UsageError, match=r"pool 'avg:5' is larger than the 4 x 4 map of layer 'head'"):
        encoder.build(MODEL, "random:0", ("body", "head"), ("avg:5",))
    with pytest.raises(UsageError, match=r"'gem:3' needs a map without negative values, and layer 'stem.conv'"):
        encoder.build(MODEL, "random:0", ("stem.conv",), ("gem",))
    with pytest.raises(UsageError, match=r"layer 'fc' gives \(5,\), not a feature map"):
        encoder.build(MODEL, "random:0", ("fc",))


def test_rebuilding_gives_the_same_vectors(built, squares):
    again = encoder.rebuild(built.specs)
    assert again.specs == built.specs
    for name, vectors in again.encode(squares).items():
        np.testing.assert_array_equal(vectors, built.encode(squares)[name])


def test_rebuilding_with_another_file_names_both_digests(tmp_path):
    torch.manual_seed(0)
    torch.save(tiny.build().state_dict(), tmp_path / "a.pth")
    torch.save(tiny.build().state_dict(), tmp_path / "b.pth")
    made = encoder.build(MODEL, str(tmp_path / "a.pth"))
    other = encoder.build(MODEL, str(tmp_path / "b.pth")).spec
    with pytest.raises(MismatchError) as caught:
        encoder.rebuild(made.specs, str(tmp_path / "b.pth"))
    assert made.spec.weights_sha256[:12] in str(caught.value)
    assert other.weights_sha256[:12] in str(caught.value)
    assert "b.pth" in str(caught.value)
    assert "--weights FILE" in str(caught.value)


def test_rebuilding_from_a_moved_file_works(tmp_path):
    torch.save(tiny.build().state_dict(), tmp_path / "a.pth")
    made = encoder.build(MODEL, str(tmp_path / "a.pth"))
    moved = (tmp_path / "a.pth").rename(tmp_path / "moved.pth")
    with pytest.raises(UsageError, match="if they moved, say where with --weights FILE"):
        encoder.rebuild(made.specs)
    assert encoder.rebuild(made.specs, str(moved)).specs[0].fingerprint == made.specs[0].fingerprint


def test_other_layers_and_pools_are_a_mismatch_that_names_both():
    ours = encoder.build(MODEL, "random:0", ("head",), ("gap",)).specs
    theirs = encoder.build(MODEL, "random:0", ("body",), ("gap",)).specs
    with pytest.raises(MismatchError, match=r"the store has body\.gap; asked for: head\.gap"):
        encoder.check_same(ours, theirs)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:", "cuda:", "cuda:-1", "mps", "", "CPU", "cpu:0"])
def test_an_unknown_device_lists_those_there_are(name):
    with pytest.raises(UsageError, match="is unknown; allowed: auto, cpu, cuda, cuda:N"):
        machine.find_device(name)


@pytest.mark.parametrize("name", ["cuda:7", "cuda:99999999999"])
def test_a_device_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UsageError, match=rf"device '{name}' is not there \(0 CUDA devices found\)"):
        machine.find_device(name)


def test_auto_takes_the_processor_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.find_device("auto") == torch.device("cpu")


def _fails():
    raise KeyError("no checkpoint")


def _number():
    return 3


class _FailsLater(torch.nn.Module):
    def forward(self, batch):
        raise ValueError("cannot do this")


def _later():
    return _FailsLater()


def _company():
    return networks.InCompany()


def _one_by_one():
    return networks.OneByOne()


def _grey():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3))


def _empty():
    return torch.nn.Conv2d(3, 4, 3, device="meta")


def _with_a_dictionary():
    return networks.OneByOne()


_with_a_dictionary.preprocess = {"crop": 224}


@pytest.mark.parametrize(
    ("factory", "layer", "says"),
    [
        ("_grey", "0", "fails on a 224 x 224 picture .RuntimeError: Given groups=1.*1 channels"),
        ("_empty", None, "on the meta device"),
        ("_with_a_dictionary", "conv", r"a preprocess of type dict; give a bignet\.spec\.Preprocess"),
        ("_fails", "conv", "fails .KeyError: 'no checkpoint'"),
        ("_number", "conv", "returns a int; it must return"),
        ("_later", None, "fails on a 224 x 224 picture .ValueError: cannot do this"),
        ("_company", "norm", "in other company"),
        ("_one_by_one", "conv", "gives 1 outputs for two pictures"),
    ],
)
def test_factories_that_cannot_embed_are_refused_in_one_line(factory, layer, says):
    with pytest.raises(UsageError, match=says) as refusal:
        encoder.build(f"tests.extractor.test_encoder:{factory}", "random:0", (layer,) if layer else (), ("gap",), "cpu")
    assert "\n" not in str(refusal.value)


def test_a_size_is_not_blamed_where_no_size_is_taken():
    with pytest.raises(UsageError, match=r"fails on a 96 x 96 picture.*mend the model"):
        encoder.build("tests.extractor.test_encoder:_grey", "random:0", ("0",), ("gap",), "cpu", encoder.Form(size=96))


def test_a_factorys_own_parameters_are_named_by_their_digest():
    torch.manual_seed(5)
    built = encoder.build(MODEL, "factory", ("head",), ("gap",), "cpu")
    torch.manual_seed(5)
    again = encoder.rebuild(built.specs, None, "cpu")
    assert built.spec.weights == f"factory:{MODEL}"
    assert again.specs == built.specs
    torch.manual_seed(6)
    with pytest.raises(MismatchError, match="SHA-256"):
        encoder.rebuild(built.specs, None, "cpu")
    with pytest.raises(UsageError, match=r"package\.module:function"):
        encoder.build("alexnet", "factory")
