"""A speed measured several times: what it is, and between what it is known."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

_SURE = 0.9  # least chance that the median of all measurements that could be made lies between the two ends


@dataclass(frozen=True)
class Rate:
    """So many a second.

    Attributes:
        measured: each measurement, one or more, in the order they were made.
    """

    measured: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.measured)

    @property
    def low(self) -> float:
        """Lower end of the interval for the median; the lowest measurement of up to seven."""
        return sorted(self.measured)[_left_out(len(self.measured))]

    @property
    def high(self) -> float:
        """Upper end of the interval for the median; the highest measurement of up to seven."""
        return sorted(self.measured)[-1 - _left_out(len(self.measured))]

    def __add__(self, other: Rate) -> Rate:
        """The measurements of both."""
        return Rate(self.measured + other.measured)


def _left_out(n: int) -> int:
    """How many of n measurements lie outside the interval on each side, whatever their distribution.

    The median is between the r-th lowest and the r-th highest of n with a chance of 1 - 2 P(Binomial(n, 1/2) < r)
    (Conover 1999, "Practical Nonparametric Statistics", section 3.2).
    """
    rank, below = 1, 1
    while rank + 1 <= n // 2:
        below += math.comb(n, rank)
        if 1 - 2 * below / 2**n < _SURE:
            break
        rank += 1
    return rank - 1
