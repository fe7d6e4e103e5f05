"""Intrinsic dimension: in how many directions the data really varies, judged by distances to near neighbours.

Distances are chords between unit vectors, sqrt(2 - 2 cosine), for which the formulas hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.geometry_result import IntrinsicDimension
from bignet.evaluate.result import Metric
from bignet.evaluate.rounding import settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.all_pairs import Neighbours

    Floats = NDArray[np.float64]

LID_NEIGHBOURS = 20
TWONN_DISCARD = 0.1


def chord(similarity: NDArray[Any]) -> Floats:
    """Cosines of any shape -> distances between the unit vectors, 0 to 2; NaN for minus infinity."""
    known = np.where(np.isfinite(similarity), similarity, np.nan)
    return np.asarray(np.sqrt(np.maximum(0.0, 2 - 2 * known)))


def twonn(first: NDArray[Any], second: NDArray[Any], discard: float = TWONN_DISCARD) -> float | None:
    """(N,) distances to the first and second neighbour -> intrinsic dimension of the data as a whole.

    With mu = second / first, sorted, and F the share of rows up to each, the dimension is the slope through 0
    of -ln(1 - F) over ln mu (Facco et al. 2017, "Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information"). Rows with a copy, and with a NaN distance, are dropped, then the share
    ``discard`` of the largest mu. None with fewer than two left, or where all mu are 1.
    """
    usable = (first > 0) & np.isfinite(second)
    ratio = np.sort(second[usable] / first[usable])
    kept = int(len(ratio) * (1 - discard))
    x = np.log(ratio[:kept])
    squares = float(x @ x)
    if kept < 2 or squares <= 0:
        return None
    y = -np.log1p(-np.arange(1, kept + 1) / len(ratio))
    return float(x @ y) / squares


def lid_mle(distances: NDArray[Any]) -> Floats:
    """(N, k) distances to the k nearest, nearest first -> (N,) local intrinsic dimension.

    The inverse of the mean of ln(r_k / r_j) over j < k (Levina and Bickel 2005, with the k - 1 of MacKay and
    Ghahramani's comment). Copies, at distance 0, say nothing about dimension and are left out of the mean. NaN
    where a distance is NaN, where all k are equal, and where all before the last are 0.
    """
    if distances.shape[1] < 2:
        return np.full(len(distances), np.nan)
    before, last = distances[:, :-1], distances[:, -1:]
    counted = before > 0
    logs = np.log(np.divide(last, before, out=np.ones(before.shape), where=counted))
    n, total = counted.sum(axis=1), np.where(counted, logs, 0.0).sum(axis=1)
    defined = (n > 0) & (total > 0)
    return np.asarray(np.divide(n, total, out=np.full(len(distances), np.nan), where=defined))


def harmonic_mean(values: NDArray[Any]) -> float | None:
    """(N,) positive values -> the inverse of their mean inverse, without NaN; None where all are NaN."""
    known = values[np.isfinite(values)]
    return float(1 / np.mean(1 / known)) if len(known) else None


def measure_dimension(near: Neighbours, k: int = LID_NEIGHBOURS) -> IntrinsicDimension | None:
    """Neighbours at least k deep -> TwoNN and local dimensions; None with fewer than three rows."""
    if len(near) <= 2:
        return None
    distances = chord(near.similarity[:, :k])
    local = lid_mle(distances)
    lid = np.full(near.n_rows, np.nan)
    lid[near.positions] = local
    return IntrinsicDimension(lid, (_twonn_record(near, distances), _lid_record(near, local, k)))


def _twonn_record(near: Neighbours, distances: Floats) -> Metric:
    first, second = distances[:, 0], distances[:, 1]
    metric = Metric(
        "twonn",
        twonn(first, second),
        estimator=near.estimator,
        n_queries=int(((first > 0) & np.isfinite(second)).sum()),
        gallery_size=len(near),
        params={"discard": TWONN_DISCARD, "copies": near.copies, "seed": near.seed},
    )
    return settled(metric, "too few rows whose two nearest others lie at different distances")


def _lid_record(near: Neighbours, local: Floats, k: int) -> Metric:
    metric = Metric(
        "lid_mle",
        harmonic_mean(local),
        estimator=near.estimator,
        k=k,
        n_queries=int(np.isfinite(local).sum()),
        gallery_size=len(near),
        params={"mean": "harmonic", "copies": near.copies, "seed": near.seed},
    )
    few = len(near) <= k
    return settled(metric, f"needs more than {k} rows" if few else f"no row has {k} neighbours at several distances")
