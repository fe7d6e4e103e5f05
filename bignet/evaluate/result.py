"""What an evaluation returns: plain frozen data that a report can write without computing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.jackknife import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.result import Clusters
    from bignet.evaluate.confusion_result import Confusion, Hierarchy
    from bignet.evaluate.geometry_result import Geometry
    from bignet.evaluate.ladder.result import Ladder
    from bignet.evaluate.separation_result import Separation


@dataclass(frozen=True)
class Excluded:
    """How many rows a label metric left out as queries, and why.

    Attributes:
        unlabelled: rows without a label: there is nothing to call right.
        singleton: rows alone in their class: there is nothing to find, though others may find them.
        nonfinite: rows with NaN or infinity, left out of everything.
        zero: rows of zeros, which have no direction, left out of everything.
        short: queries with fewer other images than k, for metrics at k.
    """

    unlabelled: int = 0
    singleton: int = 0
    nonfinite: int = 0
    zero: int = 0
    short: int = 0


@dataclass(frozen=True)
class Metric:
    """One number with everything needed to believe it.

    ``value`` is None when undefined, and ``reason`` then says why. ``id`` carries the average:
    ``"map@r"`` is the mean over queries (micro), ``"map@r.macro"`` the mean of class means.
    ``gallery_size`` counts the rows that can be found, the query among them though never its own neighbour.
    ``chance`` is what a blind embedding would score; ``params`` says how it was found.
    ``lo`` and ``hi`` say how far it would move with other images of the same classes; ``cluster_lo`` and ``cluster_hi``
    with other groups or classes, whichever ``cluster_unit`` names: they are not given for every metric.
    """

    id: str
    value: float | None
    lo: float | None = None
    hi: float | None = None
    ci: str = "query bootstrap"
    level: float = 0.95
    estimator: str = "exact"
    k: int | None = None
    n_queries: int = 0
    excluded: Excluded = field(default_factory=Excluded)
    gallery_size: int = 0
    chance: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    cluster_lo: float | None = None
    cluster_hi: float | None = None
    cluster_unit: str | None = None


@dataclass(frozen=True)
class KnnGraph:
    """The exact nearest neighbours of the rows asked, self excluded by row, ties broken by row.

    Attributes:
        rows: (Q, K) int32, positions in the evaluated arrays, nearest first; -1 pads rows with fewer.
        similarity: (Q, K) float64 cosine rounded to 1e-12, higher = more similar; NaN where rows is -1.
        tie_rate: share of queries whose last listed and next neighbour tie, at each k asked for.
        metric: always ``"cosine"`` for now.
        queries: (Q,) positions of the rows asked, ascending; None = every row, so Q = N.
    """

    rows: NDArray[np.int32]
    similarity: NDArray[np.float64]
    tie_rate: Mapping[int, float]
    metric: str = "cosine"
    queries: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class PerQuery:
    """One entry a row of the evaluated arrays; NaN, -1 or None where the row was no query.

    Attributes:
        n_relevant: (N,) int64, R: gallery items with the query's label after exclusions; -1 = no query.
        p1: (N,) float64, precision at 1.
        pk: (N,) float64, precision at the report's k.
        rp: (N,) float64, R-precision.
        apr: (N,) float64, average precision at R (its mean is MAP@R).
        rr: (N,) float64, reciprocal rank of the first hit over the full ranking.
        rank_first: (N,) int64, rank of the first hit, 1-based; -1 = none or no query.
        farthest: (N,) int64, row of the least similar gallery item; -1 = none.
        farthest_similarity: (N,) float64.
        knn_pred: N classes that the 20 nearest vote for, as for the metric ``knn_acc``.
        knn_conf: (N,) float64, that class's share of the vote.
    """

    n_relevant: NDArray[np.int64]
    p1: NDArray[np.float64]
    pk: NDArray[np.float64]
    rp: NDArray[np.float64]
    apr: NDArray[np.float64]
    rr: NDArray[np.float64]
    rank_first: NDArray[np.int64]
    farthest: NDArray[np.int64]
    farthest_similarity: NDArray[np.float64]
    knn_pred: tuple[str | None, ...]
    knn_conf: NDArray[np.float64]


@dataclass(frozen=True)
class ClassRow:
    """One class: its retrieval scores with intervals, its spread and its nearest other class."""

    label: str
    n: int
    n_queries: int
    p1: Metric
    r_precision: Metric
    map_r: Metric
    within: float | None
    margin: float | None
    nearest_class: str | None
    nearest_distance: float | None


@dataclass(frozen=True)
class ClassDistance:
    """Mean cosine distance between classes; the diagonal is the mean within a class, NaN for one image.

    Attributes:
        labels: C class names, ordered so that similar classes stand side by side.
        matrix: (C, C) float64, symmetric.
    """

    labels: tuple[str, ...]
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """Everything known about one embedding of one store.

    Attributes:
        ids: (N,) int64 store ids of the evaluated rows, in store order.
        labels: N labels, None = unlabelled.
        k: the k of precision@k and of the strips.
        metrics: every overall number, headline first.
        graph: nearest neighbours, K >= k.
        per_query: see PerQuery.
        classes: one row a class, largest first; empty without labels.
        class_distance: None with fewer than two classes.
        unusable: ids left out of everything: ``{"nonfinite": [...], "zero": [...]}``.
        gallery_fingerprint: SHA-256 of the sorted ids; only equal fingerprints compare.
        seconds: wall time of each stage, kept apart so that metrics are equal run to run.
        warnings: sentences a reader must see before the numbers.
        separation: how far classes stand apart; None without labels.
        confusion: which classes are taken for which; None without labels.
        hierarchy: scores by level; None for flat labels.
        geometry: spectrum, hubs, dimension and a map.
        clusters: None where they were not asked for, or with too few rows.
        ladder: storages and indexes compared; None where that was not asked for.
        influences: by metric id, (N,) what the mean would lose without each image; see ``estimate``.
    """

    ids: NDArray[np.int64]
    labels: tuple[str | None, ...]
    k: int
    metrics: tuple[Metric, ...]
    graph: KnnGraph
    per_query: PerQuery
    classes: tuple[ClassRow, ...]
    class_distance: ClassDistance | None
    unusable: Mapping[str, tuple[int, ...]]
    gallery_fingerprint: str
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    separation: Separation | None = None
    confusion: Confusion | None = None
    hierarchy: Hierarchy | None = None
    geometry: Geometry | None = None
    clusters: Clusters | None = None
    ladder: Ladder | None = None
    influences: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def estimate(self, metric_id: str) -> Estimate:
        """A mean score with the influence of each image on it, for ``paired.paired_difference``.

        Known for P@1, R-precision and MAP@R, over queries and over classes; KeyError for others, or if it has no value.
        """
        found, place = self.metric(metric_id), {label: i for i, label in enumerate(dict.fromkeys(self.labels))}
        if found.value is None:
            raise KeyError(metric_id)
        classes = np.array([-1 if label is None else place[label] for label in self.labels], dtype=np.int64)
        by_class = metric_id.endswith(".macro")
        return Estimate(found.value, self.influences[metric_id], classes, found.n_queries, by_class)

    def metric(self, metric_id: str) -> Metric:
        """The metric of that id; KeyError if it was not computed."""
        for item in self.metrics:
            if item.id == metric_id:
                return item
        raise KeyError(metric_id)
