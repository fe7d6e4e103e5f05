"""The neighbour strips: queries, what was found for each, and the words around them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bignet.names import pasteable, shorten, visible
from bignet.reporting.colour import step_of
from bignet.reporting.numbers import brief, count, counted, decimals, finite, percent
from bignet.reporting.relation import NAMES, TITLES
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import add_images
from bignet.reporting.sections.parts import Advice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bignet.reporting.facts import Facts
    from bignet.reporting.pairs import Pair
    from bignet.reporting.strips import Neighbour, Strip
    from bignet.reporting.thumbnails import Thumbnail

FILTERS = {
    "worst": ("Worst first", "lowest average precision first"),
    "wrong": ("Wrong but similar", "most similar first neighbours with another label"),
    "random": ("Random", "drawn with a fixed seed: the unvarnished view"),
    "class": ("One per class", "one random query of each class"),
    "hubs": ("Hubs", "images in the most lists: a few such crowd out better answers"),
    "twins": ("Nearest twins", "most similar first neighbours first: look here for duplicates"),
    "loners": ("Loners", "least similar first neighbours first: look here for strays"),
}


@dataclass(frozen=True)
class TileView:
    """One picture in a strip."""

    row: int
    similarity: str
    relation: str
    title: str
    label: str
    missing: str
    crisp: bool
    place: str
    step: int | None = None


@dataclass(frozen=True)
class StripView:
    """One query and its tiles; ``precision`` and ``first`` are what strips sort by."""

    row: int
    query: TileView
    tiles: list[TileView]
    farthest: TileView | None
    places: str
    label: str
    note: str
    lists: str
    precision: float | None
    first: float | None


class StripPainter:
    """Strips -> what the template prints. Knows the names and pictures of all rows."""

    def __init__(self, facts: Facts, thumbnails: Mapping[int, Thumbnail], scale: Scale) -> None:
        self._facts = facts
        self._thumbnails = thumbnails
        self._scale = scale

    def views(self, strips: Sequence[Strip]) -> list[StripView]:
        """Every strip, in order."""
        return [self._view(strip) for strip in strips]

    def data(
        self,
        strips: Sequence[Strip],
        cells: Mapping[tuple[int, int], Sequence[Pair]],
        pictured: Iterable[int],
    ) -> dict[str, Any]:
        """What the page's script needs to enlarge any picture, to open a cell of the matrix and to remember marks."""
        beside = {row for pairs in cells.values() for pair in pairs for row in (pair.row, pair.other)}
        rows = sorted({row for strip in strips for row in strip.rows} | beside | set(pictured))
        fingerprint, source = self._facts.evaluation.gallery_fingerprint, self._facts.source
        uuid = source.provenance.get("store_uuid")
        return {
            "key": f"bignet-marks:{uuid or ''}:{fingerprint}:{visible(source.embedding)}",
            "store": visible(source.store_name),
            "store_uuid": uuid,
            "embedding": visible(source.embedding),
            "embedding_fingerprint": source.provenance.get("fingerprint"),
            "fingerprint": fingerprint,
            "labelled": self._facts.n_labelled > 0,
            "items": {str(row): self._item(row) for row in rows},
            "strips": [self._strip_data(strip) for strip in strips],
            "cells": {f"{i},{j}": [_pair_data(pair) for pair in pairs] for (i, j), pairs in cells.items()},
        }

    def _view(self, strip: Strip) -> StripView:
        tiles = [self._tile(item, str(i + 1)) for i, item in enumerate(strip.neighbours)]
        label = self._facts.evaluation.labels[strip.row]
        return StripView(
            row=strip.row,
            query=self._picture(strip.row, "query"),
            tiles=tiles,
            farthest=self._tile(strip.farthest, "farthest") if strip.farthest else None,
            places=" ".join(f"{name}:{place}" for name, place in strip.places.items()),
            label="" if label is None else visible(label),
            note=self._note(strip.row),
            lists=self._lists(strip.row),
            precision=brief(float(self._facts.evaluation.per_query.apr[strip.row])),
            first=brief(strip.neighbours[0].similarity) if strip.neighbours else None,
        )

    def _lists(self, row: int) -> str:
        """How many lists a hub is in."""
        found = self._facts.lists_of(row)
        return "" if found is None else f"in {counted(found, 'list')}"

    def _note(self, row: int) -> str:
        queries = self._facts.evaluation.per_query
        precision = finite(float(queries.apr[row]))
        return "" if precision is None else f"AP {decimals(precision)}"

    def _tile(self, item: Neighbour, place: str) -> TileView:
        title = TITLES[item.relation]
        tile = self._picture(item.row, place)
        step = self._scale.step(1 - item.similarity)
        return replace(
            tile, similarity=decimals(item.similarity), relation=NAMES[item.relation], title=title, step=step
        )

    def _picture(self, row: int, place: str) -> TileView:
        thumbnail = self._thumbnails[row]
        label = self._facts.evaluation.labels[row]
        return TileView(
            row=row,
            similarity="",
            relation="",
            title="",
            label="" if label is None else shorten(visible(label), 40),
            missing=thumbnail.missing,
            crisp=thumbnail.is_crisp,
            place=place,
        )

    def _item(self, row: int) -> dict[str, Any]:
        path = self._facts.source.paths[row]
        label = self._facts.evaluation.labels[row]
        thumbnail = self._thumbnails[row]
        shown, paste = visible(path), pasteable(path)
        item = {"id": str(int(self._facts.evaluation.ids[row])), "path": shown}
        if paste != shown:
            item["paste"] = paste
        if label is not None:
            item["label"] = visible(label)
        return item | {"size": [thumbnail.width, thumbnail.height], "missing": thumbnail.missing}

    def _strip_data(self, strip: Strip) -> dict[str, Any]:
        tiles = [[item.row, brief(item.similarity), item.relation] for item in strip.neighbours]
        far = strip.farthest
        return {
            "q": strip.row,
            "nn": tiles,
            "far": None if far is None else [far.row, brief(far.similarity), far.relation],
        }


@dataclass(frozen=True)
class Scale:
    """The distances that the strips' shades run between: the darker, the farther."""

    low: float
    high: float

    @classmethod
    def of(cls, strips: Sequence[Strip]) -> Scale:
        """From the nearest to the farthest of all tiles."""
        tiles = [item for strip in strips for item in (*strip.neighbours, strip.farthest) if item]
        distances = [1 - item.similarity for item in tiles if finite(item.similarity) is not None]
        return cls(min(distances, default=0.0), max(distances, default=0.0))

    def step(self, distance: float) -> int | None:
        """The shade of a distance; None where it is undefined."""
        return None if finite(distance) is None else step_of(distance, self.low, self.high)

    @property
    def legend(self) -> tuple[str, str]:
        """Both ends as the strips print them: the similarity of the nearest and of the farthest tile."""
        return decimals(1 - self.low), decimals(1 - self.high)


def filters_of(strips: Sequence[Strip]) -> list[tuple[str, str, str, int]]:
    """Filters that show something: id, name, meaning, how many rows."""
    sizes = {name: sum(name in strip.places for strip in strips) for name in FILTERS}
    return [(name, *words, sizes[name]) for name, words in FILTERS.items() if sizes[name]]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    if facts.n_embedded < 2 or facts.nearest is None:
        return "There are no neighbours to show: a strip needs at least two images that can be compared."
    if not facts.n_labelled or not facts.n_queries:
        near, far = decimals(facts.nearest), decimals(facts.farthest)
        return f"For the median image the nearest neighbour has similarity {near}, the farthest {far}."
    if not facts.n_wrong_first:
        return "Every query's first neighbour has its own label."
    share = percent(facts.n_wrong_first / facts.n_queries)
    wrong = counted(facts.n_wrong_first, "query has", "queries have")
    return f"{wrong} a first neighbour of another class: {share} of {count(facts.n_queries)}."


def advice(facts: Facts, strips: Sequence[Strip]) -> Advice:
    """What to do with the strips."""
    if not strips:
        return add_images(facts.source, "Add images to the store; two are enough for a first strip.")
    text = "Enlarge a neighbour and mark it; draw any query's neighbours as a picture."
    return Advice(text, commands.search_row(facts.source, strips[0].row))


def missing_note(thumbnails: Mapping[int, Thumbnail]) -> str:
    """How many pictures could not be shown, and why; empty if all could."""
    reasons: dict[str, int] = {}
    for thumbnail in thumbnails.values():
        if thumbnail.missing:
            reasons[thumbnail.missing] = reasons.get(thumbnail.missing, 0) + 1
    if not reasons:
        return ""
    listed = ", ".join(f"{n:,} {reason}" for reason, n in sorted(reasons.items()))
    n = sum(reasons.values())
    return f"{counted(n, 'picture is', 'pictures are')} not shown ({listed}); scores do not depend on them."


def _pair_data(pair: Pair) -> list[int | float | None]:
    return [pair.row, pair.other, brief(pair.similarity), pair.relation]
