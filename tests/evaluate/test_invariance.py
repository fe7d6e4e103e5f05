"""Altered copies against all originals, held to pair-by-pair arithmetic that shares no code with the package."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from bignet.errors import UsageError
from bignet.evaluate.intervals import Resampling
from bignet.evaluate.sweep.invariance import invariance, self_hits

SEEDS = range(30)


class World:
    """N originals, A alterations of n of them: with duplicates, some of another length, and vectors of no direction."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        n_originals, dim = int(rng.integers(2, 40)), int(rng.integers(1, 24))
        offset = rng.choice([0.0, 0.0, 3000.0])  # a narrow cone, where float32 cannot tell neighbours apart
        dtype = rng.choice(["float16", "float32", "float64"]) if offset == 0 else "float32"
        vectors = rng.standard_normal((n_originals, dim)) + offset
        vectors[rng.integers(0, n_originals, n_originals // 4)] = vectors[0]
        vectors[rng.integers(0, n_originals)] *= 4  # the same direction
        self.rows = rng.integers(0, n_originals, int(rng.integers(1, 16)))  # in any order, and twice
        self.kinds = [(kind, float(s)) for s, kind in enumerate(rng.choice(["rotate", "blur"], rng.integers(1, 6)))]
        noise = rng.standard_normal((len(self.kinds), len(self.rows), dim))
        altered = vectors[self.rows] + noise * rng.uniform(0, 1.5, (len(self.kinds), 1, 1))
        if seed % 3 == 0:
            vectors[-1] = [0, np.nan][seed % 2]
            altered[0, 0] = [np.inf, 0][seed % 2]
        self.originals, self.altered = vectors.astype(dtype), altered.astype(dtype)


def length(x):
    return math.sqrt(math.fsum(float(v) ** 2 for v in x))


def has_direction(x):
    return all(math.isfinite(v) for v in x) and any(v != 0 for v in x)


def cosine(x, y):
    return math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / (length(x) * length(y))


def is_hit(world, copy, row):
    """Whether nothing is nearer than its own; what is as near to 1e-11 is the same vector."""
    if not has_direction(copy):
        return False
    gallery = [x for x in world.originals if has_direction(x)]
    return cosine(copy, world.originals[row]) >= max(cosine(copy, x) for x in gallery) - 1e-11


def squared_distance(x, y):
    return math.fsum((a / length(x) - b / length(y)) ** 2 for a, b in zip(map(float, x), map(float, y), strict=True))


def pair_mean(originals):
    usable = [x for x in originals if has_direction(x)]
    found = [cosine(x, y) for i, x in enumerate(usable) for y in usable[:i]]
    return math.fsum(found) / len(found) if found else None


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values) if values else None


@pytest.mark.parametrize("seed", SEEDS)
def test_hits_distances_and_invariance_equal_pair_by_pair_arithmetic(seed):
    world = World(seed)
    counted = [at for at, row in enumerate(world.rows) if has_direction(world.originals[row])]
    base = pair_mean(world.originals)

    found = invariance(world.originals, world.altered, world.rows, world.kinds, Resampling(times=50))

    shares = self_hits(world.originals, world.altered, world.rows)
    for point, copies, share in zip(found.points, world.altered, shares, strict=True):
        wanted = mean(is_hit(world, copies[at], world.rows[at]) for at in counted)
        assert point.self_hit.value == pytest.approx(wanted, abs=1e-12)
        assert share == pytest.approx(math.nan if wanted is None else wanted, abs=1e-12, nan_ok=True)
        known = [at for at in counted if has_direction(copies[at])]
        near = mean(squared_distance(copies[at], world.originals[world.rows[at]]) for at in known)
        assert point.alignment.value == pytest.approx(near, abs=1e-9)
        assert point.alignment.n_queries == len(known)
        if near is not None and base is not None and base < 1 - 1e-6:
            alike = mean(cosine(copies[at], world.originals[world.rows[at]]) for at in known)
            assert point.invariance.value == pytest.approx((alike - base) / (1 - base), abs=1e-6)
    by_kind = {kind: [] for kind, _ in world.kinds}
    for point in found.points:
        by_kind[point.kind].append(point.self_hit.value)
    if counted:
        assert found.summary.value == pytest.approx(mean(map(mean, by_kind.values())), abs=1e-9)
        assert found.summary.value == pytest.approx(np.nanmean(found.per_image), abs=1e-12)
        assert len(counted) == 1 or found.summary.lo <= found.summary.value <= found.summary.hi


def one(originals, altered, **fields):
    """One alteration of every original."""
    found = invariance(originals, altered[None], np.arange(len(originals)), [("blur", 0.1)], **fields)
    return found.points[0], found


def crowd(n=40, dim=16, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def test_copies_as_their_own_are_all_found_and_invariant():
    point, found = one(crowd(), crowd())
    assert (point.self_hit.value, point.alignment.value, point.invariance.value) == (1.0, 0.0, 1.0)
    assert (found.summary.value, found.summary.lo, found.summary.hi) == (1.0, 1.0, 1.0)


def test_copies_that_are_other_images_are_not_found_and_not_invariant():
    point, _ = one(crowd(400), np.roll(crowd(400), 1, axis=0))
    assert point.self_hit.value == 0.0
    assert abs(point.invariance.value) < 0.05
    assert point.self_hit.chance == pytest.approx(1 / 400)


def test_an_original_equal_to_its_own_counts_as_its_own_and_one_nearer_does_not():
    originals = np.array([[1, 2, 3], [1, 2, 3], [2, 4, 6], [1, 2, 3.0001]], np.float32)
    assert self_hits(originals, originals[None], np.arange(4)).tolist() == [1.0]
    assert self_hits(originals, originals[None, :1], np.array([3])).tolist() == [0.0]


@pytest.mark.parametrize("seed", range(5))
def test_neither_rotation_nor_scaling_nor_the_order_of_images_changes_anything(seed):
    rng = np.random.default_rng(seed)
    originals, copies = rng.standard_normal((60, 8)), rng.standard_normal((2, 25, 8))
    rows = rng.permutation(60)[:25]
    copies = copies * 0.8 + originals[rows]
    kinds = [("rotate", 1.0), ("blur", 2.0)]
    turn, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    order = rng.permutation(60)

    before = invariance(originals, copies, rows, kinds)
    after = invariance(
        (originals * rng.uniform(0.1, 9, (60, 1)))[order] @ turn, copies @ turn, order.argsort()[rows], kinds
    )

    assert 0.1 < before.summary.value < 0.9
    for ours, theirs in zip(before.points, after.points, strict=True):
        assert ours.self_hit == theirs.self_hit
        assert ours.alignment.value == pytest.approx(theirs.alignment.value, abs=1e-9)
        assert ours.invariance.lo == pytest.approx(theirs.invariance.lo, abs=1e-9)


def test_a_share_has_wilsons_interval_and_the_invariance_that_of_the_distances():
    rng = np.random.default_rng(1)
    point, _ = one(crowd(), crowd() + rng.standard_normal((40, 16)).astype(np.float32) * 1.5)
    hits = round(point.self_hit.value * 40)
    wanted = binomtest(hits, 40).proportion_ci(method="wilson")

    assert 0 < hits < 40
    assert (point.self_hit.lo, point.self_hit.hi) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert point.invariance.lo < point.invariance.value < point.invariance.hi
    base = point.invariance.params["mean_cosine_of_pairs"]
    assert point.invariance.lo == pytest.approx(1 - point.alignment.hi / 2 / (1 - base), abs=1e-9)


def test_kinds_count_the_same_however_many_strengths_they_have():
    originals = crowd()
    same, other = originals, np.roll(originals, 1, axis=0)
    kinds = [("rotate", 1.0), ("rotate", 2.0), ("rotate", 3.0), ("flip", 1.0)]
    found = invariance(originals, np.stack([same, same, same, other]), np.arange(40), kinds)
    assert found.summary.value == 0.5
    assert set(found.per_image) == {0.5}
    assert found.curves == {"rotate": ((1.0, 1.0), (2.0, 1.0), (3.0, 1.0)), "flip": ((1.0, 0.0),)}


def test_a_copy_without_a_direction_finds_nothing_and_an_original_without_one_is_left_out():
    originals, copies = crowd(10), crowd(10)
    copies[3], originals[4], originals[5] = 0, 0, np.nan
    point, found = one(originals, copies)
    assert point.self_hit.value == pytest.approx(7 / 8)
    assert (point.self_hit.excluded.zero, point.self_hit.excluded.nonfinite) == (1, 1)
    assert (point.alignment.excluded.zero, point.alignment.n_queries) == (2, 7)
    assert np.isnan(found.per_image).tolist() == [at in (4, 5) for at in range(10)]
    assert found.summary.gallery_size == 8


@pytest.mark.parametrize(
    ("originals", "n", "undefined"),
    [
        (np.zeros((3, 4)), 3, ("self_hit", "alignment", "invariance")),
        (np.ones((1, 4)), 1, ("invariance",)),
        (np.ones((5, 4)), 5, ("invariance",)),
        (np.empty((0, 4)), 0, ("self_hit", "alignment", "invariance")),
        (np.ones((5, 1)), 2, ("invariance",)),
    ],
    ids=["zeros", "one image", "one vector", "no image", "one dimension"],
)
def test_what_has_no_meaning_is_none_with_a_reason(originals, n, undefined):
    found = invariance(originals, originals[None, :n], np.arange(n), [("flip", 1.0)])
    for name in ("self_hit", "alignment", "invariance"):
        metric = getattr(found.points[0], name)
        assert (metric.value is None) == (name in undefined)
        assert bool(metric.reason) == (name in undefined)
    assert (found.summary.value is None) == ("self_hit" in undefined)


def test_shapes_that_do_not_fit_and_rows_that_are_not_there_are_refused():
    with pytest.raises(UsageError, match="do not fit"):
        self_hits(crowd(4), crowd(4), np.arange(4))
    with pytest.raises(UsageError, match="give positions in them"):
        self_hits(crowd(4), crowd(4)[None], np.array([0, 1, 2, 4]))
    with pytest.raises(UsageError, match="name each"):
        invariance(crowd(4), crowd(4)[None], np.arange(4), [])
