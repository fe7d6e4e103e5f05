import numpy as np
import pytest
import torch

from bignet.errors import UsageError
from bignet.extractor import pools


@pytest.fixture
def maps():
    """(3, 5, 7, 6) with negative values."""
    return np.random.default_rng(0).standard_normal((3, 5, 7, 6)).astype(np.float32)


def pooled(name, values):
    return pools.find(name).apply(torch.from_numpy(values)).numpy()


def window_means(values, k):
    """Every window by itself, channel after channel, rows before columns, what does not fill a window left out."""
    n, channels, height, width = values.shape
    out = []
    for image in range(n):
        row = [
            values[image, channel, top : top + k, left : left + k].mean()
            for channel in range(channels)
            for top in range(0, height - k + 1, k)
            for left in range(0, width - k + 1, k)
        ]
        out.append(row)
    return np.array(out)


def test_gap_is_the_mean_over_positions(maps):
    np.testing.assert_allclose(pooled("gap", maps), maps.reshape(3, 5, 42).mean(axis=2), rtol=1e-5, atol=1e-6)


def test_max_is_the_largest_activation(maps):
    np.testing.assert_array_equal(pooled("max", maps), maps.reshape(3, 5, 42).max(axis=2))


@pytest.mark.parametrize("p", [1.0, 2.5, 3.0, 8.0])
def test_gem_is_the_generalised_mean(maps, p):
    positive = np.maximum(maps, 0)
    wanted = np.mean(np.maximum(positive.astype(np.float64), 1e-6) ** p, axis=(2, 3)) ** (1 / p)
    np.testing.assert_allclose(pooled(f"gem:{p}", positive), wanted, rtol=1e-4)


def test_gem_of_power_one_is_gap(maps):
    positive = np.abs(maps)
    np.testing.assert_allclose(pooled("gem:1", positive), pooled("gap", positive), rtol=1e-5)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6])
def test_avg_is_the_mean_of_each_whole_window(maps, k):
    np.testing.assert_allclose(pooled(f"avg:{k}", maps), window_means(maps, k), rtol=1e-4, atol=1e-6)


def test_flat_keeps_every_activation(maps):
    np.testing.assert_array_equal(pooled("flat", maps), maps.reshape(3, -1))


def test_flat_order_does_not_depend_on_memory_layout(maps):
    tensor = torch.from_numpy(maps).to(memory_format=torch.channels_last)
    np.testing.assert_array_equal(pools.find("flat").apply(tensor).numpy(), maps.reshape(3, -1))


@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "avg:1", "flat"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 3, 1, 1)])
def test_pooled_vectors_share_no_memory_with_the_map(name, shape):
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    vectors = pools.find(name).apply(maps)
    before = vectors.clone()
    maps.zero_()
    assert torch.equal(vectors, before)


@pytest.mark.parametrize(
    ("shape", "k", "dims"),
    [
        ((256, 6, 6), 3, 1024),  # AlexNet features
        ((512, 7, 7), 3, 2048),  # ResNet-34 layer4
        ((512, 13, 13), 3, 8192),  # SqueezeNet 1.1 features
        ((512, 13, 13), 4, 4608),
        ((512, 13, 13), 5, 2048),
    ],
)
def test_dims_of_well_known_layers(shape, k, dims):
    assert pools.check(pools.find(f"avg:{k}"), "layer", torch.zeros(1, *shape)) == dims


@pytest.mark.parametrize(
    ("side", "k", "share"), [(6, 3, 1.0), (6, 4, 0.44), (6, 5, 0.69), (7, 3, 0.73), (7, 4, 0.33), (7, 5, 0.51)]
)
def test_coverage_is_the_share_of_the_map_in_whole_windows(side, k, share):
    assert pools.coverage(pools.find(f"avg:{k}"), side, side) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "flat"])
def test_other_pools_cover_the_whole_map(name):
    assert pools.coverage(pools.find(name), 7, 5) == 1.0


def test_gem_is_refused_where_the_map_has_negative_values():
    with pytest.raises(UsageError, match=r"'gem:3' needs a map without negative values, and layer 'body' has them"):
        pools.check(pools.find("gem"), "body", torch.tensor([[[[0.0, -1e-3]]]]))


@pytest.mark.parametrize("size", [(3, 9), (9, 3)])
def test_a_window_larger_than_the_map_is_refused(size):
    with pytest.raises(UsageError, match=rf"'avg:4' is larger than the {size[0]} x {size[1]} map of layer 'body'"):
        pools.check(pools.find("avg:4"), "body", torch.zeros(1, 2, *size))


@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "avg:2"])
@pytest.mark.parametrize("shape", [(10,), (197, 768)])
def test_pools_over_positions_are_refused_where_there_is_no_map(name, shape):
    with pytest.raises(UsageError, match=r"layer 'fc' gives \(.*\), not a feature map, .* use flat"):
        pools.check(pools.find(name), "fc", torch.zeros(1, *shape))


def test_flat_takes_vectors_and_token_grids():
    assert pools.check(pools.find("flat"), "fc", torch.zeros(1, 10)) == 10
    assert pools.check(pools.find("flat"), "tokens", torch.zeros(1, 7, 3)) == 21


def test_a_map_with_its_channels_last_is_refused():
    with pytest.raises(UsageError, match=r"gives \(7, 7, 768\), with its channels last"):
        pools.check(pools.find("gap"), "features", torch.zeros(1, 7, 7, 768))
