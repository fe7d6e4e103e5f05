import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

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


EVERY_MAP_POOL = ["gap", "max", "gem:3", "gem:2.5", "rmac:1", "crow", "avg:1", "avg:3", "avgc:3", "grid:2", "flat"]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def unit(vector):
    return vector / (np.linalg.norm(vector) + 1e-6)


def cirtorch_rmac(x, levels):
    """R-MAC of one (C, H, W) map, step by step as cirtorch's functional.rmac has it."""
    height, width = x.shape[1:]
    w = min(height, width)
    steps = np.arange(2, 8)
    b = (max(height, width) - w) / (steps - 1)
    more = int(np.argmin(np.abs((w**2 - w * b) / w**2 - 0.4))) + 1
    more_down, more_across = (more if height > width else 0), (more if width > height else 0)
    total = unit(x.max(axis=(1, 2)))
    for level in range(1, levels + 1):
        side = math.floor(2 * w / (level + 1))
        half = math.floor(side / 2 - 1)
        corners = []
        for length, extra in ((height, more_down), (width, more_across)):
            n = level + extra
            b = 0 if n == 1 else (length - side) / (n - 1)
            corners.append([math.floor(half + i * b + 1e-9) - half for i in range(n)])
        for top in corners[0]:
            for left in corners[1]:
                total = total + unit(x[:, top : top + side, left : left + side].max(axis=(1, 2)))
    return total


def paper_crow(x):
    """CroW of one (C, H, W) map from the formulas of Kalantidis et al. 2016."""
    channels, height, width = x.shape
    strength = x.sum(axis=0)
    spatial = np.sqrt(strength / np.sqrt((strength**2).sum()))
    share = np.array([np.count_nonzero(x[c]) / (height * width) for c in range(channels)])
    weight = np.log((channels * 1e-6 + share.sum()) / (1e-6 + share))
    return weight * (x * spatial).sum(axis=(1, 2))


def cells(values, bounds):
    """The mean of each cell whose (start, stop) are given along both sides, channel after channel."""
    n, channels = values.shape[:2]
    down, across = bounds
    means = [values[:, :, a:b, c:d].mean(axis=(2, 3)) for a, b in down for c, d in across]
    return np.stack(means, axis=2).reshape(n, channels * len(means))


def whole_windows(side, k):
    return [(start, min(start + k, side)) for start in range(0, side, k)]


def parts(side, n):
    return [(side * i // n, -(-side * (i + 1) // n)) for i in range(n)]


FORMULAS = {
    "gap": lambda x, _: x.mean(axis=(2, 3)),
    "max": lambda x, _: x.max(axis=(2, 3)),
    "gem": lambda x, p: (np.maximum(x, 1e-6) ** p).mean(axis=(2, 3)) ** (1 / p),
    "rmac": lambda x, levels: np.array([cirtorch_rmac(image, int(levels)) for image in x]),
    "crow": lambda x, _: np.array([paper_crow(image) for image in x]),
    "avg": lambda x, k: window_means(x, int(k)),
    "avgc": lambda x, k: cells(x, [whole_windows(side, int(k)) for side in x.shape[2:]]),
    "grid": lambda x, n: cells(x, [parts(side, int(n)) for side in x.shape[2:]]),
    "flat": lambda x, _: x.reshape(len(x), -1),
}


def formula(name, x):
    """A pool of (N, C, H, W) float64 maps, written independently."""
    kind, _, number = name.partition(":")
    return FORMULAS[kind](x, float(number or 0))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
@pytest.mark.parametrize("name", [*EVERY_MAP_POOL, "rmac:3", "rmac:4", "grid:5", "avgc:4", "gem:20"])
def test_every_pool_is_its_formula_in_float64_on_the_same_numbers(name, layout, dtype):
    for seed, shape in enumerate([(2, 9, 14, 14), (3, 5, 7, 12), (1, 4, 30, 5)]):
        maps = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).relu().mul(30)
        maps = maps.to(dtype).to(memory_format=layout)
        found = pools.find(name).apply(maps)
        wanted = formula(name, maps.double().numpy())
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_means_over_large_maps_add_up_in_float32(dtype):
    maps = torch.rand(1, 2, 112, 112, generator=torch.Generator().manual_seed(0)).add(3).to(dtype)
    for name in ("gap", "gem:3", "avg:56", "grid:2"):
        wanted = formula(name, maps.double().numpy())
        np.testing.assert_allclose(pools.find(name).apply(maps).numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("p", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("size", [3e-5, 3e4])
def test_no_power_of_gem_overflows_or_vanishes(p, size):
    values = size * np.random.default_rng(0).random((1, 4, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(pooled(f"gem:{p}", values), formula(f"gem:{p}", values.astype(np.float64)), rtol=1e-5)


def test_windows_agree_with_adaptive_pools_where_both_divide_the_map():
    maps = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    for name in ("avg:3", "avgc:3"):
        torch.testing.assert_close(pools.find(name).apply(maps), pools.find("grid:2").apply(maps))
    torch.testing.assert_close(pools.find("grid:1").apply(maps), pools.find("gap").apply(maps))


@pytest.mark.parametrize("name", ["gap", "max"])
def test_gap_and_max_are_timms(name):
    adaptive = pytest.importorskip("timm.layers").SelectAdaptivePool2d
    maps = torch.randn(2, 5, 7, 6, generator=torch.Generator().manual_seed(0))
    theirs = adaptive(pool_type={"gap": "avg"}.get(name, name), flatten=True)(maps)
    torch.testing.assert_close(pools.find(name).apply(maps), theirs)


def test_gem_is_the_power_average_of_torch(maps):
    """LPPool sums where GeM averages: the P positions make a factor of P^(1/p)."""
    positive = torch.from_numpy(np.abs(maps) + 0.1)
    theirs = torch.nn.functional.lp_pool2d(positive, 3.0, (7, 6)).flatten(1) / 42 ** (1 / 3)
    torch.testing.assert_close(pools.find("gem:3").apply(positive), theirs, rtol=1e-5, atol=1e-6)


def test_crow_of_an_image_without_any_activation_is_zero():
    assert pools.find("crow").apply(torch.zeros(1, 3, 4, 4)).abs().max() == 0


MAPS = arrays(np.float32, (2, 3, 4, 4), elements=st.floats(0, 100, width=32))


@settings(max_examples=40, deadline=None)
@given(values=MAPS, order=st.permutations(range(16)))
@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "crow"])
def test_where_things_are_does_not_matter_to_global_pools(name, values, order):
    moved = values.reshape(2, 3, 16)[:, :, order].reshape(values.shape)
    np.testing.assert_allclose(pooled(name, moved), pooled(name, values), rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(values=MAPS, order=st.permutations(range(3)))
@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "rmac:2", "crow"])
def test_channels_in_another_order_give_the_numbers_in_that_order(name, values, order):
    np.testing.assert_allclose(
        pooled(name, values[:, order]), pooled(name, values)[:, list(order)], rtol=1e-4, atol=1e-4
    )


@settings(max_examples=40, deadline=None)
@given(values=MAPS)
@pytest.mark.parametrize("name", EVERY_MAP_POOL)
def test_an_image_is_pooled_the_same_alone_and_in_a_batch(name, values):
    alone = np.concatenate([pooled(name, image[None]) for image in values])
    np.testing.assert_array_equal(pooled(name, values), alone)


TOKEN_POOLS = ["gap", "max", "gem:3", "cls", "flat"]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tokens_are_pooled_over_all_of_them_the_class_token_included(dtype):
    tokens = torch.rand(2, 17, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    x = tokens.double().numpy()
    cubed = (np.maximum(x, 1e-6) ** 3).mean(axis=1) ** (1 / 3)
    wanted = {"gap": x.mean(axis=1), "max": x.max(axis=1), "gem:3": cubed, "cls": x[:, 0], "flat": x.reshape(2, -1)}
    for name in TOKEN_POOLS:
        found = pools.find(name).apply(tokens)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), wanted[name], rtol=1e-5)


@pytest.mark.parametrize("name", TOKEN_POOLS)
def test_dims_of_tokens(name):
    dims = pools.check(pools.find(name), "encoder", torch.zeros(1, 197, 192))
    assert dims == (197 * 192 if name == "flat" else 192)


@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "rmac:1", "crow", "avg:1", "avgc:1", "grid:1", "flat"])
@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 3, 1, 1)])
def test_pooled_vectors_share_no_memory_with_the_map(name, shape):
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    vectors = pools.find(name).apply(maps)
    before = vectors.clone()
    maps.zero_()
    assert torch.equal(vectors, before)


@pytest.mark.parametrize("name", TOKEN_POOLS)
def test_vectors_of_tokens_share_no_memory_with_them(name):
    tokens = torch.rand(1, 1, 4, generator=torch.Generator().manual_seed(0))
    vectors = pools.find(name).apply(tokens)
    before = vectors.clone()
    tokens.zero_()
    assert torch.equal(vectors, before)


ALEXNET, RESNET34, SQUEEZENET = (256, 6, 6), (512, 7, 7), (512, 13, 13)


@pytest.mark.parametrize(
    ("shape", "pool", "dims"),
    [
        (ALEXNET, "avg:3", 1024),
        (ALEXNET, "avg:4", 256),
        (ALEXNET, "avg:5", 256),
        (RESNET34, "avg:3", 2048),
        (RESNET34, "avg:4", 512),
        (RESNET34, "avg:5", 512),
        (SQUEEZENET, "avg:3", 8192),
        (SQUEEZENET, "avg:4", 4608),
        (SQUEEZENET, "avg:5", 2048),
        (ALEXNET, "avgc:3", 1024),
        (ALEXNET, "avgc:4", 1024),
        (RESNET34, "avgc:3", 4608),
        (SQUEEZENET, "avgc:5", 4608),
        (RESNET34, "grid:2", 2048),
        (RESNET34, "rmac", 512),
        (RESNET34, "crow", 512),
        (RESNET34, "flat", 25088),
    ],
)
def test_dims_of_well_known_layers(shape, pool, dims):
    assert pools.check(pools.find(pool), "layer", torch.zeros(1, *shape)) == dims


@pytest.mark.parametrize(
    ("side", "k", "share"), [(6, 3, 1.0), (6, 4, 0.44), (6, 5, 0.69), (7, 3, 0.73), (7, 4, 0.33), (7, 5, 0.51)]
)
def test_coverage_is_the_share_of_the_map_in_whole_windows(side, k, share):
    assert pools.coverage(pools.find(f"avg:{k}"), side, side) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "rmac", "crow", "avgc:3", "avgc:4", "grid:2", "flat"])
def test_other_pools_cover_the_whole_map(name):
    assert pools.coverage(pools.find(name), 7, 5) == 1.0


@pytest.mark.parametrize(("asked", "name"), [("spoc", "gap"), ("mac", "max"), ("gem", "gem:3"), ("rmac", "rmac:3")])
def test_other_names_of_a_pool_give_its_canonical_one(asked, name):
    assert pools.find(asked).name == name


@pytest.mark.parametrize(
    "text", ["", "gap:2", "avg", "avg:0", "avg:1.5", "grid", "rmac:0", "crow:1", "gem:-1", "cls:1"]
)
def test_an_unknown_pool_lists_those_there_are(text):
    with pytest.raises(UsageError, match=rf"pool '{text}' is unknown; allowed: gap .*rmac:L.*grid:n.*cls, flat"):
        pools.find(text)


def test_crow_is_refused_where_the_map_has_negative_values():
    with pytest.raises(UsageError, match="'crow' needs a map without negative values"):
        pools.check(pools.find("crow"), "body", torch.tensor([[[[1.0, -1e-3]]]]))


def test_gem_of_tokens_is_refused_where_they_have_negative_values():
    with pytest.raises(UsageError, match="'gem:3' needs a map without negative values"):
        pools.check(pools.find("gem"), "encoder", torch.tensor([[[1.0, -1e-3]]]))


@pytest.mark.parametrize(("name", "side"), [("avgc:4", 3), ("grid:4", 3), ("rmac:3", 1), ("rmac:4", 2)])
def test_a_pool_of_more_parts_than_the_map_has_is_refused(name, side):
    needed = pools.find(name).smallest
    with pytest.raises(
        UsageError, match=rf"larger than the {side} x 9 map of layer 'body'; it needs {needed} x {needed}"
    ):
        pools.check(pools.find(name), "body", torch.zeros(1, 5, side, 9))
    assert pools.check(pools.find(name), "body", torch.zeros(1, 5, needed, needed)) > 0


def test_gem_is_refused_where_the_map_has_negative_values():
    with pytest.raises(UsageError, match=r"'gem:3' needs a map without negative values, and layer 'body' has them"):
        pools.check(pools.find("gem"), "body", torch.tensor([[[[0.0, -1e-3]]]]))


@pytest.mark.parametrize("size", [(3, 9), (9, 3)])
def test_a_window_larger_than_the_map_is_refused(size):
    with pytest.raises(UsageError, match=rf"'avg:4' is larger than the {size[0]} x {size[1]} map of layer 'body'"):
        pools.check(pools.find("avg:4"), "body", torch.zeros(1, 2, *size))


@pytest.mark.parametrize("name", ["gap", "max", "gem:3", "rmac", "crow", "avg:2", "avgc:2", "grid:2", "cls"])
def test_pools_over_positions_are_refused_where_there_are_none(name):
    with pytest.raises(UsageError, match=r"layer 'fc' gives \(10,\), not a feature map: use flat; '.*' has no meaning"):
        pools.check(pools.find(name), "fc", torch.zeros(1, 10))


@pytest.mark.parametrize("name", ["rmac", "crow", "avg:2", "avgc:2", "grid:2"])
def test_pools_over_places_are_refused_on_tokens(name):
    with pytest.raises(UsageError, match=r"gives \(197, 768\), tokens, not a feature map: use gap, max, cls or flat"):
        pools.check(pools.find(name), "encoder", torch.zeros(1, 197, 768))


def test_a_map_has_no_class_token():
    with pytest.raises(UsageError, match="a feature map, without a class token: use gap; 'cls' has no meaning"):
        pools.check(pools.find("cls"), "layer4", torch.zeros(1, 512, 7, 7))


def test_flat_takes_vectors_and_token_grids():
    assert pools.check(pools.find("flat"), "fc", torch.zeros(1, 10)) == 10
    assert pools.check(pools.find("flat"), "tokens", torch.zeros(1, 7, 3)) == 21


def test_a_map_with_its_channels_last_is_refused():
    with pytest.raises(UsageError, match=r"gives \(7, 7, 768\), with its channels last"):
        pools.check(pools.find("gap"), "features", torch.zeros(1, 7, 7, 768))
