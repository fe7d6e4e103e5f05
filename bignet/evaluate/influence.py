"""What every mean score would lose without each image: as a query, and in the galleries of all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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


class _Sums:
    """On one score, what the images in others' lists do, summed by image.

    Attributes:
        own: (N,) over the queries of the image's class, beyond what a relevant image out of their lists does.
        other: (N,) over those of other classes.
        even: (N,) the same, each query over the number of its class's queries.
        beyond: (N,) by query, what a relevant image out of its list does.
        square_own: (N,) by query, sum of the squares of what images of its class do; 0 where there is one.
        square_other: (N,) by query, that of images of other classes.
    """

    def __init__(self, n: int) -> None:
        self.own, self.other, self.even, self.beyond = (np.zeros(n) for _ in range(4))
        self.square_own, self.square_other = np.zeros(n), np.zeros(n)


class Influences:
    """Adds up effects block by block.

    Args:
        gallery: who is asked, and what can be found.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._n = gallery, len(gallery.codes)
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
        sums = self._sums.setdefault(name, _Sums(self._n))
        enough = self._gallery.n_others[queries] >= least
        n_relevant = self._gallery.n_relevant[queries]
        codes, rows = self._gallery.codes, rows[:, : effects.listed.shape[1]]
        sums.beyond[queries] = np.where(enough, effects.beyond, 0.0)
        hits = (codes[rows] == codes[queries, None]) & (rows >= 0)
        several = enough & (n_relevant > 1)
        left = n_relevant - hits.sum(axis=1)
        inside = np.where(hits, effects.listed, 0.0)
        square = np.einsum("qk,qk->q", inside, inside) + left * effects.beyond**2
        sums.square_own[queries] = np.where(several, square, 0.0)
        outside = np.where(hits | (rows < 0), 0.0, effects.listed)
        sums.square_other[queries] = np.where(several, np.einsum("qk,qk->q", outside, outside), 0.0)
        change = np.where(hits, effects.listed - effects.beyond[:, None], effects.listed)
        change[(rows < 0) | ~enough[:, None]] = 0.0
        some = np.flatnonzero(change)
        change, row, hit = change.ravel()[some], rows.ravel()[some], hits.ravel()[some]
        sums.own += np.bincount(row[hit], weights=change[hit], minlength=self._n)
        row, change, query = row[~hit], change[~hit], some[~hit] // max(1, rows.shape[1])
        other, share = np.bincount(row, weights=change, minlength=self._n), self._share(least)[codes[queries]]
        sums.other += other
        if (share == share[0]).all():
            sums.even += other * share[0]
        else:
            sums.even += np.bincount(row, weights=change * share[query], minlength=self._n)

    def names(self) -> tuple[str, ...]:
        """Scores with effects."""
        return tuple(self._sums)

    def of(self, name: str, values: Floats) -> Influence:
        """A score and (Q,) its values, NaN = none -> what its means lose without each image."""
        gallery, sums = self._gallery, self._sums.get(name) or _Sums(self._n)
        score, asked = np.zeros(self._n), np.zeros(self._n)
        known = ~np.isnan(values)
        score[gallery.queries[known]], asked[gallery.queries[known]] = values[known], 1.0
        last = asked * (gallery.n_relevant == 1)
        own = sums.own + self._reached(sums.beyond) - score
        gone = asked + self._reached(last)
        return _Means(gallery.codes, score, asked).influence(own, gone, sums)

    def _share(self, least: int) -> Floats:
        """(C,) what a query is of its class's mean, among those that can find so many."""
        if least not in self._shares:
            queries = self._gallery.queries
            enough = queries[self._gallery.n_others[queries] >= least]
            self._shares[least] = 1.0 / np.maximum(
                np.bincount(self._gallery.codes[enough], minlength=int(self._gallery.codes.max()) + 1), 1
            )
        return self._shares[least]

    def _reached(self, values: Floats) -> Floats:
        """(N,) values of queries, 0 = none -> (N,) sums over the queries each image is relevant to."""
        gallery, codes = self._gallery, np.maximum(self._gallery.codes, 0)
        values = np.where(gallery.codes >= 0, values, 0.0)
        total = np.bincount(codes, weights=values)[codes] if len(codes) else values
        hidden = values
        if gallery.apart is not None and len(codes):
            cell = np.unique(np.maximum(gallery.apart, 0) * (codes.max() + 1) + codes, return_inverse=True)[1]
            inside = np.bincount(cell, weights=np.where(gallery.apart >= 0, values, 0.0))[cell]
            hidden = np.where(gallery.apart >= 0, inside, values)
        return np.where(gallery.member & (gallery.codes >= 0), total - hidden, 0.0)


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
        macro_other = -sums.even / n
        whole = (self._total / np.maximum(self._count, 1)).sum() / max(1, (self._count > 0).sum())
        of_class = np.where(emptied, (mean - whole) / n / share, (mean - left) / n)
        return Influence(
            micro=self._of_class(own, gone) / share + micro_other,
            macro=of_class + macro_other,
            own=np.where(able & ~emptied, mean - left, np.nan),
            pairs=self._pairs(sums),
            own_pairs=self._by_class(sums.square_own) / np.maximum(self._count, 1) ** 2,
            micro_other=micro_other,
            macro_other=macro_other,
        )

    def _pairs(self, sums: _Sums) -> tuple[float, float]:
        square = self._by_class(sums.square_own + sums.square_other)
        n, held = max(1.0, float((self._count > 0).sum())), np.maximum(self._count, 1)
        return float(square.sum() / max(1.0, self._count.sum()) ** 2), float((square / held**2).sum() / n**2)

    def _by_class(self, values: Floats) -> Floats:
        """(N,) values of queries -> (C,) sums."""
        return np.asarray(np.bincount(self._place, weights=values, minlength=1), dtype=np.float64)

    def _of_class(self, own: Floats, gone: Floats) -> Floats:
        """What the mean over queries loses with queries of the own class."""
        total, count = self._total.sum(), self._count.sum()
        left = np.maximum(count - gone, 1)
        return np.where(count > gone, total / max(count, 1) - (total + own) / left, 0.0)
