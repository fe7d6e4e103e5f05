"""Every error BigNet raises on purpose, and the exit code each gives.

    BigNetError
    ├── UsageError          2   a flag, a path, a model or a setting that cannot be used
    │   └── MismatchError   2   two things that do not belong together (store and settings, store and query)
    ├── IntegrityError      3   bytes that are not what the manifest says
    ├── ResourceError       4   disk full, read-only, out of memory: progress is kept, run again
    └── LockedError         5   another run holds the store

Messages say what happened, where, what was found, what is allowed, and how to mend it. The command line
prints them as one line, ``bignet: error[CODE]: ...``; a traceback only with ``--debug``.
"""

from __future__ import annotations

import difflib
import errno
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What a finished command tells the shell."""

    OK = 0
    SOME_REJECTED = 10
    USAGE = 2
    INTEGRITY = 3
    CHECK_FAILED = 3  # a report's figures are not what --check wants them to be
    ENVIRONMENT = 4
    LOCKED = 5
    HUNG_UP = 129
    INTERRUPTED = 130
    UNREAD = 141
    TERMINATED = 143


class BigNetError(Exception):
    """Anything that went wrong in a way BigNet can explain."""

    exit_code = ExitCode.USAGE
    code = "error"


class UsageError(BigNetError):
    """The request cannot be carried out as it was put."""

    code = "usage"


class MismatchError(UsageError):
    """Two things that must agree do not; the message names both sides."""

    code = "mismatch"


class IntegrityError(BigNetError):
    """Stored bytes are missing or differ from what the manifest recorded."""

    exit_code = ExitCode.INTEGRITY
    code = "integrity"


class ResourceError(BigNetError):
    """The machine refused: disk full, read-only, out of memory. Progress is kept."""

    exit_code = ExitCode.ENVIRONMENT
    code = "environment"


class LockedError(BigNetError):
    """Another process is writing to the store."""

    exit_code = ExitCode.LOCKED
    code = "locked"


_WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose another output folder",
    errno.EACCES: "permission denied; choose an output folder you may write to",
    errno.EPERM: "not permitted; choose an output folder on a local file system you may write to",
    errno.EFBIG: "a file-size limit was hit; raise the limit and run the same command again",
    errno.ENOTDIR: "part of the path is a file, not a folder; choose another output folder",
}


def explain_os_error(error: OSError, doing: str) -> ResourceError:
    """An operating-system refusal while ``doing`` something -> the one line a person can act on."""
    advice = _WHAT_TO_DO.get(error.errno or 0, "mend this and run the same command again")
    return ResourceError(f"cannot {doing}: {error.strerror or error}; {advice}")


# Torch and the dynamic linker have no type for these, but words.
_NO_MEMORY = (
    *("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "bad_alloc"),
    "failed to map segment",
)
_NO_PRIMITIVE = "could not create a primitive"  # oneDNN's; of what it does not have it says "primitive descriptor"
_NO_THREAD = "can't start new thread"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory did not suffice, that of a GPU included."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or words == _NO_PRIMITIVE or any(part in words for part in _NO_MEMORY)


def explain_shortage(error: BaseException) -> ResourceError | None:
    """Memory or threads that ran out -> the one line a person can act on; None for anything else."""
    if is_out_of_memory(error):
        return ResourceError("out of memory; close other programs or lower --batch-size, then run again")
    if _NO_THREAD in str(error).lower():
        text = "the system starts no more threads, for want of memory or by a limit on processes"
        return ResourceError(f"{text}; lower --workers or raise the limit (ulimit -u), then run again")
    return None


def nearest(name: str, known: Iterable[str], how_many: int = 3) -> str:
    """The known names closest to a mistyped one, quoted, for the end of a message."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=how_many, cutoff=0.0)
    return ", ".join(repr(item) for item in close)
