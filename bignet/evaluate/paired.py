"""Two embeddings of the same images: the difference of their scores, query by query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError
from bignet.evaluate.intervals import DECIMALS, Resampling, macro_interval, micro_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Difference:
    """Mean of the second's score minus the first's; both ends None for fewer than two queries."""

    value: float
    lo: float | None
    hi: float | None
    n_queries: int


def paired_difference(
    before: NDArray[np.float64], after: NDArray[np.float64], classes: NDArray[np.int64] | None, how: Resampling
) -> Difference:
    """Scores of the same Q queries, Q at least 1 -> how far the second is above the first, with an interval.

    The interval is that of the queries' own differences, so what both find easy or hard cancels: a paired bootstrap
    (Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 16).

    Args:
        before: (Q,) scores.
        after: (Q,) scores of the same queries.
        classes: (Q,) class codes for the mean of class means; None for the mean over queries.
        how: resamples, seed and coverage.

    Raises:
        MismatchError: the lengths differ, or there is no query.
    """
    if before.shape != after.shape or not len(before) or (classes is not None and len(classes) != len(before)):
        raise MismatchError(f"a paired difference needs the same queries; found {len(before)} and {len(after)}")
    change = (after - before)[:, None]
    value = _mean(change[:, 0], classes)
    if len(change) < 2 or how.times == 0:
        return Difference(value, None, None, len(change))
    how = replace(how, bounds=(-1.0, 1.0))
    ends = micro_interval(change, how) if classes is None else macro_interval(change, classes, how).macro
    return Difference(value, float(ends[0, 0]), float(ends[1, 0]), len(change))


def _mean(values: NDArray[np.float64], classes: NDArray[np.int64] | None) -> float:
    if classes is None:
        return round(float(values.mean()), DECIMALS)
    _, place, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    return round(float((np.bincount(place, weights=values) / sizes).mean()), DECIMALS)
