"""The same queries under several choices, rank under rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.names import pasteable, shorten, visible
from bignet.reporting.numbers import count, counted, decimals, finite
from bignet.reporting.relation import NAMES, SAME, TITLES, UNLABELLED, Relations
from bignet.reporting.sections.neighbours import Scale, missing_note
from bignet.reporting.sections.parts import Advice, Name, name_of
from bignet.reporting.strips import Neighbour
from bignet.reporting.strips import Strip as ReportStrip
from bignet.reporting.sweep import commands
from bignet.reporting.sweep.facts import named
from bignet.reporting.sweep.shapes import shape, tint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.evaluate.sweep.result import Strip
    from bignet.reporting.sections.gallery import Gallery, Picture
    from bignet.reporting.sweep.facts import SweepFacts
    from bignet.reporting.thumbnails import Thumbnail


@dataclass(frozen=True)
class Tile:
    """One neighbour; ``relation`` names its border, ``step`` its shade."""

    picture: Picture
    similarity: str
    relation: str
    title: str
    label: str
    step: int | None


@dataclass(frozen=True)
class Line:
    """One choice's answer to a query; ``right`` says how many show the query's class, empty where nobody knows."""

    number: int
    right: str
    tiles: list[Tile]


@dataclass(frozen=True)
class Block:
    """One query and its lines; ``spread`` is how far the choices differ, for sorting."""

    query: Picture
    label: str
    spread: int
    lines: list[Line]


@dataclass(frozen=True)
class Compared:
    """A choice that strips are there for."""

    number: int
    name: Name
    tint: str
    shape: str
    right: str


class Comparison:
    """The strips of a sweep, with names and borders."""

    def __init__(self, facts: SweepFacts) -> None:
        self._facts = facts
        self._strips = [strip for strip in facts.sweep.strips if strip.neighbours]
        self._names = list(dict.fromkeys(name for strip in self._strips for name in strip.neighbours))
        self._relations = Relations.of(facts.sweep.labels)
        self._found = [{name: self._neighbours(strip, name) for name in strip.neighbours} for strip in self._strips]
        self._scale = Scale.of([self._as_report(strip) for strip in self._strips])

    @property
    def rows(self) -> list[int]:
        """Rows that need a picture: the queries, then their neighbours, the nearest first."""
        found = [strip.query for strip in self._strips]
        near = [(rank, item.row) for lists in self._found for line in lists.values() for rank, item in enumerate(line)]
        return list(dict.fromkeys([*found, *(row for _, row in sorted(near, key=lambda pair: pair[0]))]))

    @property
    def columns(self) -> int:
        """Ranks shown."""
        return max((len(line) for lists in self._found for line in lists.values()), default=0)

    @property
    def legend(self) -> tuple[str, str]:
        """Similarity at both ends of the shades."""
        return self._scale.legend

    @property
    def has_labels(self) -> bool:
        """Whether borders mean anything."""
        return any(label is not None for label in self._facts.sweep.labels)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """How neighbours stand to their queries, of all that occur: what draws the border, and its words."""
        held = {item.relation for lists in self._found for line in lists.values() for item in line}
        return [(NAMES[kind], TITLES[kind]) for kind in sorted(held)] if self.has_labels else []

    def compared(self) -> list[Compared]:
        """The choices that have strips, in the order given."""
        made = []
        for number, name in enumerate(self._names):
            slot = self._facts.models[self._facts.by_name[name].choice.model] if name in self._facts.by_name else -1
            made.append(Compared(number, name_of(name, 40), tint(slot), shape(slot), self._share(name)))
        return made

    def blocks(self, gallery: Gallery) -> list[Block]:
        """What the template prints, one a query, those first on which the choices differ most."""
        made = [self._block(gallery, i) for i in range(len(self._strips))]
        return sorted(made, key=lambda block: -block.spread) if self.has_labels else made

    def data(self, thumbnails: Mapping[int, Thumbnail]) -> dict[str, Any]:
        """Every picture's name, for enlarging it."""
        return {str(row): self._item(row, thumbnails[row]) for row in self.rows if row in thumbnails}

    def missing(self, thumbnails: Mapping[int, Thumbnail]) -> str:
        """How many pictures could not be shown, and why."""
        return missing_note({row: thumbnails[row] for row in self.rows if row in thumbnails})

    def answer(self) -> str:
        """The section's sentence."""
        if not self._strips:
            return "There are no strips: they take at least two images that every model could embed."
        queries = counted(len(self._strips), "query", "queries")
        shares = [(self._right(name), name) for name in self._names]
        known = [(right, name) for right, name in shares if right is not None]
        if len(known) < 2:
            return f"The neighbours of the same {queries} under {counted(len(self._names), 'choice')}."
        best, worst = max(known, key=lambda pair: pair[0]), min(known, key=lambda pair: pair[0])
        return (
            f"On the same {queries}, {decimals(best[0], 1)} of the {self.columns} nearest are right under "
            f"{named(best[1])}, {decimals(worst[0], 1)} under {named(worst[1])}."
        )

    def advice(self) -> Advice:
        """What to do with the strips."""
        taken = self._facts.taken
        if taken is None:
            return Advice("Sweep again with more images.", commands.sweep(self._facts.source, ""))
        text = "A score is a mean; look whether the mistakes of the cheaper choice are ones that you can live with."
        return Advice(text, commands.search(self._facts.source, taken.choice))

    def _neighbours(self, strip: Strip, name: str) -> list[Neighbour]:
        rows, near = strip.neighbours[name], strip.similarity[name]
        kept = [(int(row), float(s)) for row, s in zip(rows, near, strict=True) if row >= 0]
        if not kept:
            return []
        kinds = self._relations.between(np.array([strip.query]), np.array([row for row, _ in kept]))
        return [Neighbour(row, s, int(kind)) for (row, s), kind in zip(kept, kinds, strict=True)]

    def _as_report(self, strip: Strip) -> ReportStrip:
        """For the scale of shades, which is the report's."""
        found = self._found[self._strips.index(strip)] if strip in self._strips else {}
        return ReportStrip(strip.query, tuple(item for line in found.values() for item in line), None)

    def _right(self, name: str) -> float | None:
        """Mean number of neighbours of the query's own class."""
        found = [self._n_right(i, name) for i, lists in enumerate(self._found) if name in lists]
        known = [n for n in found if n is not None]
        return sum(known) / len(known) if known else None

    def _n_right(self, i: int, name: str) -> int | None:
        if self._facts.sweep.labels[self._strips[i].query] is None:
            return None
        return sum(item.relation == SAME for item in self._found[i][name])

    def _share(self, name: str) -> str:
        right = self._right(name)
        return "" if right is None else f"{decimals(right, 1)} of {self.columns} right"

    def _block(self, gallery: Gallery, i: int) -> Block:
        strip = self._strips[i]
        label = self._facts.sweep.labels[strip.query]
        right = [n for name in self._found[i] if (n := self._n_right(i, name)) is not None]
        return Block(
            query=gallery.picture(strip.query, "query"),
            label="" if label is None else visible(label),
            spread=max(right, default=0) - min(right, default=0),
            lines=[
                self._line(gallery, i, number, name)
                for number, name in enumerate(self._names)
                if name in self._found[i]
            ],
        )

    def _line(self, gallery: Gallery, i: int, number: int, name: str) -> Line:
        found = self._found[i][name]
        n = self._n_right(i, name)
        tiles = [self._tile(gallery, item, rank + 1, name) for rank, item in enumerate(found)]
        return Line(number, "" if n is None else f"{count(n)} of {len(found)} right", tiles)

    def _tile(self, gallery: Gallery, item: Neighbour, rank: int, name: str) -> Tile:
        label = self._facts.sweep.labels[item.row]
        similarity, title = decimals(item.similarity), TITLES[item.relation]
        note = f"{visible(name)}, rank {rank}, similarity {similarity}"
        note += f", {title}" if self.has_labels else ""
        return Tile(
            picture=gallery.picture(item.row, note),
            similarity=similarity,
            relation=NAMES[item.relation] if self.has_labels else "",
            title=title if item.relation != UNLABELLED or self.has_labels else "",
            label="" if label is None else shorten(visible(label), 40),
            step=self._scale.step(1 - item.similarity) if finite(item.similarity) is not None else None,
        )

    def _item(self, row: int, thumbnail: Thumbnail) -> dict[str, Any]:
        sweep = self._facts.sweep
        shown, paste, label = visible(sweep.paths[row]), pasteable(sweep.paths[row]), sweep.labels[row]
        item: dict[str, Any] = {"id": str(int(sweep.ids[row])), "path": shown}
        item |= {} if paste == shown else {"paste": paste}
        item |= {} if label is None else {"label": visible(label)}
        return item | {"size": [thumbnail.width, thumbnail.height], "missing": thumbnail.missing}
