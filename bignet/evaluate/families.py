"""The families of measurements that start from the core pass: what is plugged in here is in the evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.clusters.find import find_clusters
from bignet.evaluate.confusion import measure_confusion
from bignet.evaluate.geometry import measure_geometry
from bignet.evaluate.hierarchy import measure_hierarchy
from bignet.evaluate.leaks import leak_rate
from bignet.evaluate.separation_scores import measure_separation

if TYPE_CHECKING:
    from bignet.evaluate.clock import Clock
    from bignet.evaluate.clusters.result import Clusters
    from bignet.evaluate.confusion_result import Confusion, Hierarchy
    from bignet.evaluate.geometry_result import Geometry
    from bignet.evaluate.result import Metric
    from bignet.evaluate.separation import ClassSpread
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
    leak_rate: Metric | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of all of them, in their order; the levels of the hierarchy last."""
        found = (self.separation, self.confusion, self.hierarchy, self.geometry, self.clusters)
        levels = self.hierarchy.levels if self.hierarchy is not None else ()
        own = tuple(metric for family in found if family is not None for metric in family.metrics)
        leaks = () if self.leak_rate is None else (self.leak_rate,)
        return leaks + own + tuple(metric for level in levels for metric in (level.p1, level.map_r))


def measure_families(subject: Subject, spread: ClassSpread | None, clock: Clock) -> Families:
    """Everything known from the neighbours, the vectors and the labels; each family is a stage of the clock.

    Args:
        subject: what the core pass measured.
        spread: its class sums; None without labels.
        clock: times the stages.
    """
    if not subject.settings.families:
        return Families()
    separation = confusion = hierarchy = clusters = None
    if spread is not None:
        with clock("separation"):
            separation = measure_separation(subject, spread)
        with clock("confusion"):
            confusion = measure_confusion(subject, spread)
        with clock("hierarchy"):
            hierarchy = measure_hierarchy(subject)
    with clock("geometry"):
        geometry = measure_geometry(subject)
    if subject.settings.clusters is not None:
        with clock("clusters"):
            clusters = find_clusters(subject, subject.settings.clusters)
    return Families(separation, confusion, hierarchy, geometry, clusters, leak_rate(subject))
