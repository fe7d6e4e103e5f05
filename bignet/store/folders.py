"""The folders of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet import files
from bignet.errors import UsageError
from bignet.store import layout

if TYPE_CHECKING:
    from pathlib import Path

OF_SHARDS = (layout.SHARDS, layout.REJECTED)


def prepare(store: Path) -> list[Path]:
    """Make the store's folders -> those that were made. Manifests first: they tell a store from any other folder."""
    if (store.exists() or store.is_symlink()) and not store.is_dir():
        raise UsageError(f"'{store}' is a file; choose a new or empty folder for the store")
    if store.is_dir() and any(store.iterdir()) and not (store / layout.MANIFESTS).is_dir():
        raise UsageError(f"'{store}' exists and is not a BigNet store; choose a new or empty folder for the store")
    parents = [folder for folder in reversed(store.parents) if not folder.exists()]
    wanted = [*parents, store, *(store / name for name in (layout.MANIFESTS, *OF_SHARDS))]
    missing = [folder for folder in wanted if not folder.is_dir()]
    for folder in missing:
        folder.mkdir(exist_ok=True)
        files.sync_folder(folder.parent)
    return missing
