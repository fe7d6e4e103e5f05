"""A clustering's numbers as records: agreement with the labels, silhouette, stability, noise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.clusters.agreement import adjusted_mutual_information, agreement
from bignet.evaluate.clusters.kmeans import generator
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.result import Excluded, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.clusters.placement import Placement
    from bignet.evaluate.clusters.result import KPoint
    from bignet.evaluate.clusters.settings import ClusterSettings
    from bignet.evaluate.labels import CodedLabels

    Ints = NDArray[np.int64]

AGREEMENT = ("homogeneity", "completeness", "v_measure", "ari", "purity")
_PURPOSE = 2  # of the random numbers


@dataclass(frozen=True)
class Judged:
    """A clustering to be measured.

    Attributes:
        k: clusters found.
        placement: where every row is.
        coded: N labels.
        settings: as clustered.
        n_fitted: rows the clusters were found on.
    """

    k: int
    placement: Placement
    coded: CodedLabels
    settings: ClusterSettings
    n_fitted: int

    @property
    def noise(self) -> int:
        """Rows in no cluster."""
        return int((self.placement.assignment < 0).sum())

    def metrics(self, point: KPoint | None) -> tuple[Metric, ...]:
        """Everything, agreement first; with noise it is there twice: noise left out, and noise as a cluster."""
        found = self._agreement("", drop_noise=True)
        if self.noise:
            found += self._agreement(".with_noise", drop_noise=False)
        found.append(self._silhouette())
        if point is not None:
            found.append(self._stability(point))
        return (*found, self._of_all("cluster_noise", round(self.noise / len(self.placement.assignment), DECIMALS)))

    def v_measure(self) -> float | None:
        """Agreement with the labels; None without labels."""
        labelled = self.coded.codes >= 0
        if not labelled.any():
            return None
        return agreement(self.coded.codes[labelled], self.placement.assignment[labelled]).v_measure

    def _agreement(self, suffix: str, *, drop_noise: bool) -> list[Metric]:
        counted = self.coded.codes >= 0
        if drop_noise:
            counted = counted & (self.placement.assignment >= 0)
        classes, clusters = self.coded.codes[counted], self.placement.assignment[counted]
        values, reason = self._values(classes, clusters)
        chance = self._chance(classes, clusters)
        params = self._params() | {"noise": "left out" if drop_noise else "one cluster", "n_noise": self.noise}
        return [
            Metric(
                f"{name}{suffix}",
                value,
                ci="none",
                k=self.k,
                n_queries=len(classes),
                excluded=Excluded(unlabelled=int((self.coded.codes < 0).sum())),
                gallery_size=len(self.placement.assignment),
                chance=chance.get(name),
                params=params,
                reason=reason.get(name),
            )
            for name, value in values.items()
        ]

    def _values(self, classes: Ints, clusters: Ints) -> tuple[dict[str, float | None], dict[str, str | None]]:
        names = (*AGREEMENT[:4], "ami", *AGREEMENT[4:])
        if not len(classes):
            why = "no labels" if not self.coded.names else "no labelled row is in a cluster"
            return dict.fromkeys(names), dict.fromkeys(names, why)
        found: dict[str, Any] = asdict(agreement(classes, clusters))
        found["ami"], reason = adjusted_mutual_information(classes, clusters)
        return {name: found[name] for name in names}, {"ami": reason}

    def _chance(self, classes: Ints, clusters: Ints) -> dict[str, float]:
        """With the labels shuffled; ARI and AMI are corrected for it, so 0."""
        if not len(classes) or not self.settings.permutations:
            return {}
        rng = generator(self.settings, _PURPOSE)
        shuffled = [asdict(agreement(rng.permutation(classes), clusters)) for _ in range(self.settings.permutations)]
        found = {name: round(float(np.mean([each[name] for each in shuffled])), DECIMALS) for name in AGREEMENT}
        return found | {"ari": 0.0, "ami": 0.0}

    def _silhouette(self) -> Metric:
        many = self.k > 1
        value = self.placement.silhouette if many else None
        return self._of_all("simplified_silhouette", value, None if many else "fewer than two clusters")

    def _stability(self, point: KPoint) -> Metric:
        settings, n = self.settings, len(self.placement.assignment)
        part = settings.part(n, point.k)
        return Metric(
            "cluster_stability",
            point.stability,
            ci="none",
            estimator=f"sampled, {settings.splits} splits into three parts of {part} rows",
            k=point.k,
            n_queries=part,
            gallery_size=n,
            chance=None if point.stability is None else 0.0,
            params=self._params() | {"standard_error": point.stability_se, "splits": settings.splits, "part": part},
            reason="too few rows to measure it" if point.stability is None else None,
        )

    def _of_all(self, name: str, value: float | None, reason: str | None = None) -> Metric:
        n = len(self.placement.assignment)
        params = self._params()
        return Metric(name, value, ci="none", k=self.k, n_queries=n, gallery_size=n, params=params, reason=reason)

    def _params(self) -> dict[str, Any]:
        settings = self.settings
        common = {"method": settings.method, "seed": settings.seed, "n_fitted": self.n_fitted}
        if settings.method == "hdbscan":
            return common
        starts = settings.starts_of(self.k)
        return common | {"iterations": settings.iterations, "starts": starts, "permutations": settings.permutations}
