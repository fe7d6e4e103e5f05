"""The image files that imported vectors are of, where they are at hand."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from bignet.images import RejectedImage, open_header, read_image_file, upright_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_THREADS = 8


class Picture(NamedTuple):
    """A file as it is now; width and height are 0 if it is no picture."""

    sha256: bytes
    n_bytes: int
    mtime_ns: int
    width: int
    height: int


def look(root: Path, paths: Sequence[bytes]) -> list[Picture | None]:
    """The file of each path, read once; None where there is none that can be read."""
    folder = os.fsencode(root)
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda path: _look_at(os.path.join(folder, path)), paths))


def _look_at(path: bytes) -> Picture | None:
    try:
        file = read_image_file(path)
    except RejectedImage:
        return None
    try:
        width, height = upright_size(open_header(file.data))
    except RejectedImage:
        width = height = 0
    return Picture(file.sha256, file.n_bytes, file.mtime_ns, width, height)
