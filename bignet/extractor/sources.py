"""Where images come from: a folder or a list file -> sorted entries. Nothing is opened here."""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bignet.errors import UsageError
from bignet.store import layout
from bignet.store.manifest import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST_SUFFIXES = (".txt", ".lst", ".list")


class Entry(NamedTuple):
    """A file to embed, as found: path relative to the root as bytes, size and time (-1 when it cannot be asked)."""

    path: bytes
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Scan:
    """What a source holds.

    Attributes:
        kind: ``folder`` or ``list``.
        root: what the paths are relative to, absolute.
        entries: by path, each once.
        skipped: what was passed over, by kind: ``hidden`` names, ``linked_folders``, ``stores``.
    """

    kind: str
    root: Path
    entries: tuple[Entry, ...]
    skipped: dict[str, int]

    def source(self, store: Path) -> Source:
        """The record of this source for a store's manifest."""
        beside = os.path.relpath(self.root, store.resolve())
        return Source(self.kind, str(self.root), beside)


def scan(images: str | os.PathLike[str]) -> Scan:
    """Every file of a folder (recursive) or of a list file, sorted by the bytes of its path.

    Hidden names, linked folders, and stores and sweeps inside the folder are passed over and counted.

    Raises:
        UsageError: there is nothing there, or it is neither a folder nor a list.
    """
    path = Path(images)
    if path.is_dir():
        if layout.is_store(path):
            raise UsageError(f"'{path}' is a store, not a folder of images; give the folder that the images are in")
        return _scan_folder(path.resolve())
    if path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        return _scan_list(path.resolve())
    if path.exists():
        allowed = ", ".join(LIST_SUFFIXES)
        raise UsageError(f"'{path}' is neither a folder nor a list of paths ({allowed}); give the folder it is in")
    raise UsageError(f"'{path}' does not exist; give a folder of images or a list file with a path on each line")


def _scan_folder(root: Path) -> Scan:
    skipped = {"hidden": 0, "linked_folders": 0, "stores": 0}
    entries = sorted(_walk(os.fsencode(root), b"", skipped))
    return Scan("folder", root, tuple(entries), skipped)


def _walk(folder: bytes, prefix: bytes, skipped: dict[str, int]) -> Iterator[Entry]:
    pending = [(folder, prefix)]
    while pending:
        here, relative = pending.pop()
        for item in _listing(here):
            name = relative + item.name
            if item.name.startswith(b"."):
                skipped["hidden"] += 1
            elif not _is_folder(item):
                yield entry_of(item.path, name)
            elif item.is_symlink():
                skipped["linked_folders"] += 1
            elif _is_ours(Path(os.fsdecode(item.path))):
                skipped["stores"] += 1
            else:
                pending.append((item.path, name + b"/"))


def _is_ours(folder: Path) -> bool:
    return layout.is_store(folder) or layout.is_sweep(folder)


def _is_folder(item: os.DirEntry[bytes]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself, or into a folder that is closed to us: refused when it is read
        return False


def _listing(folder: bytes) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError as error:
        where = os.fsdecode(folder)
        raise UsageError(
            f"folder '{where}' cannot be listed: {error.strerror}; mend its permissions or move it"
        ) from None


def entry_of(path: bytes, name: bytes) -> Entry:
    """The file at ``path`` as it is now, under the name it has below the root."""
    try:
        status = os.stat(path)
    except OSError:
        return Entry(name, -1, -1)
    if not stat.S_ISREG(status.st_mode):
        return Entry(name, -1, -1)
    return Entry(name, status.st_size, status.st_mtime_ns)


def _scan_list(path: Path) -> Scan:
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in data else b"\n"
    lines = (line.strip(b"\r") if separator == b"\n" else line for line in data.split(separator))
    root = os.fsencode(path.parent)
    names = {_relative(line, root) for line in lines if line.strip()}
    entries = tuple(entry_of(os.path.join(root, name), name) for name in sorted(names))
    return Scan("list", path.parent, entries, {"hidden": 0, "linked_folders": 0, "stores": 0})


def _relative(line: bytes, root: bytes) -> bytes:
    """Below the list's folder: relative to it; elsewhere: absolute."""
    full = os.path.normpath(os.path.join(root, line))
    return full[len(root) + 1 :] if full.startswith(root + b"/") else full


def label_of(path: bytes) -> str | None:
    r"""The folders above a file joined by ``#`` (``a/b/x.jpg`` -> ``a#b``); None at the root.

    A ``#`` in a folder's name is written ``\#``; bytes that are no UTF-8, names of spaces alone and a backslash at
    the end are written as ``\xNN``.
    """
    folders = [part for part in path.split(b"/")[:-1] if part not in (b"", b"..")]
    return "#".join(_label_part(part) for part in folders) or None


def _label_part(folder: bytes) -> str:
    name = folder.decode("utf-8", "backslashreplace").replace("#", "\\#")
    if not name.strip():
        return "".join(f"\\x{ord(character):02x}" for character in name)
    return name[:-1] + "\\x5c" if name.endswith("\\") else name
