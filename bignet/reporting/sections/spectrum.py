"""Figures of the spectrum: eigenvalues on a log axis, lengths, dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.reporting.numbers import counted, decimals, finite, percent
from bignet.reporting.sections.charts import Axis, Bar, Chart, Line, Mark, Reading, Tick, dot, even_ticks
from bignet.reporting.sections.geometry import NARROW_SHARE, is_narrow, varies
from bignet.reporting.sections.hierarchy import metric_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.geometry_result import IntrinsicDimension, Spectrum

_POINTS = 160  # of the curve; more cannot be told apart
_DECADES = 6
_MARKED = (0.5, 0.9, 0.99)
_LID_BARS = 40
_RAISED = dict(zip("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", strict=True))


@dataclass(frozen=True)
class Lengths:
    """Lengths before normalising, as text and as places on one line."""

    values: list[tuple[str, str]]
    low: float
    high: float
    middle: float
    zero: str


def chart(spectrum: Spectrum | None) -> Chart | None:
    """Eigenvalues by rank; None where nothing varies."""
    if spectrum is None or not varies(spectrum):
        return None
    share = spectrum.eigenvalues / spectrum.eigenvalues.sum()
    carried = np.cumsum(share)
    x = Axis(1, max(2, len(share)), log=len(share) > 20)
    top = math.ceil(math.log10(share[0]))
    bottom = max(top - _DECADES, math.floor(math.log10(max(share[share > 0].min(), 1e-12))))
    y = Axis(10.0**bottom, 10.0**top, log=True)
    ranks = _ranks(len(share))
    return Chart(
        id="spectrum",
        summary=f"Share of the variance by rank, on a logarithmic axis. {reading(spectrum, len(share))}",
        x_ticks=tuple(Tick(x.place(v), f"{v:,}") for v in _rank_ticks(len(share))),
        y_ticks=tuple(Tick(y.place(10.0**p), _power(p)) for p in range(bottom, top + 1)),
        x_name="rank of the direction",
        y_name="share of the variance",
        readings=tuple(Reading(x.place(r), _point(r, share, carried)) for r in ranks),
        lines=(
            Line("", "", tuple(dot(x, y, r, float(share[r - 1])) for r in ranks if share[r - 1] > 0), dotted=False),
        ),
        marks=tuple(_marks(carried, x)),
    )


def reading(spectrum: Spectrum | None, dims: int) -> str:
    """What the spectrum says and what follows from it."""
    if spectrum is None or not varies(spectrum):
        return "All vectors are alike: there is no direction in which they vary."
    carried = np.cumsum(spectrum.eigenvalues) / spectrum.eigenvalues.sum()
    n = _reach(carried, _MARKED[1])
    first = f"{percent(_MARKED[1])} of the variance lies in {n:,} of {counted(dims, 'direction')}"
    rank = metric_value(spectrum.metrics, "rankme_centered")
    if rank is None:
        return f"{first}."
    used = f"RankMe after centring is {decimals(rank, 0)}"
    if spectrum.n <= dims:
        return f"{first}; {used}, but {counted(spectrum.n, 'image')} cannot fill {dims:,} dimensions."
    if is_narrow(spectrum, dims):
        return f"{first}; {used}, under {percent(NARROW_SHARE)} of the dimensions: try centring or PCA."
    return f"{first}; {used}: no need to drop dimensions."


def lengths(spectrum: Spectrum | None) -> Lengths | None:
    """The spread of the vectors' lengths before they were normalised."""
    if spectrum is None or len(spectrum.norms) != 5 or not all(math.isfinite(v) for v in spectrum.norms):
        return None
    low, p5, middle, p95, high = spectrum.norms
    axis = Axis(min(0.0, low), high)
    names = ("smallest", "5\u00a0%", "median", "95\u00a0%", "largest")
    return Lengths(
        values=[(name, f"{value:.3g}") for name, value in zip(names, spectrum.norms, strict=True)],
        low=axis.place(p5),
        high=axis.place(p95),
        middle=axis.place(middle),
        zero=percent(float(np.mean(spectrum.zero_share))) if len(spectrum.zero_share) else "",
    )


def lengths_reading(spectrum: Spectrum | None) -> str:
    """Dead dimensions and odd lengths catch a broken layer before any score does."""
    if spectrum is None:
        return ""
    dead = len(spectrum.dead)
    said = (
        "No dimension is dead"
        if not dead
        else f"{counted(dead, 'dimension')} never {'varies' if dead == 1 else 'vary'}"
    )
    if len(spectrum.norms) != 5 or not spectrum.norms[0] > 0:
        return f"{said}."
    spread = spectrum.norms[4] / spectrum.norms[0]
    odd = "look at the longest and the shortest images" if spread > 10 else "no image stands out by its length"
    return f"{said}; the longest vector is {spread:.3g} times the shortest: {odd}."


def dimension_chart(dimension: IntrinsicDimension | None) -> Chart | None:
    """Histogram of the local dimension; None with too few images."""
    known = _known(dimension)
    if len(known) < 30:
        return None
    low, high = (float(v) for v in np.quantile(known, (0.0, 0.99)))
    edges = np.linspace(low, max(high, low + 1e-9), _LID_BARS + 1)
    shares = np.histogram(np.minimum(known, high), edges)[0] / len(known)
    x, top = Axis(low, float(edges[-1])), float(shares.max())
    y = Axis(0.0, top)
    width = 100 / _LID_BARS
    bars = [Bar(round(i * width + 0.1, 3), round(width - 0.2, 3), y.place(float(s))) for i, s in enumerate(shares)]
    return Chart(
        id="lid",
        summary=f"Histogram of the local dimension of each image. {dimension_reading(dimension)}",
        x_ticks=tuple(Tick(x.place(v), f"{v:g}") for v in even_ticks(x)),
        y_ticks=tuple(Tick(y.place(v), percent(v) if v else "0") for v in even_ticks(y, 4)),
        x_name="local intrinsic dimension",
        y_name="share of the images",
        readings=tuple(
            Reading(
                bar.x + width / 2, f"{edges[i]:.3g} to {edges[i + 1]:.3g}\n{percent(float(shares[i]))} of the images"
            )
            for i, bar in enumerate(bars)
        ),
        bars=tuple(bars),
        marks=_dimension_marks(dimension, x),
    )


def dimension_reading(dimension: IntrinsicDimension | None) -> str:
    """TwoNN against the local estimate."""
    if dimension is None:
        return "There are too few images to count directions."
    two, local = (metric_value(dimension.metrics, name) for name in ("twonn", "lid_mle"))
    if two is None and local is None:
        return "The dimension is undefined here: there are too few different images."
    if two is None or local is None:
        return f"Around an image the data varies in about {decimals(two or local, 0)} directions."
    text = f"Around an image the data varies in about {decimals(two, 0)} directions (TwoNN)"
    if local > 2 * two:
        return f"{text}, but {decimals(local, 0)} by the wider estimate: there are too few images to tell."
    return f"{text}, {decimals(local, 0)} by the wider estimate; far fewer than stored dimensions is normal."


def _known(dimension: IntrinsicDimension | None) -> NDArray[np.float64]:
    return np.zeros(0) if dimension is None else dimension.lid[np.isfinite(dimension.lid)]


def _dimension_marks(dimension: IntrinsicDimension | None, x: Axis) -> tuple[Mark, ...]:
    two = metric_value(dimension.metrics, "twonn") if dimension else None
    return () if two is None or not x.low <= two <= x.high else (Mark(x.place(two), f"TwoNN {decimals(two, 1)}"),)


def _ranks(n: int) -> list[int]:
    return sorted({round(float(v)) for v in np.geomspace(1, n, min(n, _POINTS))} | {1, n})


def _rank_ticks(n: int) -> list[int]:
    if n <= 20:
        return sorted({1, n})
    decades = [10**p for p in range(len(str(n))) if 10**p <= n]
    return decades if n < 1.6 * decades[-1] else [*decades, n]


def _power(exponent: int) -> str:
    if exponent > -3:
        return f"{100 * 10.0**exponent:g}\u00a0%"
    return "10" + "".join(_RAISED[digit] for digit in str(exponent))


def _point(rank: int, share: NDArray[np.float64], carried: NDArray[np.float64]) -> str:
    own, total = percent(finite(float(share[rank - 1]))), percent(min(1.0, float(carried[rank - 1])))
    return f"direction {rank:,}\n{own} of the variance\n{total} up to here"


def _reach(carried: NDArray[np.float64], share: float) -> int:
    return min(len(carried), int(np.searchsorted(carried, share - 1e-12)) + 1)


def _marks(carried: NDArray[np.float64], x: Axis) -> list[Mark]:
    kinds = ("faint", "faint low", "faint lower")
    found = [(share, _reach(carried, share), kind) for share, kind in zip(_MARKED, kinds, strict=True)]
    return [Mark(x.place(n), f"{percent(share)} in {n:,}", kind) for share, n, kind in found]
