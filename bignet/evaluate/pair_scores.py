"""Same-class pairs against different-class pairs: AUROC, accept rates, equal error rate, thresholds."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.memory import give_back, pages
from bignet.evaluate.pair_draw import KeptPairs, PairDraw, Pairs, distinct_scores, pair_similarity
from bignet.evaluate.separation import check_arrays
from bignet.evaluate.separation_result import OperatingPoint, PairScores
from bignet.evaluate.unit_rows import UnitRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

PAIR_LIMIT = 1_000_000
ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
_BARS = 60
_PART = 2**16  # pairs looked at together


def pair_scores(
    vectors: NDArray[Any],
    labels: Sequence[str | None],
    *,
    groups: Ints | None = None,
    limit: int = PAIR_LIMIT,
    seed: int = 0,
) -> ComparedPairs | None:
    """(N, D) vectors and N labels -> cosines of same-class and different-class pairs; None without both.

    Each class weighs the same among same-class pairs, each two classes among different-class pairs.

    Args:
        vectors: any real dtype, finite and non-zero rows.
        labels: one a row, None = unlabelled, which is in no pair.
        groups: (N,) integer codes, negative = in no group; two rows of one group are no pair.
        limit: pairs of each kind; all of them where there are no more, else a sample fixed by ``seed``.
        seed: fixes the sample.
    """
    check_arrays(vectors, labels, groups)
    if limit < 1:
        raise UsageError(f"limit: found {limit}; needed at least 1 pair")
    coded = code_labels(check_labels(range(len(labels)), labels))
    return compare_pairs(partial(pair_similarity, UnitRows(vectors)), PairDraw(coded.codes, groups, limit, seed))


def compare_pairs(similarity: Callable[[Pairs], Floats], draw: PairDraw | KeptPairs) -> ComparedPairs | None:
    """What tells P pairs' cosines, as ``pair_similarity``, and the pairs to compare -> as ``pair_scores``."""
    same = _accepted(similarity, draw.same)  # before the others are drawn: millions of each
    give_back()
    different = _accepted(similarity, draw.different)
    give_back()
    return ComparedPairs(Curve(same, different)) if len(same) and len(different) else None


@dataclass(frozen=True)
class Kinds:
    """The two classes of pairs of one kind, and how many pairs of each; see ``Pairs``."""

    classes: Ints
    counts: Ints
    sampled: bool

    @property
    def n_pairs(self) -> int:
        """Pairs of all classes."""
        return int(self.counts.sum())

    def weights(self, part: slice) -> Floats:
        """Weight of some pairs; the pairs of every two classes weigh the same, all together 1."""
        kind = np.searchsorted(np.cumsum(self.counts), np.arange(part.start, part.stop), "right")
        return np.asarray(1.0 / (self.counts * len(self.counts))[kind])

    def means(self, values: Callable[[slice], Floats]) -> Floats:
        """What gives the values of some pairs -> (K,) mean over the pairs of the same two classes."""
        ends = np.cumsum(self.counts)
        starts = ends - self.counts
        total = np.empty(len(ends))
        first = 0
        while first < len(ends):
            after = max(first + 1, int(np.searchsorted(ends, starts[first] + _PART, "right")))
            some = values(slice(int(starts[first]), int(ends[after - 1])))
            total[first:after] = np.add.reduceat(some, starts[first:after] - starts[first])
            first = after
        return np.asarray(total / self.counts)


def _accepted(similarity: Callable[[Pairs], Floats], draw: Callable[[], Pairs]) -> Accepted:
    """Pairs are drawn here, and everything is let go as soon as it has been used: there are millions."""
    pairs = draw()
    give_back()
    kinds, scores = Kinds(pairs.kinds, pairs.counts, pairs.sampled), similarity(pairs)
    del pairs
    np.negative(scores, out=scores)
    distinct, place = distinct_scores(scores), pages(len(scores), dtype=np.int32)
    for part in _parts(len(scores)):
        order = np.argsort(scores[part])  # searched for in order they are found in half the time
        place[part][order] = np.searchsorted(distinct, scores[part][order])
    del scores
    return Accepted(kinds, distinct, place)


class Accepted:
    """What is accepted of the pairs of one kind at any threshold: those whose similarity is at or above it.

    Args:
        kinds: of the P pairs.
        scores: (S,) the distinct similarities negated, so that they ascend.
        place: (P,) which of them each pair has.
    """

    def __init__(self, kinds: Kinds, scores: Floats, place: NDArray[np.int32]) -> None:
        self.kinds, self._scores, self._place = kinds, scores, place
        self._rate = pages(len(scores) + 1, dtype=np.float64)
        cumulated = self._rate[1:]
        for part in _parts(len(place)):
            np.add.at(cumulated, place[part], kinds.weights(part))
        np.cumsum(cumulated, out=cumulated)
        np.round(cumulated, DECIMALS, out=cumulated)

    def __len__(self) -> int:
        return len(self._scores)

    def threshold(self, place: int) -> float:
        """The distinct similarities, descending."""
        return -float(self._scores[place])

    def above(self, threshold: float) -> float | None:
        """The lowest similarity above a threshold; None if there is none."""
        place = int(np.searchsorted(self._scores, -threshold)) - 1
        return self.threshold(place) if place >= 0 else None

    def share(self, thresholds: Floats | float) -> Floats:
        """Thresholds -> share of the pairs at or above each, by weight."""
        return np.asarray(self._rate[np.searchsorted(self._scores, np.negative(thresholds), "right")])

    def first_above(self, share: float) -> int:
        """Place of the highest similarity that accepts more than a share; as many as there are if none does."""
        return int(np.searchsorted(self._rate[1:], share, "right"))

    def passed(self, other: Accepted, *, below: bool = False) -> Floats:
        """(K,) mean over the pairs of each two classes of the share of the other kind above, or below, each pair.

        Ties count half.
        """

        def values(part: slice) -> Floats:
            place, passed = self._place[part], np.empty(part.stop - part.start)
            order = np.argsort(place)  # searched for in order they are found in half the time
            scores = self._scores[place[order]]
            at, beyond = (np.searchsorted(other._scores, scores, side) for side in ("right", "left"))
            passed[order] = (other._rate[at] + other._rate[beyond]) / 2
            return np.subtract(1.0, passed, out=passed) if below else passed

        return self.kinds.means(values)

    def accepted(self, threshold: float) -> Floats:
        """(K,) share of the pairs of each two classes at or above a threshold."""
        limit = np.searchsorted(self._scores, -threshold, "right")
        return self.kinds.means(lambda part: (self._place[part] < limit).astype(np.float64))


@dataclass(frozen=True)
class Curve:
    """Accept rates at every threshold worth trying; pairs at or above it are called the same.

    Attributes:
        same: pairs of one class; their share accepted is the true accept rate.
        different: pairs of two classes; theirs is the false accept rate.
    """

    same: Accepted
    different: Accepted

    def at(self, far: float) -> OperatingPoint:
        """The point of highest true accept rate whose false accept rate is at most ``far``.

        If even the highest similarity accepts too many, the threshold is the next number above it.
        """
        if not 0.0 < far < 1.0:
            raise UsageError(f"false accept rate: found {far}; needed a share between 0 and 1, such as 0.001")
        place = self.different.first_above(far + 10.0**-DECIMALS)
        threshold = self._above(self.different.threshold(place)) if place < len(self.different) else self.ends[0]
        if threshold is None:
            return OperatingPoint(far, 0.0, float(np.nextafter(self.ends[1], 2.0)))
        return OperatingPoint(far, float(self.same.share(threshold)), threshold)

    def equal_error(self) -> tuple[float, float]:
        """(rate, threshold) where as many same-class pairs are rejected as different-class pairs accepted.

        The curve is straight between its points, and starts where nothing is accepted.
        """
        threshold = max(self._first_balanced(self.same), self._first_balanced(self.different))
        before = self._above(threshold)
        far, gap = (0.0, 1.0) if before is None else self._errors(before)
        far_after, gap_after = self._errors(threshold)
        rate = far + gap / (gap - gap_after) * (far_after - far)
        return round(float(rate), DECIMALS), threshold

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest similarity."""
        kinds = (self.same, self.different)
        return min(kind.threshold(-1) for kind in kinds), max(kind.threshold(0) for kind in kinds)

    def _above(self, threshold: float) -> float | None:
        """The lowest similarity above a threshold; None if there is none."""
        found = [kind.above(threshold) for kind in (self.same, self.different)]
        return min((each for each in found if each is not None), default=None)

    def _errors(self, threshold: float) -> tuple[float, float]:
        """False accepts, and how many more pairs are rejected falsely."""
        far = float(self.different.share(threshold))
        return far, (1.0 - float(self.same.share(threshold))) - far

    def _first_balanced(self, kind: Accepted) -> float:
        """The highest similarity of a kind at which no more same-class pairs are rejected than others accepted."""
        place = bisect_left(range(len(kind)), True, key=lambda place: self._errors(kind.threshold(place))[1] <= 0)
        return kind.threshold(place) if place < len(kind) else -np.inf


class ComparedPairs:
    """The cosines of both kinds of pairs, and what they say; a score is a pair's cosine.

    Args:
        curve: what is accepted of both kinds.
    """

    def __init__(self, curve: Curve) -> None:
        self.curve, self.same, self.different = curve, curve.same.kinds, curve.different.kinds

    @property
    def sampled(self) -> bool:
        """Whether either kind is a sample."""
        return self.same.sampled or self.different.sampled

    def beaten(self) -> tuple[Floats, Floats]:
        """Mean share of the other kind's pairs below the pairs of each class, and above those of each two.

        (K,) for ``same.classes``, (L,) for ``different.classes``; ties count half. The mean of either is the
        AUROC (Mann and Whitney 1947).
        """
        same, different = self.curve.same, self.curve.different
        return same.passed(different, below=True), different.passed(same)

    def auroc(self) -> float:
        """Chance that a same-class pair is more similar than a different-class pair, ties counting half."""
        beaten = self.curve.same.passed(self.curve.different, below=True)
        return round(float(beaten.mean()), DECIMALS)

    def accepted(self, threshold: float) -> Floats:
        """(K,) share of the pairs of each of ``same.classes`` at or above the threshold."""
        return self.curve.same.accepted(threshold)

    def summary(self) -> PairScores:
        """Rates, thresholds and histograms; rates finer than one different-class pair are left out."""
        eer, eer_threshold = self.curve.equal_error()
        edges = np.histogram_bin_edges(np.array(self.curve.ends), _BARS)
        return PairScores(
            n_same=self.same.n_pairs,
            n_different=self.different.n_pairs,
            sampled=self.sampled,
            eer=eer,
            eer_threshold=eer_threshold,
            points=tuple(self.curve.at(far) for far in ACCEPT_RATES if self.resolves(far)),
            edges=edges,
            same=_bars(edges, self.curve.same),
            different=_bars(edges, self.curve.different),
        )

    def resolves(self, far: float) -> bool:
        """Whether there are enough different-class pairs for one of them to be that share."""
        return self.different.n_pairs * far >= 1.0


def _bars(edges: Floats, kind: Accepted) -> Floats:
    """(B + 1,) edges -> (B,) share of the pairs between them, the last in its bar."""
    inner = kind.share(edges[1:-1])
    return np.asarray(np.round(-np.diff(np.concatenate([[1.0], inner, [0.0]])), DECIMALS), dtype=np.float64)


def _parts(n: int) -> Iterator[slice]:
    """Slices of so many numbers that little stands beside them."""
    for start in range(0, n, _PART):
        yield slice(start, min(n, start + _PART))
