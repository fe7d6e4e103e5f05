"""Contact sheets: one picture that shows each query and, beside it, what a search found."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from bignet.errors import UsageError, explain_os_error
from bignet.files import replace_all, whole
from bignet.images import RejectedImage, open_rgb
from bignet.names import shorten, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_MOST_PIXELS = {"JPEG": 65_000, "PNG": 65_000, "WEBP": 16_000}  # on one side, as the formats allow
_TILE, _GAP, _MARGIN, _QUERY_GAP = 160, 16, 40, 48
_LINE, _CAPTION, _ROW_GAP = 20, 72, 24
_CRISP_BELOW_PX = 64
_PAPER, _WASH, _RULE = "#ffffff", "#f2f2ee", "#dcdcd6"
_INK, _SOFT, _ACCENT = "#14171c", "#5c626c", "#1f5f9f"

_OTHER_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class SheetTile:
    """One neighbour: its name, its file's bytes if they are at hand, its score and its label."""

    name: str
    image: bytes | None
    score: float
    label: str | None


@dataclass(frozen=True)
class SheetRow:
    """One query and its neighbours, nearest first."""

    query_name: str
    query_image: bytes | None
    neighbours: tuple[SheetTile, ...]


@dataclass(frozen=True)
class _Pen:
    """Where and with what captions are written."""

    draw: ImageDraw.ImageDraw
    plain: Font
    large: Font
    other: Font | None  # for letters that Pillow's own font lacks


def contact_sheet(rows: Sequence[SheetRow], out: Path) -> None:
    """Draw the rows into one picture; its format follows the name: .jpg, .png or .webp.

    Raises:
        UsageError: another ending, no rows, or more rows than the format can hold.
        ResourceError: the disk refused.
    """
    kind = format_of(out)
    if not rows:
        raise UsageError("there is nothing to draw: the search returned no rows; give at least one query")
    _check_height(len(rows), kind)
    target = io.BytesIO()
    _draw(rows).save(target, kind, quality=90)
    try:
        replace_all({out: whole(target.getvalue())})
    except OSError as error:
        raise explain_os_error(error, f"write the sheet {out}") from error


def format_of(out: Path) -> str:
    """The picture format that a name stands for.

    Raises:
        UsageError: another ending.
    """
    kind = FORMATS.get(out.suffix.lower())
    if kind is None:
        allowed = ", ".join(FORMATS)
        raise UsageError(f"{out.name!r} is no picture that can be written; end its name in one of {allowed}")
    return kind


def _row_height() -> int:
    return _TILE + _CAPTION + _ROW_GAP


def _check_height(n_rows: int, kind: str) -> None:
    most = (_MOST_PIXELS[kind] - 2 * _MARGIN) // _row_height()
    if n_rows > most:
        raise UsageError(f"a {kind} sheet holds at most {most:,} queries, not {n_rows:,}; draw several sheets")


def _draw(rows: Sequence[SheetRow]) -> Image.Image:
    columns = max(len(row.neighbours) for row in rows)
    width = 2 * _MARGIN + _TILE + (_QUERY_GAP + columns * (_TILE + _GAP) - _GAP if columns else 0)
    height = 2 * _MARGIN + len(rows) * _row_height() - _ROW_GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = _Pen(ImageDraw.Draw(sheet), ImageFont.load_default(13), ImageFont.load_default(16), _other_font(13))
    for i, row in enumerate(rows):
        _draw_row(sheet, pen, row, _MARGIN + i * _row_height())
    return sheet


def _draw_row(sheet: Image.Image, pen: _Pen, row: SheetRow, top: int) -> None:
    _draw_picture(sheet, pen, row.query_image, (_MARGIN, top))
    pen.draw.rectangle((_MARGIN - 5, top - 5, _MARGIN + _TILE + 4, top + _TILE + 4), outline=_ACCENT, width=3)
    _write(pen, ("query", "", row.query_name), (_MARGIN, top + _TILE + 10), _ACCENT)
    if row.neighbours:
        middle = _MARGIN + _TILE + _QUERY_GAP // 2
        pen.draw.line((middle, top, middle, top + _TILE + _CAPTION - 8), fill=_RULE, width=1)
    for i, tile in enumerate(row.neighbours):
        left = _MARGIN + _TILE + _QUERY_GAP + i * (_TILE + _GAP)
        _draw_picture(sheet, pen, tile.image, (left, top))
        _write(pen, (f"{tile.score:.3f}", tile.label or "", tile.name), (left, top + _TILE + 10), _INK)


def _draw_picture(sheet: Image.Image, pen: _Pen, data: bytes | None, corner: tuple[int, int]) -> None:
    left, top = corner
    pen.draw.rectangle((left, top, left + _TILE - 1, top + _TILE - 1), fill=_WASH)
    try:
        picture = None if data is None else open_rgb(data, draft=(_TILE, _TILE))
    except RejectedImage as error:
        picture, missing = None, str(error.reason).replace("_", " ")
    else:
        missing = "missing"
    if picture is None:
        centre = (left + _TILE // 2, top + _TILE // 2)
        width = pen.draw.textlength(missing, pen.plain)
        pen.draw.text((centre[0] - width / 2, centre[1] - 8), missing, fill=_SOFT, font=pen.plain)
        return
    fitted = _fit(picture)
    sheet.paste(fitted, (left + (_TILE - fitted.width) // 2, top + (_TILE - fitted.height) // 2))


def _fit(picture: Image.Image) -> Image.Image:
    """As large as the tile allows, its shape kept; small pictures grow by whole steps."""
    longest = max(picture.size)
    if longest < _CRISP_BELOW_PX:
        factor = _TILE // longest
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    size = tuple(max(1, round(side * _TILE / longest)) for side in picture.size)
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _write(pen: _Pen, lines: tuple[str, str, str], corner: tuple[int, int], colour: str) -> None:
    """A score, a label and a name below a tile; the name moves up where there is no label."""
    first, label, name = lines
    left, top = corner
    pen.draw.text((left, top), first, fill=colour, font=pen.large)
    rest = [(label, _INK), (name, _SOFT)] if label else [(name, _SOFT)]
    for i, (text, ink) in enumerate(rest):
        _write_line(pen, text, (left, top + 2 + _LINE * (i + 1)), ink)


def _write_line(pen: _Pen, text: str, corner: tuple[int, int], ink: str) -> None:
    clean = visible(text)
    font = pen.plain if clean.isascii() or pen.other is None else pen.other
    if not clean.isascii() and pen.other is None:
        clean = clean.encode("ascii", "backslashreplace").decode("ascii")
    pen.draw.text(corner, _fitted(pen.draw, clean, font), fill=ink, font=font)


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: Font) -> str:
    """Text that is no wider than a tile, cut in the middle."""
    low, high = 1, min(len(text), 60)
    while low < high:
        middle = (low + high + 1) // 2
        fits = draw.textlength(_cut(text, middle), font) <= _TILE
        low, high = (middle, high) if fits else (low, middle - 1)
    return _cut(text, low)


def _cut(text: str, width: int) -> str:
    """Three dots: not every font has the single sign."""
    return text if len(text) <= width else shorten(text, max(1, width - 2)).replace("…", "...")


def _other_font(size: int) -> Font | None:
    for name in _OTHER_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except (OSError, ImportError):
            continue
    return None
