"""How well clusters and classes agree, from the table of how many rows are in both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError
from bignet.evaluate.intervals import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_SPREAD = 4
AMI_CELLS = 100_000  # classes x clusters; the expected mutual information of more takes minutes
_LEAST = float(np.finfo(np.float64).eps)  # of what is divided: a perfect match may leave less
_TERMS = 2**17  # of a sum worked on at a time


@dataclass(frozen=True)
class Agreement:
    """Agreement of clusters with classes, each 1 when they are the same partition.

    Attributes:
        homogeneity: 1 = every cluster holds one class (Rosenberg and Hirschberg 2007, "V-Measure").
        completeness: 1 = every class is in one cluster (likewise).
        v_measure: their harmonic mean, which is the mutual information normalised by the mean entropy.
        ari: share of pairs on which they agree, 0 = as by chance (Hubert and Arabie 1985, "Comparing partitions").
        purity: share of rows in the most common class of their cluster; rises with the number of clusters.
    """

    homogeneity: float
    completeness: float
    v_measure: float
    ari: float
    purity: float


@dataclass(frozen=True)
class Contingency:
    """Rows in each class and cluster that share any.

    Attributes:
        clusters: (M,) cluster of each cell.
        counts: (M,) rows in it.
        class_sizes: rows of each class.
        cluster_sizes: rows of each cluster.
    """

    clusters: Ints
    counts: Ints
    class_sizes: Ints
    cluster_sizes: Ints

    @classmethod
    def of(cls, classes: Ints, clusters: Ints) -> Contingency:
        """(N,) and (N,) integers -> their table."""
        row, column = _numbered(classes), _numbered(clusters)
        width = int(column.max(initial=0)) + 1
        cells, counts = _counted(row * width + column)
        return cls(cells % width, counts, np.bincount(row), np.bincount(column))


def agreement(classes: Ints, clusters: Ints) -> Agreement:
    """(N,) classes and (N,) clusters, any integers, N >= 1 -> how well they agree.

    Raises:
        MismatchError: the two differ in length, or are empty.
    """
    if len(classes) != len(clusters) or not len(classes):
        raise MismatchError(
            f"found {len(classes)} classes and {len(clusters)} clusters; needed one each a row, and rows"
        )
    table = Contingency.of(classes, clusters)
    of_classes, of_clusters, both = map(_entropy, (table.class_sizes, table.cluster_sizes, table.counts))
    shared = max(0.0, of_classes + of_clusters - both)
    homogeneity = shared / of_classes if of_classes else 1.0
    completeness = shared / of_clusters if of_clusters else 1.0
    together = homogeneity + completeness
    v_measure = 2 * homogeneity * completeness / together if together else 0.0
    return Agreement(_share(homogeneity), _share(completeness), _share(v_measure), _ari(table), _purity(table))


def adjusted_rand(classes: Ints, clusters: Ints) -> float:
    """(N,) and (N,) integers -> agreement over pairs: 1 = the same partition, 0 = as by chance."""
    return _ari(Contingency.of(classes, clusters))


def adjusted_mutual_information(classes: Ints, clusters: Ints) -> tuple[float | None, str | None]:
    """(N,) and (N,) integers -> AMI, or None and why: (I - E) / (H - E), I and H as in the V-measure.

    Vinh, Epps and Bailey 2010, "Information theoretic measures for clusterings comparison", H the mean entropy; E is
    the mutual information to expect of shuffled labels. 1 for one class in one cluster.
    """
    table = Contingency.of(classes, clusters)
    cells = len(table.class_sizes) * len(table.cluster_sizes)
    if cells > AMI_CELLS:
        return None, f"classes x clusters is {cells:,}: above {AMI_CELLS:,} it takes minutes"
    if min(len(table.class_sizes), len(table.cluster_sizes)) < 2:
        return float(cells < 2), None
    of_classes, of_clusters, both = map(_entropy, (table.class_sizes, table.cluster_sizes, table.counts))
    expected = _expected_information(table.class_sizes, table.cluster_sizes)
    found, most = of_classes + of_clusters - both - expected, (of_classes + of_clusters) / 2 - expected
    found, most = (math.copysign(max(abs(each), _LEAST), each) for each in (found, most))
    return round(found / most, DECIMALS), None


def _expected_information(class_sizes: Ints, cluster_sizes: Ints) -> float:
    """Sizes above 0, of the same N rows -> mean mutual information over all ways to shuffle the labels.

    Equation 24a of Vinh, Epps and Bailey 2010: rows shared by a class and a cluster are hypergeometric. Numbers of them
    too far from their mean to count are passed over.
    """
    n = int(class_sizes.sum())
    factorial = np.fromiter(map(math.lgamma, range(1, n + 2)), dtype=np.float64, count=n + 1)  # their logarithms
    sizes, times = np.unique(cluster_sizes, return_counts=True)
    total = 0.0
    for a, often in zip(*np.unique(class_sizes, return_counts=True), strict=True):
        start, end = _likely(int(a), sizes, n)
        step = max(1, _TERMS // int((end - start).max()))
        for part in (slice(first, first + step) for first in range(0, len(sizes), step)):
            b = sizes[part]
            shared = start[part] + np.arange(int((end - start)[part].max()))[:, None]
            inside = shared < end[part]
            shared = np.where(inside, shared, start[part])
            chance = factorial[a] + factorial[b] + factorial[n - a] + factorial[n - b] - factorial[n]
            chance = chance - factorial[shared] - factorial[a - shared] - factorial[b - shared]
            chance -= factorial[n - a - b + shared]
            terms = shared / n * (np.log(shared) + np.log(n) - np.log(a) - np.log(b)) * np.exp(chance)
            total += float(often) * float((times[part] * np.where(inside, terms, 0.0)).sum())
    return total


def _likely(a: int, sizes: Ints, n: int) -> tuple[Ints, Ints]:
    """A class of a rows and clusters of b of n -> the rows they may share: from, and up to but not with, at least 1.

    Beyond t of the mean m there is no more than exp(-t^2 / (2 m + 2 t / 3)), here below 1e-30 (Bernstein's bound).
    """
    mean = a * sizes / n
    away = 12.0 * np.sqrt(mean) + 100.0
    start = np.maximum(np.maximum(1, a + sizes - n), np.floor(mean - away).astype(np.int64))
    return start, np.minimum(np.minimum(a, sizes), np.ceil(mean + away).astype(np.int64)) + 1


def _counted(values: Ints) -> tuple[Ints, Ints]:
    """Integers -> each that occurs, ascending, and how often; without sorting where they lie close together."""
    if not _close(values):
        return np.unique(values, return_counts=True)
    low = int(values.min(initial=0))
    counts = np.bincount(values - low)
    found = np.flatnonzero(counts)
    return found + low, counts[found]


def _numbered(values: Ints) -> Ints:
    """Integers -> their places among those that occur."""
    found, _ = _counted(values)
    if not _close(values):
        return np.searchsorted(found, values)
    low = int(values.min(initial=0))
    place = np.zeros(int(values.max(initial=0)) - low + 1, dtype=np.int64)
    place[found - low] = np.arange(len(found))
    return place[values - low]


def _close(values: Ints) -> bool:
    """Whether there are not many more integers between the lowest and the highest than there are values."""
    return int(values.max(initial=0)) - int(values.min(initial=0)) <= _SPREAD * len(values)


def _share(value: float) -> float:
    return min(1.0, round(value, DECIMALS))


def _entropy(counts: Ints) -> float:
    """Counts -> entropy in nats, the same in whatever order they come."""
    n = int(counts.sum())
    shares = (count / n for count in sorted(counts.tolist()))
    return abs(math.fsum(-share * math.log(share) for share in shares))


def _ari(table: Contingency) -> float:
    """In whole numbers: pairs of a million rows squared leave float64 behind."""
    together = _pairs(table.counts.tolist())
    in_class, in_cluster = _pairs(table.class_sizes.tolist()), _pairs(table.cluster_sizes.tolist())
    n_pairs = _pairs([int(table.counts.sum())])
    numerator = 2 * (together * n_pairs - in_class * in_cluster)
    denominator = (in_class + in_cluster) * n_pairs - 2 * in_class * in_cluster
    return round(numerator / denominator, DECIMALS) if denominator else 1.0


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)


def _purity(table: Contingency) -> float:
    most = np.zeros(len(table.cluster_sizes), dtype=np.int64)
    np.maximum.at(most, table.clusters, table.counts)
    return round(int(most.sum()) / int(table.counts.sum()), DECIMALS)
