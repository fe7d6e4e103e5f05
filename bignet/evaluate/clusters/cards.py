"""What is in each cluster: its middle, its edge, its labels, and the rows to look at."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.clusters.result import Cluster
from bignet.evaluate.intervals import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.placement import Placement
    from bignet.evaluate.labels import CodedLabels

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SHOWN = 3
SHOWN_MINORITY = 12
NEAR = 95  # percent of a cluster's rows within ``p95``
FENCE = 1.5  # interquartile ranges below the first quartile (Tukey 1977, "Exploratory data analysis")


def cards(placement: Placement, coded: CodedLabels) -> tuple[Cluster, ...]:
    """A complete placement, largest cluster first, and N labels -> a card for each cluster."""
    nearest = _nearest_centres(placement.centres)
    labels = _Labels(coded)
    return tuple(
        _card(number, members, placement, nearest, labels) for number, members in enumerate(_members(placement))
    )


def _members(placement: Placement) -> Iterator[Ints]:
    """The rows of each cluster, ascending."""
    order = np.argsort(placement.assignment, kind="stable")
    ends = np.searchsorted(placement.assignment[order], np.arange(len(placement.centres) + 1))
    for start, end in pairwise(ends):
        yield order[start:end]


def _card(number: int, members: Ints, placement: Placement, nearest: Ints | None, labels: _Labels) -> Cluster:
    similarity, toward = placement.similarity[members], placement.toward[members]
    medoid = int(members[toward.argmax()])
    label = labels.of(members)
    return Cluster(
        number=number,
        size=len(members),
        medoid=medoid,
        cohesion=_cohesion(placement.sums[number], len(members)),
        p95=_p95(similarity),
        nearest=None if nearest is None else int(nearest[number]),
        label=None if label is None else labels.names[label],
        label_share=labels.share(members, label),
        label_lift=labels.lift(members, label),
        entropy=labels.entropy(members),
        unlabelled_share=float(np.mean(labels.codes[members] < 0)),
        nearest_rows=tuple(row for row in _lowest(members, -similarity, SHOWN + 1) if row != medoid)[:SHOWN],
        boundary_rows=_lowest(members, placement.margin[members], SHOWN),
        outlier_rows=_outliers(members, toward),
        minority_rows=_minority(members, similarity, labels.codes[members], label),
    )


class _Labels:
    """The labels of any set of rows."""

    def __init__(self, coded: CodedLabels) -> None:
        self.codes, self.names = coded.codes, coded.names
        self._sizes = coded.sizes

    def _counts(self, members: Ints) -> tuple[Ints, Ints]:
        codes = self.codes[members]
        return np.unique(codes[codes >= 0], return_counts=True)

    def of(self, members: Ints) -> int | None:
        """Code of the most common label, the lower code on a tie; None without labels."""
        codes, counts = self._counts(members)
        return int(codes[counts.argmax()]) if len(codes) else None

    def share(self, members: Ints, label: int | None) -> float | None:
        """Of a label among the labelled rows."""
        if label is None:
            return None
        codes, counts = self._counts(members)
        return float(counts[codes == label][0] / counts.sum())

    def lift(self, members: Ints, label: int | None) -> float | None:
        """That share over the label's share of all labelled rows."""
        share = self.share(members, label)
        if share is None or label is None:
            return None
        return round(share * int(self._sizes.sum()) / int(self._sizes[label]), DECIMALS)

    def entropy(self, members: Ints) -> float | None:
        """In units of ln(number of classes); None without labels or with one class."""
        _, counts = self._counts(members)
        if not len(counts) or len(self.names) < 2:
            return None
        shares = (count / int(counts.sum()) for count in sorted(counts.tolist()))
        return round(abs(math.fsum(-share * math.log(share) for share in shares)) / math.log(len(self.names)), DECIMALS)


def _nearest_centres(centres: Floats) -> Ints | None:
    """(k, D) -> (k,) the most similar other centre, the lower number on a tie; None if there is no other."""
    if len(centres) < 2:
        return None
    similarity = np.round(centres @ centres.T, DECIMALS)
    np.fill_diagonal(similarity, -np.inf)
    return np.asarray(similarity.argmax(axis=1))


def _cohesion(total: Floats, n: int) -> float | None:
    """Mean similarity of n unit rows' pairs from their sum S: (|S|^2 - n) / (n (n - 1))."""
    return round(float((np.vecdot(total, total) - n) / (n * (n - 1))), DECIMALS) if n > 1 else None


def _p95(similarity: Floats) -> float:
    """The smallest distance that so many rows are within."""
    distance = np.round(1.0 - similarity, DECIMALS)
    return float(np.quantile(distance, NEAR / 100, method="inverted_cdf"))


def _lowest(members: Ints, values: Floats, most: int) -> tuple[int, ...]:
    """The rows with the lowest values, lowest first, the earlier row on a tie; those without a value left out."""
    known = np.flatnonzero(np.isfinite(values))
    order = np.argsort(values[known], kind="stable")[:most]
    return tuple(members[known[order]].tolist())


def _outliers(members: Ints, toward: Floats) -> tuple[int, ...]:
    low, high = np.quantile(toward, [0.25, 0.75])
    far = np.flatnonzero(toward < np.round(low - FENCE * (high - low), DECIMALS))
    return _lowest(members[far], toward[far], SHOWN)


def _minority(members: Ints, similarity: Floats, codes: Ints, label: int | None) -> tuple[int, ...]:
    other = np.flatnonzero((codes >= 0) & (codes != label))
    return _lowest(members[other], -similarity[other], SHOWN_MINORITY)
