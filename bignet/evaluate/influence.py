"""What every mean score would lose without each image: as a query, and in the galleries of all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.memory import pages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.deletions import Effects
    from bignet.evaluate.gallery import Gallery

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Influence:
    """On one score, (N,) each: what its means lose without each image.

    Attributes:
        micro: the mean over queries.
        macro: the mean of class means.
        own: the mean of the image's own class; NaN where the class would have no query left.
        pairs: for ``micro`` and for ``macro``, the sum of the squares of what single images do to single queries: what
            the jackknife counts twice.
        own_pairs: (C,) the same for ``own``, by class.
        micro_other: of ``micro``, what it does to queries of other classes.
        macro_other: of ``macro``, what it does to queries of other classes.
    """

    micro: Floats
    macro: Floats
    own: Floats
    pairs: tuple[float, float]
    own_pairs: Floats
    micro_other: Floats
    macro_other: Floats


class _Reach:
    """Which queries each image is relevant to: those of its class, but itself and those kept apart from it."""

    def __init__(self, gallery: Gallery) -> None:
        self.codes = np.maximum(gallery.codes, 0)
        self.n_classes, self.n_cells = int(self.codes.max(initial=0)) + 1, 0
        self._able = gallery.member & (gallery.codes >= 0)
        self._apart, self._cell = np.zeros(len(self.codes), dtype=bool), self.codes
        if gallery.apart is not None and len(self.codes):
            self._apart = gallery.apart >= 0
            cell = np.maximum(gallery.apart, 0) * self.n_classes + self.codes
            self._cell = np.unique(cell, return_inverse=True)[1]
            self.n_cells = int(self._cell.max()) + 1

    def by_class(self, queries: Ints, values: Floats) -> Floats:
        """(Q,) queries and values -> (C,) sums."""
        return np.asarray(np.bincount(self.codes[queries], weights=values, minlength=self.n_classes), dtype=np.float64)

    def by_cell(self, queries: Ints, values: Floats) -> Floats:
        """(Q,) queries and values -> sums over those kept apart from the same images."""
        apart = self._apart[queries]
        found = np.bincount(self._cell[queries[apart]], weights=values[apart], minlength=self.n_cells)
        return np.asarray(found, dtype=np.float64)

    def alone(self, queries: Ints, values: Floats) -> Floats:
        """(Q,) queries and values -> (Q,) what ``spread`` leaves in of the image itself."""
        return np.where(self._able[queries] & ~self._apart[queries], values, 0.0)

    def spread(self, of_class: Floats, of_cell: Floats) -> Floats:
        """Sums -> (N,) over queries of the image's class not kept apart from it, which may be the image itself."""
        found = of_class[self.codes]
        if self.n_cells:
            found[self._apart] -= of_cell[self._cell[self._apart]]
        found[~self._able] = 0.0
        return found


class _Sums:
    """On one score, what the images in others' lists do, summed by image or by class of the query.

    Attributes:
        own: (N,) over the queries of the image's class, beyond what a relevant image out of their lists does.
        other: (N,) over those of other classes.
        even: (N,) the same, each query over the number of its class's queries; None = that number is one for all.
        share: one over that number, where it is one.
        of_class: (C,) what a relevant image out of the lists does.
        of_cell: the same, over those kept apart from the same images.
        square_own: (C,) sum of the squares of what images of its class do to each query; 0 where there is one.
        square: (C,) that of all images.
    """

    def __init__(self, reach: _Reach, shares: Floats) -> None:
        n, n_classes = len(reach.codes), reach.n_classes
        self.own, self.other = (pages(n, dtype=np.float64) for _ in range(2))  # made by a thread, held beyond it
        self.share = float(shares.min(initial=1.0))
        self.even = None if (shares == self.share).all() else pages(n, dtype=np.float64)
        self.of_class, self.of_cell = np.zeros(n_classes), np.zeros(reach.n_cells)
        self.square_own, self.square = np.zeros(n_classes), np.zeros(n_classes)

    def evenly(self) -> Floats:
        """(N,) ``even``."""
        return self.other * self.share if self.even is None else self.even


class Influences:
    """Adds up effects block by block.

    Args:
        gallery: who is asked, and what can be found.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._n, self._reach = gallery, len(gallery.codes), _Reach(gallery)
        self._sums: dict[str, _Sums] = {}
        self._shares: dict[int, Floats] = {}

    def put(self, name: str, queries: Ints, rows: Ints, effects: Effects, least: int = 0) -> None:
        """Effects on a score of Q queries that have it.

        Args:
            name: of the score.
            queries: (Q,) positions.
            rows: (Q, K) listed rows, -1 = none.
            effects: of them.
            least: images a query must be able to find to have the score.
        """
        sums, shares = self._sums_of(name, least), self._share(least)
        enough = self._gallery.n_others[queries] >= least
        codes, rows = self._gallery.codes, rows[:, : effects.listed.shape[1]]
        hits = (codes[rows] == codes[queries, None]) & (rows >= 0)
        self._put_beyond(sums, queries, np.where(enough, effects.beyond, 0.0))
        listed = np.where(rows < 0, 0.0, effects.listed)
        self._put_squares(sums, queries[enough], hits[enough], listed[enough], effects.beyond[enough])
        change = np.where(hits, listed - effects.beyond[:, None], listed)
        change[~enough] = 0.0
        some = np.flatnonzero(change)
        change, row, hit = change.ravel()[some], rows.ravel()[some], hits.ravel()[some]
        sums.own += np.bincount(row[hit], weights=change[hit], minlength=self._n)
        row, change, query = row[~hit], change[~hit], some[~hit] // max(1, rows.shape[1])
        sums.other += np.bincount(row, weights=change, minlength=self._n)
        if sums.even is not None:
            sums.even += np.bincount(row, weights=change * shares[codes[queries]][query], minlength=self._n)

    def _put_beyond(self, sums: _Sums, queries: Ints, beyond: Floats) -> None:
        """What a relevant image out of the lists of (Q,) queries does to them."""
        sums.of_class += self._reach.by_class(queries, beyond)
        sums.of_cell += self._reach.by_cell(queries, beyond)
        sums.own[queries] -= self._reach.alone(queries, beyond)

    def _put_squares(self, sums: _Sums, queries: Ints, hits: Bools, listed: Floats, beyond: Floats) -> None:
        """Squares of effects on (Q,) queries; a query that has one relevant image is gone without it."""
        n_relevant = self._gallery.n_relevant[queries]
        several, inside = n_relevant > 1, np.where(hits, listed, 0.0)
        left = (n_relevant - hits.sum(axis=1)) * beyond**2
        own, every = (np.where(several, np.einsum("qk,qk->q", table, table) + left, 0.0) for table in (inside, listed))
        sums.square_own += self._reach.by_class(queries, own)
        sums.square += self._reach.by_class(queries, every)

    def names(self) -> tuple[str, ...]:
        """Scores with effects."""
        return tuple(self._sums)

    def of(self, name: str, values: Floats) -> Influence:
        """A score and (Q,) its values, NaN = none -> what its means lose without each image."""
        gallery, reach, sums = self._gallery, self._reach, self._sums.get(name) or _Sums(self._reach, np.ones(1))
        score, gone = np.zeros(self._n), np.zeros(self._n)
        known = ~np.isnan(values)
        queries, values = gallery.queries[known], values[known]
        score[queries], gone[queries] = values, 1.0
        means = _Means(gallery.codes, score, gone)
        last = (gallery.n_relevant[queries] == 1).astype(np.float64)
        gone += reach.spread(reach.by_class(queries, last), reach.by_cell(queries, last))
        gone[queries] -= reach.alone(queries, last)
        own = reach.spread(sums.of_class, sums.of_cell)
        own += sums.own
        own -= score
        return means.influence(own, gone, sums)

    def _sums_of(self, name: str, least: int) -> _Sums:
        if name not in self._sums:
            queries = self._gallery.queries[self._gallery.n_others[self._gallery.queries] >= least]
            self._sums[name] = _Sums(self._reach, self._share(least)[self._gallery.codes[queries]])
        return self._sums[name]

    def _share(self, least: int) -> Floats:
        """(C,) what a query is of its class's mean, among those that can find so many."""
        if least not in self._shares:
            queries = self._gallery.queries
            enough = queries[self._gallery.n_others[queries] >= least]
            held = np.bincount(self._gallery.codes[enough], minlength=self._reach.n_classes)
            self._shares[least] = 1.0 / np.maximum(held, 1)
        return self._shares[least]


class _Means:
    """Sums and counts of a score by class, and what is left of its means without an image.

    Args:
        codes: (N,) classes, -1 = unlabelled.
        score: (N,) values, 0 where there is none.
        asked: (N,) 1 where there is one.
    """

    def __init__(self, codes: Ints, score: Floats, asked: Floats) -> None:
        self._codes, self._place = codes, np.maximum(codes, 0)
        self._labelled = codes >= 0
        self._total, self._count = self._by_class(score), self._by_class(asked)

    def influence(self, own: Floats, gone: Floats, sums: _Sums) -> Influence:
        """(N,) changes of the own class's sum and (N,) queries gone, and what other classes' sums change by."""
        held, total = self._count[self._place], self._total[self._place]
        able = self._labelled & (held > 0)
        emptied = able & (gone >= held)
        share = np.bincount(self._place[emptied], minlength=len(self._count))[self._place]
        share = np.where(emptied, np.maximum(share, 1), 1)
        mean = total / np.maximum(held, 1)
        left = np.where(able & ~emptied, (total + own) / np.maximum(held - gone, 1), mean)
        own, gone = np.where(able, own, 0.0), np.where(able, gone, 0.0)
        micro_other = -sums.other / np.maximum(self._count.sum() - gone, 1)
        n = np.maximum((self._count > 0).sum() - emptied, 1)
        macro_other = -sums.evenly() / n
        whole = (self._total / np.maximum(self._count, 1)).sum() / max(1, (self._count > 0).sum())
        of_class = np.where(emptied, (mean - whole) / n / share, (mean - left) / n)
        return Influence(
            micro=self._of_class(own, gone) / share + micro_other,
            macro=of_class + macro_other,
            own=np.where(able & ~emptied, mean - left, np.nan),
            pairs=self._pairs(sums),
            own_pairs=sums.square_own / np.maximum(self._count, 1) ** 2,
            micro_other=micro_other,
            macro_other=macro_other,
        )

    def _pairs(self, sums: _Sums) -> tuple[float, float]:
        n, held = max(1.0, float((self._count > 0).sum())), np.maximum(self._count, 1)
        return (
            float(sums.square.sum() / max(1.0, self._count.sum()) ** 2),
            float((sums.square / held**2).sum() / n**2),
        )

    def _by_class(self, values: Floats) -> Floats:
        """(N,) values of queries -> (C,) sums."""
        return np.asarray(np.bincount(self._place, weights=values, minlength=1), dtype=np.float64)

    def _of_class(self, own: Floats, gone: Floats) -> Floats:
        """What the mean over queries loses with queries of the own class."""
        total, count = self._total.sum(), self._count.sum()
        left = np.maximum(count - gone, 1)
        return np.where(count > gone, total / max(count, 1) - (total + own) / left, 0.0)
