"""The map: every image as a point, for looking around; it decides nothing, hence last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.names import visible
from bignet.reporting.listing import packed
from bignet.reporting.numbers import counted, decimals, finite, percent
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import add_images
from bignet.reporting.sections.parts import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.geometry_result import Projection
    from bignet.reporting.facts import Facts

COLOURS = 10  # classes coloured at a time; more cannot be told apart
_SIDE = 65535
_METHODS = {"pca": "PCA", "tsne": "t-SNE"}
_FAITHFUL, _ROUGH = 0.95, 0.8


@dataclass(frozen=True)
class MapView:
    """One way to lay the images out."""

    key: str
    name: str
    n: str
    reading: str


def answer(facts: Facts) -> str:
    """The section's sentence."""
    found = projections(facts)
    if not found and facts.evaluation.geometry is None and facts.n_evaluated:
        return "No map was drawn for this report."
    if not found:
        return "There is no map: it takes at least three images that can be compared."
    ranked = sorted(found, key=lambda item: -(finite(item.trustworthiness) or 0.0))
    if len(ranked) == 1 or finite(ranked[1].trustworthiness) is None:
        return _reading(ranked[0])
    best, other = ((_name(item), decimals(item.trustworthiness, 2)) for item in ranked[:2])
    return (
        f"Who is near whom: trust the {best[0]} map (trustworthiness {best[1]}) before the {other[0]} map ({other[1]})."
    )


def advice(facts: Facts) -> Advice:
    """What to do with it."""
    if facts.evaluation.geometry is None and facts.n_evaluated:
        return Advice("Write the report again to draw it.", commands.make_report(facts.source))
    if not projections(facts):
        return add_images(facts.source, "Add images to the store; a dozen makes a first map.")
    text = (
        "Draw a frame around an island and look at its list: what it shares may be a class nobody named. "
        "For a larger map open atlas.parquet, beside this page, in Embedding Atlas."
    )
    return Advice(text, commands.OPEN_ATLAS)


def projections(facts: Facts) -> tuple[Projection, ...]:
    """The maps that came and hold a point."""
    found = facts.evaluation.geometry
    return tuple(item for item in found.projections if len(_rows(item))) if found else ()


def views(facts: Facts) -> list[MapView]:
    """The maps to choose from."""
    return [
        MapView(item.method, _name(item), counted(len(_rows(item)), "image"), _reading(item))
        for item in projections(facts)
    ]


def rows_listed(facts: Facts) -> Iterator[int]:
    """Rows of every map."""
    for item in projections(facts):
        yield from _rows(item).tolist()


def data(facts: Facts) -> dict[str, Any] | None:
    """For the script: places as 16-bit numbers, both axes on one scale."""
    found = projections(facts)
    if not found:
        return None
    return {
        "n_colours": COLOURS,
        "classes": _first_classes(facts),
        "maps": {item.method: _packed(item) for item in found},
    }


def description(facts: Facts) -> str:
    """The map in words, for those who cannot see it."""
    found = projections(facts)
    if not found:
        return ""
    names = ", ".join(visible(row.label) for row in facts.evaluation.classes[:COLOURS])
    coloured = (
        f" Coloured are the largest classes: {names}." if names else " No image has a label, so none is coloured."
    )
    return (
        f"A map of {counted(len(_rows(found[0])), 'image')} by {_name(found[0])}.{coloured} Arrow keys move from image "
        "to image, Enter enlarges, Space lists the images around, Escape clears."
    )


def _first_classes(facts: Facts) -> list[str]:
    return [visible(row.label) for row in facts.evaluation.classes[:COLOURS]]


def _name(item: Projection) -> str:
    return _METHODS.get(item.method, visible(item.method))


def _rows(item: Projection) -> NDArray[np.int64]:
    return item.rows[np.isfinite(item.xy).all(axis=1)] if len(item.rows) else item.rows


def _reading(item: Projection) -> str:
    trust, carried = finite(item.trustworthiness), finite(item.explained)
    name = _name(item)
    if trust is None:
        return f"How far the {name} map can be trusted was not computed: what lies together on it need not be alike."
    if trust >= _FAITHFUL:
        judged = "images that lie together on it are alike"
    elif trust >= _ROUGH:
        judged = "most images that lie together on it are alike"
    else:
        judged = "many images that lie together on it are not alike"
    kept = f" and keeps {percent(carried)} of the variance" if carried is not None else ""
    return f"The {name} map has a trustworthiness of {decimals(trust, 2)}{kept}: {judged}."


def _packed(item: Projection) -> dict[str, Any]:
    xy = item.xy[np.isfinite(item.xy).all(axis=1)]
    low, high = xy.min(axis=0), xy.max(axis=0)
    span = float((high - low).max()) or 1.0
    places = np.clip(np.round((xy - low) / span * _SIDE), 0, _SIDE)
    rows = _rows(item)
    ratio = (high - low) / span
    return {
        "x": packed(places[:, 0], "<u2"),
        "y": packed(places[:, 1], "<u2"),
        "rows": packed(rows, "<u4"),
        "wide": round(float(ratio[0]), 4),
        "high": round(float(ratio[1]), 4),
    }
