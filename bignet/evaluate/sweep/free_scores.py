"""What one choice shows without labels: its rank and its hubs, and how far others agree with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import spectrum
from bignet.evaluate.all_pairs import all_pairs
from bignet.evaluate.hubness import hub_skew, random_graph, random_graph_values
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.moments import MAX_SIDE, second_moments
from bignet.evaluate.rounding import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric
    from bignet.evaluate.subject import Subject
    from bignet.evaluate.sweep.settings import SweepSettings
    from bignet.evaluate.sweep.templates import Templates

    Floats = NDArray[np.float64]


ONE_DIRECTION = "all vectors point the same way"


class FreeScores:
    """Scores choices without looking at labels."""

    def __init__(self, settings: SweepSettings, templates: Templates) -> None:
        self._settings, self._templates = settings, templates

    def metrics(self, subject: Subject) -> Iterator[Metric]:
        """Every number of one choice by itself, but those of altered copies."""
        yield self._rankme(subject)
        yield self._hub_skew(subject)

    def stability(self, each: Floats | None) -> Metric:
        """(Q,) agreement with other choices, as ``stabilities`` gives it -> its record."""
        k, n = self._settings.k, self._templates.n_images
        if each is None:
            return self._templates.free("overlap_stability", None, "needs another choice to agree with", k=k)
        value = round(float(each.mean()), DECIMALS)
        params = {"with": "choices of other layers, each network counting the same"}
        chance = min(1.0, k / max(1, n - 1))
        return self._templates.free("overlap_stability", value, k=k, n_queries=len(each), chance=chance, params=params)

    def _rankme(self, subject: Subject) -> Metric:
        rows = subject.rows
        if min(len(rows), rows.dim) > MAX_SIDE:
            rng = np.random.default_rng([self._settings.seed, 1])
            rows = rows.only(np.sort(rng.choice(len(rows), MAX_SIDE, replace=False)))
        moments, _ = second_moments(rows, np.ones(len(rows), dtype=bool))
        value = spectrum.rankme(moments.centered_singular_values)
        params = {"n": len(rows), "epsilon": spectrum.RANKME_EPSILON, "dim": rows.dim}
        metric = self._templates.free("rankme_centered", value, n_queries=len(rows), params=params)
        return settled(metric, ONE_DIRECTION)

    def _hub_skew(self, subject: Subject) -> Metric:
        k, n = self._settings.k, len(subject.rows)
        if n <= k:
            return self._templates.free("hub_skew", None, f"needs more than {k} images", k=k)
        near = all_pairs(subject, k)
        counts = np.bincount(near.rows[near.rows >= 0], minlength=len(near))
        chance = random_graph_values(random_graph(len(near), float(counts.mean())), len(near), k)["hub_skew"]
        metric = self._templates.free("hub_skew", hub_skew(counts), k=k, chance=chance)
        return settled(metric, "every image is in equally many lists")
