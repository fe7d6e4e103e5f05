import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.sweep.overlap import cka_matrix, cka_unbiased, overlap_at_k


def reference(A, B, *, unbiased=True):
    """Linear CKA by n x n tables: unbiased HSIC as Song et al. 2012 print it (equation 5), else the biased one."""
    n = len(A)
    K, L = A @ A.T, B @ B.T
    if not unbiased:
        H = np.eye(n) - 1 / n
        return np.sum(H @ K @ H * L) / np.sqrt(np.sum(H @ K @ H * K) * np.sum(H @ L @ H * L))

    def hsic(K, L):
        K, L, one = K - np.diag(np.diag(K)), L - np.diag(np.diag(L)), np.ones(n)
        sums = (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
        return (np.trace(K @ L) + sums - 2 / (n - 2) * (one @ K @ L @ one)) / (n * (n - 3))

    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


@pytest.mark.parametrize("seed", range(30))
def test_cka_equals_the_table_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 70))
    A = rng.standard_normal((n, rng.integers(1, 90))) + (seed % 3)
    B = A[:, : rng.integers(1, 90)] ** 2 + rng.standard_normal((n, 1))
    expected = reference(A, B)
    found = cka_unbiased(A, B)
    if np.isnan(expected):  # with few images the unbiased estimate of an own product can fall below 0
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-12)


def test_cka_of_unrelated_embeddings_is_near_zero_where_the_biased_one_is_high():
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((2, 256, 512))
    assert abs(cka_unbiased(A, B)) < 0.01
    assert reference(A, B, unbiased=False) > 0.6


def test_cka_is_blind_to_rotation_scale_and_shift():
    rng = np.random.default_rng(1)
    A, B = rng.standard_normal((50, 8)), rng.standard_normal((50, 12))
    turned = 3 * A @ np.linalg.qr(rng.standard_normal((8, 8)))[0] + 5
    assert cka_unbiased(turned, A) == pytest.approx(1.0, abs=1e-12)
    assert cka_unbiased(turned, B) == pytest.approx(cka_unbiased(A, B), abs=1e-12)


def test_cka_has_no_value_where_nothing_varies_and_refuses_three_images():
    A = np.random.default_rng(2).standard_normal((9, 3)).astype(np.float32)
    assert cka_unbiased(A, np.full((9, 4), 0.1, dtype=np.float32)) is None
    with pytest.raises(UsageError, match="at least 4"):
        cka_unbiased(A[:3], A[:3])
    with pytest.raises(MismatchError, match="9 and 8"):
        cka_unbiased(A, A[:8])


def test_the_table_of_layers_holds_every_pair():
    rng = np.random.default_rng(3)
    several = [rng.standard_normal((20, d)) for d in (3, 5, 8)]
    several.append(np.ones((20, 2)))
    matrix = cka_matrix(several)
    assert np.isnan(matrix[3]).all()
    for i in range(3):
        for j in range(3):
            assert matrix[i, j] == pytest.approx(reference(several[i], several[j]), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_overlap_is_the_share_of_names_in_both_lists(seed):
    rng = np.random.default_rng(seed)
    one, other = (np.array([rng.permutation(15)[:8] for _ in range(20)]) for _ in range(2))
    one[0, 2:], other[0, 1:] = -1, -1
    for k in (1, 3, 8):
        expected = [len(set(a[:k]) & set(b[:k]) - {-1}) / k for a, b in zip(one.tolist(), other.tolist(), strict=True)]
        assert overlap_at_k(one, other, k).tolist() == expected


def test_overlap_refuses_lists_that_are_too_short_or_of_other_queries():
    lists = np.zeros((4, 3), dtype=np.int64)
    with pytest.raises(UsageError, match="3 places deep"):
        overlap_at_k(lists, lists, 4)
    with pytest.raises(MismatchError, match="4 and 2 queries"):
        overlap_at_k(lists, lists[:2], 2)
