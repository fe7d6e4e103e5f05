"""What the labels say of one choice: retrieval, separation, clusters, and how far off its mistakes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import retrieval
from bignet.evaluate.chance import chance_map_at_r, chance_precision
from bignet.evaluate.clusters.agreement import agreement
from bignet.evaluate.clusters.kmeans import at_once, count_distinct, fit, sampled
from bignet.evaluate.clusters.placement import place
from bignet.evaluate.clusters.settings import ClusterSettings
from bignet.evaluate.hierarchy import mistake_metrics
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.mistakes import first_neighbours
from bignet.evaluate.pair_draw import KeptPairs, PairDraw
from bignet.evaluate.pair_scores import compare_pairs
from bignet.evaluate.records import Records
from bignet.evaluate.separation import class_spread
from bignet.evaluate.separation_scores import estimator_of
from bignet.evaluate.silhouette import silhouettes
from bignet.evaluate.sweep.templates import NO_QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.cosine import Cosines
    from bignet.evaluate.gallery import Gallery
    from bignet.evaluate.result import Metric
    from bignet.evaluate.separation import ClassSpread
    from bignet.evaluate.subject import Subject
    from bignet.evaluate.sweep.design import Design
    from bignet.evaluate.sweep.look import Look
    from bignet.evaluate.sweep.settings import SweepSettings
    from bignet.evaluate.sweep.templates import Templates
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_CLUSTERS = 256  # one for each class; of more, k-means takes longer than all the rest
_ONE_CLASS = "needs two classes"


class LabelScores:
    """Scores choices; whatever is the same for all of them is worked out once."""

    def __init__(self, design: Design, settings: SweepSettings, templates: Templates) -> None:
        self._design, self._settings, self._templates = design, settings, templates
        self._chance = chance_levels(design.gallery)
        self._pairs = KeptPairs(PairDraw(design.coded.codes, design.groups, settings.pairs, settings.seed))

    def metrics(self, look: Look, subject: Subject) -> Iterator[Metric]:
        """Every number, in the order of the table."""
        spread = class_spread(subject)
        yield from self._retrieval(look)
        yield self._pair_auroc(look.cosines)
        yield self._margin(spread)
        yield self._plausible(subject)
        yield self._silhouette(look.cosines.rows, spread)
        yield self._v_measure(look.cosines.rows)

    def per_class(self, look: Look) -> dict[str, float]:
        """Class -> mean AP@R of its queries; classes without a query are left out."""
        gallery, coded = self._design.gallery, self._design.coded
        if not len(gallery.queries):
            return {}
        classes, values = coded.codes[gallery.queries], look.scores["map@r"][gallery.queries]
        total, count = np.bincount(classes, weights=values), np.bincount(classes)
        return {coded.names[code]: round(float(total[code] / count[code]), DECIMALS) for code in np.flatnonzero(count)}

    def _retrieval(self, look: Look) -> Iterator[Metric]:
        for metric_id in ("map@r.macro", "map@r", "p@1"):
            k = 1 if metric_id == "p@1" else None
            estimate = look.estimates.get(metric_id)
            if estimate is None:
                yield self._templates.labelled(metric_id, None, NO_QUERIES, k=k)
            else:
                yield self._templates.mean(metric_id, estimate, k=k, chance=self._chance[metric_id])

    def _pair_auroc(self, cosines: Cosines) -> Metric:
        pairs = compare_pairs(cosines.of_pairs, self._pairs)
        if pairs is None:
            why = "needs two images of one class and of another class, in different groups"
            return self._templates.labelled("pair_auroc", None, why)
        params = {
            "n_same": pairs.same.n_pairs,
            "n_different": pairs.different.n_pairs,
            "weights": "each class the same",
        }
        how = estimator_of(pairs)
        return self._templates.labelled("pair_auroc", pairs.auroc(), estimator=how, chance=0.5, params=params)

    def _margin(self, spread: ClassSpread) -> Metric:
        margins = spread.margins().margin
        known = margins[np.isfinite(margins)]
        if not len(known):
            return self._templates.labelled("margin", None, f"{_ONE_CLASS}, one of two images")
        value = round(float(known.mean()), DECIMALS)
        return self._templates.labelled("margin", value, chance=0.0, params={"classes": len(known)})

    def _plausible(self, subject: Subject) -> Metric:
        design = self._design
        if design.tree.is_flat:
            return self._templates.labelled("plausible_fp", None, "labels have one level: no class has a parent", k=1)
        first = first_neighbours(subject)
        relatives = design.tree.relatives(design.coded.codes, design.groups, first.asked.rows)
        records = Records(subject.settings, self._templates.labelled("", None), self._templates.shared)
        return mistake_metrics(records, design.tree, first, relatives)[0]

    def _silhouette(self, rows: UnitRows, spread: ClassSpread) -> Metric:
        each = silhouettes(rows, self._design.coded.codes, spread)
        known = each[~np.isnan(each)]
        if not len(known):
            return self._templates.labelled("silhouette", None, _ONE_CLASS)
        value = round(float(known.mean()), DECIMALS)
        return self._templates.labelled("silhouette", value, n_queries=len(known), chance=0.0)

    def _v_measure(self, rows: UnitRows) -> Metric:
        codes, k = self._design.coded.codes, len(self._design.coded.names)
        if not 2 <= k <= MOST_CLUSTERS:
            why = _ONE_CLASS if k < 2 else f"more than {MOST_CLUSTERS} classes: as many clusters take minutes"
            return self._templates.labelled("v_measure", None, why, k=k)
        labelled = np.flatnonzero(codes >= 0)
        points = sampled(rows, labelled)
        if count_distinct(points, enough=k) < k:
            return self._templates.labelled("v_measure", None, f"fewer than {k} different vectors", k=k)
        settings = ClusterSettings(seed=self._settings.seed)
        task = (k, self._settings.seed)
        (centres,) = at_once(lambda number, seed: fit(points, number, settings, seed), [task])
        (found,) = place(rows.only(labelled), [centres])
        value = agreement(codes[labelled], found.assignment).v_measure
        params = {"clusters": "spherical k-means, one for each class", "starts": settings.starts_of(k)}
        return self._templates.labelled("v_measure", value, k=k, n_queries=len(labelled), params=params)


def chance_levels(gallery: Gallery) -> dict[str, float]:
    """By metric, what a random order would score: exact expectations."""
    queries = gallery.queries
    R, M = gallery.n_relevant[queries], gallery.n_others[queries]
    at_r = chance_map_at_r(np.maximum(1, R), M)
    return {
        "map@r.macro": retrieval.macro(at_r, gallery.codes[queries]),
        "map@r": retrieval.micro(at_r),
        "p@1": retrieval.micro(chance_precision(R, M)),
    }
