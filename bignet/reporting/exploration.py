"""What the sections on confusion, clusters, geometry and the map are given to print, and their scripts to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bignet.names import visible
from bignet.reporting.listing import listing, lists_every_row
from bignet.reporting.numbers import counted
from bignet.reporting.sections import cluster_curve, clusters, confusion, geometry, hierarchy, hubs, ladder, spectrum
from bignet.reporting.sections import map as flat_map
from bignet.reporting.weakness import NOTABLE

if TYPE_CHECKING:
    from bignet.reporting.facts import Facts
    from bignet.reporting.sections.charts import Chart
    from bignet.reporting.sections.gallery import Gallery
    from bignet.reporting.settings import ReportSettings

ORDERS = (
    ("size", "Largest", "most images first"),
    ("purity", "Most mixed", "lowest share of the cluster's label first"),
    ("cohesion", "Loosest", "least similar images first"),
    ("unlabelled", "Most unlabelled", "largest share without a label first"),
)


def sections(facts: Facts, settings: ReportSettings, gallery: Gallery) -> dict[str, Any]:
    """For the templates."""
    return {
        "confusion": _confusion(facts, settings),
        "clusters": _clusters(facts, settings, gallery),
        "geometry": _geometry(facts, gallery),
        "ladder": _ladder(facts),
        "map": {
            "answer": flat_map.answer(facts),
            "advice": flat_map.advice(facts),
            "views": flat_map.views(facts),
            "n_classes": facts.n_classes,
            "description": flat_map.description(facts),
        },
    }


def data(facts: Facts, settings: ReportSettings) -> dict[str, Any]:
    """For the scripts; empty where no section needs any."""
    drawn = flat_map.data(facts)
    members = clusters.data(facts, settings)
    made: dict[str, Any] = {"charts": {chart.id: chart.data for chart in _charts(facts) if chart}}
    if drawn:
        made["map"] = drawn
    if members:
        made["clusters"] = members
    if drawn or members:
        rows = flat_map.rows_listed(facts)
        made["listed"] = listing(facts.evaluation, facts.source, rows, settings)
    return made


def _confusion(facts: Facts, settings: ReportSettings) -> dict[str, Any]:
    found = facts.evaluation.confusion
    return {
        "answer": confusion.answer(facts),
        "advice": confusion.advice(facts),
        "k": found.k if found else facts.evaluation.k,
        "matrix": confusion.matrix(facts, settings),
        "pairs": confusion.pairs(facts, settings),
        "notable": f"{NOTABLE:g}",
        "n_pairs": confusion.n_pairs(facts),
        "purities": confusion.purities(facts, settings),
        "has_classes": facts.n_classes > 1,
        "measured": found is not None,
        "reading": hierarchy.reading(facts),
        "levels": hierarchy.levels(facts),
        "steps": hierarchy.steps(facts),
        "figures": hierarchy.figures(facts.evaluation.hierarchy),
    }


def _clusters(facts: Facts, settings: ReportSettings, gallery: Gallery) -> dict[str, Any]:
    found = facts.evaluation.clusters
    orders = ORDERS if facts.n_labelled else (ORDERS[0], ORDERS[2])
    return {
        "answer": clusters.answer(facts),
        "advice": clusters.advice(facts),
        "reason": f"Suggested is k = {found.suggested}: {visible(found.reason).rstrip('.')}." if found else "",
        "curve": cluster_curve.curve(found),
        "points": cluster_curve.rows(found),
        "views": clusters.views(facts, gallery),
        "orders": orders,
        "shown": clusters.shown,
        "exports": lists_every_row(facts.evaluation, settings),
        "missing": gallery.missing(clusters.rows_shown(facts)),
        "few": facts.n_evaluated < 50,
    }


def _geometry(facts: Facts, gallery: Gallery) -> dict[str, Any]:
    found = facts.evaluation.geometry
    shape, hubness = (found.spectrum, found.hubness) if found else (None, None)
    local = found.dimension if found else None
    return {
        "answer": geometry.answer(facts),
        "advice": geometry.advice(facts),
        "lines": geometry.lines(found),
        "spectrum": spectrum.chart(shape),
        "spectrum_reading": spectrum.reading(shape, facts.source.dims),
        "occurrence": hubs.chart(hubness),
        "occurrence_reading": hubs.reading(hubness),
        "hubs": hubs.hubs(facts, hubness, gallery),
        "hubs_reading": hubs.hubs_reading(hubness),
        "rule": hubs.rule(),
        "dimension": spectrum.dimension_chart(local),
        "dimension_reading": spectrum.dimension_reading(local) if shape else "",
        "lengths": spectrum.lengths(shape),
        "lengths_reading": spectrum.lengths_reading(shape),
        "dead": counted(len(shape.dead), "dim") if shape and shape.dead else "none",
    }


def _ladder(facts: Facts) -> dict[str, Any] | None:
    """Nothing where it was not asked for."""
    found = facts.evaluation.ladder
    if found is None:
        return None
    return {
        "answer": ladder.answer(found),
        "advice": ladder.advice(facts, found),
        "k": found.k,
        "lines": ladder.lines(found),
        "overlap": ladder.overlap_chart(found),
        "change": ladder.change_chart(found),
        "method": ladder.method(found),
        "rule": ladder.rule(found),
    }


def _charts(facts: Facts) -> tuple[Chart | None, ...]:
    found, rungs = facts.evaluation.geometry, facts.evaluation.ladder
    climbed = () if rungs is None else (ladder.overlap_chart(rungs), ladder.change_chart(rungs))
    if found is None:
        return (cluster_curve.curve(facts.evaluation.clusters), *climbed)
    return (
        cluster_curve.curve(facts.evaluation.clusters),
        *climbed,
        spectrum.chart(found.spectrum),
        hubs.chart(found.hubness),
        spectrum.dimension_chart(found.dimension),
    )
