"""Which pairs of rows are compared: all of a kind where that is affordable, else a seeded sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.memory import give_back, pages
from bignet.evaluate.own_group import group_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_PART = 512  # pairs gathered at a time: they stay in the processor's cache
_DRAWN = 2**17  # pairs drawn at a time


@dataclass(frozen=True)
class Pairs:
    """P pairs of rows of one kind, those of the same two classes together.

    Attributes:
        left: (P,) positions; 32-bit numbers.
        right: (P,) positions; likewise.
        kinds: (2, K) the two classes, the lower code first, ascending.
        counts: (K,) pairs of each; every two classes weigh the same, and share that out among their pairs.
        sampled: whether they are a sample of all pairs of the kind.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    kinds: Ints
    counts: Ints
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
        self._groups, self._limit, self._seed = groups, limit, seed
        self._start, self._stop = _runs(self._codes)
        self._cell_start, self._cell_stop = _runs(cells)

    def same(self) -> Pairs:
        """Pairs of one class and different groups: every permitted pair of a class is equally likely."""
        partners = (self._stop - self._start) - (self._cell_stop - self._cell_start)
        after = np.cumsum(partners)  # the ordered pairs are numbered, row by row
        first, place = np.unique(self._start, return_inverse=True)
        total = np.add.reduceat(partners, first) if len(first) else partners
        sampled = int(total.sum()) > 2 * self._limit
        quota = max(1, self._limit // max(1, int((total > 0).sum()))) if sampled else int(total.sum())
        few = total <= 2 * quota
        numbers = self._numbers((after - partners)[first], total, few, quota)
        found = []
        for start in range(0, len(numbers), _DRAWN):
            left, right = self._decode(numbers[start : start + _DRAWN], after, partners)
            keep = (left < right) | ~few[place[left]]  # where all are listed, they come both ways
            found.append(np.array([left[keep], right[keep]], dtype=np.int32))
        del numbers
        give_back()
        return self._pairs(found, sampled=sampled)

    def different(self) -> Pairs:
        """Pairs of two classes and different groups: every two classes are equally likely."""
        partners = len(self._rows) - self._stop
        sampled = int(partners.sum()) > self._limit
        if sampled:
            return self._pairs(self._draw_different(), sampled=True)
        left = np.repeat(np.arange(len(partners)), partners)
        return self._pairs([self._apart(left, _ranges(self._stop, partners))], sampled=False)

    def _numbers(self, first: Ints, total: Ints, few: NDArray[np.bool_], quota: int) -> Ints:
        """Numbers of ordered pairs, ascending: all of the classes with few, ``quota`` of each other class."""
        rng = np.random.default_rng([self._seed, 2])
        drawn = rng.integers(total[~few, None], size=(int((~few).sum()), quota))
        drawn += first[~few, None]
        numbers = np.concatenate([_ranges(first[few], total[few]), drawn.ravel()]) if few.any() else drawn.ravel()
        numbers.sort()
        return numbers

    def _decode(self, number: Ints, after: Ints, partners: Ints) -> tuple[Ints, Ints]:
        """Numbers of ordered pairs of one class -> their two places; a row's own cell is jumped over."""
        left = np.searchsorted(after, number, "right")
        right = self._start[left] + number - after[left] + partners[left]
        own = self._cell_stop[left] - self._cell_start[left]
        return left, np.where(right >= self._cell_start[left], right + own, right)

    def _draw_different(self) -> list[NDArray[np.int32]]:
        """``limit`` pairs, as many of every two classes; of more classes than that, so many at random."""
        rng = np.random.default_rng([self._seed, 3])
        first = np.unique(self._start)
        size, later = self._stop[first] - first, np.arange(len(first) - 1, -1, -1)
        n_two = len(first) * (len(first) - 1) // 2
        often = self._limit // n_two
        two = None if often else np.sort(rng.integers(n_two, size=self._limit))
        n_drawn = often * n_two or self._limit
        found = []
        for start in range(0, n_drawn, _DRAWN):
            stop = min(n_drawn, start + _DRAWN)
            part = np.arange(start, stop) // often if two is None else two[start:stop]
            a = np.searchsorted(np.cumsum(later), part, "right")
            b = a + 1 + part - (np.cumsum(later) - later)[a]
            found.append(self._apart(first[a] + rng.integers(size[a]), first[b] + rng.integers(size[b])))
        return found

    def _apart(self, left: Ints, right: Ints) -> NDArray[np.int32]:
        """(P,) and (P,) places -> (2, P) those of two groups."""
        pairs = np.array([left, right], dtype=np.int32)
        if self._groups is None:
            return pairs
        own = self._groups[self._rows[left]]
        return pairs[:, (own < 0) | (own != self._groups[self._rows[right]])]

    def _pairs(self, found: list[NDArray[np.int32]], *, sampled: bool) -> Pairs:
        """(2, P) places among the sorted rows, in parts -> pairs; left places ascend by class."""
        n_pairs = sum(part.shape[1] for part in found)
        n_codes, n_done = int(self._codes.max(initial=0)) + 1, 0
        (left, right), kind = pages(2, n_pairs, dtype=np.int32), pages(n_pairs, dtype=np.int64)
        while found:
            part = found.pop(0)
            some = slice(n_done, n_done := n_done + part.shape[1])
            left[some], right[some] = part
            kind[some] = self._codes[part[0]] * n_codes + self._codes[part[1]]
        if np.any(kind[1:] < kind[:-1]):  # all pairs of different classes are listed row by row
            order = np.argsort(kind, kind="stable")
            left, right, kind = left[order], right[order], kind[order]
        start = np.flatnonzero(np.append(True, kind[1:] != kind[:-1])[: len(kind)])
        kinds = np.array(np.divmod(kind[start], n_codes))
        counts = np.diff(np.append(start, len(kind)))
        del kind
        for places in (left, right):
            for begin in range(0, len(places), _DRAWN):
                places[begin : begin + _DRAWN] = self._rows[places[begin : begin + _DRAWN]]
        return Pairs(left, right, kinds, counts, sampled)


class KeptPairs:
    """The pairs of a draw, drawn once for several embeddings of the same rows."""

    def __init__(self, draw: PairDraw) -> None:
        self._same, self._different = draw.same(), draw.different()

    def same(self) -> Pairs:
        """As ``PairDraw.same``."""
        return self._same

    def different(self) -> Pairs:
        """As ``PairDraw.different``."""
        return self._different


def pair_similarity(rows: UnitRows, pairs: Pairs) -> Floats:
    """(P,) cosines of pairs in float64, rounded to 1e-12, so that pairs which are equal are equal here."""
    cosines = pages(len(pairs.left), dtype=np.float64)
    # numbers of 8 bytes can overflow when squared, and raw rows cannot; smaller ones need no float64 copy
    read = rows.raw if rows.stored(pairs.left[:1]).dtype.itemsize >= 8 else rows.stored
    for start in range(0, len(cosines), _PART):
        left, right = pairs.left[start : start + _PART], pairs.right[start : start + _PART]
        dots = np.einsum("pd,pd->p", read(left), read(right), dtype=np.float64, casting="unsafe")
        cosines[start : start + _PART] = np.round(dots / (rows.norms[left] * rows.norms[right]), DECIMALS)
    return np.clip(cosines, -1.0, 1.0, out=cosines)


def distinct_scores(values: Floats) -> Floats:
    """(P,) -> the same ascending, each once: as ``np.unique``, which holds them three times."""
    ascending = pages(len(values), dtype=np.float64)
    ascending[:] = values
    ascending.sort()
    n_kept, last = 0, np.nan
    for start in range(0, len(ascending), _DRAWN):
        some = ascending[start : start + _DRAWN]
        kept = some[np.append(some[0] != last, some[1:] != some[:-1])]
        last = some[-1]
        ascending[n_kept : n_kept + len(kept)] = kept
        n_kept += len(kept)
    return ascending[:n_kept]


def _runs(values: Ints) -> tuple[Ints, Ints]:
    """(n,) values, equal ones together -> (n,) first place of each one's run, and the place after its last."""
    first = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    length = np.diff(np.append(first, len(values)))
    return np.repeat(first, length), np.repeat(first + length, length)


def _ranges(start: Ints, length: Ints) -> Ints:
    """Starts and lengths -> start, start + 1, ... of each, one after the other."""
    offset = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    return np.asarray(np.repeat(start, length) + offset, dtype=np.int64)
