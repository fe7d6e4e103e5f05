import faiss
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from bignet.derive.fit import fit
from bignet.derive.neighbours import augmented, expanded
from bignet.derive.steps import parse_steps
from bignet.errors import UsageError


def some(n=200, d=12, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)).astype(np.float32)


def units(vectors):
    rows = vectors.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def done(steps, vectors):
    return fit(parse_steps(steps), vectors).apply(vectors)


def map_at_r(gallery, labels, queries=None):
    """Brute force: the mean over queries of the average precision at R, the query left out of the gallery."""
    gallery = units(gallery)
    scores = np.round((gallery if queries is None else units(queries)) @ gallery.T, 10)
    np.fill_diagonal(scores, -9)
    hits = labels[np.argsort(-scores, axis=1, kind="stable")] == labels[:, None]
    found = []
    for row, label in zip(hits, labels, strict=True):
        r = (labels == label).sum() - 1
        first = row[:r]
        found.append((first.cumsum() / np.arange(1, r + 1))[first].sum() / r)
    return np.mean(found)


@pytest.fixture(scope="module")
def digits():
    vectors, labels = load_digits(return_X_y=True)
    return vectors.astype(np.float32), labels


def test_each_step_is_its_formula():
    vectors = some()
    rows = units(vectors)
    np.testing.assert_allclose(done("center", vectors), rows - rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(done("power:.5", vectors), np.sign(rows) * np.sqrt(np.abs(rows)), atol=1e-6)
    np.testing.assert_allclose(done("power:.5,l2", vectors), units(np.sign(rows) * np.sqrt(np.abs(rows))), atol=1e-6)
    np.testing.assert_allclose(done("center,l2", vectors), units(rows - rows.mean(axis=0)), atol=1e-6)


@pytest.mark.parametrize("shape", [(200, 12), (9, 30)])
def test_principal_axes_are_those_of_scikit_learn(shape):
    vectors = some(*shape)
    theirs = PCA(5, svd_solver="full").fit(units(vectors))
    ours = fit(parse_steps("pca:5"), vectors)
    axes = ours.parts[0].fitted["axes"].T
    np.testing.assert_allclose(np.abs((axes * theirs.components_).sum(axis=1)), 1.0, atol=1e-9)
    projected = theirs.transform(units(vectors))
    np.testing.assert_allclose(np.abs(ours.apply(vectors)), np.abs(projected), atol=1e-6)


def test_whitened_numbers_have_variance_one_and_shrunk_ones_the_square_root():
    vectors = some(400)
    plain, half, full = (done(steps, vectors).astype(np.float64) for steps in ("pca:6", "whiten:6:.25", "whiten:6"))
    np.testing.assert_allclose(np.cov(full.T, bias=True), np.eye(6), atol=1e-5)
    np.testing.assert_allclose(half.var(axis=0), np.sqrt(plain.var(axis=0)), rtol=1e-5)


@pytest.mark.parametrize(("steps", "power"), [("pca:6", 0.0), ("whiten:6", -0.5), ("whiten:6:.25", -0.25)])
def test_similarities_are_those_of_faiss(steps, power):
    vectors = some(400)
    theirs = faiss.PCAMatrix(12, 6, power)
    rows = units(vectors).astype(np.float32)
    theirs.train(rows)
    ours, expected = units(done(steps, vectors)), units(theirs.apply(rows))
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, atol=2e-4)


def test_digits_come_out_as_published(digits):
    vectors, labels = digits
    assert map_at_r(vectors, labels) == pytest.approx(0.540044, abs=1e-6)
    assert map_at_r(done("pca:32", vectors), labels) == pytest.approx(0.565, abs=5e-4)
    assert map_at_r(done("whiten:32", vectors), labels) == pytest.approx(0.344, abs=5e-4)
    (step,) = parse_steps("qe:5:3")
    asked = expanded(vectors, vectors, step, np.arange(len(vectors)))
    assert map_at_r(vectors, labels, asked) - map_at_r(vectors, labels) == pytest.approx(0.048, abs=5e-4)


def test_queries_get_what_the_gallery_got():
    vectors = some()
    fitted = fit(parse_steps("center,pca:4"), vectors)
    np.testing.assert_array_equal(fitted.apply(vectors[7:8])[0], fitted.apply(vectors)[7])
    alone = units(fitted.apply(vectors[:1]))[0] @ units(fitted.apply(vectors)).T
    one_sided = units(vectors[:1])[0] @ (units(vectors) - units(vectors).mean(axis=0)).T
    assert alone.argmax() == 0
    assert abs(alone[0] - 1) < 1e-6
    assert np.abs(one_sided).max() < 0.99  # what comes of centring one side only


def test_length_says_nothing():
    vectors = some()
    scaled = vectors * np.random.default_rng(1).uniform(0.001, 1000, size=(200, 1)).astype(np.float32)
    np.testing.assert_allclose(done("center,pca:4", scaled), done("center,pca:4", vectors), atol=1e-6)


def test_more_dimensions_than_the_rows_spread_in_are_refused():
    vectors = some(d=4) @ np.random.default_rng(0).normal(size=(4, 12))
    with pytest.raises(UsageError, match=r"the 200 rows of 12 numbers spread in 4; allowed: pca:1 to pca:4"):
        fit(parse_steps("pca:5"), vectors)
    with pytest.raises(UsageError, match=r"spread in 5; allowed: whiten:1 to whiten:5"):
        fit(parse_steps("whiten:6"), some(6, 30))
    with pytest.raises(UsageError, match="allowed: none, for all rows are equal"):
        fit(parse_steps("pca:1"), np.ones((5, 3)))


@pytest.mark.parametrize("nothing", [np.empty((0, 3)), np.zeros((4, 3)), np.full((2, 3), np.nan), np.ones(3)])
def test_there_must_be_rows_to_fit_to(nothing):
    with pytest.raises(UsageError, match="found none in shape"):
        fit(parse_steps("center"), nothing)


def test_rows_without_a_direction_count_for_nothing_and_stay_without():
    vectors = some()
    worse = np.vstack([vectors, np.zeros((3, 12)), np.full((1, 12), np.nan)]).astype(np.float32)
    ours = fit(parse_steps("center,pca:4"), worse)
    assert ours.sha256 == fit(parse_steps("center,pca:4"), vectors).sha256
    assert not ours.apply(worse)[-4:].any()


@pytest.mark.parametrize("steps", ["center", "center,l2", "power:.5,center"])
def test_of_rows_that_are_all_the_same_nothing_is_left_but_no_noise(steps):
    same = np.tile(np.random.default_rng(0).standard_normal(48).astype(np.float32), (1000, 1))
    assert not done(steps, same).any()
    near = same + 1e-4 * np.random.default_rng(1).standard_normal(same.shape).astype(np.float32)
    assert done(steps, near).any(axis=1).all()
    with pytest.raises(UsageError, match="spread in 0; allowed: none"):
        done("pca:1", same)


def test_vectors_of_another_dimension_are_refused():
    with pytest.raises(UsageError, match="fitted to vectors of 12 dimensions"):
        fit(parse_steps("center"), some()).apply(np.ones((2, 5)))


def test_numbers_are_the_same_whatever_the_threads():
    vectors = some(3000, 64)
    with threadpool_limits(1):
        one = fit(parse_steps("center,whiten:32"), vectors)
        rows = one.apply(vectors)
    two = fit(parse_steps("center,whiten:32"), vectors)
    assert one.sha256 == two.sha256
    assert rows.tobytes() == two.apply(vectors).tobytes()
    assert one.sha256 != fit(parse_steps("center,whiten:31"), vectors).sha256
    assert one.sha256 != fit(parse_steps("center,whiten:32"), vectors[:-1]).sha256


def test_the_caller_keeps_what_it_gave():
    vectors = some()
    before = vectors.copy()
    augmented(done("center", vectors), parse_steps("dba:3:1")[0])
    np.testing.assert_array_equal(vectors, before)


@pytest.mark.parametrize(("n", "alpha"), [(1, 0.0), (5, 3.0), (500, 1.0)])
def test_rows_are_mixed_with_their_neighbours_by_the_formula(n, alpha):
    vectors = some(60, 5)
    vectors[7] = vectors[9] = vectors[3]  # of three copies the last is not among its own two best
    (step,) = parse_steps(f"dba:{n}:{alpha}")
    rows = units(vectors)
    expected = []
    for own, row in enumerate(rows):
        near = sorted((other for other in range(60) if other != own), key=lambda j: (-round(row @ rows[j], 6), j))[:n]
        weights = [max(row @ rows[j], 0) ** alpha if row @ rows[j] > 0 else 0 for j in near]
        expected.append(row + sum(weight * rows[j] for weight, j in zip(weights, near, strict=True)))
    np.testing.assert_allclose(augmented(vectors, step), units(np.array(expected)), atol=1e-5)


def test_expansion_of_a_query_from_elsewhere_leaves_out_nothing():
    gallery = np.eye(3, dtype=np.float32)
    (step,) = parse_steps("qe:1:0")
    (found,) = expanded(np.array([[1.0, 0.0, 0.0]], np.float32), gallery, step)
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-6)
    (away,) = expanded(np.array([[-1.0, 0.0, 0.0]], np.float32), gallery[:1], step)
    np.testing.assert_allclose(away, [-1, 0, 0], atol=1e-6)
