"""Pictures outside the strips: what a card, a hub or a spot on the map shows, and which rows need one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.names import shorten, visible
from bignet.reporting.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.result import Cluster, Clustering
    from bignet.evaluate.geometry_result import Hubness, Projection
    from bignet.evaluate.result import Evaluation
    from bignet.reporting.settings import ReportSettings
    from bignet.reporting.strips import Strip
    from bignet.reporting.thumbnails import Thumbnail

HUBS = 12
MINORITY = 3
_LEFT_OUT = "left out"


@dataclass(frozen=True)
class Picture:
    """One thumbnail: its row, its label, a word on it, and why it is missing, if it is."""

    row: int
    label: str
    note: str
    missing: str
    crisp: bool


class Gallery:
    """Rows -> pictures."""

    def __init__(self, labels: Sequence[str | None], thumbnails: Mapping[int, Thumbnail]) -> None:
        self._labels = labels
        self._thumbnails = thumbnails

    def picture(self, row: int, note: str = "") -> Picture:
        """The thumbnail of a row, or a placeholder."""
        made, label = self._thumbnails.get(row), self._labels[row]
        return Picture(
            row=row,
            label="no label" if label is None else shorten(visible(label), 40),
            note=note,
            missing=_LEFT_OUT if made is None else made.missing,
            crisp=made is not None and made.is_crisp,
        )

    def pictures(self, rows: Iterable[int], note: str = "") -> list[Picture]:
        """Several at once."""
        return [self.picture(row, note) for row in rows]

    def missing(self, rows: Iterable[int]) -> str:
        """How many of the rows have no picture; empty if all have one."""
        n = sum(bool(self.picture(row).missing) for row in set(rows))
        return f"{counted(n, 'picture is', 'pictures are')} not shown; numbers do not depend on them." if n else ""


def rows_with_pictures(
    evaluation: Evaluation, strips: Sequence[Strip], paired: Iterable[int], settings: ReportSettings
) -> list[int]:
    """Every row that some section shows, the most important first: what is beyond the budget goes without."""
    geometry, clusters = evaluation.geometry, evaluation.clusters
    rows: list[int] = []
    if clusters:
        rows += [card.medoid for card in clusters.chosen.clusters]
    if geometry and geometry.hubness:
        rows += [row for row, _n in hubs_of(geometry.hubness)]
    rows += [row for strip in strips for row in strip.rows]
    rows += paired
    if clusters:
        rows += _of_cards(clusters.chosen)
    if geometry and geometry.projections:
        rows += spread_over(geometry.projections[0], settings)
    for clustering in clusters.clusterings.values() if clusters else ():
        rows += _of_cards(clustering)
    return list(dict.fromkeys(rows))


def rows_of_card(card: Cluster) -> Iterator[int]:
    """The rows a card shows, its medoid first."""
    yield card.medoid
    for rows in (card.nearest_rows, card.boundary_rows, card.outlier_rows, card.minority_rows[:MINORITY]):
        yield from rows


def hubs_of(hubness: Hubness) -> list[tuple[int, int]]:
    """The rows in most lists, and in how many; only those in more lists than an even share."""
    order = np.argsort(-hubness.counts, kind="stable")[:HUBS]
    found = [(int(hubness.rows[i]), int(hubness.counts[i])) for i in order]
    return [(row, n) for row, n in found if n > hubness.k]


def spread_over(projection: Projection, settings: ReportSettings) -> list[int]:
    """Rows spread evenly over a map: one drawn from each cell of a grid of about ``map_pictures`` cells."""
    known = np.flatnonzero(np.isfinite(projection.xy).all(axis=1))
    known = np.random.default_rng(settings.seed).permutation(known)
    places, rows = projection.xy[known], projection.rows[known]
    if not len(rows):
        return []
    side = max(1, round(settings.map_pictures**0.5))
    cell = _cells(places, side)
    _, first = np.unique(cell, return_index=True)
    return [int(row) for row in rows[np.sort(first)]]


def _cells(places: NDArray[np.float64], side: int) -> NDArray[np.int64]:
    low = places.min(axis=0)
    span = np.maximum(places.max(axis=0) - low, 1e-300)
    grid = np.minimum(side - 1, ((places - low) / span * side).astype(np.int64))
    return np.asarray(grid[:, 0] * side + grid[:, 1], dtype=np.int64)


def _of_cards(clustering: Clustering) -> list[int]:
    return [row for card in clustering.clusters for row in rows_of_card(card)]
