import math

import numpy as np
import pytest
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    homogeneity_completeness_v_measure,
)

from bignet.errors import MismatchError
from bignet.evaluate.clusters.agreement import adjusted_mutual_information, adjusted_rand, agreement


def two_partitions(seed):
    """Classes and clusters that agree in part, imbalanced, with singletons and codes above 2^24."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(9, size=120, p=[0.5, 0.2, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02]) + 2**25
    clusters = np.where(rng.random(120) < 0.6, classes % 5, rng.integers(7, size=120))
    classes[0], clusters[1] = 7, 99
    return classes, clusters


@pytest.mark.parametrize("seed", range(30))
def test_agreement_equals_scikit_learn(seed):
    classes, clusters = two_partitions(seed)

    found = agreement(classes, clusters)

    expected = homogeneity_completeness_v_measure(classes, clusters)
    assert (found.homogeneity, found.completeness, found.v_measure) == pytest.approx(expected, abs=1e-9)
    assert found.ari == pytest.approx(adjusted_rand_score(classes, clusters), abs=1e-9)
    assert adjusted_rand(classes, clusters) == found.ari
    ami, reason = adjusted_mutual_information(classes, clusters)
    assert ami == pytest.approx(adjusted_mutual_info_score(classes, clusters), abs=1e-9)
    assert reason is None


@pytest.mark.parametrize("seed", range(30))
def test_purity_is_the_share_in_the_most_common_class_of_the_cluster(seed):
    classes, clusters = two_partitions(seed)
    right = sum(np.unique(classes[clusters == c], return_counts=True)[1].max() for c in np.unique(clusters))
    assert agreement(classes, clusters).purity == pytest.approx(right / len(classes), abs=1e-12)


@pytest.mark.parametrize(
    ("classes", "clusters"), [([0], [5]), ([1, 1, 1], [0, 0, 0]), ([1, 1, 1], [0, 1, 2]), ([0, 1, 2], [4, 4, 4])]
)
def test_degenerate_partitions_are_what_scikit_learn_says(classes, clusters):
    found = agreement(np.array(classes), np.array(clusters))
    expected = homogeneity_completeness_v_measure(classes, clusters)
    assert (found.homogeneity, found.completeness, found.v_measure) == pytest.approx(expected)
    assert found.ari == adjusted_rand_score(classes, clusters)


def test_the_same_partition_under_other_names_agrees_fully():
    classes = np.random.default_rng(0).integers(6, size=500)
    found = agreement(classes, 100 - classes)
    assert vars(found) == dict.fromkeys(vars(found), 1.0)


def test_names_and_order_of_rows_do_not_show():
    classes, clusters = two_partitions(1)
    order = np.random.default_rng(2).permutation(len(classes))
    assert agreement(classes, clusters) == agreement(-classes[order], clusters[order] * 3 + 1)


def test_ari_of_a_million_rows_does_not_overflow():
    classes = np.repeat(np.arange(4), 250_000)
    clusters = np.roll(classes, 125_000)
    half = 125_000
    together, single = 8 * math.comb(half, 2), 4 * math.comb(250_000, 2)
    expected = single * single / math.comb(10**6, 2)
    assert adjusted_rand(classes, clusters) == pytest.approx((together - expected) / (single - expected), abs=1e-9)


def test_lengths_that_differ_and_no_rows_are_refused():
    with pytest.raises(MismatchError, match="found 2 classes and 3 clusters"):
        agreement(np.zeros(2, int), np.zeros(3, int))
    with pytest.raises(MismatchError, match="found 0 classes"):
        agreement(np.zeros(0, int), np.zeros(0, int))


def test_ami_of_a_large_table_is_left_out_with_the_reason():
    values, reason = adjusted_mutual_information(np.arange(400), np.arange(400))
    assert values is None
    assert "160,000" in reason


@pytest.mark.parametrize(
    ("classes", "clusters"),
    [
        ([0], [0]),
        ([0, 0, 0], [4, 4, 4]),
        ([0, 1, 2], [0, 0, 0]),
        ([0, 1, 2], [2, 0, 1]),
        ([0, 1, 0, 1], [0, 0, 1, 1]),
        ([0] * 3000 + [1] * 3000, [0] * 2990 + [1] * 3010),
    ],
)
def test_ami_of_edge_cases_equals_scikit_learn(classes, clusters):
    found, reason = adjusted_mutual_information(np.array(classes), np.array(clusters))

    assert found == pytest.approx(adjusted_mutual_info_score(classes, clusters), abs=1e-9)
    assert reason is None
