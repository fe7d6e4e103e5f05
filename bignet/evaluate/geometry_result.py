"""The shape of an embedding, labels or not, as plain data: spectrum, hubs, dimension, and a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric


@dataclass(frozen=True)
class Spectrum:
    """How the vectors fill their dimensions.

    Attributes:
        n: rows it was computed from.
        eigenvalues: (D,) of the centred covariance of unit vectors, falling.
        singular_values: (D,) of the uncentred unit vectors, falling.
        dead: dimensions whose variance is next to nothing.
        zero_share: (D,) share of exact zeros in each dimension.
        norms: lengths before normalising: smallest, 5 %, median, 95 %, largest.
        metrics: RankMe, effective rank, participation ratio, uniformity and the rest.
    """

    n: int
    eigenvalues: NDArray[np.float64]
    singular_values: NDArray[np.float64]
    dead: tuple[int, ...]
    zero_share: NDArray[np.float64]
    norms: tuple[float, ...]
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Hubness:
    """How often rows are among others' nearest; with many rows, among a sample of them.

    Attributes:
        k: neighbours in each list.
        rows: (n,) positions of the rows looked at.
        counts: (n,) lists each of them is in.
        expected: share of rows in 0, 1, 2, ... lists in a graph drawn at random.
        metrics: skewness and the rest, each with that null beside it.
    """

    k: int
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    expected: NDArray[np.float64]
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class IntrinsicDimension:
    """How many directions the data varies in locally.

    Attributes:
        lid: (N,) local intrinsic dimension by maximum likelihood; NaN where undefined or not looked at.
        metrics: TwoNN and the global value of ``lid``.
    """

    lid: NDArray[np.float64]
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Projection:
    """A flat map of rows; areas and gaps on it are no distances.

    Attributes:
        method: ``pca`` or ``tsne``.
        rows: (M,) positions of the rows shown.
        xy: (M, 2) places.
        trustworthiness: how far near on the map means near in truth, 0 to 1; None where not computed.
        explained: share of the variance the two axes carry; None except for PCA.
    """

    method: str
    rows: NDArray[np.int64]
    xy: NDArray[np.float64]
    trustworthiness: float | None
    explained: float | None


@dataclass(frozen=True)
class Geometry:
    """Everything that needs no labels.

    Attributes:
        spectrum: None without rows.
        hubness: None with too few rows for a list.
        dimension: None likewise.
        projections: PCA first; empty with too few rows.
    """

    spectrum: Spectrum | None
    hubness: Hubness | None
    dimension: IntrinsicDimension | None
    projections: tuple[Projection, ...]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of all of them."""
        parts = (self.spectrum, self.hubness, self.dimension)
        return tuple(metric for part in parts if part is not None for metric in part.metrics)
