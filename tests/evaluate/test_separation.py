import numpy as np
import pytest

from bignet.errors import MismatchError
from bignet.evaluate import separation
from bignet.evaluate.separation import ClassSpread, class_distance
from bignet.evaluate.unit_rows import UnitRows


def brute(vectors, labels):
    """{(a, b): mean cosine distance over pairs}, pair by pair."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = {}
    for i in range(len(labels)):
        for j in range(len(labels)):
            if i != j and labels[i] is not None and labels[j] is not None:
                pairs.setdefault((labels[i], labels[j]), []).append(1 - float(unit[i] @ unit[j]))
    return {key: np.mean(found) for key, found in pairs.items()}


@pytest.mark.parametrize("seed", range(5))
def test_class_distance_equals_the_mean_over_all_pairs(seed, awkward):
    vectors, labels = awkward(seed)
    vectors = vectors.astype(np.float64)
    found, expected = class_distance(vectors, labels), brute(vectors, labels)
    for a, name_a in enumerate(found.labels):
        for b, name_b in enumerate(found.labels):
            if a == b and labels.count(name_a) == 1:
                assert np.isnan(found.matrix[a, b])
            else:
                assert found.matrix[a, b] == pytest.approx(expected[name_a, name_b], abs=1e-12)


def test_matrix_is_symmetric_to_the_bit_and_never_negative():
    vectors = np.repeat(np.random.default_rng(0).standard_normal((30, 9)), 3, axis=0)
    matrix = class_distance(vectors, [str(i // 3) for i in range(90)]).matrix
    assert np.array_equal(matrix, matrix.T)
    assert matrix.min() >= 0
    assert np.diag(matrix).max() < 1e-14


def test_margin_is_distance_to_the_nearest_class_less_the_own_width():
    vectors = np.random.default_rng(1).standard_normal((40, 6))
    codes = np.arange(40) % 4
    margins = ClassSpread(UnitRows(vectors), codes).margins()
    pairs = brute(vectors, [str(c) for c in codes])
    for c in range(4):
        others = {b: pairs[str(c), str(b)] for b in range(4) if b != c}
        nearest = min(others, key=lambda b: others[b])
        assert margins.nearest[c] == nearest
        assert margins.margin[c] == pytest.approx(others[nearest] - pairs[str(c), str(c)], abs=1e-12)


def test_margins_in_blocks_equal_margins_at_once(monkeypatch):
    rows, codes = UnitRows(np.random.default_rng(2).standard_normal((300, 5))), np.arange(300) % 60
    whole = ClassSpread(rows, codes).margins()
    monkeypatch.setattr(separation, "_BLOCK_CELLS", 60 * 7)
    monkeypatch.setattr(separation, "_PART", 11)
    parts = ClassSpread(rows, codes).margins()
    assert np.array_equal(whole.nearest, parts.nearest)
    np.testing.assert_allclose(parts.margin, whole.margin, atol=1e-13)


def test_a_class_inside_another_has_a_negative_margin():
    rng = np.random.default_rng(3)
    scattered = np.array([[1.0, 0, 0]]) + np.array([[0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) * 3
    tight = np.array([[1.0, 0, 0]]) + 0.01 * rng.standard_normal((4, 3))
    margins = ClassSpread(UnitRows(np.concatenate([scattered, tight])), np.repeat([0, 1], 4)).margins()
    assert margins.margin[0] < 0 < margins.margin[1]


def test_a_class_of_one_image_is_in_the_matrix_but_no_margin_is_judged_by_it():
    vectors = np.array([[1, 0.5, 0], [1, -0.5, 0], [1, 0, 0], [0, 0.2, 1], [0, -0.2, 1.0]])
    margins = ClassSpread(UnitRows(vectors), np.array([0, 0, 1, 2, 2])).margins()
    assert margins.nearest.tolist() == [2, 0, 0]
    assert (margins.margin[[0, 2]] > 0).all()
    assert np.isnan(margins.margin[1])
    matrix = class_distance(vectors, ["a", "a", "alone", "b", "b"])
    a, alone = matrix.labels.index("a"), matrix.labels.index("alone")
    assert matrix.matrix[a, alone] < matrix.matrix[a, a]


def test_beside_classes_of_one_image_a_class_has_no_margin():
    margins = ClassSpread(UnitRows(np.eye(4)), np.array([0, 0, 1, 2])).margins()
    assert margins.nearest.tolist() == [-1, 0, 0]
    assert np.isnan(margins.margin).all()
    assert np.isnan(margins.nearest_distance[0])


def test_one_class_has_a_width_and_no_margin():
    margins = ClassSpread(UnitRows(np.eye(3)), np.zeros(3, dtype=np.int64)).margins()
    assert margins.within.tolist() == [1.0]
    assert margins.nearest.tolist() == [-1]
    assert np.isnan(margins.margin).all()


def test_labels_of_another_length_are_refused():
    with pytest.raises(MismatchError, match="found 2; the vectors have 3 rows"):
        class_distance(np.eye(3), ["a", "b"])


def test_no_labels_at_all_give_an_empty_matrix():
    assert class_distance(np.eye(3), [None] * 3).matrix.shape == (0, 0)
