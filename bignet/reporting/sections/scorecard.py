"""The scorecard: every metric with its interval, its chance level and what it rests on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.definitions import FAMILIES, OTHER, define
from bignet.reporting.numbers import NOTHING, brief, count, decimals, figure, finite, percent, sentence
from bignet.reporting.sections.advice import label_images
from bignet.reporting.sections.parts import Advice, Whisker, whisker_of
from bignet.reporting.vocabulary.definition import RETRIEVAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts
    from bignet.reporting.vocabulary.definition import Definition


_RAW = ("value", "lo", "hi", "cluster_lo", "cluster_hi", "chance")
_DEPTHS = "depths"
_DEPTH = re.compile(r"@(\d+)(?:/minRk)?(?:\.macro)?(?:\.nogroups)?$")
TITLES = FAMILIES | {_DEPTHS: "The same at other depths of the lists", OTHER: "Others"}


@dataclass(frozen=True)
class ScoreRow:
    """One line of the scorecard, ready to print; ``raw`` holds what is sorted and copied."""

    id: str
    words: Definition
    value: str
    interval: str
    beyond: str
    chance: str
    queries: str
    estimator: str
    reason: str
    whisker: Whisker | None
    raw: dict[str, float | int | str | None]

    @property
    def badge(self) -> str:
        """``exact`` or ``sampled``; the whole estimator is shown on hover."""
        return self.estimator.partition(",")[0]


@dataclass(frozen=True)
class Family:
    """Metrics that answer one question."""

    title: str
    rows: list[ScoreRow]


def families(facts: Facts) -> list[Family]:
    """Every defined metric, grouped by the question it answers."""
    defined = [_row(metric) for metric in facts.metrics if finite(metric.value) is not None]
    grouped = [Family(title, [row for row in defined if _family(row, facts) == key]) for key, title in TITLES.items()]
    return [family for family in grouped if family.rows]


def _family(row: ScoreRow, facts: Facts) -> str:
    """Where a row stands; retrieval at depths that the strips do not show stands apart."""
    depth = _DEPTH.search(row.id)
    aside = row.words.family == RETRIEVAL and depth and int(depth.group(1)) not in (1, facts.evaluation.k)
    return _DEPTHS if aside else row.words.family


def undefined(facts: Facts) -> list[ScoreRow]:
    """Metrics without a value; each says why."""
    return [_row(metric) for metric in facts.metrics if finite(metric.value) is None]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    if not facts.metrics:
        return "No metric was computed: scores need at least two images of one class."
    if not facts.n_labelled:
        return "Without labels no score can say whether the neighbours are right."
    first, reached = facts.number("p@1"), facts.number("r_precision")
    if first is None and facts.value is None:
        return f"No score is defined here: {visible(facts.reason or 'no image could be scored')}."
    if first is None:
        return sentence(f"{facts.headline_name} is {decimals(facts.value)}.")
    text = f"The first neighbour has the right label for {percent(first)} of the queries"
    if reached is None:
        return f"{text}."
    return f"{text}; of as many neighbours as could be right, {percent(reached)} are."


def advice(facts: Facts) -> Advice:
    """What to do with the scores."""
    if not facts.n_labelled:
        text = "Sort the images into one folder per class, extract, and these rows fill with scores."
        return label_images(facts.source, text)
    text = (
        f"Quote {facts.headline_name} with its interval, and compare it only over the same images "
        f"({facts.evaluation.gallery_fingerprint[:12]})."
    )
    return Advice(text)


def _row(metric: Metric) -> ScoreRow:
    words = define(metric)
    show = decimals if words.unit_scale else figure
    lo, hi = finite(metric.lo), finite(metric.hi)
    raw = {name: brief(getattr(metric, name)) for name in _RAW}
    return ScoreRow(
        id=visible(metric.id),
        words=words,
        value=show(metric.value),
        interval=NOTHING if lo is None or hi is None else f"{show(lo)} to {show(hi)}",
        beyond=_beyond(metric, show),
        chance=show(metric.chance),
        queries=count(metric.n_queries) if metric.n_queries else NOTHING,
        estimator=visible(metric.estimator),
        reason=visible(metric.reason or "") if finite(metric.value) is None else "",
        whisker=whisker_of(metric) if words.unit_scale else None,
        raw={**raw, "n": metric.n_queries},
    )


def _beyond(metric: Metric, show: Callable[[float | None], str]) -> str:
    """The interval over other groups or classes, where there is one."""
    if metric.cluster_lo is None or metric.cluster_hi is None:
        return ""
    unit = {"class": "classes", "group": "groups"}.get(metric.cluster_unit or "", "clusters")
    return f"{show(metric.cluster_lo)} to {show(metric.cluster_hi)} with other {unit}"
