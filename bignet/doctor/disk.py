"""The folder the store would go to: room, and whether what a store relies on works there."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bignet.doctor.check import Check, note, ok, problem
from bignet.doctor.hardware import GB, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LITTLE_SPACE = GB
NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "lustre",
    "glusterfs",
    "beegfs",
    "gpfs",
    "afs",
    "fuse.",
)


@dataclass(frozen=True)
class DiskFacts:
    """What a folder can do.

    Attributes:
        folder: where.
        free: bytes.
        kind: type of its file system, empty if unknown.
        refused: what did not work there -> why.
    """

    folder: str
    free: int
    kind: str
    refused: Mapping[str, str]


def disk(facts: DiskFacts) -> Check:
    """Whether a store can be written there."""
    found = f"{facts.folder}: {facts.free / GB:.3g} GB free, {facts.kind or 'unknown file system'}"
    if facts.refused:
        listed = ", ".join(f"{call} ({why})" for call, why in facts.refused.items())
        advice = "Write stores to a local file system that you may write to."
        return problem("disk", f"{found}; does not work here: {listed}", advice)
    if facts.kind.startswith(NETWORK):
        advice = "Extract into a local folder and copy the store afterwards: locks over a network are untested."
        return note("disk", f"{found}, over a network", advice)
    if facts.free < LITTLE_SPACE:
        return note("disk", found, "Free some space: 1 million images of 2,048 numbers take 8.2 GB.")
    return ok("disk", f"{found}; fsync, flock and link work")


def file_system(mounts: str, folder: str) -> str:
    """The type of the file system a folder is on.

    Args:
        mounts: text of /proc/mounts.
        folder: absolute, without symlinks.
    """
    rows = [line.split() for line in mounts.splitlines()]
    places = [(_unescaped(row[1]), row[2]) for row in rows if len(row) > 2]
    around = [(place, kind) for place, kind in places if Path(folder).is_relative_to(place)]
    if not around:
        return ""
    return max(reversed(around), key=lambda item: len(item[0]))[1]  # of two on one place the later hides the other


def _unescaped(place: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place)


def read_disk(folder: Path) -> DiskFacts:
    """Try everything in a temporary folder inside this one."""
    folder = folder.resolve()
    kind = file_system(read_text(Path("/proc/mounts")), str(folder))
    return DiskFacts(str(folder), shutil.disk_usage(folder).free, kind, _refused(folder))


def _refused(folder: Path) -> dict[str, str]:
    try:
        with tempfile.TemporaryDirectory(prefix=".bignet-doctor-", dir=folder) as inside:
            return _tried(Path(inside))
    except OSError as error:
        return {"writing": error.strerror or str(error)}


def _tried(folder: Path) -> dict[str, str]:
    file = folder / "file"
    file.write_bytes(b"bytes")
    descriptors = [os.open(file, os.O_RDWR), os.open(folder, os.O_RDONLY)]
    calls: dict[str, Callable[[], None]] = {
        "fsync": lambda: _fsync_all(descriptors),
        "flock": lambda: fcntl.flock(descriptors[0], fcntl.LOCK_EX | fcntl.LOCK_NB),
        "link": lambda: os.link(file, folder / "link"),
    }
    refused = {}
    for name, call in calls.items():
        try:
            call()
        except OSError as error:
            refused[name] = error.strerror or errno.errorcode.get(error.errno or 0, "refused")
    for descriptor in descriptors:
        os.close(descriptor)
    return refused


def _fsync_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.fsync(descriptor)
