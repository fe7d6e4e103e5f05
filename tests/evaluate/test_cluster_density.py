import builtins

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import v_measure_score
from sklearn.neighbors import KNeighborsClassifier

from bignet.errors import UsageError
from bignet.evaluate.clusters.density import Axes, vote
from bignet.evaluate.clusters.find import cluster
from bignet.evaluate.clusters.settings import ClusterSettings
from bignet.evaluate.unit_rows import UnitRows

DENSE = ClusterSettings(method="hdbscan")


def dense(n_groups=4, each=60, n_noise=30, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.repeat(np.arange(n_groups), each), np.full(n_noise, -1)])
    vectors = 3 * np.eye(12)[groups] + 0.05 * rng.standard_normal((len(groups), 12))
    vectors[groups < 0] = rng.standard_normal((n_noise, 12))
    return vectors, groups


def test_dense_groups_are_found_and_the_rest_is_noise():
    vectors, groups = dense()
    labels = ["stray" if g < 0 else f"g{g}" for g in groups]

    found = cluster(vectors, labels, DENSE)

    assert (found.curve, found.suggested, found.chosen.k) == ((), 4, 4)
    assert all(len(set(found.chosen.assignment[groups == g])) == 1 for g in range(4))
    n_noise = int((found.chosen.assignment < 0).sum())
    assert 15 <= n_noise <= 30  # a stray row near a group may join it
    assert (found.chosen.assignment[groups >= 0] >= 0).all()
    assert sum(card.size for card in found.chosen.clusters) == 270 - n_noise
    by_id = {metric.id: metric for metric in found.metrics}
    inside = found.chosen.assignment >= 0
    named = np.array(labels)
    assert by_id["v_measure"].value == pytest.approx(v_measure_score(named[inside], found.chosen.assignment[inside]))
    assert by_id["v_measure.with_noise"].value == pytest.approx(v_measure_score(named, found.chosen.assignment))
    assert (by_id["v_measure"].n_queries, by_id["v_measure.with_noise"].n_queries) == (270 - n_noise, 270)
    assert by_id["cluster_noise"].value == pytest.approx(n_noise / 270, abs=1e-9)


def test_rows_beyond_the_sample_join_by_vote():
    vectors, groups = dense(each=100)
    found = cluster(vectors, None, ClusterSettings(method="hdbscan", density_rows=150)).chosen
    assert found.k == 4
    inside = groups >= 0
    assert all(len(set(found.assignment[inside & (groups == g)]) - {-1}) == 1 for g in range(4))
    assert (found.assignment[inside] >= 0).mean() > 0.95
    assert (found.assignment[~inside] < 0).any()


def test_all_noise_is_no_cluster_and_says_so():
    found = cluster(np.random.default_rng(0).standard_normal((60, 30)), ["a", "b"] * 30, DENSE)
    assert (found.suggested, found.chosen.clusters, found.chosen.noise_share) == (0, (), 1.0)
    assert "no dense group" in found.chosen.warnings[0]
    assert np.isnan(found.chosen.similarity).all()
    by_id = {metric.id: metric for metric in found.metrics}
    assert by_id["ari"].reason == "no labelled row is in a cluster"
    assert by_id["ari.with_noise"].value == 0.0


def test_too_few_rows_for_a_group_give_none():
    assert cluster(np.eye(9), None, DENSE) is None


def test_components_are_those_of_a_principal_component_analysis():
    vectors = np.random.default_rng(0).standard_normal((200, 60)) * np.linspace(3, 0.1, 60)
    rows = UnitRows(vectors)
    found = Axes.of(rows, np.arange(200)).project(rows, np.arange(200))
    expected = PCA(50, svd_solver="full").fit_transform(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_the_vote_is_that_of_the_five_nearest(seed):
    rng = np.random.default_rng(seed)
    voters, groups = rng.standard_normal((40, 3)), rng.integers(-1, 2, size=40)
    points = rng.standard_normal((25, 3))
    expected = KNeighborsClassifier(5).fit(voters, groups)
    found = vote(points, voters, groups)
    shares = np.sort(expected.predict_proba(points), axis=1)
    clear = shares[:, -1] > shares[:, -2] if shares.shape[1] > 1 else np.ones(25, bool)
    assert (found == expected.predict(points))[clear].all()


def test_a_tied_vote_goes_to_the_nearest():
    voters = np.array([[0.1], [0.2], [0.3], [0.4], [0.5]])
    assert vote(np.zeros((1, 1)), voters, np.array([7, 3, 3, 7, -1])).tolist() == [7]


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'bignet\[eval\]'"):
        cluster(np.eye(12), None, DENSE)
