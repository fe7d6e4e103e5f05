"""Evaluation, names and verdict -> ``report.html``: one file that needs nothing else."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bignet.names import visible
from bignet.reporting import exploration
from bignet.reporting.colour import ramp
from bignet.reporting.facts import Facts
from bignet.reporting.numbers import decimals, sentence
from bignet.reporting.pairs import affordable, closest_pairs
from bignet.reporting.sections import classes, methods, neighbours, scorecard, top, trust
from bignet.reporting.sections.gallery import Gallery, rows_with_pictures
from bignet.reporting.strips import choose_strips
from bignet.reporting.thumbnails import make_thumbnails
from bignet.reporting.weakness import FEW_QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.evaluate.result import Evaluation
    from bignet.reporting.pairs import Pair
    from bignet.reporting.settings import ReportSettings
    from bignet.reporting.source import ReportSource
    from bignet.reporting.strips import Strip
    from bignet.reporting.thumbnails import Thumbnail
    from bignet.reporting.verdict import Verdict

    Cells = Mapping[tuple[int, int], Sequence[Pair]]

STYLES = (
    *("base.css", "top.css", "sections.css", "classes.css", "strips.css"),
    *("palette.css", "charts.css", "confusion.css", "clusters.css", "geometry.css", "map.css", "print.css"),
)
SCRIPTS = (
    *("core.js", "state.js", "tables.js", "strips.js", "picture.js", "viewer.js", "marks.js"),
    *("grid.js", "matrix.js", "listed.js", "lightbox.js", "charts.js", "confusion.js", "clusters.js"),
    *("map.js", "map-use.js", "map-input.js", "start.js", "frame.js"),
)


def render_page(evaluation: Evaluation, source: ReportSource, verdict: Verdict, settings: ReportSettings) -> str:
    """The whole page as text."""
    facts = Facts(evaluation, source)
    strips = choose_strips(evaluation, settings)
    cells = _cells(facts, strips, settings)
    thumbnails = make_thumbnails(source, rows_with_pictures(evaluation, strips, _paired(cells), settings), settings)
    gallery = Gallery(evaluation.labels, thumbnails)
    context = _top(facts, verdict) | _middle(facts, settings) | _methods(facts, verdict)
    context |= _strips(facts, strips, thumbnails) | exploration.sections(facts, settings, gallery)
    painter = neighbours.StripPainter(facts, thumbnails, neighbours.Scale.of(strips))
    context["data"] = embedded_json(painter.data(strips, cells, thumbnails) | exploration.data(facts, settings))
    return environment().get_template("report.html.j2").render(context)


def embedded_json(value: object) -> Markup:
    """Plain values -> JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing that HTML reads is left in it


@cache  # compiling the templates takes longer than filling them
def environment() -> Environment:
    """Templates of the pages: names are escaped wherever they stand, and a missing value is an error."""
    return Environment(
        loader=PackageLoader("bignet.reporting", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(names: Sequence[str]) -> Markup:
    """Our own styles or scripts, one after the other."""
    folder = resources.files("bignet.reporting").joinpath("assets")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in names]
    return Markup("\n".join(texts))  # noqa: S704 - our own files


def pictures(thumbnails: Mapping[int, Thumbnail]) -> list[tuple[int, str]]:
    """Every picture that came, once, by its row."""
    return [(row, made.data_uri) for row, made in thumbnails.items() if made.jpeg]


def _rows(strips: Sequence[Strip]) -> list[int]:
    return [row for strip in strips for row in strip.rows]


def _cells(facts: Facts, strips: Sequence[Strip], settings: ReportSettings) -> Cells:
    """The closest pairs behind each cell of the distance matrix, as many as may have pictures."""
    order = classes.cells(facts, settings)
    pairs = closest_pairs(facts.evaluation, classes.shown(facts, settings), settings.pairs)
    return affordable(pairs, order, _rows(strips), settings.pair_thumbnails)


def _paired(cells: Cells) -> list[int]:
    return [row for pairs in cells.values() for pair in pairs for row in (pair.row, pair.other)]


def _top(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    source, evaluation = facts.source, facts.evaluation
    return {
        "css": asset(STYLES),
        "js": asset(SCRIPTS),
        "ramp": ramp(),
        "store": visible(source.store_name),
        "embedding": visible(source.embedding),
        "headline": top.headline_tile(facts),
        "hundred": top.hundred(facts),
        "ruler": top.ruler(facts),
        "tested": top.tested(facts),
        "weak": top.weak_classes(facts),
        "tiles": top.tiles(facts),
        "verdict": verdict,
        "provenance": top.provenance_items(source, evaluation.gallery_fingerprint),
    }


def _middle(facts: Facts, settings: ReportSettings) -> dict[str, Any]:
    return {
        "trust": {
            "answer": trust.answer(facts),
            "advice": trust.advice(facts),
            "parts": trust.parts(facts),
            "inflation": trust.inflation(facts),
            "metric": facts.headline_name,
            "gap": decimals(facts.group_gap),
            "twins": trust.twins(facts),
            "joined": trust.joined(facts),
            "rejected": trust.rejected(facts),
            "ties": trust.ties(facts),
            "warnings": [sentence(visible(text)) for text in facts.warnings],
        },
        "scores": {
            "answer": scorecard.answer(facts),
            "advice": scorecard.advice(facts),
            "families": scorecard.families(facts),
            "undefined": scorecard.undefined(facts),
        },
        "classes": {
            "answer": classes.answer(facts),
            "advice": classes.advice(facts),
            "matrix": classes.matrix(facts, settings),
            "lines": classes.lines(facts, settings),
            "spread": facts.evaluation.separation is not None,
            "n_all": len(facts.evaluation.classes),
            "n_labels": facts.n_classes,
            "few": FEW_QUERIES,
        },
    }


def _methods(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    fingerprint = facts.evaluation.gallery_fingerprint
    return {
        "methods": {
            "answer": methods.answer(facts),
            "definitions": methods.definitions(facts),
            "rules": methods.rules(verdict),
            "provenance": methods.provenance_rows(facts.source, fingerprint),
            "conventions": methods.CONVENTIONS,
            "limits": methods.LIMITS,
            "files": methods.files(facts),
            "setup": methods.setup(facts),
        }
    }


def _strips(facts: Facts, strips: Sequence[Strip], thumbnails: Mapping[int, Thumbnail]) -> dict[str, Any]:
    scale = neighbours.Scale.of(strips)
    painter = neighbours.StripPainter(facts, thumbnails, scale)
    labels = {label for strip in strips if (label := facts.evaluation.labels[strip.row]) is not None}
    return {
        "strips": {
            "answer": neighbours.answer(facts),
            "advice": neighbours.advice(facts, strips),
            "views": painter.views(strips),
            "filters": neighbours.filters_of(strips),
            "labels": sorted({visible(label) for label in labels}),
            "missing": neighbours.missing_note({row: thumbnails[row] for strip in strips for row in strip.rows}),
            "columns": max((len(strip.neighbours) for strip in strips), default=0),
            "has_labels": facts.n_labelled > 0,
            "legend": scale.legend,
        },
        "pictures": pictures(thumbnails),
    }
