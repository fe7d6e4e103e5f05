"""Which pairs of rows are compared: all of a kind where that is affordable, else a seeded sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.own_group import group_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.cosine import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_PART = 512  # pairs gathered at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Pairs:
    """P pairs of rows of one kind.

    Attributes:
        left: (P,) positions.
        right: (P,) positions.
        classes: (P, 2) their classes, the lower code first.
        weight: (P,) so that each class, or each two classes, weigh the same; sums to 1.
        sampled: whether they are a sample of all pairs of the kind.
    """

    left: Ints
    right: Ints
    classes: Ints
    weight: Floats
    sampled: bool


class PairDraw:
    """Pairs of labelled rows, no two of one group.

    Args:
        codes: (N,) classes, -1 = unlabelled, which are in no pair.
        groups: (N,) integer codes, negative = in no group; None = no groups.
        limit: pairs of each kind; where there are more, so many are drawn with replacement.
        seed: fixes the sample.
    """

    def __init__(self, codes: Ints, groups: Ints | None, limit: int, seed: int) -> None:
        cells = group_cells(codes, groups)
        order = np.argsort(cells, kind="stable")  # cells ascend by class
        self._rows = order[np.searchsorted(codes[order], 0) :]
        self._codes, cells = codes[self._rows], cells[self._rows]
        self._groups = None if groups is None else groups
        self._limit, self._seed = limit, seed
        self._start, self._stop = _runs(self._codes)
        self._cell_start, self._cell_stop = _runs(cells)

    def same(self) -> Pairs:
        """Pairs of one class and different groups: every permitted pair of a class is equally likely."""
        partners = (self._stop - self._start) - (self._cell_stop - self._cell_start)
        before = np.cumsum(partners) - partners
        first = np.flatnonzero(np.diff(self._codes, prepend=-1))  # each class's first place
        total = np.add.reduceat(partners, first) if len(first) else partners
        n_classes, sampled = int((total > 0).sum()), int(total.sum()) > 2 * self._limit
        quota = 2 * max(1, self._limit // max(1, n_classes)) if sampled else int(total.sum())
        few = total <= quota
        rng = np.random.default_rng([self._seed, 2])
        listed = _ranges(before[first[few]], total[few])
        drawn = before[first[~few], None] + rng.integers(total[~few, None], size=(int((~few).sum()), quota // 2))
        left, right = self._decode(np.concatenate([listed, drawn.ravel()]), before, partners)
        keep = (left < right) | (np.arange(len(left)) >= len(listed))  # listed pairs come both ways
        return self._pairs(left[keep], right[keep], sampled=sampled)

    def different(self) -> Pairs:
        """Pairs of two classes and different groups: every two classes are equally likely."""
        partners = len(self._rows) - self._stop
        sampled = int(partners.sum()) > self._limit
        left, right = (
            self._draw_different()
            if sampled
            else (
                np.repeat(np.arange(len(partners)), partners),
                _ranges(self._stop, partners),
            )
        )
        if self._groups is not None:
            own = self._groups[self._rows[left]]
            keep = (own < 0) | (own != self._groups[self._rows[right]])
            left, right = left[keep], right[keep]
        return self._pairs(left, right, sampled=sampled)

    def _decode(self, number: Ints, before: Ints, partners: Ints) -> tuple[Ints, Ints]:
        """Numbers of ordered pairs of one class -> their two places; a row's own cell is jumped over."""
        left = np.searchsorted(before + partners, number, "right")
        right = self._start[left] + number - before[left]
        own = self._cell_stop[left] - self._cell_start[left]
        return left, np.where(right >= self._cell_start[left], right + own, right)

    def _draw_different(self) -> tuple[Ints, Ints]:
        rng = np.random.default_rng([self._seed, 3])
        first = np.flatnonzero(np.diff(self._codes, prepend=-1))
        size, n = self._stop[first] - first, len(first)
        n_two = n * (n - 1) // 2
        often = self._limit // n_two
        two = np.repeat(np.arange(n_two), often) if often else rng.integers(n_two, size=self._limit)
        later = np.arange(n - 1, -1, -1)
        a = np.searchsorted(np.cumsum(later), two, "right")
        b = a + 1 + two - (np.cumsum(later) - later)[a]
        return first[a] + rng.integers(size[a]), first[b] + rng.integers(size[b])

    def _pairs(self, left: Ints, right: Ints, *, sampled: bool) -> Pairs:
        """Places among the sorted rows -> pairs; each class, or two classes, shares its weight out evenly."""
        classes = np.column_stack([self._codes[left], self._codes[right]])
        kind, count = np.unique(
            classes[:, 0] * (len(self._codes) + 1) + classes[:, 1], return_inverse=True, return_counts=True
        )[1:]
        weight = 1.0 / (count[kind] * max(1, len(count)))
        return Pairs(self._rows[left], self._rows[right], classes, weight, sampled)


def pair_similarity(rows: UnitRows, pairs: Pairs) -> Floats:
    """(P,) cosines of pairs in float64, rounded to 1e-12, so that pairs which are equal are equal here."""
    dots = np.empty(len(pairs.left))
    # numbers of 8 bytes can overflow when squared, and raw rows cannot; smaller ones need no float64 copy
    read = rows.raw if rows.stored(pairs.left[:1]).dtype.itemsize >= 8 else rows.stored
    for start in range(0, len(dots), _PART):
        left, right = pairs.left[start : start + _PART], pairs.right[start : start + _PART]
        dots[start : start + _PART] = np.einsum("pd,pd->p", read(left), read(right), dtype=np.float64, casting="unsafe")
    return np.clip(np.round(dots / (rows.norms[pairs.left] * rows.norms[pairs.right]), 12), -1.0, 1.0)


def _runs(values: Ints) -> tuple[Ints, Ints]:
    """(n,) values, equal ones together -> (n,) first place of each one's run, and the place after its last."""
    first = (
        np.flatnonzero(np.concatenate([[True], np.diff(values) != 0])) if len(values) else np.zeros(0, dtype=np.int64)
    )
    length = np.diff(np.append(first, len(values)))
    return np.repeat(first, length), np.repeat(first + length, length)


def _ranges(start: Ints, length: Ints) -> Ints:
    """Starts and lengths -> start, start + 1, ... of each, one after the other."""
    offset = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    return np.asarray(np.repeat(start, length) + offset, dtype=np.int64)
