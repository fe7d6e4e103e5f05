"""Same-class pairs against different-class pairs: AUROC, accept rates, equal error rate, thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.cosine import UnitRows
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.pair_draw import PairDraw, Pairs, pair_similarity
from bignet.evaluate.separation import check_arrays
from bignet.evaluate.separation_result import OperatingPoint, PairScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

PAIR_LIMIT = 1_000_000
ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
_BARS = 60


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
    return compare_pairs(UnitRows(vectors), coded.codes, groups, limit, seed)


def compare_pairs(rows: UnitRows, codes: Ints, groups: Ints | None, limit: int, seed: int) -> ComparedPairs | None:
    """N unit rows, class codes (-1 = unlabelled) and group codes -> as ``pair_scores``."""
    draw = PairDraw(codes, groups, limit, seed)
    same, same_scores = _scored(rows, draw.same())
    different, scores = _scored(rows, draw.different())
    return ComparedPairs(same, different, same_scores, scores) if len(same_scores) and len(scores) else None


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

    @property
    def weights(self) -> Floats:
        """(P,) weight of each pair; the pairs of every two classes weigh the same, all together 1."""
        return np.repeat(1.0 / (self.counts * len(self.counts)), self.counts)

    def means(self, values: Floats) -> Floats:
        """(P,) values -> (K,) mean over the pairs of the same two classes."""
        starts = np.cumsum(self.counts) - self.counts
        return np.asarray(np.add.reduceat(values, starts) / self.counts)


def _scored(rows: UnitRows, pairs: Pairs) -> tuple[Kinds, Floats]:
    return Kinds(pairs.kinds, pairs.counts, pairs.sampled), pair_similarity(rows, pairs)


@dataclass(frozen=True)
class Curve:
    """Accept rates at every threshold worth trying, the highest first; pairs at or above it are called the same.

    Attributes:
        threshold: (T,) distinct similarities, descending.
        far: (T,) share of different-class pairs accepted, by weight.
        tar: (T,) share of same-class pairs accepted, by weight.
    """

    threshold: Floats
    far: Floats
    tar: Floats

    def at(self, far: float) -> OperatingPoint:
        """The point of highest true accept rate whose false accept rate is at most ``far``.

        If even the highest similarity accepts too many, the threshold is the next number above it.
        """
        if not 0.0 < far < 1.0:
            raise UsageError(f"false accept rate: found {far}; needed a share between 0 and 1, such as 0.001")
        place = int(np.searchsorted(self.far, far + 10.0**-DECIMALS, "right")) - 1
        if place < 0:
            return OperatingPoint(far, 0.0, float(np.nextafter(self.threshold[0], 2.0)))
        return OperatingPoint(far, float(self.tar[place]), float(self.threshold[place]))

    def equal_error(self) -> tuple[float, float]:
        """(rate, threshold) where as many same-class pairs are rejected as different-class pairs accepted.

        The curve is straight between its points, and starts where nothing is accepted.
        """
        far, miss = np.concatenate([[0.0], self.far]), np.concatenate([[1.0], 1.0 - self.tar])
        after = max(1, int(np.argmax(far >= miss)))
        gap = miss - far
        part = gap[after - 1] / (gap[after - 1] - gap[after])
        rate = far[after - 1] + part * (far[after] - far[after - 1])
        return round(float(rate), DECIMALS), float(self.threshold[after - 1])


class ComparedPairs:
    """The cosines of both kinds of pairs, and what they say; a score is a pair's cosine.

    Millions of pairs: each is kept as the place of its score among all scores, the highest first.
    """

    def __init__(self, same: Kinds, different: Kinds, same_scores: Floats, different_scores: Floats) -> None:
        self.same, self.different = same, different
        scores = -np.concatenate([same_scores, different_scores])
        scores.sort()
        threshold = -scores[np.diff(scores, prepend=-np.inf) > 0]
        del scores
        self._same = _places(threshold, same_scores)
        self._different = _places(threshold, different_scores)
        tar = _cumulated(self._same, same.weights, len(threshold))
        self.curve = Curve(threshold, _cumulated(self._different, different.weights, len(threshold)), tar)

    @property
    def sampled(self) -> bool:
        """Whether either kind is a sample."""
        return self.same.sampled or self.different.sampled

    def beaten(self) -> tuple[Floats, Floats]:
        """Mean share of the other kind's pairs below the pairs of each class, and above those of each two.

        (K,) for ``same.classes``, (L,) for ``different.classes``; ties count half. The mean of either is the
        AUROC (Mann and Whitney 1947).
        """
        below = self.same.means(1.0 - _middle(self.curve.far)[self._same])
        return below, self.different.means(_middle(self.curve.tar)[self._different])

    def auroc(self) -> float:
        """Chance that a same-class pair is more similar than a different-class pair, ties counting half."""
        return round(float(self.beaten()[0].mean()), DECIMALS)

    def accepted(self, threshold: float) -> Floats:
        """(K,) share of the pairs of each of ``same.classes`` at or above the threshold."""
        accepted = self._same < np.searchsorted(-self.curve.threshold, -threshold, "right")
        return self.same.means(accepted.astype(np.float64))

    def summary(self) -> PairScores:
        """Rates, thresholds and histograms; rates finer than one different-class pair are left out."""
        eer, eer_threshold = self.curve.equal_error()
        edges = np.histogram_bin_edges(self.curve.threshold[[-1, 0]], _BARS)
        return PairScores(
            n_same=self.same.n_pairs,
            n_different=self.different.n_pairs,
            sampled=self.sampled,
            eer=eer,
            eer_threshold=eer_threshold,
            points=tuple(self.curve.at(far) for far in ACCEPT_RATES if self.resolves(far)),
            edges=edges,
            same=_bars(edges, self.curve.threshold, self.curve.tar),
            different=_bars(edges, self.curve.threshold, self.curve.far),
        )

    def resolves(self, far: float) -> bool:
        """Whether there are enough different-class pairs for one of them to be that share."""
        return self.different.n_pairs * far >= 1.0


def _bars(edges: Floats, threshold: Floats, rate: Floats) -> Floats:
    """(B + 1,) edges, and the share at or above each threshold -> (B,) share between edges, the last in its bar."""
    above = np.searchsorted(-threshold, -edges[1:-1], "right")  # thresholds at or above each inner edge
    share = np.concatenate([[0.0], rate])[above]
    return np.asarray(np.round(-np.diff(np.concatenate([[1.0], share, [0.0]])), DECIMALS), dtype=np.float64)


def _middle(rate: Floats) -> Floats:
    """(T,) cumulated shares -> (T,) share above each threshold and half of that at it."""
    middle = rate.copy()
    middle[1:] += rate[:-1]
    middle /= 2
    return middle


def _places(threshold: Floats, scores: Floats) -> NDArray[np.int32]:
    """(T,) descending thresholds and (P,) scores among them -> (P,) their places."""
    return np.searchsorted(-threshold, -scores).astype(np.int32)


def _cumulated(place: NDArray[np.int32], weight: Floats, n: int) -> Floats:
    """(P,) places among n thresholds and weights -> (n,) weight at or above each threshold."""
    cumulated = np.bincount(place, weights=weight, minlength=n)
    np.cumsum(cumulated, out=cumulated)
    return np.asarray(np.round(cumulated, DECIMALS, out=cumulated), dtype=np.float64)
