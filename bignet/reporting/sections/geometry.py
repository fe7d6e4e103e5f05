"""Geometry: how the vectors fill their dimensions, which images crowd the lists, how many directions there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.definitions import define
from bignet.reporting.numbers import NOTHING, brief, count, counted, decimals, finite, percent
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import add_images, another_layer
from bignet.reporting.sections.hierarchy import metric_value
from bignet.reporting.sections.parts import Advice

if TYPE_CHECKING:
    from bignet.evaluate.geometry_result import Geometry, Hubness, Spectrum
    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts

SKEWED = 1.5  # house rules, printed beside the figures
CROWDED = 0.05
NARROW_SHARE = 0.1
_ROUNDING = 1e-12  # of a variance of unit vectors
_FEW_LISTS = 10  # lists an image, at which an even share is a tenth of them


@dataclass(frozen=True)
class MetricLine:
    """One number of the table, with what a random graph would give where that is known."""

    name: str
    meaning: str
    value: str
    null: str
    n: str
    estimator: str
    reason: str
    raw: dict[str, float | int | str | None]


def answer(facts: Facts) -> str:
    """The section's sentence: the first thing that is wrong, or that nothing is."""
    found = facts.evaluation.geometry
    if found is None and facts.n_evaluated:
        return "The shape of the vectors was not measured for this report."
    if found is None or found.spectrum is None:
        return "There are no vectors whose shape could be measured."
    for say in (_dead, _hubs, _narrow):
        text = say(found, facts.source.dims)
        if text:
            return text
    if found.hubness is None:
        return "There are too few images for lists, so hubs and dimensions cannot be judged."
    if are_few(found.hubness):
        return (
            f"{counted(len(found.hubness.rows), 'image is', 'images are')} too few to judge hubs by; nothing is broken."
        )
    skew = metric_value(found.hubness.metrics, "hub_skew")
    return (
        f"No hub crowds the lists (skew {decimals(skew, 2)}) and the vectors use their dimensions: "
        "nothing to mend before searching."
    )


def advice(facts: Facts) -> Advice:
    """What to do about it."""
    found = facts.evaluation.geometry
    if found is None and facts.n_evaluated:
        return Advice("Write the report again to measure it.", commands.make_report(facts.source))
    if found is None or found.spectrum is None or found.hubness is None:
        return add_images(facts.source, "Add images to the store; some dozens make lists that can be judged.")
    if dead_share(found.spectrum):
        return another_layer(
            facts.source, "Dead dimensions carry nothing: check that the right layer was pooled, or take the next one."
        )
    if is_hubby(found.hubness) or is_narrow(found.spectrum, facts.source.dims):
        return another_layer(
            facts.source, "Try another layer or a stronger network, write its report, and compare the skew and MAP@R."
        )
    if are_few(found.hubness):
        return add_images(facts.source, "Add images: hubs and dimensions can be judged from some hundreds on.")
    return Advice("Leave the vectors as they are: another layer promises nothing here.")


def lines(found: Geometry | None) -> list[MetricLine]:
    """Every number of the section."""
    return [_line(metric) for metric in found.metrics] if found else []


def hub_share(hubness: Hubness) -> float:
    """The largest share of all lists that one image is in."""
    return float(hubness.counts.max()) / len(hubness.rows) if len(hubness.counts) else 0.0


def is_hubby(hubness: Hubness) -> bool:
    """The house rule: skew above 1.5, or one image in more than 5 % of the lists."""
    skew = metric_value(hubness.metrics, "hub_skew")
    return (skew or 0.0) > SKEWED or (hub_share(hubness) > CROWDED and not are_few(hubness))


def are_few(hubness: Hubness) -> bool:
    """Among so few images even an image in an even share of the lists is in more than the house rule allows."""
    return len(hubness.rows) <= _FEW_LISTS * hubness.k


def is_narrow(spectrum: Spectrum, dims: int) -> bool:
    """The house rule: RankMe after centring below a tenth of the dimensions, given images enough to reach it."""
    rank = metric_value(spectrum.metrics, "rankme_centered")
    return rank is not None and spectrum.n > dims and rank < NARROW_SHARE * dims


def varies(spectrum: Spectrum) -> bool:
    """Whether any direction carries more than rounding errors."""
    return bool(len(spectrum.eigenvalues)) and float(spectrum.eigenvalues[0]) > _ROUNDING


def dead_share(spectrum: Spectrum) -> float:
    """Dimensions that never vary, as a share; one image varies in nothing and says nothing."""
    dims = len(spectrum.eigenvalues)
    return len(spectrum.dead) / dims if dims and spectrum.n > 1 else 0.0


def _dead(found: Geometry, _dims: int) -> str:
    spectrum = found.spectrum
    share = dead_share(spectrum) if spectrum else 0.0
    if not spectrum or not share:
        return ""
    if not varies(spectrum):
        return "All vectors are alike: the embedding cannot tell one image from another."
    dims = counted(len(spectrum.dead), "dimension")
    return (
        f"{dims} of {len(spectrum.eigenvalues):,} never {'varies' if len(spectrum.dead) == 1 else 'vary'}: dead weight."
    )


def _hubs(found: Geometry, _dims: int) -> str:
    if found.hubness is None or not is_hubby(found.hubness):
        return ""
    skew = metric_value(found.hubness.metrics, "hub_skew")
    if (skew or 0.0) > SKEWED:
        return (
            f"The neighbour lists are lopsided: their skew is {decimals(skew, 2)}, where more than {SKEWED:g} is too "
            "much; try another layer."
        )
    return f"One image is in {percent(hub_share(found.hubness))} of all lists: a hub; try another layer."


def _narrow(found: Geometry, dims: int) -> str:
    if found.spectrum is None or not is_narrow(found.spectrum, dims):
        return ""
    rank = metric_value(found.spectrum.metrics, "rankme_centered")
    return f"The vectors use about {decimals(rank, 0)} of {dims:,} dimensions after centring: try another layer."


def _line(metric: Metric) -> MetricLine:
    words = define(metric)
    value, null = finite(metric.value), finite(metric.chance)
    places = 1 if abs(value or 0.0) >= 10 else 3
    return MetricLine(
        name=words.name,
        meaning=words.meaning,
        value=decimals(value, places),
        null=NOTHING if null is None else decimals(null, places),
        n=count(metric.n_queries or metric.gallery_size),
        estimator=visible(metric.estimator),
        reason=visible(metric.reason or "undefined") if value is None else "",
        raw={
            "metric": visible(metric.id),
            "value": brief(value),
            "random": brief(null),
            "n": metric.n_queries or metric.gallery_size,
            "estimator": visible(metric.estimator),
        },
    )
