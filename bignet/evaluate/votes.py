"""Labels told from neighbours and from class centres, and how often they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.gallery import Gallery
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

VOTERS = 20
TEMPERATURE = 0.07
_CELLS = 2**18
_PART = 512
_TINY = 1e-300


def knn_vote(codes: Ints, similarity: Floats, temperature: float = TEMPERATURE) -> tuple[Ints, Floats]:
    """(Q, K) classes and similarities of the neighbours, nearest first -> (Q,) class with most votes, (Q,) its share.

    A neighbour at similarity s votes for its class with exp(s / temperature) (Wu et al. 2018, "Unsupervised feature
    learning via non-parametric instance discrimination"). Classes with equal votes: that of the nearest member. Where
    nobody votes the class is -1 and its share NaN.

    Args:
        codes: classes, -1 = no neighbour, or one without a label.
        similarity: of the same places; not read where there is no neighbour.
        temperature: small = the nearest decide.
    """
    if codes.shape[1] == 0:
        return np.full(len(codes), -1, dtype=np.int64), np.full(len(codes), np.nan)
    voter = codes >= 0
    known = np.where(voter, similarity, -np.inf)
    most = np.max(known, axis=1, keepdims=True)
    weight = np.where(voter, np.exp((known - np.where(np.isfinite(most), most, 0.0)) / temperature), 0.0)
    votes = np.einsum("qj,qij->qi", weight, codes[:, :, None] == codes[:, None, :])
    best = np.argmax(np.where(voter, np.round(votes, DECIMALS), -1.0), axis=1)[:, None]
    total = np.where(voter.any(axis=1), weight.sum(axis=1), np.nan)
    share = np.round(np.take_along_axis(votes, best, 1)[:, 0] / total, DECIMALS)
    return np.take_along_axis(codes, best, 1)[:, 0], np.asarray(share, dtype=np.float64)


def nearest_centre(rows: UnitRows, gallery: Gallery, queries: Ints) -> Ints:
    """(Q,) rows -> (Q,) class whose centre has the highest cosine, what the row may not find taken out of it.

    The centre of class c is its sum of unit vectors S_c. Without the row itself, or the rows kept apart from it, whose
    sum in class c is E: x.(S_c - E) / |S_c - E|. A tie goes to the lower code; -1 = every class would be empty.
    """
    return _Centres(rows, gallery).nearest(queries)


class _Centres:
    """Class sums over the gallery, in one pass, and what to take out of them for each query."""

    def __init__(self, rows: UnitRows, gallery: Gallery) -> None:
        self._rows, self._gallery = rows, gallery
        members = np.flatnonzero(gallery.member & (gallery.codes >= 0))
        self._codes = gallery.codes
        self._sizes = np.bincount(gallery.codes[members], minlength=int(gallery.codes.max(initial=-1)) + 1)
        self._sums = np.zeros((len(self._sizes), rows.dim))
        for part, found, first in _runs(members[np.argsort(self._codes[members], kind="stable")], self._codes):
            self._sums[found] += np.add.reduceat(rows.unit(part), first, axis=0)
        self._lengths = np.sqrt(np.vecdot(self._sums, self._sums))
        self._unit = np.full(len(rows), -1) if gallery.apart is None else gallery.apart
        self._ranked = members[np.lexsort((self._codes[members], self._unit[members]))]
        self._starts = self._unit[self._ranked]

    def nearest(self, queries: Ints) -> Ints:
        """(Q,) rows -> (Q,) class, in blocks of like units, so that each unit is summed once a block."""
        found = np.full(len(queries), -1, dtype=np.int64)
        if not len(self._sizes):
            return found
        order = np.argsort(self._unit[queries], kind="stable")
        step = max(1, min(_CELLS // len(self._sizes), _CELLS // self._rows.dim))
        for start in range(0, len(order), step):
            part = order[start : start + step]
            found[part] = self._block(queries[part])
        return found

    def _block(self, queries: Ints) -> Ints:
        unit = self._rows.unit(queries)
        cosine = unit @ self._sums.T / np.maximum(self._lengths, _TINY)
        cosine[:, self._sizes == 0] = -np.inf
        self._leave_out_themselves(queries, unit, cosine)
        units, first, count = np.unique(self._unit[queries], return_index=True, return_counts=True)
        for own, start, many in zip(units, first, count, strict=True):
            if own >= 0:
                self._leave_out(int(own), unit[start : start + many], cosine[start : start + many])
        cosine = np.round(cosine, DECIMALS)
        return np.where(np.isneginf(cosine).all(axis=1), -1, cosine.argmax(axis=1))

    def _leave_out_themselves(self, queries: Ints, unit: Floats, cosine: Floats) -> None:
        """Rows of no unit are taken out of their own class."""
        alone = np.flatnonzero((self._unit[queries] < 0) & self._gallery.member[queries] & (self._codes[queries] >= 0))
        codes = self._codes[queries[alone]]
        rest = self._sums[codes] - unit[alone]
        own = np.vecdot(unit[alone], rest) / np.maximum(np.sqrt(np.vecdot(rest, rest)), _TINY)
        cosine[alone, codes] = np.where(self._sizes[codes] > 1, own, -np.inf)

    def _leave_out(self, own: int, unit: Floats, cosine: Floats) -> None:
        """A unit is taken out of every class it has members in."""
        members = self._ranked[slice(*np.searchsorted(self._starts, [own, own + 1]))]
        for code, left_out, size in self._sums_by_class(members):
            rest = self._sums[code] - left_out
            found = unit @ rest / max(float(np.sqrt(rest @ rest)), _TINY)
            cosine[:, code] = found if size < self._sizes[code] else -np.inf

    def _sums_by_class(self, members: Ints) -> Iterator[tuple[int, Floats, int]]:
        """Rows of one unit, by class -> each class, their sum in it, and how many they are."""
        for code in np.unique(self._codes[members]):
            own = members[self._codes[members] == code]
            total = np.zeros(self._rows.dim)
            for start in range(0, len(own), _PART):
                total += self._rows.unit(own[start : start + _PART]).sum(axis=0)
            yield int(code), total, len(own)


def _runs(order: Ints, codes: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Rows by class -> parts of them, the classes of each part, and where each class starts in it."""
    for start in range(0, len(order), _PART):
        part = order[start : start + _PART]
        found, first = np.unique(codes[part], return_index=True)
        yield part, found, first
