"""The families of measurements that start from the core pass: what is plugged in here is in the evaluation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bignet.evaluate.clock import Clock
    from bignet.evaluate.clusters.result import Clusters
    from bignet.evaluate.confusion_result import Confusion, Hierarchy
    from bignet.evaluate.geometry_result import Geometry
    from bignet.evaluate.result import Metric
    from bignet.evaluate.separation_result import Separation
    from bignet.evaluate.subject import Subject


@dataclass(frozen=True)
class Families:
    """What each family found; None = not measured."""

    separation: Separation | None = None
    confusion: Confusion | None = None
    hierarchy: Hierarchy | None = None
    geometry: Geometry | None = None
    clusters: Clusters | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of all of them, in their order."""
        found = (getattr(self, item.name) for item in fields(self))
        return tuple(metric for family in found if family is not None for metric in family.metrics)


def measure_families(subject: Subject, clock: Clock) -> Families:
    """Everything that is known from the neighbours, the vectors and the labels; each family is a stage of the clock."""
    with clock("clusters"):
        clusters = _clusters(subject)
    return Families(clusters=clusters)


def _clusters(subject: Subject) -> Clusters | None:
    wanted = subject.settings.clusters
    if wanted is None:
        return None
    from bignet.evaluate.clusters.find import find_clusters
    from bignet.evaluate.clusters.settings import AUTO, ClusterSettings

    return find_clusters(subject, ClusterSettings(k=wanted or AUTO, seed=subject.settings.seed))
