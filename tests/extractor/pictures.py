"""Pictures drawn from seeds: smooth like photographs, with a little grain."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112


def photo(seed, size=(64, 48)):
    """(width, height) -> RGB picture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 4, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def encoded(image, kind="JPEG", **options):
    """A picture -> a file's bytes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(image, orientation):
    """A picture -> JPEG bytes that ask to be shown turned."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(image, quality=95, exif=exif)


def put(folder, name, seed, size=(64, 48)):
    """Write a PNG of that seed; folders are made."""
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(photo(seed, size), "PNG"))
    return path
