"""Sets of photos to measure on, made of a folder of photos; no two files have the same bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUALITIES = (95, 90, 85, 80, 75, 70)
WEB_SIDE = 500  # pixels of the longer side, as pictures in web pages and in ImageNet have
CAMERA_PIXELS = 12_000_000
DEFAULT_IMAGES = {"web": 1000, "camera": 60}


def make(kind: str, photos: Path, n_images: int, work: Path) -> Path:
    """A folder with at most ``n_images`` files; one that is there already is taken as it is.

    Args:
        kind: ``web``: 500 pixels wide at six JPEG qualities; ``camera``: enlarged to 12 megapixels at quality 90.
        photos: folder of photos.
        n_images: how many.
        work: where to put it.
    """
    sources = sorted(path for path in photos.iterdir() if path.is_file())
    folder = work / f"{kind}-{n_images}"
    if (folder.parent / f"{folder.name}.done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for number, (source, quality) in zip(range(n_images), _plan(kind, sources), strict=False):
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        _sized(kind, picture).save(folder / f"{number:05d}-{quality}.jpg", quality=quality)
    (folder.parent / f"{folder.name}.done").touch()
    return folder


def _plan(kind: str, sources: list[Path]) -> Iterator[tuple[Path, int]]:
    for quality in QUALITIES if kind == "web" else (90, 92, 88):
        yield from ((source, quality) for source in sources)


def _sized(kind: str, picture: Image.Image) -> Image.Image:
    if kind == "web":
        picture.thumbnail((WEB_SIDE, WEB_SIDE), Image.Resampling.LANCZOS)
        return picture
    scale = math.sqrt(CAMERA_PIXELS / (picture.width * picture.height))
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)
