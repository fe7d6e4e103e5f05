"""Which numbers of clusters to try, how firm each is, and which to suggest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.clusters.agreement import adjusted_rand
from bignet.evaluate.clusters.kmeans import at_once, fit, fit_seed, generator, sampled
from bignet.evaluate.clusters.placement import nearest_centre
from bignet.evaluate.intervals import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from bignet.evaluate.clusters.result import KPoint
    from bignet.evaluate.clusters.settings import ClusterSettings
    from bignet.evaluate.unit_rows import UnitRows

    Ints = npt.NDArray[np.int64]

GRID = (8, 16, 32, 64, 128, 256, 512)
SMALL_GRID = (2, 4, 8)  # for fewer rows than the grid needs
ENOUGH = 39  # rows a cluster, as FAISS advises
_SMALL_ENOUGH = 6  # two in each of three parts
_MOST_CLASSES = 2 * GRID[-1]  # so many classes are still tried as a number of clusters
_LEAST_PART = 20  # rows; what fewer agree on says nothing
_PURPOSE = 1  # of the random numbers
_CELLS = 2**16


def ks_to_try(n_rows: int, n_distinct: int, n_classes: int, settings: ClusterSettings) -> tuple[int, ...]:
    """The numbers of clusters to try, rising; never more than there are different rows."""
    if settings.given:
        return tuple(sorted({min(k, n_distinct) for k in settings.given}))
    grid = [k for k in GRID if k * ENOUGH <= n_rows]
    grid = grid or [k for k in SMALL_GRID if k * _SMALL_ENOUGH <= n_rows]
    if 2 <= n_classes <= min(_MOST_CLASSES, n_rows - 1):
        grid.append(n_classes)
    return tuple(sorted({min(k, n_distinct) for k in grid or [2]}))


def stabilities(rows: UnitRows, ks: Sequence[int], settings: ClusterSettings) -> dict[int, tuple[float, float]]:
    """N rows -> for each k the mean ARI over splits and its standard error; k with too few rows are left out.

    Each split draws three disjoint parts, fits k centres on two of them and compares how both divide the third, which
    neither saw: clusters that are in the data come back, clusters that are in the sample do not (Lange, Roth, Braun
    and Buhmann 2004, "Stability-based validation of clustering solutions"). The standard error is that of the mean
    over the splits as a bootstrap of them gives it, n - 1 of n drawn.
    """
    tried = [k for k in ks if k > 1 and settings.part(len(rows), k) >= max(_LEAST_PART, 2 * k)]
    tasks = [(k, split) for k in reversed(tried) for split in range(settings.splits)]
    found = at_once(lambda k, split: _agreement(rows, k, split, settings), tasks)
    return {k: _summary([ari for task, ari in zip(tasks, found, strict=True) if task[0] == k]) for k in tried}


def _agreement(rows: UnitRows, k: int, split: int, settings: ClusterSettings) -> float:
    part = settings.part(len(rows), k)
    rng = generator(settings, _PURPOSE, split)
    drawn = rng.permutation(len(rows))[: 3 * part]
    seeds = fit_seed(rng), fit_seed(rng)
    first, second = (
        fit(sampled(rows, np.sort(drawn[half * part : (half + 1) * part])), k, settings, seed)
        for half, seed in enumerate(seeds)
    )
    return _ari_on(rows, drawn[2 * part :], first, second)


def _ari_on(rows: UnitRows, positions: Ints, first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    sides: tuple[list[Ints], list[Ints]] = ([], [])
    step = max(1, _CELLS // max(rows.dim, len(first)))
    for start in range(0, len(positions), step):
        unit = rows.unit(positions[start : start + step])
        for side, centres in zip(sides, (first, second), strict=True):
            side.append(nearest_centre(unit, centres)[0])
    return adjusted_rand(np.concatenate(sides[0]), np.concatenate(sides[1]))


def _summary(values: Sequence[float]) -> tuple[float, float]:
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return round(float(np.mean(values)), DECIMALS), round(spread, DECIMALS)


def suggest(curve: Sequence[KPoint], n_classes: int) -> tuple[int, str]:
    """A curve of at least one point -> the k to start with, and why.

    The largest k whose stability is within one standard error of the best: the finest division that the data bear
    (the one-standard-error rule, Breiman et al. 1984). Where there are too few rows to measure stability, the number
    of classes if it was tried, else the highest silhouette, which by itself favours few clusters.
    """
    firm = {point.k: (point.stability, point.stability_se or 0.0) for point in curve if point.stability is not None}
    if len(curve) == 1:
        return curve[0].k, "the only number of clusters that was tried"
    if firm:
        return _firmest(firm)
    if n_classes in {point.k for point in curve}:
        return n_classes, "the number of classes; there are too few rows to measure which k is stable"
    best = max(curve, key=lambda point: (point.silhouette, -point.k))
    return best.k, f"the highest silhouette, {best.silhouette:.2f}; there are too few rows to measure which k is stable"


def _firmest(firm: dict[int, tuple[float, float]]) -> tuple[int, str]:
    best = max(firm, key=lambda k: (firm[k][0], k))
    top, se = firm[best]
    chosen = max(k for k, (value, _) in firm.items() if value >= top - se)
    if chosen == best:
        return chosen, f"the most stable, {top:.2f} (standard error {se:.2f}), and no larger k comes within that error"
    return chosen, (
        f"the largest k whose stability, {firm[chosen][0]:.2f}, is within one standard error of the best, "
        f"{top:.2f} (standard error {se:.2f}) at k = {best}"
    )
