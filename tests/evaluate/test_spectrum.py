import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits

from bignet.evaluate import moments as sums
from bignet.evaluate import spectrum
from bignet.evaluate.unit_rows import UnitRows
from tests.evaluate.subjects import awkward_vectors, unit

ALL = np.ones(10**5, dtype=bool)


def moments_of(vectors):
    return sums.second_moments(UnitRows(vectors), ALL[: len(vectors)])[1]


def entropy_rank(values, epsilon=0.0):
    """exp of the entropy, one share at a time."""
    shares = [value / math.fsum(values) + epsilon for value in values if value > 0 or epsilon]
    return math.exp(-math.fsum(p * math.log(p) for p in shares))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_second_moments_give_the_spectrum_of_a_singular_value_decomposition(seed, dtype):
    vectors = awkward_vectors(seed, dtype)
    x = unit(vectors)
    found = moments_of(vectors)
    raw = np.linalg.svd(x, compute_uv=False)
    centred = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    # A singular value of zero comes out of second moments as zero, of a decomposition as rounding
    np.testing.assert_allclose(found.singular_values, raw, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.centered_singular_values, centred, rtol=1e-9, atol=1e-9)
    covariance = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    np.testing.assert_allclose(found.eigenvalues, covariance, atol=1e-12)
    assert spectrum.rankme(found.singular_values) == pytest.approx(entropy_rank(raw, 1e-7), rel=1e-9)
    assert spectrum.rankme(found.centered_singular_values) == pytest.approx(entropy_rank(centred, 1e-7), rel=1e-9)
    real = covariance[covariance > 1e-14]
    assert spectrum.effective_rank(found.eigenvalues) == pytest.approx(entropy_rank(real), rel=1e-9)
    ratio = math.fsum(real) ** 2 / math.fsum(real**2)
    assert spectrum.participation_ratio(found.eigenvalues) == pytest.approx(ratio, rel=1e-9)
    assert spectrum.nesum(found.eigenvalues) == pytest.approx(math.fsum(real) / real[0], rel=1e-9)
    frobenius = np.linalg.norm(x) ** 2 / np.linalg.norm(x, 2) ** 2
    assert spectrum.stable_rank(found.singular_values) == pytest.approx(frobenius, rel=1e-9)


def test_wide_vectors_are_summed_between_rows_to_the_same_spectrum():
    vectors = awkward_vectors(3, np.float64, n=23, dim=60)
    found, x = moments_of(vectors), unit(vectors)
    assert found.between_rows
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(x, compute_uv=False), atol=1e-7)
    covariance = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    np.testing.assert_allclose(found.eigenvalues, covariance, atol=1e-14)
    assert len(found.eigenvalues) == 60


def test_axes_of_most_variance_are_those_of_a_decomposition_either_way():
    for n, dim in ((80, 9), (9, 80)):
        vectors = np.random.default_rng(n).standard_normal((n, dim)) * np.linspace(3, 1, dim)
        x = unit(vectors)
        axes, variances = sums.principal_axes(UnitRows(vectors), moments_of(vectors))
        _, s, expected = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        np.testing.assert_allclose(np.abs(np.sum(axes.T * expected[:2], axis=1)), 1, rtol=1e-9)
        np.testing.assert_allclose(variances, s[:2] ** 2 / n, rtol=1e-9)
        assert (axes[np.argmax(np.abs(axes), axis=0), [0, 1]] > 0).all()


def test_a_part_of_the_rows_is_summed_in_the_same_pass(monkeypatch):
    monkeypatch.setattr(spectrum, "_CELLS", 64)
    vectors = awkward_vectors(5, np.float64, n=70, dim=8)
    part = np.random.default_rng(0).random(70) < 0.4
    chosen, whole = sums.second_moments(UnitRows(vectors), part)
    for found, x in ((chosen, unit(vectors[part])), (whole, unit(vectors))):
        assert found.n == len(x)
        np.testing.assert_allclose(found.products, x.T @ x, atol=1e-12)
        np.testing.assert_allclose(found.total, x.sum(axis=0), atol=1e-12)


def test_wide_vectors_are_summed_in_blocks_and_in_part(monkeypatch):
    monkeypatch.setattr(spectrum, "_CELLS", 100)
    monkeypatch.setattr(sums, "_LEFT_CELLS", 150)
    vectors = awkward_vectors(5, np.float64, n=21, dim=30)
    part = np.arange(21) % 3 > 0
    chosen, whole = sums.second_moments(UnitRows(vectors), part)
    for found, x in ((chosen, unit(vectors[part])), (whole, unit(vectors))):
        assert found.n == len(x)
        np.testing.assert_allclose(found.products, x @ x.T, atol=1e-12)
        np.testing.assert_allclose(
            found.eigenvalues[:20], np.linalg.eigvalsh(np.cov(x.T, bias=True))[:-21:-1], atol=1e-12
        )


def test_no_pair_is_sampled_twice():
    assert spectrum.steps_on_circle(1_000_000) == 2
    assert spectrum.steps_on_circle(100, 10**9) == 49
    assert spectrum.steps_on_circle(101, 10**9) == 50
    assert spectrum.steps_on_circle(10_000_000) == 1


def test_too_many_rows_of_too_many_dimensions_are_refused(monkeypatch):
    monkeypatch.setattr(sums, "MAX_SIDE", 5)
    with pytest.raises(ValueError, match="found 6 of 7 dimensions"):
        sums.second_moments(UnitRows(np.ones((6, 7))), ALL[:6])


def test_a_common_mean_lowers_rankme_but_hardly_the_centred_one():
    x = np.random.default_rng(0).standard_normal((600, 60))
    plain, moved = moments_of(x), moments_of(x + 1)
    assert spectrum.rankme(plain.singular_values) > 1.1 * spectrum.rankme(moved.singular_values)
    centred = [spectrum.rankme(found.centered_singular_values) for found in (plain, moved)]
    assert centred[0] == pytest.approx(centred[1], rel=0.02)


def test_rankme_is_not_the_effective_rank_of_variances():
    pixels = load_digits().data.astype(np.float32)
    found = moments_of(pixels)
    assert spectrum.rankme(found.singular_values) == pytest.approx(29.79093, abs=1e-5)
    assert spectrum.effective_rank(found.eigenvalues) == pytest.approx(20.08653, abs=1e-5)
    assert spectrum.mean_cos(found.total, found.n) == pytest.approx(0.69, abs=0.005)
    centred = spectrum.mean_cos_centered(UnitRows(pixels), found.mean, found.tolerance)
    assert centred == pytest.approx(0, abs=0.005)


def test_equal_directions_count_as_many_as_they_are():
    for values in (np.full(7, 0.3), np.concatenate([np.full(7, 0.3), np.zeros(9)])):
        for formula in (spectrum.effective_rank, spectrum.participation_ratio, spectrum.nesum, spectrum.stable_rank):
            assert formula(values) == pytest.approx(7)
    assert spectrum.rankme(np.full(7, 0.3)) == pytest.approx(7, rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_vectors_that_point_one_way_have_no_variance_to_speak_of(n):
    vectors = np.outer([1.0, 3.0, 7.0, 0.1, 11.0][:n], [0.3, 0.1, 0.7])
    found = moments_of(vectors)
    assert found.eigenvalues.tolist() == [0, 0, 0]
    assert spectrum.rankme(found.singular_values) == pytest.approx(1, abs=1e-5)
    for formula in (spectrum.effective_rank, spectrum.participation_ratio, spectrum.nesum):
        assert formula(found.eigenvalues) is None
    assert spectrum.rankme(found.centered_singular_values) is None
    assert spectrum.mean_cos_centered(UnitRows(vectors), found.mean, found.tolerance) is None
    assert (spectrum.mean_cos(found.total, n) is None) == (n == 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_decay_is_that_of_a_weighted_fit_on_ranks_11_to_100(seed):
    rng = np.random.default_rng(seed)
    values = np.sort(np.arange(1, 130) ** -1.3 * rng.lognormal(0, 0.2, 129))[::-1]
    rank = np.arange(11, 101)
    line, residuals, *_ = np.polyfit(np.log(rank), np.log(values[10:100]), 1, w=rank**-0.5, full=True)
    y, weight = np.log(values[10:100]), 1 / rank
    spread = np.cov(y, aweights=weight, bias=True) * weight.sum()
    assert spectrum.alpha_req(values) == pytest.approx((-line[0], 1 - residuals[0] / spread), rel=1e-9)


def test_a_power_law_is_found_exactly_and_needs_more_than_100_dimensions():
    law = np.arange(1, 102) ** -0.8
    assert spectrum.alpha_req(law) == pytest.approx((0.8, 1))
    assert spectrum.alpha_req(law[:100]) is None
    assert spectrum.alpha_req(np.where(np.arange(101) < 99, law, 0)) is None
    assert spectrum.alpha_req(np.ones(150)) == pytest.approx((0, 1))


@pytest.mark.parametrize("seed", range(30))
def test_uniformity_and_mean_cosine_are_means_over_every_pair(seed):
    vectors = awkward_vectors(seed)
    x = unit(vectors)
    squared = pdist(x, "sqeuclidean")
    rows, found = UnitRows(vectors), moments_of(vectors)
    assert spectrum.uniformity(rows) == pytest.approx(math.log(np.exp(-2 * squared).mean()), rel=1e-9)
    cosine = [float(x[i] @ x[j]) for i in range(len(x)) for j in range(i)]
    assert spectrum.mean_cos(found.total, found.n) == pytest.approx(np.mean(cosine), rel=1e-9)
    centred = unit(x - x.mean(axis=0))
    upper = np.triu_indices(len(x), 1)
    expected = (centred @ centred.T)[upper].mean()
    assert spectrum.mean_cos_centered(rows, found.mean, found.tolerance) == pytest.approx(expected, abs=1e-9)


def test_uniformity_in_blocks_is_uniformity(monkeypatch):
    vectors = awkward_vectors(1, n=90, dim=6)
    expected = spectrum.uniformity(UnitRows(vectors))
    monkeypatch.setattr(spectrum, "_CELLS", 60)
    assert spectrum.uniformity(UnitRows(vectors)) == pytest.approx(expected, rel=1e-12)


def test_sampled_pairs_are_distinct_and_count_every_row_alike(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((101, 7))
    monkeypatch.setattr(spectrum, "_CELLS", 7 * 13)
    every = spectrum.uniformity(UnitRows(vectors))
    # 50 successors of each of 101 rows on the circle are all the pairs there are, once each
    assert spectrum.uniformity(UnitRows(vectors), exact_rows=10, pairs=10**9) == pytest.approx(every, rel=1e-12)
    some = [spectrum.uniformity(UnitRows(vectors), exact_rows=10, pairs=1000, seed=seed) for seed in range(20)]
    assert np.std(some) > 0
    assert np.mean(some) == pytest.approx(every, abs=4 * np.std(some) / 20**0.5)
    assert spectrum.uniformity(UnitRows(vectors), exact_rows=10, pairs=1000, seed=3) == some[3]


def test_uniformity_of_the_whole_sphere_is_known():
    assert spectrum.uniformity_floor(512) == pytest.approx(-4 + 8 / 512, abs=1e-4)
    assert spectrum.uniformity_floor(3) == pytest.approx(math.log(math.sinh(4) / 4) - 4)
    assert spectrum.uniformity_floor(1) == pytest.approx(math.log(math.cosh(4)) - 4)
    drawn = np.random.default_rng(0).standard_normal((1500, 20))
    assert spectrum.uniformity(UnitRows(drawn)) == pytest.approx(spectrum.uniformity_floor(20), abs=0.01)
    assert spectrum.uniformity(UnitRows(drawn[:1])) is None


def test_turned_reordered_and_scaled_vectors_have_the_same_spectrum():
    vectors = awkward_vectors(8, np.float64, n=60, dim=7)
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    expected = moments_of(vectors).eigenvalues
    for other in (vectors @ rotation, rng.permutation(vectors), vectors * rng.uniform(0.1, 9, (60, 1))):
        np.testing.assert_allclose(moments_of(other).eigenvalues, expected, atol=1e-12)
        assert spectrum.uniformity(UnitRows(other)) == pytest.approx(spectrum.uniformity(UnitRows(vectors)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8])
def test_dead_dimensions_zeros_and_lengths_are_those_before_normalising(dtype, monkeypatch):
    monkeypatch.setattr(spectrum, "_CELLS", 40)
    rng = np.random.default_rng(0)
    vectors = rng.integers(-3, 4, size=(50, 6)).astype(dtype)
    vectors[:, 1], vectors[:, 4] = 0, 7
    found = sums.columns(UnitRows(vectors))
    assert found.dead == (1, 4)
    np.testing.assert_allclose(found.zero_share, (vectors == 0).mean(axis=0))
    lengths = np.linalg.norm(vectors.astype(float), axis=1)
    np.testing.assert_allclose(found.norms, np.quantile(lengths, [0, 0.05, 0.5, 0.95, 1]), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_death_does_not_depend_on_scale(scale):
    vectors = np.random.default_rng(0).standard_normal((40, 4))
    vectors[:, 0], vectors[:, 3] = 0.5, 0.5 + 1e-8 * vectors[:, 3]
    found = sums.columns(UnitRows(vectors * scale))
    assert found.dead == (0, 3)
    assert found.norms[2] == pytest.approx(np.median(np.linalg.norm(vectors, axis=1)) * scale)


def test_one_very_long_vector_neither_kills_dimensions_nor_overflows():
    vectors = np.random.default_rng(0).standard_normal((40, 4))
    vectors[7] = [1e308, 0, 0, 1.5e308]
    found = sums.columns(UnitRows(vectors))
    assert found.dead == ()
    assert np.isfinite(found.norms).all()
