"""Clusters of one embedding: several numbers of them measured, one suggested, the most useful ones described."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.clusters.cards import cards
from bignet.evaluate.clusters.kmeans import at_once, count_distinct, fit, fit_seed, generator, sampled
from bignet.evaluate.clusters.measures import Judged
from bignet.evaluate.clusters.placement import Placement, look_around, place
from bignet.evaluate.clusters.result import Clustering, Clusters, KPoint
from bignet.evaluate.clusters.settings import ClusterSettings
from bignet.evaluate.clusters.stability import ENOUGH, ks_to_try, stabilities, suggest
from bignet.evaluate.graph import check_vectors
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.memory import give_back
from bignet.evaluate.unit_rows import UnitRows, usable_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.kmeans import Sample
    from bignet.evaluate.labels import CodedLabels
    from bignet.evaluate.subject import Subject

LEAST_ROWS = 4
LOOSE = 0.5  # stability below which clusters are more the sample's than the data's
_PURPOSE = 0  # of the random numbers


def cluster(
    vectors: NDArray[Any],
    labels: Sequence[str | None] | None = None,
    settings: ClusterSettings = ClusterSettings(),  # noqa: B008 - frozen
) -> Clusters | None:
    """(N, D) vectors, N labels or None -> clusters by cosine, numbered from the largest; None for under 4 rows.

    Args:
        vectors: any real dtype, finite and non-zero rows; a memory map is fine; never written to, never copied whole.
        labels: text, None = unlabelled; what the clusters are compared with, they have no part in finding them.
        settings: see ClusterSettings.

    Raises:
        UsageError: vectors or labels that cannot be used, or HDBSCAN without scikit-learn.
        MismatchError: as many labels as vectors are needed.
    """
    check_vectors(vectors)
    given = [None] * len(vectors) if labels is None else labels
    if len(given) != len(vectors):
        raise MismatchError(f"labels: found {len(given)}; the vectors have {len(vectors)} rows")
    usable, _, _ = usable_rows(vectors)
    if len(usable) < len(vectors):
        first = int(np.setdiff1d(np.arange(len(vectors)), usable)[0])
        raise UsageError(
            f"vectors: {len(vectors) - len(usable)} rows hold NaN or infinity or only zeros, the first is row {first}; "
            "such rows have no cosine, leave them out (usable_rows lists them)"
        )
    return clusters_of(UnitRows(vectors), code_labels(check_labels(range(len(given)), given)), settings)


def find_clusters(
    subject: Subject,
    settings: ClusterSettings = ClusterSettings(),  # noqa: B008 - frozen
) -> Clusters | None:
    """The clusters of what is evaluated; None for under 4 rows."""
    return clusters_of(subject.rows, subject.coded, settings)


def clusters_of(
    rows: UnitRows,
    coded: CodedLabels,
    settings: ClusterSettings = ClusterSettings(),  # noqa: B008 - frozen
) -> Clusters | None:
    """N rows and their labels -> clusters; None for under 4 rows.

    Raises:
        UsageError: HDBSCAN without scikit-learn.
    """
    if len(rows) < LEAST_ROWS:
        return None
    if settings.method == "hdbscan":
        from bignet.evaluate.clusters.density import dense_clusters

        return dense_clusters(rows, coded, settings)
    return _Search(rows, coded, settings).clusters()


class _Search:
    """k-means for each k to try."""

    def __init__(self, rows: UnitRows, coded: CodedLabels, settings: ClusterSettings) -> None:
        self._rows, self._coded, self._settings = rows, coded, settings
        self._centres = self._fitted()
        give_back()  # what the threads worked with
        self._firm = stabilities(rows, tuple(self._centres), settings)
        give_back()

    def _fitted(self) -> dict[int, NDArray[np.float64]]:
        """Centres for each k to try, fitted on growing parts of one sample; the largest part is let go first."""
        n, settings = len(self._rows), self._settings
        rng = generator(settings, _PURPOSE)
        order, seed = rng.permutation(n), fit_seed(rng)
        most = max(ks_to_try(n, n, len(self._coded.names), settings))
        points = sampled(self._rows, order[: settings.fitted(n, most)])
        self._n_distinct = count_distinct(points)
        ks = ks_to_try(n, self._n_distinct, len(self._coded.names), settings)
        sizes = {k: settings.fitted(n, k) for k in ks}
        found: dict[int, NDArray[np.float64]] = {}
        for size in sorted(set(sizes.values()), reverse=True):
            if size < len(points):
                del points
                points = sampled(self._rows, order[:size])
            own = [k for k in reversed(ks) if sizes[k] == size]
            found |= zip(own, at_once(partial(_fit, points, settings), [(k, seed) for k in own]), strict=True)
        return {k: found[k] for k in ks}

    def clusters(self) -> Clusters:
        """The curve, the suggestion and the clusterings that get cards."""
        ks = tuple(self._centres)
        placements = dict(zip(ks, place(self._rows, list(self._centres.values())), strict=True))
        curve = tuple(self._point(k, placements[k]) for k in ks)
        suggested, reason = suggest(curve, len(self._coded.names))
        shown = _with_cards(ks, suggested, len(self._coded.names), self._settings.cards)
        points = {point.k: point for point in curve}
        placements = {k: placements[k] for k in shown}
        give_back()  # all others
        look_around(self._rows, list(placements.values()))
        clusterings = {k: self._clustering(points[k], placements[k]) for k in shown}
        return Clusters(curve, suggested, reason, clusterings)

    def _point(self, k: int, placement: Placement) -> KPoint:
        stability, error = self._firm.get(k, (None, None))
        n_fitted = self._settings.fitted(len(self._rows), k)
        judged = self._judged(k, placement)
        return KPoint(k, placement.silhouette, stability, error, judged.v_measure(), n_fitted)

    def _judged(self, k: int, placement: Placement) -> Judged:
        n_fitted = self._settings.fitted(len(self._rows), k)
        return Judged(len(placement.centres), placement, self._coded, self._settings, n_fitted)

    def _clustering(self, point: KPoint, placement: Placement) -> Clustering:
        metrics = self._judged(point.k, placement).metrics(point)
        warnings = _warnings(point, len(placement.centres), len(self._rows))
        if self._n_distinct < max(self._settings.given, default=2):
            warnings = (f"only {self._n_distinct} different rows: there can be no more clusters", *warnings)
        return clustering("kmeans", placement, self._coded, metrics, warnings)


def _fit(points: Sample, settings: ClusterSettings, k: int, seed: int) -> NDArray[np.float64]:
    return fit(points, k, settings, seed)


def clustering(
    method: str, placement: Placement, coded: CodedLabels, metrics: tuple[Any, ...], warnings: tuple[str, ...]
) -> Clustering:
    """A complete placement as plain data."""
    return Clustering(
        method=method,
        k=len(placement.centres),
        assignment=placement.assignment,
        similarity=placement.similarity,
        margin=placement.margin,
        clusters=cards(placement, coded),
        noise_share=float(np.mean(placement.assignment < 0)),
        metrics=metrics,
        warnings=warnings,
    )


def _with_cards(ks: Sequence[int], suggested: int, n_classes: int, most: int) -> tuple[int, ...]:
    """The suggested k, the number of classes, and those nearest to the suggested by ratio: so many, rising."""
    ranked = sorted(ks, key=lambda k: (k != suggested, k != n_classes, abs(math.log(k / suggested)), k))
    return tuple(sorted(ranked[:most]))


def _warnings(point: KPoint, n_found: int, n_rows: int) -> tuple[str, ...]:
    """What a reader must know before the cards."""
    found = []
    if n_found < point.k:
        found.append(f"{point.k - n_found} of {point.k} clusters stayed empty and are left out")
    if point.k * ENOUGH > n_rows:
        found.append(
            f"{n_rows:,} rows in {point.k} clusters are fewer than {ENOUGH} a cluster: another sample may well give "
            "other clusters"
        )
    if point.stability is not None and point.stability < LOOSE:
        found.append(
            f"stability {point.stability:.2f}: clusterings of two halves of the rows agree little, "
            "so read these clusters as a summary, not as groups that exist"
        )
    return tuple(found)
