"""Two embeddings of the same images: the difference of their scores, image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.intervals import DECIMALS, beyond_normal, normal_quantile

if TYPE_CHECKING:
    from bignet.evaluate.jackknife import Estimate


@dataclass(frozen=True)
class Difference:
    """The second's mean score minus the first's; ends and ``error`` None where one image decides.

    Attributes:
        value: the difference.
        lo: lower end of the interval.
        hi: upper end.
        n_queries: queries both scored.
        error: standard error, from which a p-value follows.
        freedom: degrees of freedom of Student's t for it; infinite = the normal distribution.
    """

    value: float
    lo: float | None
    hi: float | None
    n_queries: int
    error: float | None = None
    freedom: float | None = None


def paired_difference(before: Estimate, after: Estimate, level: float = 0.95) -> Difference:
    """Two means over the same queries -> how far the second is above the first, with an interval for other images.

    What each image does to both cancels: the influences are subtracted image by image, and their spread is the
    difference's own (delete-one jackknife, Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 11).

    Args:
        before: the first.
        after: the second; ``Evaluation.estimate`` gives both, ``jackknife.of_queries`` those of scores alone.
        level: coverage of the interval.

    Raises:
        MismatchError: the two are not over the same queries, images and classes.
    """
    change = after.less(before)
    value, spread = round(change.value, DECIMALS), change.spread()
    if change.n_queries < 2:
        return Difference(value, None, None, change.n_queries)
    half = normal_quantile(level) * float(beyond_normal(spread.freedom, level)) * spread.error
    return Difference(
        value,
        round(max(-1.0, value - half), DECIMALS),
        round(min(1.0, value + half), DECIMALS),
        change.n_queries,
        spread.error,
        spread.freedom,
    )
