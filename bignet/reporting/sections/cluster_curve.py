"""The curves over k: silhouette, stability and agreement with the labels on one axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bignet.reporting.numbers import brief, counted, decimals, finite
from bignet.reporting.sections.charts import Axis, Chart, Line, Mark, Reading, Tick, dot, even_ticks

if TYPE_CHECKING:
    from bignet.evaluate.clusters.result import Clusters, KPoint


def curve(found: Clusters | None) -> Chart | None:
    """One chart; None where fewer than two k were tried."""
    if found is None or len(found.curve) < 2:
        return None
    points = found.curve
    x = Axis(points[0].k, points[-1].k, log=True)
    y = Axis(_floor(points), 1.0)
    lines = (
        _line("stability", "", [(p.k, p.stability, p.stability_se) for p in points], (x, y)),
        _line("V-measure", "second", [(p.k, p.v_measure, None) for p in points], (x, y)),
        _line("silhouette", "third", [(p.k, p.silhouette, None) for p in points], (x, y)),
    )
    return Chart(
        id="k-curve",
        summary=_summary(found),
        x_ticks=tuple(Tick(x.place(p.k), str(p.k)) for p in points),
        y_ticks=tuple(Tick(y.place(v), f"{v:g}".replace("-", "\u2212")) for v in even_ticks(y)),
        x_name="k, number of clusters",
        y_name="score, higher is better",
        readings=tuple(Reading(x.place(p.k), _reading(p)) for p in points),
        lines=tuple(line for line in lines if line.dots),
        marks=(Mark(x.place(found.suggested), f"suggested: {found.suggested}"),),
    )


def rows(found: Clusters | None) -> list[dict[str, float | int | None]]:
    """The numbers behind the chart."""
    names = ("silhouette", "stability", "stability_se", "v_measure")
    return [
        {"k": point.k} | {name: brief(getattr(point, name)) for name in names} | {"fitted": point.n_fitted}
        for point in (found.curve if found else ())
    ]


def _floor(points: tuple[KPoint, ...]) -> float:
    lowest = min(value for p in points for value in (p.silhouette, p.stability or 0.0, p.v_measure or 0.0, 0.0))
    return math.floor(lowest * 5) / 5


def _line(name: str, kind: str, values: list[tuple[int, float | None, float | None]], axes: tuple[Axis, Axis]) -> Line:
    known = [(k, value, error) for k, value, error in values if value is not None and math.isfinite(value)]
    return Line(name, kind, tuple(dot(*axes, k, value, finite(error)) for k, value, error in known))


def _reading(point: KPoint) -> str:
    parts = [f"k = {point.k}"]
    if finite(point.stability) is not None:
        error = "" if finite(point.stability_se) is None else f" ± {decimals(point.stability_se)}"
        parts.append(f"stability {decimals(point.stability)}{error}")
    if finite(point.v_measure) is not None:
        parts.append(f"V-measure {decimals(point.v_measure)}")
    parts.append(f"silhouette {decimals(point.silhouette)}")
    parts.append(f"fitted on {counted(point.n_fitted, 'image')}")
    return "\n".join(parts)


def _summary(found: Clusters) -> str:
    readings = "; ".join(_reading(point).replace("\n", ", ") for point in found.curve)
    return f"Scores over the number of clusters; suggested is k = {found.suggested}. {readings}."
