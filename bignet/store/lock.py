"""One writer a store: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bignet.errors import LockedError
from bignet.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def exclusive(folder: Path, what: str = "store") -> Iterator[None]:
    """Hold a store, or another folder that one process at a time may write to.

    Raises:
        LockedError: another process holds it; the message names its process and host.
        OSError: the folder cannot be written to.
    """
    descriptor = os.open(folder / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, f"{what} '{folder}'")
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)  # a run that changes nothing leaves every byte as it was
    finally:
        os.close(descriptor)


def _take(descriptor: int, named: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
        raise LockedError(f"{named} is being written by {holder}; wait for it or stop it") from None
    if os.fstat(descriptor).st_nlink == 0:  # a first run that failed took its store away meanwhile
        raise LockedError(f"{named} was being removed by another process; run again")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def hold_for_reading(path: Path) -> int | None:
    """Keep a manifest's snapshot from being cleaned up while it is read -> a descriptor, None if it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if os.fstat(descriptor).st_nlink == 0:  # removed between open and lock
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def unless_read(path: Path) -> Iterator[bool]:
    """Whether no reader holds that manifest; while True is given, none can take it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
