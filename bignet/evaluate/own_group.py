"""What a row shares with the rows of its own class and group, so that closed forms can leave it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_PART = 4096


@dataclass(frozen=True)
class OwnGroup:
    """The rows of each row's own class and group, the row among them; a row in no group is alone.

    Attributes:
        similarity: (N,) sum of the cosines between the row and those rows, 1 for the row itself.
        size: (N,) how many they are.
    """

    similarity: Floats
    size: Ints


def group_cells(codes: Ints, groups: Ints | None) -> Ints:
    """(N,) class codes and group codes -> (N,) a number for each class and group, ascending by class.

    Rows in no group (negative, or ``groups`` None) have a number of their own.
    """
    n = len(codes)
    own = (
        np.arange(n) if groups is None else np.where(groups >= 0, groups, int(groups.max(initial=0)) + 1 + np.arange(n))
    )
    order = np.lexsort((own, codes))
    new = np.ones(n, dtype=bool)
    new[1:] = (np.diff(codes[order]) != 0) | (np.diff(own[order]) != 0)
    cells = np.empty(n, dtype=np.int64)
    cells[order] = np.cumsum(new) - 1
    return cells


def own_group(rows: UnitRows, codes: Ints, groups: Ints | None) -> OwnGroup:
    """N unit rows, class codes and group codes -> what each shares with its own class and group, exact.

    Summed over a class, ``similarity`` is the sum over its groups of |S_cg|^2, with S_cg the sum of the unit
    rows of class c and group g.
    """
    cells = group_cells(codes, groups)
    size = np.bincount(cells, minlength=1)[cells] if len(cells) else np.zeros(0, dtype=np.int64)
    similarity = np.ones(len(codes))
    order = np.argsort(cells, kind="stable")
    shared = order[size[order] > 1]
    for part in _whole_cells(cells[shared]):
        similarity[shared[part]] = _with_own_sum(rows, shared[part], cells)
    return OwnGroup(similarity, size)


def _whole_cells(cells: Ints) -> Iterator[slice]:
    """(P,) ascending cells -> slices that cut no cell, of at most ``_PART`` rows unless one cell has more."""
    ends = np.append(np.flatnonzero(np.diff(cells)) + 1, len(cells))
    start = 0
    while start < len(cells):
        after, fitting = np.searchsorted(ends, [start, start + _PART], "right")
        stop = int(ends[max(after, fitting - 1)])
        yield slice(start, stop)
        start = stop


def _with_own_sum(rows: UnitRows, positions: Ints, cells: Ints) -> Floats:
    """(P,) positions of whole cells, ascending by cell -> (P,) dot product of each row with its cell's sum."""
    place = cells[positions] - cells[positions[0]]
    place = np.unique(place, return_inverse=True)[1]
    sums = np.zeros((int(place.max()) + 1, rows.dim))
    parts = [slice(start, start + _PART) for start in range(0, len(positions), _PART)]
    for part in parts:
        found, first = np.unique(place[part], return_index=True)
        sums[found] += np.add.reduceat(rows.unit(positions[part]), first, axis=0)
    return np.concatenate([np.vecdot(rows.unit(positions[part]), sums[place[part]]) for part in parts])
