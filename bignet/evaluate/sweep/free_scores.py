"""What one choice shows without labels: its rank, its hubs, and how firm its neighbours are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import spectrum
from bignet.evaluate.all_pairs import all_pairs
from bignet.evaluate.graph import knn_graph
from bignet.evaluate.hubness import hub_skew, random_graph, random_graph_values
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.moments import MAX_SIDE, second_moments
from bignet.evaluate.rounding import settled
from bignet.evaluate.sweep.overlap import overlap_at_k

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric
    from bignet.evaluate.subject import Subject
    from bignet.evaluate.sweep.settings import SweepSettings
    from bignet.evaluate.sweep.templates import Templates

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

STABILITY_ROWS = 1_000  # the overlap depends on how many images there are: the same number for every choice


class FreeScores:
    """Scores choices without looking at labels."""

    def __init__(self, settings: SweepSettings, templates: Templates) -> None:
        self._settings, self._templates = settings, templates

    def metrics(self, subject: Subject, stability: Floats) -> Iterator[Metric]:
        """Every number but those of altered copies; ``stability`` as ``stabilities`` gives it."""
        yield self._rankme(subject)
        yield self._hub_skew(subject)
        yield self._stability(stability)

    def stabilities(self, subject: Subject) -> Floats:
        """(N,) overlap of the neighbours of each image by one half of the dimensions with those by the other.

        Dimensions are cut in two at random, each half finds the k nearest others of every image, and the share of
        neighbours that both name is averaged over several cuts. Neighbours that hang on a few dimensions, or on noise,
        do not come back. NaN for images that were not drawn; all NaN for one dimension or fewer than two images.
        """
        rows, settings = subject.rows, self._settings
        rng = np.random.default_rng([settings.seed, 5])
        found = np.full(len(rows), np.nan)
        if rows.dim < 2 or len(rows) < 2:
            return found
        drawn = np.arange(len(rows))
        if len(rows) > STABILITY_ROWS:
            drawn = np.sort(rng.choice(len(rows), STABILITY_ROWS, replace=False))
        vectors, k = rows.stored(drawn), min(settings.k, len(drawn) - 1)
        total = np.zeros(len(drawn))
        for _ in range(settings.resamples):
            order = rng.permutation(rows.dim)
            one, other = (
                _neighbours(vectors[:, np.sort(half)], k) for half in (order[: rows.dim // 2], order[rows.dim // 2 :])
            )
            total += overlap_at_k(one, other, k)
        found[drawn] = total / settings.resamples
        return found

    def _rankme(self, subject: Subject) -> Metric:
        rows = subject.rows
        if min(len(rows), rows.dim) > MAX_SIDE:
            rng = np.random.default_rng([self._settings.seed, 1])
            rows = rows.only(np.sort(rng.choice(len(rows), MAX_SIDE, replace=False)))
        moments, _ = second_moments(rows, np.ones(len(rows), dtype=bool))
        value = spectrum.rankme(moments.centered_singular_values)
        params = {"n": len(rows), "epsilon": spectrum.RANKME_EPSILON, "dim": rows.dim}
        metric = self._templates.free("rankme_centered", value, n_queries=len(rows), params=params)
        return settled(metric, "all vectors point the same way")

    def _hub_skew(self, subject: Subject) -> Metric:
        k, n = self._settings.k, len(subject.rows)
        if n <= k:
            return self._templates.free("hub_skew", None, f"needs more than {k} images", k=k)
        near = all_pairs(subject, k)
        counts = np.bincount(near.rows[near.rows >= 0], minlength=len(near))
        chance = random_graph_values(random_graph(len(near), float(counts.mean())), len(near), k)["hub_skew"]
        metric = self._templates.free("hub_skew", hub_skew(counts), k=k, chance=chance)
        return settled(metric, "every image is in equally many lists")

    def _stability(self, stability: Floats) -> Metric:
        k, known = self._settings.k, stability[~np.isnan(stability)]
        if not len(known):
            return self._templates.free("overlap_stability", None, "needs two dimensions and two images", k=k)
        n = len(known)
        params = {"halves": "of the dimensions, at random", "resamples": self._settings.resamples}
        return self._templates.free(
            "overlap_stability",
            round(float(known.mean()), DECIMALS),
            k=k,
            n_queries=n,
            gallery_size=n,
            chance=min(1.0, k / max(1, n - 1)),
            params=params,
        )


def _neighbours(vectors: NDArray[np.generic], k: int) -> Ints:
    """(n, d) columns of vectors -> (n, k) neighbours; an image without anything in these columns has none, -1."""
    has = np.flatnonzero((vectors != 0).any(axis=1))
    found = np.full((len(vectors), k), -1, dtype=np.int64)
    if len(has) > 1:
        rows = knn_graph(vectors[has], k).rows
        found[has] = np.where(rows >= 0, has[rows], -1)
    return found
