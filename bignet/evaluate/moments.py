"""Everything one pass over the vectors leaves behind for the spectrum: second moments, dead dimensions, lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.spectrum import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MAX_SIDE = 4096  # of a table of second moments: 128 MiB
DEAD_VARIANCE = 1e-12  # for vectors of median length 1
_LEFT_CELLS = 2**22  # rows this many numbers hold are multiplied with all others at a time
_QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True)
class Moments:
    """Sums over n >= 1 unit vectors.

    Attributes:
        n: how many.
        dim: D.
        total: (D,) their sum.
        products: (D, D) sum of x x', or, where ``between_rows``, (n, n) inner products of the vectors: both
            have the same eigenvalues above zero, and the smaller one is kept.
        between_rows: which of them.
    """

    n: int
    dim: int
    total: Floats
    products: Floats
    between_rows: bool

    @property
    def mean(self) -> Floats:
        """(D,) mean of the unit vectors."""
        return np.asarray(self.total / self.n)

    @property
    def tolerance(self) -> float:
        """Variances up to here are rounding: that of float64 sums over n unit vectors."""
        return noise(self.n, self.dim)

    @property
    def singular_values(self) -> Floats:
        """(min(n, D),) of the unit vectors as they are, falling; below 1e-7 of the largest they are 0."""
        return np.asarray(np.sqrt(self.n * self._clean(self.products / self.n)))

    @property
    def centered_singular_values(self) -> Floats:
        """(min(n, D),) of the unit vectors less their mean, falling."""
        return np.asarray(np.sqrt(self.n * self._variances))

    @property
    def eigenvalues(self) -> Floats:
        """(D,) of the covariance, divided by n, falling; what can be no more than rounding is 0."""
        return np.concatenate([self._variances, np.zeros(self.dim - len(self._variances))])

    @cached_property
    def _variances(self) -> Floats:
        return self._clean(self.covariance())

    def covariance(self) -> Floats:
        """The table of products over n, with the mean taken out."""
        scaled = self.products / self.n
        if not self.between_rows:
            return np.asarray(scaled - np.outer(self.mean, self.mean))
        side = scaled.mean(axis=0)
        return np.asarray(scaled - side - side[:, None] + side.mean())

    def _clean(self, table: Floats) -> Floats:
        """Table over n -> its min(n, D) largest eigenvalues, falling, rounding set to 0."""
        values = np.linalg.eigvalsh(table)[::-1][: min(self.n, self.dim)]
        return np.where(values > self.tolerance, values, 0.0)


def noise(n: int, dim: int) -> float:
    """How far rounding can move a mean square over n unit vectors of D dimensions, in float64."""
    return (dim + math.sqrt(n)) * float(np.finfo(np.float64).eps)


def second_moments(rows: UnitRows, part: NDArray[np.bool_]) -> tuple[Moments, Moments]:
    """N rows, (N,) flags -> moments of the flagged rows and of all rows, reading each row once.

    Raises:
        ValueError: N and D are both above ``MAX_SIDE``; look at a sample of the rows.
    """
    if min(len(rows), rows.dim) > MAX_SIDE:
        raise ValueError(f"rows: found {len(rows)} of {rows.dim} dimensions; one of the two may exceed {MAX_SIDE}")
    if len(rows) < rows.dim:
        whole = _between_rows(rows)
        return (whole if part.all() else _between_rows(rows.only(np.flatnonzero(part)))), whole
    chosen, rest = _Sums(rows.dim), _Sums(rows.dim)
    for positions in blocks(np.arange(len(rows)), rows.dim):
        unit, flags = rows.unit(positions), part[positions]
        chosen.add(unit[flags])
        rest.add(unit[~flags])
    sampled = Moments(chosen.n, rows.dim, chosen.total, chosen.products, between_rows=False)
    if not rest.n:
        return sampled, sampled
    total, products = chosen.total + rest.total, chosen.products + rest.products
    return sampled, Moments(len(rows), rows.dim, total, products, between_rows=False)


class _Sums:
    def __init__(self, dim: int) -> None:
        self.n, self.total, self.products = 0, np.zeros(dim), np.zeros((dim, dim))

    def add(self, unit: Floats) -> None:
        if len(unit):
            self.n += len(unit)
            self.total += unit.sum(axis=0)
            self.products += unit.T @ unit


def _between_rows(rows: UnitRows) -> Moments:
    n = len(rows)
    products, total = np.empty((n, n)), np.zeros(rows.dim)
    for left in blocks(np.arange(n), rows.dim, _LEFT_CELLS):
        unit = rows.unit(left)
        total += unit.sum(axis=0)
        for right in blocks(np.arange(left[0], n), rows.dim):
            products[left[:, None], right] = unit @ rows.unit(right).T
            products[right[:, None], left] = products[left[:, None], right].T
    return Moments(n, rows.dim, total, products, between_rows=True)


def principal_axes(rows: UnitRows, moments: Moments, count: int = 2) -> tuple[Floats, Floats]:
    """Rows and their moments -> (D, count) axes of most variance, and (count,) their variances.

    Each axis is turned so that its largest entry is positive. Axes without variance are zero.
    """
    axes, variances = np.zeros((rows.dim, count)), np.zeros(count)
    values, vectors = np.linalg.eigh(moments.covariance())
    for place in range(min(count, len(values))):
        if values[-1 - place] <= moments.tolerance:
            break
        variances[place] = values[-1 - place]
        axes[:, place] = _axis(rows, moments, vectors[:, -1 - place])
    return axes, variances


def _axis(rows: UnitRows, moments: Moments, vector: Floats) -> Floats:
    if moments.between_rows:
        found = np.zeros(rows.dim)
        for positions in blocks(np.arange(len(rows)), rows.dim):
            found += vector[positions] @ rows.unit(positions)
        vector = found / np.linalg.norm(found)
    return np.asarray(vector * np.sign(vector[np.argmax(np.round(np.abs(vector), DECIMALS))]))


@dataclass(frozen=True)
class Columns:
    """What the vectors looked like before they were normalised.

    Attributes:
        dead: dimensions whose variance, with vectors of median length 1, is below 1e-12.
        zero_share: (D,) share of exact zeros in each dimension.
        norms: lengths: smallest, 5 %, median, 95 %, largest.
    """

    dead: tuple[int, ...]
    zero_share: Floats
    norms: tuple[float, ...]


def columns(rows: UnitRows) -> Columns:
    """N >= 1 rows -> their dead dimensions, zeros and lengths, before normalising."""
    spread = np.quantile(_lengths(rows), _QUANTILES)
    zeros, total, squares = np.zeros(rows.dim, dtype=np.int64), np.zeros(rows.dim), np.zeros(rows.dim)
    # Float64 rows can be so much longer than the median that squares overflow; infinity is not dead either.
    with np.errstate(over="ignore", invalid="ignore"):
        for positions in blocks(np.arange(len(rows)), rows.dim):
            stored = rows.stored(positions)
            zeros += np.count_nonzero(stored == 0, axis=0)
            scaled = stored.astype(np.float64)
            scaled /= spread[2]
            total += scaled.sum(axis=0)
            squares += np.einsum("nd,nd->d", scaled, scaled)
        variance = squares / len(rows) - (total / len(rows)) ** 2
    dead = np.flatnonzero(variance < DEAD_VARIANCE)
    return Columns(tuple(dead.tolist()), zeros / len(rows), tuple(spread.tolist()))


def _lengths(rows: UnitRows) -> Floats:
    """(N,) lengths as given: of 64-bit numbers ``rows.norms`` leave out a power of two."""
    lengths = rows.norms.copy()
    if rows.stored(np.zeros(1, dtype=np.int64)).dtype.itemsize < 8:
        return lengths
    for positions in blocks(np.arange(len(rows)), rows.dim):
        stored = np.abs(rows.stored(positions).astype(np.float64)).max(axis=1)
        with np.errstate(over="ignore"):
            lengths[positions] *= stored / np.abs(rows.raw(positions)).max(axis=1)
    return np.minimum(lengths, np.finfo(np.float64).max)
