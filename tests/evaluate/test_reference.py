"""Numbers of other packages: digits from scikit-learn, scores from pytorch-metric-learning (PML)."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import return_results
from sklearn.datasets import load_digits

from bignet.evaluate.evaluate import EvaluateSettings, evaluate
from bignet.evaluate.intervals import Resampling, cluster_interval, micro_interval

NAMES = {
    "p@1": "precision_at_1",
    "r_precision": "r_precision",
    "map@r": "mean_average_precision_at_r",
    "mrr": "mean_reciprocal_rank",
    "map": "mean_average_precision",
}


def float64_knn(query, k, reference, ref_includes_query):
    """A search for PML in float64, so that only its metrics are compared, not its float32 distances."""
    unit = torch.nn.functional.normalize(reference.double(), dim=1)
    similarity, rows = torch.sort(unit @ unit.T, dim=1, descending=True, stable=True)
    return return_results(similarity, rows, ref_includes_query)


def pml(vectors, codes, *, macro=False, **options):
    # k=None: with a fixed k below R, PML's R-precision and MAP@R are too low, with no more than a log line
    calculator = AccuracyCalculator(
        include=tuple(NAMES.values()), k=None, avg_of_avgs=macro, device=torch.device("cpu"), **options
    )
    return calculator.get_accuracy(vectors, codes)


def core(vectors, labels, **settings):
    """The retrieval scores alone."""
    return evaluate(vectors, np.arange(len(vectors)), labels, EvaluateSettings(families=False, **settings))


@pytest.fixture(scope="module")
def digits():
    pixels, labels = load_digits(return_X_y=True)
    unit = (pixels / np.linalg.norm(pixels, axis=1, keepdims=True)).astype(np.float32)
    return unit, labels


@pytest.fixture(scope="module")
def found(digits):
    """What is measured of the digits."""
    vectors, labels = digits
    return core(vectors, list(labels))


def test_digits_give_the_known_values(found):
    golden = {"p@1": 0.988870, "r_precision": 0.606455, "map@r": 0.540044, "map": 0.658721, "mrr": 0.992788}
    for name, value in golden.items():
        assert found.metric(name).value == pytest.approx(value, abs=1e-6)


def test_digits_agree_with_pml_and_its_own_search(digits, found):
    vectors, labels = digits
    for name, value in pml(vectors, labels).items():
        ours = next(key for key, theirs in NAMES.items() if theirs == name)
        assert found.metric(ours).value == pytest.approx(value, abs=1e-6)


def test_digits_resampled_give_the_known_interval(found):
    metric = found.metric("r_precision")
    assert micro_interval(found.per_query.rp[:, None], Resampling())[:, 0] == pytest.approx((0.597, 0.615), abs=0.002)
    assert metric.lo < 0.597  # wider: other images are in other galleries too
    assert metric.hi > 0.615
    assert metric.params["chance_exact"] == pytest.approx(0.0995, abs=5e-5)
    assert metric.chance == pytest.approx(0.0995, abs=0.002)


def test_digits_resampled_by_class_give_the_known_wide_interval(digits, found):
    _, labels = digits
    metric = found.metric("r_precision")
    codes = np.unique(labels, return_inverse=True)[1]
    ends = cluster_interval(found.per_query.rp[:, None], codes, Resampling())[:, 0]
    assert ends == pytest.approx((0.526, 0.699), abs=0.01)
    assert metric.cluster_lo < 0.526  # wider: other classes are in the galleries too
    assert metric.cluster_hi > 0.699
    assert metric.cluster_unit == "class"


def test_digits_tell_the_known_share_by_the_nearest_centre(found):
    assert found.metric("ncc_acc").value == pytest.approx(0.903, abs=5e-4)


def random_data(seed):
    """Imbalanced classes, singletons, copies within a class, unlabelled rows."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 120))
    codes = rng.choice(8, size=n, p=[0.5, 0.2, 0.1, 0.1, 0.04, 0.03, 0.02, 0.01])
    codes[:3] = [8, 9, 10]
    vectors = (rng.standard_normal((11, 12))[codes] * 0.4 + rng.standard_normal((n, 12))).astype(np.float32)
    for row in rng.integers(3, n, size=6):
        alike = np.flatnonzero(codes == codes[row])
        vectors[row] = vectors[rng.choice(alike)]
    return vectors, codes, rng.random(n) < 0.2


@pytest.mark.parametrize("seed", range(30))
def test_scores_agree_with_pml(seed):
    vectors, codes, unlabelled = random_data(seed)
    labels = [None if blank else f"c{code}" for code, blank in zip(codes, unlabelled, strict=True)]
    found = core(vectors, labels, bootstrap=0, permutations=0)
    known = vectors[~unlabelled], codes[~unlabelled]
    micro, macro = (pml(*known, macro=average, knn_func=float64_knn) for average in (False, True))
    for ours, theirs in NAMES.items():
        assert found.metric(ours).value == pytest.approx(micro[theirs], abs=1e-6)
        assert found.metric(f"{ours}.macro").value == pytest.approx(macro[theirs], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_unlabelled_distractors_agree_with_pml_given_a_class_each(seed):
    vectors, codes, unlabelled = random_data(seed)
    # No copies here: between a labelled and an unlabelled copy of one vector PML leaves the order to rounding
    vectors = vectors + np.random.default_rng(seed).normal(0, 0.01, vectors.shape).astype(np.float32)
    labels = [None if blank else f"c{code}" for code, blank in zip(codes, unlabelled, strict=True)]
    found = core(vectors, labels, bootstrap=0, permutations=0, unlabelled="distractor")
    own_class = np.where(unlabelled, 1000 + np.arange(len(codes)), codes)
    for name, value in pml(vectors, own_class, knn_func=float64_knn).items():
        ours = next(key for key, theirs in NAMES.items() if theirs == name)
        assert found.metric(ours).value == pytest.approx(value, abs=1e-6)


def test_labels_a_float32_cannot_tell_apart_stay_apart():
    vectors, codes, _ = random_data(0)
    large = codes + 2**24
    found = core(vectors, large.tolist(), bootstrap=0)
    right = pml(vectors, codes, knn_func=float64_knn)["precision_at_1"]
    collided = pml(vectors, large, knn_func=float64_knn)["precision_at_1"]  # PML casts labels to float32
    assert found.metric("p@1").value == pytest.approx(right, abs=1e-6)
    assert abs(collided - right) > 0.01
