"""Answers of a search -> one page with the pictures that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bignet.errors import UsageError, explain_os_error
from bignet.files import replace_all, whole
from bignet.names import pasteable, shorten, visible
from bignet.reporting.numbers import count, counted, decimals
from bignet.reporting.page import asset, embedded_json, environment
from bignet.reporting.settings import ReportSettings
from bignet.reporting.thumbnails import path_inside, thumbnails_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bignet.reporting.thumbnails import Thumbnail

STYLES = ("base.css", "strips.css", "answers.css")
SCRIPTS = ("core.js", "picture.js", "answers.js")
SETTINGS = ReportSettings(thumb_px=160)
_PATH_WIDTH = 30  # characters of a path below a picture, on two lines


@dataclass(frozen=True)
class ShownHit:
    """One hit: its id, its path below the image folder, its score, its label, the value it is the best of."""

    id: int
    path: bytes
    score: float
    label: str | None
    group: str | None = None


@dataclass(frozen=True)
class ShownAnswer:
    """One query with its hits, nearest first.

    Attributes:
        text: the query as it was given.
        images: its pictures: paths below the image folder, or absolute.
        hits: nearest first.
        searched: how they were found.
    """

    text: str
    images: tuple[bytes, ...]
    hits: tuple[ShownHit, ...]
    searched: str


@dataclass(frozen=True)
class AnswersSource:
    """What a page of answers is about.

    Attributes:
        store_name: the store's own name, without its folders.
        embedding: what was searched.
        image_root: the folder that paths start from.
        facts: what was asked for, by name: ``("where", "label = 'cat'")``.
        answers: in the order of the queries.
    """

    store_name: str
    embedding: str
    image_root: Path
    facts: tuple[tuple[str, str], ...]
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True)
class _Tile:
    """One picture as the template prints it."""

    row: int
    missing: str
    crisp: bool
    path: str
    short: str
    label: str
    score: str = ""
    group: str = ""


def write_answers(source: AnswersSource, out: Path, settings: ReportSettings = SETTINGS) -> None:
    """Write the page.

    Raises:
        UsageError: another ending than .html, or a page too large to open.
        ResourceError: the disk refused.
    """
    check_ending(out)
    page = render_answers(source, settings).encode("utf-8")
    if len(page) > settings.hard_max_bytes:
        size, most = len(page) / 1e6, settings.hard_max_bytes / 1e6
        raise UsageError(
            f"{out} would be {size:.3g} MB, at most {most:.3g} MB open well; ask for fewer queries or hits"
        )
    try:
        replace_all({out: whole(page)})
    except OSError as error:
        raise explain_os_error(error, f"write the page {out}") from error


def check_ending(out: Path) -> None:
    """Whether the page can be written under a name.

    Raises:
        UsageError: another ending.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"the page cannot be written to '{out}'; end its name in .html")


def render_answers(source: AnswersSource, settings: ReportSettings = SETTINGS) -> str:
    """The page as text."""
    numbers = _numbered(source)
    thumbnails = thumbnails_of({number: _full(source, path) for path, number in numbers.items()}, settings)
    painter = _Painter(numbers, thumbnails)
    return (
        environment()
        .get_template("answers.html.j2")
        .render(
            css=asset(STYLES),
            js=asset(SCRIPTS),
            store=visible(source.store_name),
            embedding=visible(source.embedding),
            title=_title(source.answers),
            facts=[(name, visible(value)) for name, value in source.facts],
            answers=[painter.answer(answer) for answer in source.answers],
            pictures=[(number, made.data_uri) for number, made in thumbnails.items() if made.jpeg],
            missing=_missing(thumbnails),
            data=embedded_json(painter.data(source.answers)),
        )
    )


class _Painter:
    """Answers -> what the template and the script need. Knows the number and the picture of every path."""

    def __init__(self, numbers: Mapping[bytes, int], thumbnails: Mapping[int, Thumbnail]) -> None:
        self._numbers = numbers
        self._thumbnails = thumbnails

    def answer(self, answer: ShownAnswer) -> dict[str, Any]:
        """One query and its tiles."""
        return {
            "text": visible(answer.text),
            "searched": answer.searched,
            "query": [self._tile(path, None) for path in answer.images],
            "tiles": [self._hit(hit) for hit in answer.hits],
        }

    def data(self, answers: Sequence[ShownAnswer]) -> dict[str, Any]:
        """For enlarging pictures."""
        labels = {hit.path: hit.label for answer in answers for hit in answer.hits}
        return {
            "items": {str(number): self._item(path, labels.get(path)) for path, number in self._numbers.items()},
            "answers": [
                {
                    "text": visible(answer.text),
                    "query": [self._numbers[path] for path in answer.images],
                    "hits": [[self._numbers[hit.path], decimals(hit.score), hit.id] for hit in answer.hits],
                }
                for answer in answers
            ],
        }

    def _hit(self, hit: ShownHit) -> _Tile:
        group = "" if hit.group is None else visible(hit.group)
        return self._tile(hit.path, hit.label, decimals(hit.score), "" if group == hit.label else group)

    def _tile(self, path: bytes, label: str | None, score: str = "", group: str = "") -> _Tile:
        number, shown = self._numbers[path], visible(path)
        made = self._thumbnails[number]
        short, named = shorten(shown, _PATH_WIDTH), "" if label is None else visible(label)
        return _Tile(number, made.missing, made.is_crisp, shown, short, named, score, group)

    def _item(self, path: bytes, label: str | None) -> dict[str, Any]:
        made, shown, paste = self._thumbnails[self._numbers[path]], visible(path), pasteable(path)
        item = {"path": shown, "size": [made.width, made.height], "missing": made.missing}
        item |= {} if paste == shown else {"paste": paste}
        return item | ({} if label is None else {"label": visible(label)})


def _numbered(source: AnswersSource) -> dict[bytes, int]:
    """Every path once: queries first, then first hits, then second ones, for what is left out comes last."""
    most = max((len(answer.hits) for answer in source.answers), default=0)
    queries = [path for answer in source.answers for path in answer.images]
    hits = [answer.hits[rank].path for rank in range(most) for answer in source.answers if rank < len(answer.hits)]
    return {path: number for number, path in enumerate(dict.fromkeys([*queries, *hits]))}


def _full(source: AnswersSource, path: bytes) -> bytes | None:
    """A query's own file may lie anywhere, what the store names only below its image folder."""
    asked = {image for answer in source.answers for image in answer.images}
    return path if path in asked and path.startswith(b"/") else path_inside(source.image_root, path)


def _title(answers: Sequence[ShownAnswer]) -> str:
    hits = sum(len(answer.hits) for answer in answers)
    if len(answers) != 1:
        return f"{counted(len(answers), 'query', 'queries')}, {counted(hits, 'hit')}"
    n_images = len(answers[0].images)
    name = f"{n_images} images combined" if n_images > 1 else shorten(visible(answers[0].text), 60)
    if not hits:
        return f"Nothing found for {name}"
    return f"The image most similar to {name}" if hits == 1 else f"The {count(hits)} images most similar to {name}"


def _missing(thumbnails: Mapping[int, Thumbnail]) -> str:
    reasons = [made.missing for made in thumbnails.values() if made.missing]
    if not reasons:
        return ""
    listed = ", ".join(f"{reasons.count(reason):,} {reason}" for reason in sorted(set(reasons)))
    return f"{counted(len(reasons), 'picture is', 'pictures are')} not shown ({listed}); scores do not depend on them."
