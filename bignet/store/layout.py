"""Names inside a store's folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHARDS = "shards"
REJECTED = "rejected"
MANIFESTS = "manifests"
INDEX = "index"
LOCK = ".lock"
STORES = "stores"  # of a sweep's folder: its stores, and a lock
JOURNAL = ".decoding"  # what a run decodes right now, for the next one if it dies
SUSPECTS = ".suspects"  # files that were in work when runs died

_MANIFEST_NAME = re.compile(r"^(\d{8})\.json$")


def manifest_path(store: Path, number: int) -> Path:
    """``manifests/00000012.json``."""
    return store / MANIFESTS / f"{number:08d}.json"


def manifest_numbers(store: Path) -> list[int]:
    """Numbers of the manifests on disk, newest first; empty when the folder is no store."""
    folder = store / MANIFESTS
    if not folder.is_dir():
        return []
    found = (_MANIFEST_NAME.match(item.name) for item in folder.iterdir())
    return sorted((int(match[1]) for match in found if match), reverse=True)


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's: its stores lie there under a lock of their own."""
    return (folder / STORES / LOCK).is_file()


def is_store(folder: Path) -> bool:
    """Whether a folder holds a manifest, or is locked for its first: a run cut off before that leaves shards too."""
    return bool(manifest_numbers(folder)) or ((folder / MANIFESTS).is_dir() and (folder / LOCK).is_file())
