"""The scorecard: every metric with its interval, its chance level and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.definitions import define
from bignet.reporting.numbers import NOTHING, brief, count, decimals, finite, percent, sentence
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import label_images
from bignet.reporting.sections.parts import Advice, Whisker, whisker_of

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts
    from bignet.reporting.vocabulary.definition import Definition


@dataclass(frozen=True)
class ScoreRow:
    """One line of the scorecard, ready to print; ``raw`` holds what is sorted and copied."""

    id: str
    words: Definition
    value: str
    interval: str
    chance: str
    queries: str
    estimator: str
    reason: str
    whisker: Whisker | None
    raw: dict[str, float | int | str | None]


def rows(facts: Facts) -> list[ScoreRow]:
    """Every metric in the evaluation's own order."""
    return [_row(metric) for metric in facts.evaluation.metrics]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    if not facts.evaluation.metrics:
        return "No metric was computed: scores need at least two images of one class."
    if not facts.n_labelled:
        return "Without labels no score can say whether the neighbours are right."
    first, reached = _value(facts, "p@1"), _value(facts, "r_precision")
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
    return Advice(text, commands.make_report(facts.source))


def _value(facts: Facts, metric_id: str) -> float | None:
    found = (metric for metric in facts.evaluation.metrics if metric.id == metric_id)
    return finite(next((metric.value for metric in found), None))


def _row(metric: Metric) -> ScoreRow:
    words = define(metric)
    lo, hi = finite(metric.lo), finite(metric.hi)
    raw = {name: brief(getattr(metric, name)) for name in ("value", "lo", "hi", "chance")}
    return ScoreRow(
        id=visible(metric.id),
        words=words,
        value=decimals(metric.value),
        interval=NOTHING if lo is None or hi is None else f"{decimals(lo)} to {decimals(hi)}",
        chance=decimals(metric.chance),
        queries=count(metric.n_queries) if metric.n_queries else NOTHING,
        estimator=visible(metric.estimator),
        reason=visible(metric.reason or "") if finite(metric.value) is None else "",
        whisker=whisker_of(metric) if words.unit_scale else None,
        raw={**raw, "n": metric.n_queries},
    )
