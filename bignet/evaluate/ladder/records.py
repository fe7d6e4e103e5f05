"""What a rung found, as numbers with intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS, Resampling, micro_interval
from bignet.evaluate.jackknife import of_queries
from bignet.evaluate.ladder.result import EXACT, Rung
from bignet.evaluate.paired import paired_difference
from bignet.evaluate.result import Excluded, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.jackknife import Estimate
    from bignet.evaluate.ladder.compare import Found
    from bignet.evaluate.ladder.kinds import Kind, Made
    from bignet.evaluate.ladder.settings import LadderSettings

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Records:
    """Makes rungs of what was found; the first is what all others are held against."""

    def __init__(self, asked: Ints, codes: Ints, settings: LadderSettings, estimator: str) -> None:
        self.settings, self.estimator = settings, estimator
        self._asked, self._codes = asked, codes
        sizes = np.bincount(codes[codes >= 0], minlength=int(codes.max(initial=0)) + 1)
        self._judged = (codes[asked] >= 0) & (sizes[np.maximum(codes[asked], 0)] > 1)
        self._first: Found | None = None

    def rung(self, kind: Kind, made: Made | None = None, found: Found | None = None) -> Rung:
        """One rung; without what it found where it could not be made."""
        if found is not None and self._first is None:
            self._first = found
        return Rung(
            id=kind.id,
            name=kind.name,
            kind=kind.kind,
            bytes_a_vector=None if made is None else round(made.bytes_a_vector, 3),
            overlap=self._overlap(kind, found),
            p1=self._p1(kind, found),
            p1_change=None if kind.id == EXACT else self._change(kind, found),
            tie_rate=None if found is None or found.tied is None else float(found.tied.mean()),
            params=kind.params,
            reason=kind.reason,
        )

    def _overlap(self, kind: Kind, found: Found | None) -> Metric:
        base = self._metric(f"overlap@{self.settings.k}", kind, self.settings.k, len(self._asked))
        if found is None:
            return base
        value = round(float(found.overlap.mean()), DECIMALS)
        if len(found.overlap) < 2 or self.settings.bootstrap == 0:
            return replace(base, value=value)
        how = Resampling(self.settings.bootstrap, self.settings.seed, self.settings.level)
        lo, hi = micro_interval(found.overlap[:, None], how)[:, 0].tolist()
        return replace(base, value=value, lo=lo, hi=hi)

    def _p1(self, kind: Kind, found: Found | None) -> Metric:
        base = self._metric("p@1", kind, 1, int(self._judged.sum()))
        if found is None or not self._judged.any():
            return base
        return replace(base, value=round(float(found.p1[self._judged].mean()), DECIMALS))

    def _change(self, kind: Kind, found: Found | None) -> Metric:
        base = self._metric("p@1.change", kind, 1, int(self._judged.sum()))
        if found is None or self._first is None or not self._judged.any():
            return base
        first, second = self._estimate(self._first.p1), self._estimate(found.p1)
        change = paired_difference(first, second, self.settings.level)
        return replace(base, value=change.value, lo=change.lo, hi=change.hi, ci="paired jackknife")

    def _estimate(self, p1: Floats) -> Estimate:
        scores = np.full(len(self._codes), np.nan)
        scores[self._asked[self._judged]] = p1[self._judged]
        return of_queries(scores, self._codes, by_class=False)

    def _metric(self, name: str, kind: Kind, k: int, n_queries: int) -> Metric:
        """A number that is not there yet, and why it may not be."""
        of_labels = name.startswith("p@1")
        unlabelled = int((self._codes[self._asked] < 0).sum()) if of_labels else 0
        alone = len(self._asked) - unlabelled - n_queries if of_labels else 0
        return Metric(
            id=f"{name}.{kind.id}",
            value=None,
            level=self.settings.level,
            estimator=self.estimator,
            k=k,
            n_queries=n_queries,
            excluded=Excluded(unlabelled=unlabelled, singleton=alone),
            gallery_size=len(self._codes),
            params={**kind.params, "seed": self.settings.seed},
            reason=kind.reason or (None if n_queries else "no label can be found again"),
        )
