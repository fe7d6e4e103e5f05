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
    same, different = draw.same(), draw.different()
    if not len(same.left) or not len(different.left):
        return None
    return ComparedPairs(same, different, pair_similarity(rows, same), pair_similarity(rows, different))


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
    """The cosines of both kinds of pairs, and what they say; a score is a pair's cosine."""

    def __init__(self, same: Pairs, different: Pairs, same_similarity: Floats, different_similarity: Floats) -> None:
        self.same, self.different = same, different
        self._scores = same_similarity, different_similarity
        values, place = np.unique(-np.concatenate(self._scores), return_inverse=True)
        self._places = place[: len(same.left)], place[len(same.left) :]
        tar, far = (
            _cumulated(at, pairs.weight, len(values)) for at, pairs in zip(self._places, (same, different), strict=True)
        )
        self.curve = Curve(-values + 0.0, far, tar)

    @property
    def sampled(self) -> bool:
        """Whether either kind is a sample."""
        return self.same.sampled or self.different.sampled

    def beaten(self) -> tuple[Floats, Floats]:
        """(P,) share of different-class pairs each same-class pair is above, (Q,) of same-class pairs above each other.

        Ties count half. The weighted mean of either is the AUROC (Mann and Whitney 1947).
        """
        far, tar = (_middle(rate) for rate in (self.curve.far, self.curve.tar))
        return 1.0 - far[self._places[0]], tar[self._places[1]]

    def auroc(self) -> float:
        """Chance that a same-class pair is more similar than a different-class pair, ties counting half."""
        return round(float(self.beaten()[0] @ self.same.weight), DECIMALS)

    def accepted(self, threshold: float) -> Floats:
        """(P,) 1 for each same-class pair at or above the threshold, else 0."""
        return np.asarray(self._scores[0] >= threshold, dtype=np.float64)

    def summary(self) -> PairScores:
        """Rates, thresholds and histograms; rates finer than one different-class pair are left out."""
        eer, eer_threshold = self.curve.equal_error()
        known = [far for far in ACCEPT_RATES if self.resolves(far)]
        edges = np.histogram_bin_edges(
            np.concatenate([score[[score.argmin(), score.argmax()]] for score in self._scores]), _BARS
        )
        same, different = (
            np.histogram(score, edges, weights=pairs.weight)[0]
            for score, pairs in zip(self._scores, (self.same, self.different), strict=True)
        )
        return PairScores(
            n_same=len(self.same.left),
            n_different=len(self.different.left),
            sampled=self.sampled,
            eer=eer,
            eer_threshold=eer_threshold,
            points=tuple(self.curve.at(far) for far in known),
            edges=edges,
            same=np.round(same / same.sum(), DECIMALS),
            different=np.round(different / different.sum(), DECIMALS),
        )

    def resolves(self, far: float) -> bool:
        """Whether there are enough different-class pairs for one of them to be that share."""
        return len(self.different.left) * far >= 1.0


def _middle(rate: Floats) -> Floats:
    """(T,) cumulated shares -> (T,) share above each threshold and half of that at it."""
    return np.asarray((rate + np.concatenate([[0.0], rate[:-1]])) / 2)


def _cumulated(place: Ints, weight: Floats, n: int) -> Floats:
    """(P,) places among n thresholds and weights -> (n,) weight at or above each threshold."""
    cumulated = np.cumsum(np.bincount(place, weights=weight, minlength=n))
    return np.asarray(np.round(cumulated, DECIMALS), dtype=np.float64)
