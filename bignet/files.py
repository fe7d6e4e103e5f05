"""Writing files so that a crash leaves the old one or the new one, never half of one.

Every file goes to a temporary name, is flushed and fsynced, is then published under its final name, and the folder
is fsynced: a rename alone may survive a power cut while the bytes behind it do not.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"


@dataclass(frozen=True)
class WrittenFile:
    """What was written: its size and the digest of its bytes."""

    n_bytes: int
    sha256: str


class HashingFile:
    """A write-only file object that digests what passes through it; never seeks."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self.n_bytes = 0
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append ``data``; any OSError of the disk is the caller's to see."""
        view = memoryview(data).cast("B")
        sent = 0
        while sent < len(view):
            sent += self._raw.write(view[sent:])
        self._digest.update(view)
        self.n_bytes += len(view)
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.n_bytes

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._raw.flush()

    def close(self) -> None:
        """Mark as closed; whoever opened the file closes it, after fsync."""
        self.closed = True

    def readable(self) -> bool:
        """Never."""
        return False

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Never: the digest is of a stream."""
        return False

    def summary(self) -> WrittenFile:
        """Size and digest of what was written."""
        return WrittenFile(self.n_bytes, self._digest.hexdigest())


def publish_new(path: Path, write: Callable[[HashingFile], None]) -> WrittenFile:
    """Write a file that must not exist yet.

    Raises:
        FileExistsError: somebody published that name first; theirs stands.
        OSError: the disk refused; nothing is left behind.
    """
    with _temporary(path) as temporary:
        written = _write_and_sync(temporary, write)
        os.link(temporary, path)
    sync_folder(path.parent)
    return written


def replace(path: Path, write: Callable[[HashingFile], None]) -> WrittenFile:
    """Write a file, taking the place of an older one in one step.

    Raises:
        OSError: the disk refused; the older file stands.
    """
    with _temporary(path) as temporary:
        written = _write_and_sync(temporary, write)
        temporary.replace(path)
    sync_folder(path.parent)
    return written


def replace_all(contents: Mapping[Path, Callable[[HashingFile], None]]) -> None:
    """Write several files of one folder: all are complete on disk before the first takes its older one's place.

    Each is made when its turn comes, so that no two are in memory at once; ``whole`` writes what is there already.

    Raises:
        OSError: the disk refused; the older files stand.
    """
    with ExitStack() as stack:
        ready = []
        for path, write in contents.items():
            temporary = stack.enter_context(_temporary(path))
            _write_and_sync(temporary, write)
            ready.append((temporary, path))
        for temporary, path in ready:
            temporary.replace(path)
    for folder in {path.parent for path in contents}:
        sync_folder(folder)


def whole(data: bytes) -> Callable[[HashingFile], None]:
    """What writes ``data`` and nothing else: for contents that are in memory already."""

    def write(file: HashingFile) -> None:
        file.write(data)

    return write


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_temporary(folder: Path) -> None:
    """What a process that was killed left in a folder that nobody else writes, and in those within it."""
    for pattern in (f"{TEMPORARY_PREFIX}*", f"*/{TEMPORARY_PREFIX}*"):
        for leftover in folder.glob(pattern):
            leftover.unlink(missing_ok=True)


def _write_and_sync(path: Path, write: Callable[[HashingFile], None]) -> WrittenFile:
    with path.open("wb", buffering=0) as raw:
        file = HashingFile(raw)
        write(file)
        os.fsync(raw.fileno())
    return file.summary()
