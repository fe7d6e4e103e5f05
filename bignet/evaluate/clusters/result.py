"""Clusters as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric


@dataclass(frozen=True)
class KPoint:
    """What one number of clusters gives.

    Attributes:
        k: clusters.
        silhouette: mean simplified silhouette.
        stability: mean agreement (ARI) of clusterings fitted on disjoint halves, on rows neither saw.
        stability_se: its standard error.
        v_measure: agreement with the labels; None without labels.
        n_fitted: rows the centres were fitted on.
    """

    k: int
    silhouette: float
    stability: float | None
    stability_se: float | None
    v_measure: float | None
    n_fitted: int


@dataclass(frozen=True)
class Cluster:
    """One cluster. Rows are positions in the evaluated arrays.

    Attributes:
        number: from 0; how ``Clustering.assignment`` names it.
        size: rows in it.
        medoid: the row most similar to all others in it.
        cohesion: mean similarity of its pairs; None for one row.
        p95: distance from the centre that 95 % of its rows stay within.
        nearest: number of the cluster with the nearest centre; None if there is no other.
        label: the most common label; None if no row has one.
        label_share: its share among the labelled rows; None likewise.
        label_lift: that share over the label's share of all labelled rows; None likewise.
        entropy: of its labels over ln(number of classes), 0 = one label; None without two classes.
        unlabelled_share: rows without a label.
        nearest_rows: up to three rows nearest to the centre, the medoid left out.
        boundary_rows: up to three rows that nearly belong to another cluster, closest call first.
        outlier_rows: up to three rows far from everything else in the cluster, farthest first; often empty.
        minority_rows: up to twelve rows whose label is not the cluster's, nearest to the centre first.
    """

    number: int
    size: int
    medoid: int
    cohesion: float | None
    p95: float
    nearest: int | None
    label: str | None
    label_share: float | None
    label_lift: float | None
    entropy: float | None
    unlabelled_share: float
    nearest_rows: tuple[int, ...]
    boundary_rows: tuple[int, ...]
    outlier_rows: tuple[int, ...]
    minority_rows: tuple[int, ...]


@dataclass(frozen=True)
class Clustering:
    """All rows in k clusters.

    Attributes:
        method: ``kmeans`` or ``hdbscan``.
        k: clusters found.
        assignment: (N,) cluster of each row; -1 = noise.
        similarity: (N,) to the own centre; NaN = noise.
        margin: (N,) how much nearer the own centre is than the next; NaN with one cluster, or noise.
        clusters: in order of number, largest first.
        noise_share: rows in no cluster.
        metrics: agreement with the labels and what else sums it up.
        warnings: sentences a reader must see before the cards.
    """

    method: str
    k: int
    assignment: NDArray[np.int64]
    similarity: NDArray[np.float64]
    margin: NDArray[np.float64]
    clusters: tuple[Cluster, ...]
    noise_share: float
    metrics: tuple[Metric, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clusters:
    """Clusterings for several k, and which k is suggested.

    Attributes:
        curve: one point for each k tried, rising.
        suggested: the largest k whose stability is within a standard error of the best.
        reason: why that k, in one sentence.
        clusterings: by k; the suggested one among them.
    """

    curve: tuple[KPoint, ...]
    suggested: int
    reason: str
    clusterings: Mapping[int, Clustering]

    @property
    def chosen(self) -> Clustering:
        """The suggested clustering."""
        return self.clusterings[self.suggested]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the suggested clustering."""
        return self.chosen.metrics
