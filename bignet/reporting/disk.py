"""Putting finished bytes on disk in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.files import HashingFile, replace

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, data: bytes) -> None:
    """Write a file whole: an older one stands until the new one is complete; OSError if the disk refuses."""

    def write(file: HashingFile) -> None:
        file.write(data)

    replace(path, write)
