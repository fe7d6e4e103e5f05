"""Everything measured of one choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import Resampling
from bignet.evaluate.result import PerQuery
from bignet.evaluate.settings import EvaluateSettings
from bignet.evaluate.subject import Subject
from bignet.evaluate.sweep.free_scores import ONE_DIRECTION, FreeScores
from bignet.evaluate.sweep.invariance import invariance
from bignet.evaluate.sweep.label_scores import LabelScores
from bignet.evaluate.sweep.look import look
from bignet.evaluate.sweep.stability import drawn_queries, stabilities
from bignet.evaluate.sweep.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.jackknife import Estimate
    from bignet.evaluate.result import Metric
    from bignet.evaluate.sweep.design import Design
    from bignet.evaluate.sweep.images import AlteredCopies
    from bignet.evaluate.sweep.invariance import Invariance
    from bignet.evaluate.sweep.look import Look
    from bignet.evaluate.sweep.result import Choice
    from bignet.evaluate.sweep.settings import SweepSettings
    from bignet.evaluate.unit_rows import UnitRows

    Floats = NDArray[np.float64]

NO_LABELS = "no labels"
NO_COPIES = "no altered copies were embedded"


@dataclass(frozen=True)
class ChoiceScores:
    """What one choice scored.

    Attributes:
        metrics: by id.
        halves: the label score in the half that chooses and in the one that is reported; None = nobody to ask.
        whole: the same over all images.
        by_image: score -> (N,) of each image, NaN = none: ``map@r``, ``self_hit@1``, and after ``together``
            ``overlap_stability``.
        lists: (Q, k) neighbours of a few images, to be compared with those of other choices.
        per_class: class -> mean AP@R.
        self_hit: transform -> (strength, share) points.
    """

    metrics: Mapping[str, Metric]
    halves: tuple[Estimate | None, Estimate | None]
    whole: Estimate | None
    by_image: Mapping[str, Floats]
    lists: NDArray[np.int32]
    per_class: Mapping[str, float]
    self_hit: Mapping[str, tuple[tuple[float, float], ...]]

    @property
    def tells_nothing(self) -> bool:
        """Whether all vectors point the same way: neighbours are in the order of the files, which may be by class."""
        return self.metrics["rankme_centered"].reason == ONE_DIRECTION


class Scoring:
    """Scores choices on the images of a design; what is the same for all of them is worked out once."""

    def __init__(self, design: Design, settings: SweepSettings) -> None:
        self.design, self._settings = design, settings
        self.templates = Templates(design, settings)
        self._free = FreeScores(settings, self.templates)
        self._labelled = LabelScores(design, settings, self.templates) if design.coded.names else None
        self._listed = drawn_queries(len(design), settings.seed)
        self._k = min(settings.k, len(design) - 1)

    def score(self, rows: UnitRows, copies: AlteredCopies | None) -> ChoiceScores:
        """N rows of one choice and its altered copies -> its scores."""
        seen = look(rows, self.design, self._settings.k)
        subject, altered = self._subject(rows, seen), self._altered(rows, copies)
        labelled = self._no_labels() if self._labelled is None else [*self._labelled.metrics(seen, subject)]
        found = [*labelled, self._self_hit(altered), *self._free.metrics(subject)]
        return ChoiceScores(
            metrics={metric.id: metric for metric in found},
            halves=seen.halves,
            whole=seen.estimates.get("map@r.macro"),
            by_image={"map@r": seen.scores["map@r"], "self_hit@1": self._hits_by_image(altered, copies)},
            lists=seen.graph.rows[self._listed, : max(1, self._k)],
            per_class={} if self._labelled is None else self._labelled.per_class(seen),
            self_hit={} if altered is None else altered.curves,
        )

    def together(self, choices: Sequence[Choice], found: Sequence[ChoiceScores]) -> list[ChoiceScores]:
        """Scores of all choices -> the same with how far they agree on who is whose neighbour."""
        lists = [one.lists for one in found]
        agreed = stabilities(choices, lists, self._k) if self._k else [None] * len(found)
        return [self._with(one, stability) for one, stability in zip(found, agreed, strict=True)]

    def _with(self, one: ChoiceScores, stability: Floats | None) -> ChoiceScores:
        metric, each = self._free.stability(stability), np.full(len(self.design), np.nan)
        if stability is not None:
            each[self._listed] = stability
        by_image = {**one.by_image, metric.id: each}
        return replace(one, metrics={**one.metrics, metric.id: metric}, by_image=by_image)

    def _no_labels(self) -> list[Metric]:
        names = ("map@r.macro", "map@r", "p@1", "pair_auroc", "margin", "plausible_fp", "silhouette", "v_measure")
        return [self.templates.labelled(name, None, NO_LABELS) for name in names]

    def _subject(self, rows: UnitRows, seen: Look) -> Subject:
        design, settings, n = self.design, self._settings, len(self.design)
        nothing, unknown = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
        per_query = PerQuery(
            n_relevant=design.gallery.n_relevant,
            p1=seen.scores["p@1"],
            pk=unknown,
            rp=unknown,
            apr=seen.scores["map@r"],
            rr=unknown,
            rank_first=nothing,
            farthest=nothing,
            farthest_similarity=unknown,
            knn_pred=(None,) * n,
            knn_conf=unknown,
        )
        options = EvaluateSettings(k=settings.k, seed=settings.seed, level=settings.level, bootstrap=0)
        excluded = self.templates.labelled("", None).excluded
        return Subject(rows, design.ids, design.coded, design.groups, seen.graph, per_query, excluded, options)

    def _altered(self, rows: UnitRows, copies: AlteredCopies | None) -> Invariance | None:
        if copies is None:
            return None
        places, kept = self._copied(copies)
        if not len(places) or not len(copies.alterations):
            return None
        how = Resampling(seed=self._settings.seed, level=self._settings.level)
        every = rows.stored(np.arange(len(rows)))
        return invariance(every, copies.vectors[:, kept], places, copies.alterations, how)

    def _copied(self, copies: AlteredCopies) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the images that have copies, and which of the copies those are."""
        order = np.argsort(self.design.ids, kind="stable")
        place = np.searchsorted(self.design.ids[order], copies.ids).clip(max=len(order) - 1)
        found = order[place]
        kept = np.flatnonzero(self.design.ids[found] == copies.ids)
        return found[kept], kept

    def _self_hit(self, altered: Invariance | None) -> Metric:
        return self.templates.free("self_hit@1", None, NO_COPIES, k=1) if altered is None else altered.summary

    def _hits_by_image(self, altered: Invariance | None, copies: AlteredCopies | None) -> Floats:
        found = np.full(len(self.design), np.nan)
        if altered is not None and copies is not None:
            found[self._copied(copies)[0]] = altered.per_image
        return found
