"""Cosine silhouettes, exact from class sums instead of all pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.own_group import own_group
from bignet.evaluate.separation import ClassSpread, check_arrays
from bignet.evaluate.unit_rows import UnitRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_BLOCK_CELLS = 2**18  # float64 numbers worked on at a time, in several arrays of 2 MiB


def silhouette_cosine(vectors: NDArray[Any], labels: Sequence[str | None], *, groups: Ints | None = None) -> Floats:
    """(N, D) vectors and N labels -> (N,) silhouettes of cosine distances, exact in O(N C D).

    Rousseeuw 1987, "Silhouettes": (b - a) / max(a, b), with a the mean distance to the other rows of the class
    and b the smallest mean distance to another class. Both are closed forms of class sums:
    a = 1 - (x.S_y - 1) / (n_y - 1) and b = min over c of 1 - x.S_c / n_c. Alone in its class, or where a and
    b are both 0: 0. NaN = unlabelled, or a single class.

    Args:
        vectors: any real dtype, finite and non-zero rows.
        labels: one a row, None = unlabelled.
        groups: (N,) integer codes, negative = in no group: rows of the same class and group are left out of a.
    """
    check_arrays(vectors, labels, groups)
    coded, rows = code_labels(check_labels(range(len(labels)), labels)), UnitRows(vectors)
    own = None if groups is None else own_group(rows, coded.codes, groups)
    return silhouettes(rows, coded.codes, ClassSpread(rows, coded.codes, own))


def silhouettes(rows: UnitRows, codes: Ints, spread: ClassSpread) -> Floats:
    """N unit rows, class codes (-1 = unlabelled) and class sums -> (N,) as ``silhouette_cosine``."""
    found = np.full(len(codes), np.nan)
    if len(spread.sizes) < 2:
        return found
    labelled = np.flatnonzero(codes >= 0)
    means = _SingleMeans(spread)
    step = max(1, _BLOCK_CELLS // max(len(spread.sizes), rows.dim))
    for start in range(0, len(labelled), step):
        part = labelled[start : start + step]
        unit = rows.unit(part)
        inner = _inner(unit, part, codes[part], spread)
        outer = _distance(means.nearest_other(unit, codes[part]))
        larger = np.fmax(inner, outer)
        found[part] = np.where(
            (larger > 0) & ~np.isnan(inner), (outer - inner) / np.where(larger > 0, larger, 1.0), 0.0
        )
    return np.round(found, DECIMALS)


def _inner(unit: Floats, rows: Ints, codes: Ints, spread: ClassSpread) -> Floats:
    """(B, D) unit rows -> (B,) mean distance to the others of the class; NaN without others."""
    own = (1.0, 1) if spread.own is None else (spread.own.similarity[rows], spread.own.size[rows])
    others = spread.sizes[codes] - own[1]
    return _distance((np.vecdot(unit, spread.sums[codes]) - own[0]) / np.where(others > 0, others, np.nan))


def _distance(similarity: Floats) -> Floats:
    return np.asarray(np.round(np.maximum(1.0 - similarity, 0.0), DECIMALS), dtype=np.float64)


class _SingleMeans:
    """Class means in float32, which find the nearest class; float64 says how near, and decides close races."""

    def __init__(self, spread: ClassSpread) -> None:
        self._spread = spread
        self._means = (spread.sums / spread.sizes[:, None]).astype(np.float32)
        dim = self._means.shape[1]
        # as Cosines: rounding of a dot product is at most D units, in practice a few sqrt(D)
        self._slack = 2 * (4 + min(dim, 8 * math.sqrt(dim))) * 2.0**-24

    def nearest_other(self, unit: Floats, codes: Ints) -> Floats:
        """(B, D) unit rows and their classes -> (B,) largest mean cosine to another class."""
        scores, place = unit.astype(np.float32) @ self._means.T, np.arange(len(unit))
        scores[place, codes] = -np.inf
        best = scores.argmax(axis=1)
        top = scores[place, best].copy()
        scores[place, best] = -np.inf
        sums, sizes = self._spread.sums, self._spread.sizes
        nearest = np.vecdot(unit, sums[best]) / sizes[best]
        close = np.flatnonzero(top - scores.max(axis=1) <= self._slack)
        if len(close):
            exact = unit[close] @ sums.T / sizes
            exact[np.arange(len(close)), codes[close]] = -np.inf
            nearest[close] = exact.max(axis=1)
        return np.asarray(nearest, dtype=np.float64)
