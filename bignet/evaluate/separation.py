"""How far classes lie from one another and how wide each is, exact in one pass over class sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError
from bignet.evaluate.graph import check_vectors
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.own_group import OwnGroup, own_group
from bignet.evaluate.result import ClassDistance
from bignet.evaluate.seriation import class_order
from bignet.evaluate.unit_rows import UnitRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MAX_MATRIX_CLASSES = 2000  # a 32 MB matrix; margins are worked out for any number of classes
_PART = 1024
_BLOCK_CELLS = 2**22


def class_distance(vectors: NDArray[Any], labels: Sequence[str | None], *, groups: Ints | None = None) -> ClassDistance:
    """(N, D) vectors and N labels -> mean cosine distance between and within classes, exact.

    With S_c the sum of the unit vectors of class c and n_c their number: between classes
    1 - S_a.S_b / (n_a n_b); within a class, over its distinct pairs, 1 - (|S_a|^2 - n_a) / (n_a (n_a - 1)),
    NaN for one image. Unlabelled rows (None) count nowhere. Classes come in ``class_order``.

    Args:
        vectors: any real dtype, finite and non-zero rows.
        labels: one a row, None = unlabelled.
        groups: (N,) integer codes, negative = in no group. Pairs of one class and one group then count not
            within the class, which becomes 1 - (|S_a|^2 - sum_g |S_ag|^2) / (n_a^2 - sum_g n_ag^2), NaN for a
            class of one group; between classes all pairs count, as without groups.
    """
    spread, names = _spread_of(vectors, labels, groups)
    return spread.named(names)


def cdnv(vectors: NDArray[Any], labels: Sequence[str | None]) -> ClassDistance:
    """(N, D) vectors and N labels -> class-distance normalised variance of unit vectors, exact; low = easy.

    Galanti, Gyorgy and Hutter 2021, "On the role of neural collapse in transfer learning": with mu_c the mean
    of class c and V_c = 1 - |mu_c|^2 its variance, (V_a + V_b) / (2 |mu_a - mu_b|^2). The diagonal is NaN, and
    so are two classes of the same mean. Classes come in the order of ``class_distance``.
    """
    spread, names = _spread_of(vectors, labels, None)
    found = spread.named(names)
    place = {name: code for code, name in enumerate(names)}
    order = [place[name] for name in found.labels]
    return ClassDistance(found.labels, spread.variabilities(slice(0, len(names)))[np.ix_(order, order)])


def class_spread(subject: Subject) -> ClassSpread:
    """The class sums of a subject, groups left out within a class."""
    own = own_group(subject.rows, subject.coded.codes, subject.groups) if subject.groups is not None else None
    return ClassSpread(subject.rows, subject.coded.codes, own)


def _spread_of(
    vectors: NDArray[Any], labels: Sequence[str | None], groups: Ints | None
) -> tuple[ClassSpread, tuple[str, ...]]:
    """Checks arrays that come from outside; -> class sums and class names."""
    check_arrays(vectors, labels, groups)
    coded, rows = code_labels(check_labels(range(len(labels)), labels)), UnitRows(vectors)
    own = None if groups is None else own_group(rows, coded.codes, groups)
    return ClassSpread(rows, coded.codes, own), coded.names


def check_arrays(vectors: NDArray[Any], labels: Sequence[str | None], groups: Ints | None) -> None:
    """MismatchError or UsageError unless there are one label and one group for each row of (N, D) vectors."""
    check_vectors(vectors)
    if len(labels) != len(vectors):
        raise MismatchError(f"labels: found {len(labels)}; the vectors have {len(vectors)} rows")
    if groups is not None and groups.shape != (len(vectors),):
        raise MismatchError(f"groups: found shape {groups.shape}; the vectors have {len(vectors)} rows")


@dataclass(frozen=True)
class Margins:
    """One entry a class; NaN and -1 where undefined.

    A class without a distance within, that of one image, is nobody's nearest: a single image would decide.

    Attributes:
        within: mean distance between two images of the class.
        nearest: code of the class with a distance within at the smallest mean distance, the lower code on a tie.
        nearest_distance: that distance.
        margin: nearest_distance - within; negative = closer to another class than to itself.
    """

    within: Floats
    nearest: Ints
    nearest_distance: Floats
    margin: Floats


@dataclass(frozen=True)
class Variabilities:
    """One entry a class, over all other classes; NaN and -1 where undefined.

    Attributes:
        largest: largest CDNV, that to the class it is hardest to tell from.
        hardest: code of that class, the lower code on a tie.
        smallest: smallest CDNV, that to the class it is easiest to tell from.
    """

    largest: Floats
    hardest: Ints
    smallest: Floats


class ClassSpread:
    """Class sums of unit vectors, and what follows from them; every class code below max + 1 must occur.

    Args:
        rows: N unit rows.
        codes: (N,) classes, -1 = unlabelled, counted nowhere.
        own: what each row shares with its own class and group, left out within a class; None = no groups.
    """

    def __init__(self, rows: UnitRows, codes: Ints, own: OwnGroup | None = None) -> None:
        labelled = np.flatnonzero(codes >= 0)
        known = codes[labelled]
        self.own = own
        self.sizes = np.bincount(known)
        self.sums = _class_sums(rows, codes, len(self.sizes))
        share, number = (np.ones(len(known)),) * 2 if own is None else (own.similarity[labelled], own.size[labelled])
        self._own = np.bincount(known, weights=share, minlength=len(self.sizes))
        self.pairs = self.sizes.astype(np.float64) ** 2 - np.bincount(known, weights=number, minlength=len(self.sizes))

    @property
    def within(self) -> Floats:
        """(C,) mean distance of the ordered pairs of a class, ``pairs`` of them; NaN without one."""
        pairs = np.where(self.pairs > 0, self.pairs, np.nan)
        return _distance(1.0 - (np.vecdot(self.sums, self.sums) - self._own) / pairs)

    def rows(self, classes: slice) -> Floats:
        """A slice of c classes -> (c, C) mean distances, each class's own mean within on the diagonal."""
        distance = _distance(1.0 - self.sums[classes] @ self.sums.T / np.outer(self.sizes[classes], self.sizes))
        place = np.arange(len(distance))
        distance[place, place + (classes.start or 0)] = self.within[classes]
        return distance

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
        n, within = len(self.sizes), self.within
        nearest, distance = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
        for classes in self._blocks():
            rows, place = self.rows(classes), np.arange(classes.stop - classes.start)
            rows[place, place + classes.start] = np.inf
            rows[:, np.isnan(within)] = np.inf
            near, best = rows.argmin(axis=1), rows.min(axis=1)
            nearest[classes] = np.where(np.isfinite(best), near, -1)
            distance[classes] = np.where(np.isfinite(best), best, np.nan)
        return Margins(within, nearest, distance, distance - within)

    def variabilities(self, classes: slice) -> Floats:
        """A slice of c classes -> (c, C) CDNV (see ``cdnv``), NaN to itself and between equal means."""
        means = self.sums / self.sizes[:, None]
        spread = 1.0 - np.vecdot(means, means)
        square = 1.0 - spread
        gap = square[classes, None] + square - 2.0 * means[classes] @ means.T
        place = np.arange(len(gap))
        gap[place, place + (classes.start or 0)] = np.nan
        gap[gap <= 10.0**-DECIMALS] = np.nan  # less than rounding leaves: the same mean
        return np.asarray((spread[classes, None] + spread).clip(0.0) / (2.0 * gap), dtype=np.float64)

    def extremes(self) -> Variabilities:
        """Largest and smallest CDNV of every class, in blocks of bounded memory."""
        n = len(self.sizes)
        hardest, easiest = np.full((2, n), -1, dtype=np.int64)
        for classes in self._blocks():
            table = np.round(self.variabilities(classes), DECIMALS)
            known = ~np.isnan(table).all(axis=1)
            hardest[classes] = np.where(known, np.where(np.isnan(table), -np.inf, table).argmax(axis=1), -1)
            easiest[classes] = np.where(known, np.where(np.isnan(table), np.inf, table).argmin(axis=1), -1)
        return Variabilities(self._variability(hardest), hardest, self._variability(easiest))

    def _variability(self, others: Ints) -> Floats:
        """(C,) another class for each, -1 = none -> (C,) CDNV, accurate also where means are close."""
        means, other = self.sums / self.sizes[:, None], self.sums[others] / self.sizes[others, None]
        spread = 2.0 - np.vecdot(means, means) - np.vecdot(other, other)
        gap = np.vecdot(means - other, means - other)
        return np.where(
            others >= 0, np.round(spread.clip(0.0) / np.where(others >= 0, 2.0 * gap, 1.0), DECIMALS), np.nan
        )

    def _blocks(self) -> Iterator[slice]:
        """Slices of classes whose table against all classes fits the memory budget; none for a lone class."""
        n = len(self.sizes)
        step = max(1, _BLOCK_CELLS // max(1, n))
        for start in range(0, n if n > 1 else 0, step):
            yield slice(start, min(n, start + step))


def _distance(values: Floats) -> Floats:
    return np.asarray(np.round(np.maximum(values, 0.0), DECIMALS), dtype=np.float64)


def _class_sums(rows: UnitRows, codes: Ints, n_classes: int) -> Floats:
    """N unit rows and codes -> (C, D) float64 sums of the labelled, added in row order within a class."""
    sums = np.zeros((n_classes, rows.dim))
    order = np.argsort(codes, kind="stable")
    order = order[np.searchsorted(codes[order], 0) :]
    for start in range(0, len(order), _PART):
        part = order[start : start + _PART]
        found, first = np.unique(codes[part], return_index=True)
        sums[found] += np.add.reduceat(rows.unit(part), first, axis=0)
    return sums
