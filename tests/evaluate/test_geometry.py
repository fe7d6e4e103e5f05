import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from bignet.errors import UsageError
from bignet.evaluate import geometry, moments, projection, spectrum
from bignet.evaluate.geometry import measure_geometry
from bignet.evaluate.result import Excluded
from tests.evaluate.subjects import awkward_vectors, subject_of, unit

IDS = [
    *("rankme", "rankme_centered", "effective_rank_var", "participation_ratio", "nesum", "alpha_req", "stable_rank"),
    *("uniformity", "mean_cos", "mean_cos_centered", "dead_dimensions", "zero_share"),
    *("hub_skew", "robin_hood", "antihub_rate", "hub_occupancy", "hub_max", "twonn", "lid_mle"),
]


def by_id(found):
    return {metric.id: metric for metric in found.metrics}


def values(vectors, **settings):
    found = by_id(measure_geometry(subject_of(vectors, **settings)))
    return {name: metric.value for name, metric in found.items() if metric.value is not None}


def test_everything_is_measured_and_named():
    found = measure_geometry(subject_of(np.random.default_rng(0).standard_normal((150, 120))))
    assert [metric.id for metric in found.metrics] == IDS
    for metric in found.metrics:
        assert metric.value is not None
        assert metric.reason is None
        assert (metric.estimator, metric.n_queries, metric.gallery_size) == ("exact", 150, 150)
        assert metric.lo is metric.hi is None
    alpha = by_id(found)["alpha_req"]
    assert alpha.params["ranks"] == [11, 100]
    assert 0.5 < alpha.params["r2"] <= 1
    assert found.spectrum.eigenvalues.shape == found.spectrum.singular_values.shape == (120,)
    assert [made.method for made in found.projections] == ["pca"]


def test_turning_and_scaling_change_nothing_and_reordering_only_the_order():
    vectors = np.random.default_rng(0).standard_normal((90, 6)) + 1
    expected = values(vectors)
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    for other in (vectors @ rotation, rng.permutation(vectors), vectors * rng.uniform(0.5, 2, (90, 1)), vectors * 7):
        assert values(other) == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_two_runs_give_the_same_bytes_and_another_seed_another_sample(monkeypatch):
    monkeypatch.setattr(geometry, "RANKME_ROWS", 40)
    monkeypatch.setattr(spectrum, "EXACT_ROWS", 30)
    vectors = awkward_vectors(0, n=80, dim=9)
    texts = [json.dumps(values(vectors, seed=seed)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("tight", [False, True])
def test_the_number_of_threads_is_not_in_the_numbers(tight):
    code = (
        "import json, numpy as np\n"
        "from bignet.evaluate.geometry import measure_geometry\n"
        "from tests.evaluate.subjects import subject_of\n"
        f"x = np.random.default_rng(0).standard_normal((700, 130)).astype(np.float32) + {50 if tight else 0}\n"
        "print(json.dumps([[m.id, m.value, dict(m.params)] for m in measure_geometry(subject_of(x)).metrics]))"
    )
    answers = set()
    for threads in ("1", "2"):
        limits = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": ":".join(sys.path)}
        answers.add(subprocess.run([sys.executable, "-c", code], env=limits, capture_output=True, check=True).stdout)
    assert len(answers) == 1


def test_samples_are_named_where_there_are_too_many_rows(monkeypatch):
    monkeypatch.setattr(geometry, "RANKME_ROWS", 40)
    monkeypatch.setattr(projection, "MAX_SHOWN", 30)
    monkeypatch.setattr(geometry, "MAX_SHOWN", 30)
    vectors = np.random.default_rng(0).standard_normal((100, 12)).astype(np.float32) + 1
    found = measure_geometry(subject_of(vectors))
    metric = by_id(found)["rankme"]
    assert (metric.estimator, metric.n_queries, metric.params["n"]) == ("sampled, 40 of 100 rows", 40, 40)
    # Which rows were drawn is not said, but only 40 rows have a RankMe like that of 40 rows
    full = spectrum.rankme(np.linalg.svd(unit(vectors), compute_uv=False))
    assert metric.value != pytest.approx(full, rel=1e-9)
    assert by_id(found)["effective_rank_var"].estimator == "exact"
    assert len(found.projections[0].rows) == 30


def test_rows_of_too_many_dimensions_are_sampled(monkeypatch):
    monkeypatch.setattr(geometry, "MAX_SIDE", 20)
    monkeypatch.setattr(moments, "MAX_SIDE", 20)
    vectors = np.random.default_rng(0).standard_normal((50, 30))
    found = measure_geometry(subject_of(vectors))
    assert found.spectrum.n == 20
    assert by_id(found)["participation_ratio"].estimator == "sampled, 20 of 50 rows"
    assert by_id(found)["uniformity"].estimator == "exact"
    assert by_id(found)["dead_dimensions"].n_queries == 50
    assert len(found.projections[0].rows) == 50


def test_sampled_uniformity_names_its_pairs(monkeypatch):
    monkeypatch.setattr(spectrum, "EXACT_ROWS", 30)
    found = measure_geometry(subject_of(awkward_vectors(0, n=60, dim=5)))
    metric = by_id(found)["uniformity"]
    assert metric.estimator == "sampled, 1,740 pairs of 60 rows"
    assert metric.params["floor"] == pytest.approx(spectrum.uniformity_floor(5), abs=1e-6)


def test_rows_without_a_direction_are_counted_and_label_counts_are_not():
    subject = subject_of(awkward_vectors(0), excluded=Excluded(unlabelled=9, singleton=4, nonfinite=2, zero=3))
    for metric in measure_geometry(subject).metrics:
        assert metric.excluded == Excluded(nonfinite=2, zero=3)


def test_labels_change_nothing():
    vectors = awkward_vectors(0, n=50)
    assert values(vectors) == values(vectors, labels=["a", "b"] * 25)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 11, 12])
@pytest.mark.parametrize("dim", [1, 2, 60])
def test_tiny_data_has_defined_numbers_or_reasons(n, dim):
    found = measure_geometry(subject_of(np.random.default_rng(0).standard_normal((n, dim)) + 0.1))
    for metric in found.metrics:
        assert (metric.value is None) == (metric.reason is not None)
        assert metric.value is None or np.isfinite(metric.value)
        json.dumps({**asdict(metric), "params": dict(metric.params)}, allow_nan=False)
    assert (found.spectrum is None) == (n == 0)
    assert (found.hubness is None) == (n <= 10)
    assert (found.dimension is None) == (n <= 2)
    assert len(found.projections) == (n > 1)


@pytest.mark.parametrize("n", [1, 2, 15, 40])
def test_identical_vectors_have_defined_numbers_or_reasons(n):
    found = by_id(measure_geometry(subject_of(np.full((n, 4), 0.3, dtype=np.float32))))
    assert found["rankme"].value == pytest.approx(1, abs=1e-4)
    assert found["rankme_centered"].value is None
    assert found["nesum"].reason == "all vectors point the same way"
    if n > 1:
        assert (found["mean_cos"].value, found["uniformity"].value) == (1, 0)
        assert found["dead_dimensions"].value == 4


def test_one_hot_vectors_have_the_geometry_of_a_simplex():
    found = values(np.tile(np.eye(5), (8, 1)))
    assert found["rankme"] == pytest.approx(5, rel=1e-5)
    assert found["rankme_centered"] == pytest.approx(4, rel=1e-5)
    assert found["effective_rank_var"] == pytest.approx(4)
    assert found["stable_rank"] == pytest.approx(5)
    assert found["zero_share"] == 0.8


def test_tsne_is_made_only_when_asked_for_and_refused_before_any_work(monkeypatch):
    subject = subject_of(np.random.default_rng(0).standard_normal((30, 4)))
    assert [made.method for made in measure_geometry(subject, tsne=True).projections] == ["pca", "tsne"]
    monkeypatch.setattr(geometry, "second_moments", None)
    monkeypatch.setattr(projection, "MAX_TSNE", 20)
    with pytest.raises(UsageError, match="found 30 rows"):
        measure_geometry(subject, tsne=True)


def test_scikit_learn_is_not_loaded_unless_tsne_is_asked_for():
    code = "import sys, bignet.evaluate.geometry; sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
