"""A sweep and its names -> ``sweep.html``: one file that needs nothing else, of one family with the report's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bignet.evaluate.sweep.weights import FORMULA
from bignet.names import visible
from bignet.reporting.colour import ramp
from bignet.reporting.numbers import count, counted
from bignet.reporting.page import asset, embedded_json, environment, pictures
from bignet.reporting.sections.gallery import Gallery
from bignet.reporting.sweep import by_class, choices, compare, dropped, front, invariance, layers, methods, top
from bignet.reporting.sweep.facts import SweepFacts
from bignet.reporting.thumbnails import PictureFiles, make_thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.evaluate.sweep.result import Sweep
    from bignet.reporting.sweep.settings import SweepPageSettings
    from bignet.reporting.sweep.source import SweepSource
    from bignet.reporting.thumbnails import Thumbnail

STYLES = (
    *("base.css", "top.css", "sections.css", "classes.css", "strips.css", "palette.css", "charts.css", "geometry.css"),
    *("sweep/sweep.css", "sweep/front.css", "sweep/compare.css", "print.css", "sweep/print.css"),
)
SCRIPTS = (
    *("core.js", "state.js", "tables.js", "picture.js", "lightbox.js", "charts.js", "grid.js"),
    *("sweep/grids.js", "sweep/weigh.js", "sweep/front.js", "sweep/compare.js", "sweep/choices.js", "frame.js"),
)


def render_sweep(sweep: Sweep, source: SweepSource, settings: SweepPageSettings) -> str:
    """The whole page as text."""
    facts = SweepFacts(sweep, source)
    comparison = compare.Comparison(facts)
    files = PictureFiles(source.image_root, sweep.paths)
    thumbnails = make_thumbnails(files, comparison.rows, settings.pictures)
    context = _page(facts) | _top(facts) | _numbers(facts, settings) | _methods(facts)
    context |= _strips(facts, comparison, thumbnails, settings)
    context["pictures"] = pictures(thumbnails)
    context["data"] = embedded_json(_data(facts, comparison, thumbnails, settings))
    return environment().get_template("sweep/sweep.html.j2").render(context)


def _page(facts: SweepFacts) -> dict[str, Any]:
    n, models = len(facts.scored), counted(len(facts.models), "model")
    return {
        "css": asset(STYLES),
        "js": asset(SCRIPTS),
        "ramp": ramp(),
        "name": visible(facts.source.name),
        "tried": f"{counted(n, 'choice')} of {models} on {counted(len(facts.sweep.ids), 'image')}",
    }


def _top(facts: SweepFacts) -> dict[str, Any]:
    return {
        "top": {
            "headline": top.headline(facts),
            "title": top.title(facts),
            "sentences": top.sentences(facts),
            "flags": top.flags(facts),
            "flags_shown": top.FLAGS_SHOWN,
            "notes": top.notes(facts),
            "how": top.how(facts),
            "cards": top.cards(facts),
        }
    }


def _numbers(facts: SweepFacts, settings: SweepPageSettings) -> dict[str, Any]:
    drawn = invariance.shown(facts, settings)
    return {
        "front": {
            "answer": front.answer(facts),
            "advice": front.advice(facts),
            "figure": front.front(facts),
            "models": front.keys(facts),
            "formula": FORMULA,
            "weighed": front.weighed(facts),
            "score": facts.score,
        },
        "choices": {
            "answer": choices.answer(facts),
            "advice": choices.advice(facts),
            "rows": choices.rows(facts),
            "extra": [(*column, choices.attribute(column[0])) for column in choices.further(facts)],
            "ends": choices.ends(facts),
            "score": facts.score,
            "where": facts.where,
            "is_split": facts.is_split,
            "explained": choices.explained(facts),
        },
        "layers": {
            "answer": layers.answer(facts),
            "advice": layers.advice(facts),
            "models": layers.models(facts),
            "legend": layers.legend(facts),
            "score": facts.score,
            "alike": layers.ALIKE,
        },
        "classes": {
            "answer": by_class.answer(facts),
            "advice": by_class.advice(facts),
            "lines": by_class.lines(facts, settings),
            "n_all": by_class.n_classes(facts),
            "matrix": by_class.matrix(facts, settings),
            "taken": visible(facts.taken.choice.name) if facts.taken else "",
            "explained": by_class.explained(facts),
        },
        "invariance": {
            "answer": invariance.answer(facts, settings),
            "advice": invariance.advice(facts, settings),
            "curves": invariance.curves(drawn),
            "charts": invariance.charts(drawn),
            "lines": invariance.table(drawn),
            "n_copies": invariance.n_copies(drawn),
        },
        "dropped": {
            "answer": dropped.answer(facts),
            "advice": dropped.advice(facts),
            "groups": dropped.groups(facts),
        },
    }


def _methods(facts: SweepFacts) -> dict[str, Any]:
    return {
        "methods": {
            "answer": methods.answer(facts),
            "fairness": methods.FAIRNESS,
            "limits": methods.LIMITS,
            "files": methods.FILES,
            "rules": methods.rules(facts),
            "definitions": methods.definitions(facts),
            "undefined": methods.undefined(facts),
            "setup": methods.setup(facts),
            "provenance": methods.provenance_rows(facts),
            "seconds": [(visible(stage), f"{value:,.1f} s") for stage, value in facts.sweep.seconds.items()],
        }
    }


def _strips(
    facts: SweepFacts,
    comparison: compare.Comparison,
    thumbnails: Mapping[int, Thumbnail],
    settings: SweepPageSettings,
) -> dict[str, Any]:
    return {
        "strips": {
            "answer": comparison.answer(),
            "advice": comparison.advice(),
            "compared": comparison.compared(),
            "blocks": comparison.blocks(Gallery(facts.sweep.labels, thumbnails)),
            "columns": comparison.columns,
            "has_labels": comparison.has_labels,
            "kinds": comparison.kinds,
            "legend": comparison.legend,
            "missing": comparison.missing(thumbnails),
            "at_a_time": settings.compared,
            "n_queries": count(len(facts.sweep.strips)),
        }
    }


def _data(
    facts: SweepFacts,
    comparison: compare.Comparison,
    thumbnails: Mapping[int, Thumbnail],
    settings: SweepPageSettings,
) -> dict[str, Any]:
    drawn = invariance.charts(invariance.shown(facts, settings))
    return {
        "key": f"bignet-sweep:{facts.sweep.gallery_fingerprint}",
        "name": visible(facts.source.name),
        "items": comparison.data(thumbnails),
        "choices": front.data(facts),
        "taken": facts.scored.index(facts.taken) if facts.taken else 0,
        "at_a_time": settings.compared,
        "charts": {chart.id: chart.data for _, chart in drawn},
    }
