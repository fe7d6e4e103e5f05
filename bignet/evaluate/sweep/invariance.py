"""How well an embedding recognises an image that was altered: turned, scaled, blurred, compressed; without labels.

Of copies T(x) of n of the N images: the share whose nearest of all images is their own, how far they lie from their
own, and how much nearer that is than images lie to each other. Vectors are scaled to length one first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.intervals import DECIMALS, Resampling, micro_interval, wilson
from bignet.evaluate.result import Metric
from bignet.evaluate.rounding import significant
from bignet.evaluate.sweep.copies import Copies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[Any]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_NONE = "no image with a vector that has a direction"
_NO_COPY = "no copy with a vector that has a direction"
_ALONE = "fewer than two images: there is none to lie farther off"
_ONE_POINT = "all images have the same vector"


@dataclass(frozen=True)
class Point:
    """What one alteration does.

    Attributes:
        kind: ``rotate``, ``scale``, ...
        strength: as ``bignet.extractor.alterations`` defines it.
        self_hit: share of the copies whose nearest of all images is their own. Images with equal vectors stand for each
            other; a copy without a direction, not finite or all zero, finds nothing.
        alignment: mean squared distance of a copy from its own, on vectors of length one, 0 to 4, lower = nearer (Wang
            and Isola 2020).
        invariance: (mean cosine of a copy with its own - mean cosine of all pairs of images) / (1 - the latter): 1
            where copies are as their own, 0 where they are as far off as any other image.
    """

    kind: str
    strength: float
    self_hit: Metric
    alignment: Metric
    invariance: Metric


@dataclass(frozen=True)
class Invariance:
    """What all alterations do.

    Attributes:
        points: one an alteration, as given.
        summary: ``self_hit@1``, the mean over kinds of the mean over a kind's strengths: each kind counts the same.
        per_image: (n,) that mean for the copies of each image, in the order of ``rows``; its mean is the summary. NaN
            where the image's own vector has no direction.
    """

    points: tuple[Point, ...]
    summary: Metric
    per_image: Floats

    @property
    def curves(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """Kind -> (strength, share of hits), by strength; without undefined ones."""
        kinds: dict[str, list[tuple[float, float]]] = {}
        for point in self.points:
            if point.self_hit.value is not None:
                kinds.setdefault(point.kind, []).append((point.strength, point.self_hit.value))
        return {kind: tuple(sorted(found)) for kind, found in kinds.items()}


def self_hits(originals: Vectors, altered: Vectors, rows: Ints) -> Floats:
    """Share of copies whose nearest of all originals, by cosine, is their own, for each alteration.

    An original with the same vector as the copy's own, up to its length, is as good as that one. A copy without a
    direction, not finite or all zero, finds nothing; images whose original has none are left out.

    Args:
        originals: (N, D) of any real type.
        altered: (A, n, D) copies.
        rows: (n,) positions among the originals that the copies are of.

    Returns:
        (A,) float64; NaN where no original has a direction.

    Raises:
        UsageError: shapes that do not fit.
    """
    copies = Copies(originals, altered, rows)
    hits = copies.hits[:, copies.counted]
    return hits.mean(axis=1) if hits.shape[1] else np.full(len(altered), np.nan)


def invariance(
    originals: Vectors,
    altered: Vectors,
    rows: Ints,
    alterations: Sequence[tuple[str, float]],
    how: Resampling | None = None,
) -> Invariance:
    """All that altered copies say of one embedding; without labels.

    Args:
        originals: (N, D) of any real type: the images that can be found.
        altered: (A, n, D) copies.
        rows: (n,) positions among the originals that the copies are of.
        alterations: (A,) kinds and strengths, A >= 1.
        how: to resample the images for intervals of means; shares have Wilson's.

    Raises:
        UsageError: shapes that do not fit.
    """
    if not len(alterations) == len(altered) > 0:
        raise UsageError(f"{len(alterations)} alterations are named for {len(altered)} tables of copies; name each")
    return _Records(Copies(originals, altered, rows), tuple(alterations), how or Resampling()).all()


class _Records:
    """Writes the records of one embedding."""

    def __init__(self, copies: Copies, alterations: tuple[tuple[str, float], ...], how: Resampling) -> None:
        self._copies = copies
        self._names = alterations
        self._how = how
        self._n = int(copies.counted.sum())
        self._gallery = len(copies.gallery)
        self._hits = np.where(copies.counted, copies.hits, np.nan)  # (A, n)
        self._per_image = self._means()
        self._ends = self._intervals()

    def all(self) -> Invariance:
        """Every alteration's, and their mean."""
        points = tuple(self._point(number) for number in range(len(self._names)))
        return Invariance(points, self._summary(), self._per_image)

    def _point(self, number: int) -> Point:
        kind, strength = self._names[number]
        near = self._alignment(number)
        return Point(kind, strength, self._self_hit(number), near, self._invariance(number, near))

    def _self_hit(self, number: int) -> Metric:
        name = self._name("self_hit@1", number)
        if not self._n:
            return self._undefined(name, _NONE)
        hits = int(self._copies.hits[number].sum())  # an image left out has none
        lo, hi = (round(end, DECIMALS) for end in wilson(hits, self._n, self._how.level))
        value = round(hits / self._n, DECIMALS)
        return self._metric(name, value, lo=lo, hi=hi, ci="wilson", chance=1 / self._gallery)

    def _alignment(self, number: int) -> Metric:
        name, known = self._name("alignment", number), self._copies.distances[number]
        known = known[~np.isnan(known)]
        fields = {"n_queries": len(known), "excluded": self._copies.excluded_copies(number)}
        if not len(known):
            return self._undefined(name, _NO_COPY if self._n else _NONE, **fields)
        return self._metric(name, round(float(known.mean()), DECIMALS), **self._between(number), **fields)

    def _invariance(self, number: int, near: Metric) -> Metric:
        """The alignment, less what images lie apart; the ends likewise, as the mean of all pairs is that of a crowd."""
        name, base = self._name("invariance", number), self._copies.mean_cosine
        fields: dict[str, Any] = {"n_queries": near.n_queries, "excluded": near.excluded}
        if near.value is None or base is None or 1 - base < 10.0**-DECIMALS:
            reason = near.reason or (_ALONE if base is None else _ONE_POINT)
            return self._undefined(name, reason, **fields)

        def scaled(alignment: float | None) -> float | None:
            return None if alignment is None else significant(1 - alignment / 2 / (1 - base))

        ends = {"lo": scaled(near.hi), "hi": scaled(near.lo), "ci": near.ci}
        params = {"mean_cosine_of_pairs": significant(base)}
        return self._metric(name, scaled(near.value), chance=0.0, params=params, **ends, **fields)

    def _summary(self) -> Metric:
        if not self._n:
            return self._undefined("self_hit@1", _NONE)
        params = {
            "alterations": [self._label(number) for number in range(len(self._names))],
            "average": "mean over kinds of the mean over strengths",
        }
        value = round(float(np.nanmean(self._per_image)), DECIMALS)
        ends = self._between(len(self._names))
        return self._metric("self_hit@1", value, chance=1 / self._gallery, params=params, **ends)

    def _means(self) -> Floats:
        """(n,) of each image, over kinds, of the mean over strengths."""
        kinds = np.array([kind for kind, _ in self._names])
        means = [self._hits[kinds == kind].mean(axis=0) for kind in dict.fromkeys(kinds.tolist())]
        return np.asarray(np.mean(means, axis=0))

    def _intervals(self) -> Floats:
        """(2, A + 1) ends of each alignment, and of the summary; NaN where there are none."""
        values = np.column_stack([*self._copies.distances, self._per_image])[self._copies.counted]
        if len(values) < 2 or not self._how.times:
            return np.full((2, len(self._names) + 1), np.nan)
        return micro_interval(values, self._how)

    def _between(self, column: int) -> dict[str, Any]:
        lo, hi = self._ends[:, column]
        if np.isnan(lo):
            return {"ci": "none"}
        return {"lo": float(lo), "hi": float(hi), "ci": "query bootstrap"}

    def _metric(self, metric_id: str, value: float | None, **fields: Any) -> Metric:
        n, of = fields.setdefault("n_queries", self._n), self._gallery
        fields.setdefault("excluded", self._copies.excluded)
        estimator = "exact" if n == of else f"sampled, {n:,} of {of:,} images"
        return Metric(
            metric_id, value, level=self._how.level, estimator=estimator, gallery_size=self._gallery, **fields
        )

    def _undefined(self, metric_id: str, reason: str, **fields: Any) -> Metric:
        return self._metric(metric_id, None, ci="none", reason=reason, **fields)

    def _name(self, metric: str, number: int) -> str:
        """``self_hit@1/rotate:45``."""
        return f"{metric}/{self._label(number)}"

    def _label(self, number: int) -> str:
        kind, strength = self._names[number]
        return f"{kind}:{strength:g}"
