"""How far classes lie from one another and how wide each is, exact in one pass over class sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError
from bignet.evaluate.cosine import UnitRows
from bignet.evaluate.graph import check_vectors
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.result import ClassDistance
from bignet.evaluate.seriation import class_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MAX_MATRIX_CLASSES = 2000  # a 32 MB matrix; margins are worked out for any number of classes
_PART = 1024
_BLOCK_CELLS = 2**22


def class_distance(vectors: NDArray[Any], labels: Sequence[str | None]) -> ClassDistance:
    """(N, D) vectors and N labels -> mean cosine distance between and within classes, exact.

    With S_c the sum of the unit vectors of class c and n_c their number: between classes
    1 - S_a.S_b / (n_a n_b); within a class, over its distinct pairs, 1 - (|S_a|^2 - n_a) / (n_a (n_a - 1)),
    NaN for one image. Unlabelled rows (None) count nowhere. Classes come in ``class_order``.
    """
    check_vectors(vectors)
    if len(labels) != len(vectors):
        raise MismatchError(f"labels: found {len(labels)}; the vectors have {len(vectors)} rows")
    coded = code_labels(check_labels(range(len(labels)), labels))
    return ClassSpread(UnitRows(vectors, np.flatnonzero(coded.codes >= 0)), coded.codes[coded.codes >= 0]).named(
        coded.names
    )


@dataclass(frozen=True)
class Margins:
    """One entry a class; NaN and -1 where undefined.

    Attributes:
        within: mean distance between two images of the class.
        nearest: code of the class at the smallest mean distance, the lower code on a tie.
        nearest_distance: that distance.
        margin: nearest_distance - within; negative = closer to another class than to itself.
    """

    within: Floats
    nearest: Ints
    nearest_distance: Floats
    margin: Floats


class ClassSpread:
    """Class sums of unit vectors, and what follows from them; every class code below max + 1 must occur."""

    def __init__(self, rows: UnitRows, codes: Ints) -> None:
        self.sizes = np.bincount(codes)
        self._sums = _class_sums(rows, codes, len(self.sizes))

    def rows(self, classes: slice) -> Floats:
        """A slice of c classes -> (c, C) mean distances, each class's own mean within on the diagonal."""
        sums, sizes = self._sums[classes], self.sizes[classes].astype(np.float64)
        distance = 1.0 - sums @ self._sums.T / np.outer(sizes, self.sizes)
        pairs = np.where(sizes > 1, sizes * (sizes - 1), np.nan)
        place = np.arange(len(sums))
        distance[place, place + (classes.start or 0)] = 1.0 - (np.vecdot(sums, sums) - sizes) / pairs
        return np.asarray(np.round(np.maximum(distance, 0.0), DECIMALS), dtype=np.float64)

    def matrix(self) -> Floats:
        """(C, C) mean distances, exactly symmetric."""
        distance = self.rows(slice(0, len(self.sizes)))
        return (distance + distance.T) / 2

    def named(self, names: Sequence[str]) -> ClassDistance:
        """C names in code order -> the matrix with similar classes side by side."""
        matrix = self.matrix()
        order = class_order(names, matrix)
        return ClassDistance(tuple(names[i] for i in order), matrix[np.ix_(order, order)])

    def margins(self) -> Margins:
        """Nearest other class and margin of every class, in blocks of bounded memory."""
        n = len(self.sizes)
        within, distance = np.full(n, np.nan), np.full(n, np.nan)
        nearest = np.full(n, -1, dtype=np.int64)
        step = max(1, _BLOCK_CELLS // max(1, n))
        for start in range(0, n, step):
            rows = self.rows(slice(start, min(n, start + step)))
            place = np.arange(len(rows))
            own = start + place
            within[own], rows[place, own] = rows[place, own], np.inf
            if n > 1:
                nearest[own] = rows.argmin(axis=1)
                distance[own] = rows.min(axis=1)
        return Margins(within, nearest, distance, distance - within)


def _class_sums(rows: UnitRows, codes: Ints, n_classes: int) -> Floats:
    """N unit rows and codes -> (C, D) float64 sums, added in row order within a class."""
    sums = np.zeros((n_classes, rows.dim))
    order = np.argsort(codes, kind="stable")
    for start in range(0, len(order), _PART):
        part = order[start : start + _PART]
        found, first = np.unique(codes[part], return_index=True)
        sums[found] += np.add.reduceat(rows.unit(part), first, axis=0)
    return sums
