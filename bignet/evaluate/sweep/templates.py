"""The records of a sweep's numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bignet.evaluate.intervals import DECIMALS, beyond_normal, normal_quantile
from bignet.evaluate.result import Excluded, Metric

if TYPE_CHECKING:
    from bignet.evaluate.gallery import Gallery
    from bignet.evaluate.jackknife import Estimate
    from bignet.evaluate.sweep.design import Design
    from bignet.evaluate.sweep.settings import SweepSettings

INTERVAL = "jackknife over images"
NO_QUERIES = "no image has another one of its class to find"


class Templates:
    """Writes records that all say the same of images and settings.

    Attributes:
        shared: parameters that all of them name.
        n_images: how many are judged on.
    """

    def __init__(self, design: Design, settings: SweepSettings) -> None:
        self._design, self._level = design, settings.level
        self.n_images = len(design)
        self.shared = {"metric": "cosine", "seed": settings.seed}
        self._labelled = self.over(design.gallery)

    def labelled(self, metric_id: str, value: float | None, reason: str | None = None, **fields: Any) -> Metric:
        """A record of a number that needs labels; ``reason`` = why there is none."""
        return self._filled(self._labelled, metric_id, value, reason, fields)

    def free(self, metric_id: str, value: float | None, reason: str | None = None, **fields: Any) -> Metric:
        """A record of a number that needs no labels."""
        template = Metric("", None, ci="none", level=self._level, estimator=self._design.estimator)
        template = replace(template, n_queries=self.n_images, gallery_size=self.n_images)
        return self._filled(template, metric_id, value, reason, fields)

    def mean(self, metric_id: str, estimate: Estimate, template: Metric | None = None, **fields: Any) -> Metric:
        """A record of a mean score with its interval: other images of the same classes, asked and to be found."""
        template = template or self._labelled
        lo, hi, ci = None, None, "none"
        if estimate.n_queries > 1:
            spread = estimate.spread()
            half = normal_quantile(self._level) * float(beyond_normal(spread.freedom, self._level)) * spread.error
            lo, hi, ci = max(0.0, estimate.value - half), min(1.0, estimate.value + half), INTERVAL
            lo, hi = round(lo, DECIMALS), round(hi, DECIMALS)
        value = round(estimate.value, DECIMALS)
        fields = {"lo": lo, "hi": hi, "ci": ci, "n_queries": estimate.n_queries, **fields}
        return self._filled(template, metric_id, value, None, fields)

    def over(self, gallery: Gallery) -> Metric:
        """What records of scores over some gallery share."""
        asked = gallery.asked
        unlabelled = int((asked & (gallery.codes < 0)).sum())
        alone = int(asked.sum()) - unlabelled - len(gallery.queries)
        return Metric(
            "",
            None,
            ci="none",
            level=self._level,
            estimator=self._design.estimator,
            n_queries=len(gallery.queries),
            excluded=Excluded(unlabelled=unlabelled, singleton=alone),
            gallery_size=gallery.size,
        )

    def _filled(
        self, template: Metric, metric_id: str, value: float | None, reason: str | None, fields: dict[str, Any]
    ) -> Metric:
        params = {**self.shared, **fields.pop("params", {})}
        return replace(template, id=metric_id, value=value, reason=reason, params=params, **fields)
