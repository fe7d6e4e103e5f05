"""Hubs: how often each image is in other images' lists, and those that are in most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.names import visible
from bignet.reporting.numbers import counted, decimals, percent
from bignet.reporting.sections.charts import Axis, Bar, Chart, Line, Note, Reading, Tick, dot, even_ticks
from bignet.reporting.sections.gallery import Gallery, Picture, hubs_of
from bignet.reporting.sections.geometry import CROWDED, SKEWED, are_few, hub_share, is_hubby
from bignet.reporting.sections.hierarchy import metric_value

if TYPE_CHECKING:
    from bignet.evaluate.geometry_result import Hubness
    from bignet.reporting.facts import Facts

_NULL_SKEW = 0.32  # of lists of ten in a graph drawn at random
_MOST_BARS = 60


@dataclass(frozen=True)
class Hub:
    """One image in many lists."""

    picture: Picture
    lists: str
    share: str
    raw: dict[str, float | int | str | None]


def chart(hubness: Hubness | None) -> Chart | None:
    """Share of the images in 0, 1, 2, ... lists, with what a random graph would give as a line."""
    if hubness is None or not len(hubness.counts):
        return None
    last = _last_bar(hubness)
    shares = np.bincount(np.minimum(hubness.counts, last), minlength=last + 1) / len(hubness.counts)
    null = _null(hubness, last)
    top = float(max(shares.max(), null.max(initial=0.0)))
    x, y = Axis(-0.5, last + 0.5), Axis(0.0, top)
    width = 100 / (last + 1)
    return Chart(
        id="occurrence",
        summary=f"Share of the images that are in so many lists, beside a random graph. {reading(hubness)}",
        x_ticks=tuple(Tick(x.place(v), _name(int(v), last, hubness)) for v in _ticks(last)),
        y_ticks=tuple(Tick(y.place(v), percent(v) if v else "0") for v in even_ticks(y, 4)),
        x_name=f"lists of {hubness.k} an image is in",
        y_name="share of the images",
        readings=tuple(
            Reading(x.place(i), _reading(i, (last, hubness), float(share), float(null[i]) if i < len(null) else 0.0))
            for i, share in enumerate(shares)
        ),
        bars=tuple(
            Bar(round(i * width + width * 0.08, 3), round(width * 0.84, 3), y.place(float(s)))
            for i, s in enumerate(shares)
        ),
        lines=(Line("", "null", tuple(dot(x, y, i, float(v)) for i, v in enumerate(null)), dotted=False),)
        if len(null) > 1
        else (),
        notes=(Note(x.place(float(np.argmax(null))), 100 - y.place(float(null.max())), "random graph", "null"),)
        if len(null) > 1
        else (),
    )


def reading(hubness: Hubness | None) -> str:
    """What the counts say and what follows."""
    if hubness is None:
        return "There are too few images for lists."
    skew = metric_value(hubness.metrics, "hub_skew")
    null = next((m.chance for m in hubness.metrics if m.id == "hub_skew" and m.chance is not None), _NULL_SKEW)
    never = percent(float(np.mean(hubness.counts == 0)))
    text = f"The skew is {decimals(skew, 2)}, where a random graph has {decimals(null, 2)}, and {never} are in no list"
    if is_hubby(hubness):
        return f"{text}: try centring or PCA, and look at the hubs."
    return f"{text}: nothing crowds the lists."


def hubs(facts: Facts, hubness: Hubness | None, gallery: Gallery) -> list[Hub]:
    """The images in most lists."""
    if hubness is None:
        return []
    return [_hub(facts, gallery, row, n, len(hubness.rows)) for row, n in hubs_of(hubness)]


def hubs_reading(hubness: Hubness | None) -> str:
    """Who is in how many lists."""
    if hubness is None or not len(hubness.counts):
        return ""
    most = int(hubness.counts.max())
    share = hub_share(hubness)
    if are_few(hubness):
        lists = f"{most:,} of {counted(len(hubness.rows), 'list')}"
        return f"The image in most lists is in {lists}: among so few images that says nothing."
    verdict = (
        f"over {percent(CROWDED)}, so look at it"
        if share > CROWDED
        else f"under the {percent(CROWDED)} that would be too many"
    )
    return f"The largest hub is in {counted(most, 'list')} ({percent(share)}): {verdict}."


def rule() -> str:
    """The house rule in words."""
    return (
        f"House rule: a skew above {SKEWED:g}, or one image in more than {percent(CROWDED)} of the lists, is too much."
    )


def _last_bar(hubness: Hubness) -> int:
    far = int(np.quantile(hubness.counts, 0.995, method="higher"))
    return max(2 * hubness.k, min(_MOST_BARS, far, int(hubness.counts.max()))) if len(hubness.counts) > 1 else 1


def _null(hubness: Hubness, last: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    known = np.asarray(hubness.expected, dtype=np.float64)[: last + 1]
    return known[np.isfinite(known)] if np.isfinite(known).all() else known[:0]


def _ticks(last: int) -> list[float]:
    ticks = [v for v in even_ticks(Axis(0, last), 6) if v == round(v)]
    return (
        ticks
        if last - ticks[-1] < last / 12 and ticks[-1] == last
        else [v for v in ticks if last - v > last / 12] + [float(last)]
    )


def _name(lists: int, last: int, hubness: Hubness) -> str:
    return f"{lists}+" if lists == last and int(hubness.counts.max()) > last else str(lists)


def _reading(i: int, at: tuple[int, Hubness], share: float, null: float) -> str:
    last, hubness = at
    return f"in {_name(i, last, hubness)} lists\n{percent(share)} of the images\n{percent(null)} at random"


def _hub(facts: Facts, gallery: Gallery, row: int, n: int, lists: int) -> Hub:
    label = facts.evaluation.labels[row]
    return Hub(
        picture=gallery.picture(row, f"in {counted(n, 'list')}"),
        lists=counted(n, "list"),
        share=f"{100 * n / lists:.{0 if 10 * n > lists else 1}f}\u00a0%",
        raw={
            "id": str(int(facts.evaluation.ids[row])),
            "path": visible(facts.source.paths[row]),
            "label": "" if label is None else visible(label),
            "lists": n,
        },
    )
