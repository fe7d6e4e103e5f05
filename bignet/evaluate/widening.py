"""From the spread over queries to that over images, each of them a query and in the galleries of all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.intervals import DECIMALS, beyond_normal, normal_quantile, wilson

if TYPE_CHECKING:
    from bignet.evaluate.jackknife import Spread

    Ends = tuple[float | None, float | None]

FEW = 10.0  # successes or failures below which a mean is too near to 0 or 1 to be as far from one end as the other


@dataclass(frozen=True)
class Widening:
    """How far the ends of the query bootstrap of one mean are to be moved out.

    Attributes:
        queries: spread of the mean over other queries among the same images.
        whole: spread over other images.
        level: coverage.
    """

    queries: Spread
    whole: Spread
    level: float

    @property
    def half(self) -> float:
        """Half of an interval with Student's t."""
        return normal_quantile(self.level) * float(beyond_normal(self.whole.freedom, self.level)) * self.whole.error

    def effective(self, value: float, n: int) -> float:
        """How many independent trials at this rate would vary as much: v (1 - v) / variance; n where nothing varies."""
        rate = value * (1.0 - value)
        return rate / self.whole.error**2 if rate > 0 and self.whole.error > 0 else float(n)

    def ends(self, resampled: Ends, value: float, n: int) -> tuple[float, float, bool]:
        """Resampled ends of the mean of n scores from 0 to 1 -> both ends, and whether they are Wilson's.

        Where the trials of the same spread would show few successes or few failures, their score interval; else the
        resampled ends, as many times farther apart as the whole standard error is the larger.
        """
        trials = max(1.0, self.effective(value, n))
        if trials * min(value, 1.0 - value) < FEW:
            lo, hi = wilson(value * trials, trials, self.level, float(beyond_normal(self.whole.freedom, self.level)))
            return round(lo, DECIMALS), round(hi, DECIMALS), True
        lo, hi = self.moved(resampled, value)
        return lo, hi, False

    def moved(self, resampled: Ends, value: float) -> tuple[float, float]:
        """Ends farther out, within 0 and 1; never nearer than they were."""
        lo, hi = resampled
        if lo is None or hi is None or hi <= lo:
            lo, hi = value - self.half, value + self.half
        else:
            middle, factor = (lo + hi) / 2, max(1.0, 2 * self.half / (hi - lo))
            lo, hi = middle + (lo - middle) * factor, middle + (hi - middle) * factor
        return round(max(0.0, lo), DECIMALS), round(min(1.0, hi), DECIMALS)
