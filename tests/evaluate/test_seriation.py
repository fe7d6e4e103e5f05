import numpy as np
from scipy.cluster.hierarchy import average, cut_tree
from scipy.spatial.distance import squareform

from bignet.evaluate.seriation import average_linkage_order, class_order


def random_distances(n, seed=0):
    points = np.random.default_rng(seed).random((n, 3))
    return np.linalg.norm(points[:, None] - points, axis=2)


def test_names_with_a_hierarchy_are_ordered_by_path():
    names = ["b#2", "a#9", "b", "a#1"]
    assert [names[i] for i in class_order(names, random_distances(4))] == ["a#1", "a#9", "b", "b#2"]


def test_flat_names_are_ordered_by_average_linkage():
    matrix = np.array([[0, 9, 1, 8], [9, 0, 8, 1], [1, 8, 0, 7], [8, 1, 7, 0]], dtype=float)
    assert class_order(list("wxyz"), matrix) == [0, 2, 3, 1]


def test_every_class_appears_once_and_the_order_repeats():
    matrix = random_distances(60)
    order = average_linkage_order(matrix)
    assert sorted(order) == list(range(60))
    assert order == average_linkage_order(matrix.copy())


def test_groups_of_the_linkage_tree_stand_together():
    matrix = random_distances(25, seed=4)
    order = average_linkage_order(matrix)
    for n_groups in (2, 5, 10):
        group = cut_tree(average(squareform(matrix)), n_clusters=n_groups).ravel()[order]
        assert np.count_nonzero(np.diff(group)) == n_groups - 1


def test_many_flat_names_are_ordered_by_name():
    names = [f"c{i:03d}" for i in range(250)][::-1]
    assert class_order(names, np.zeros((250, 250))) == list(range(250))[::-1]


def test_no_class_and_one_class_have_an_order():
    assert average_linkage_order(np.zeros((0, 0))) == []
    assert average_linkage_order(np.zeros((1, 1))) == [0]


def test_undefined_diagonals_do_not_disturb_the_order():
    matrix = random_distances(8)
    clean = average_linkage_order(matrix)
    np.fill_diagonal(matrix, np.nan)
    assert average_linkage_order(matrix) == clean
