"""Small JPEG copies of pictures, made anew: nothing of the original file's bytes or metadata is passed on."""

from __future__ import annotations

import base64
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from bignet.images import RejectedImage, open_rgb, read_image_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bignet.reporting.settings import ReportSettings

CRISP_BELOW_PX = 64
_LONGEST = 3  # a thumbnail is at most three times as long as it is wide
_THREADS = 8
_SMALL_QUALITY = 92  # blocks would show in a picture that is enlarged many times


class Pictured(Protocol):
    """Rows whose pictures may be at hand."""

    @property
    def image_root(self) -> Path | None:
        """Where the paths start from; None without pictures."""

    @property
    def paths(self) -> Sequence[bytes]:
        """One for each row."""


@dataclass(frozen=True)
class PictureFiles:
    """Relative paths, one for each row, and the folder they start from; None without pictures."""

    image_root: Path | None
    paths: Sequence[bytes]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, or why there is none.

    Attributes:
        jpeg: encoded; None when there is none.
        width: pixels, 0 without a picture.
        height: pixels, 0 without a picture.
        missing: one or two words for the placeholder; empty with a picture.
    """

    jpeg: bytes | None
    width: int = 0
    height: int = 0
    missing: str = ""

    @property
    def is_crisp(self) -> bool:
        """Too small to be smoothed when shown larger."""
        return self.jpeg is not None and max(self.width, self.height) < CRISP_BELOW_PX

    @property
    def data_uri(self) -> str:
        """The picture as an address a page can carry."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg or b"").decode("ascii")


def make_thumbnails(source: Pictured, rows: Iterable[int], settings: ReportSettings) -> dict[int, Thumbnail]:
    """Row numbers, most important first -> a thumbnail or placeholder for each, within the budgets."""
    wanted = list(dict.fromkeys(rows))
    if source.image_root is None:
        return {row: Thumbnail(None, missing="no image folder") for row in wanted}
    root = source.image_root
    return thumbnails_of({row: path_inside(root, source.paths[row]) for row in wanted}, settings)


def thumbnails_of(files: Mapping[int, bytes | None], settings: ReportSettings) -> dict[int, Thumbnail]:
    """Whole paths by number, most important first; None outside the folder -> as make_thumbnails."""
    made: dict[int, Thumbnail] = {number: Thumbnail(None, missing="left out") for number in files}
    kept = list(files)[: settings.max_thumbnails]
    with ThreadPoolExecutor(_THREADS) as pool:
        small = pool.map(lambda number: _thumbnail_of(files[number], settings), kept)
        made.update(zip(kept, small, strict=True))
    return _within_budget(made, settings.max_bytes * 3 // 5)


def path_inside(root: Path, path: bytes) -> bytes | None:
    """The whole path of a file that a store names; None if it is not below the root."""
    return os.path.join(os.fsencode(root), path) if _stays_inside(path) else None


def encode_thumbnail(picture: Image.Image, settings: ReportSettings) -> Thumbnail:
    """An RGB picture -> JPEG whose shorter side is ``thumb_px``; smaller pictures keep their size."""
    size = _small_size(picture.width, picture.height, settings.thumb_px)
    small = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    tiny = max(size) < CRISP_BELOW_PX
    target = io.BytesIO()
    small.save(
        target,
        "JPEG",
        quality=max(settings.jpeg_quality, _SMALL_QUALITY) if tiny else settings.jpeg_quality,
        subsampling=0 if tiny else 2,
        optimize=True,
    )
    return Thumbnail(target.getvalue(), *size)


def _small_size(width: int, height: int, shorter: int) -> tuple[int, int]:
    scale = min(1.0, shorter / min(width, height), _LONGEST * shorter / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _thumbnail_of(full: bytes | None, settings: ReportSettings) -> Thumbnail:
    if full is None:
        return Thumbnail(None, missing="outside folder")
    if not os.path.lexists(full):
        return Thumbnail(None, missing="missing")
    side = 2 * settings.thumb_px
    try:
        picture = open_rgb(read_image_file(full).data, draft=(side, side))
        return encode_thumbnail(picture, settings)
    except RejectedImage as error:
        return Thumbnail(None, missing=str(error.reason).replace("_", " "))


def _stays_inside(path: bytes) -> bool:
    return bool(path) and b"\0" not in path and not path.startswith(b"/") and b".." not in path.split(b"/")


def _within_budget(made: Mapping[int, Thumbnail], n_bytes: int) -> dict[int, Thumbnail]:
    kept: dict[int, Thumbnail] = {}
    for row, thumbnail in made.items():
        n_bytes -= len(thumbnail.jpeg or b"")
        kept[row] = thumbnail if n_bytes >= 0 or thumbnail.jpeg is None else Thumbnail(None, missing="left out")
    return kept
