"""The order in which classes stand in a matrix, so that similar ones are neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.labels import split_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_LINKAGE_CLASSES = 200


def class_order(names: Sequence[str], matrix: NDArray[np.float64]) -> list[int]:
    """C names and (C, C) distances -> positions in display order; the same for the same input, always.

    Names with a hierarchy (any ``#``) are sorted by their path: the reader knows that order. Flat names are
    ordered by average linkage, beyond 200 of them by name.
    """
    paths = [split_label(name) for name in names]
    if any(len(path) > 1 for path in paths) or len(names) > MAX_LINKAGE_CLASSES:
        return sorted(range(len(names)), key=lambda i: paths[i])
    return average_linkage_order(matrix)


def average_linkage_order(matrix: NDArray[np.float64]) -> list[int]:
    """(C, C) symmetric distances -> leaves of the average-linkage tree, left to right.

    The two closest groups are joined over and over, the distance between groups being the mean over their
    pairs (UPGMA, Sokal and Michener 1958), and turned so that the closer ends meet. Ties take the lower
    positions.
    """
    groups = {i: [i] for i in range(len(matrix))}
    between = matrix.copy()
    np.fill_diagonal(between, np.inf)
    while len(groups) > 1:
        left, right = sorted(int(i) for i in np.unravel_index(int(np.argmin(between)), between.shape))
        _merge(between, left, right, len(groups[left]), len(groups[right]))
        groups[left] = _join(groups[left], groups.pop(right), matrix)
    return next(iter(groups.values()), [])


def _merge(between: NDArray[np.float64], left: int, right: int, n_left: int, n_right: int) -> None:
    """Makes row ``left`` the union's distances and takes ``right`` out, in place."""
    union = (n_left * between[left] + n_right * between[right]) / (n_left + n_right)
    union[left] = np.inf
    between[left], between[:, left] = union, union
    between[right], between[:, right] = np.inf, np.inf


def _join(left: list[int], right: list[int], matrix: NDArray[np.float64]) -> list[int]:
    """Two ordered groups -> one, each turned so that the closer ends meet."""
    turns = [(a, b) for a in (left, left[::-1]) for b in (right, right[::-1])]
    first, second = min(turns, key=lambda turn: float(matrix[turn[0][-1], turn[1][0]]))
    return first + second
