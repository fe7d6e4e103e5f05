"""A folder is tried for what a store relies on."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from bignet.doctor import disk
from bignet.doctor.check import State
from bignet.doctor.disk import DiskFacts

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS = r"""/dev/vda / ext4 rw 0 0
server:/x /data nfs4 rw 0 0
tmpfs /data/fast tmpfs rw 0 0
host:/y /my\040photos fuse.sshfs rw 0 0
/dev/vdb /twice ext4 rw 0 0
/dev/vdc /twice xfs rw 0 0
short
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", "ext4"),
        ("/data/sets", "nfs4"),
        ("/data/fast/now", "tmpfs"),
        ("/database", "ext4"),
        ("/my photos/2024", "fuse.sshfs"),
        ("/twice", "xfs"),
    ],
)
def test_a_folders_file_system_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert disk.file_system(MOUNTS, folder) == kind


def test_without_a_table_of_mounts_the_file_system_is_unknown() -> None:
    assert disk.file_system("", "/home") == ""
    assert "unknown" in disk.disk(DiskFacts("/home", 10**12, "", {})).found


@pytest.mark.parametrize(
    ("kind", "free", "state"),
    [
        ("ext4", 10**12, State.OK),
        ("nfs4", 10**12, State.NOTE),
        ("fuse.sshfs", 10**12, State.NOTE),
        ("ext4", 10**8, State.NOTE),
    ],
)
def test_network_file_systems_and_full_disks_are_noted(kind: str, free: int, state: State) -> None:
    assert disk.disk(DiskFacts("/here", free, kind, {})).state is state


def test_a_folder_where_a_store_cannot_live_is_a_problem_that_names_the_call() -> None:
    check = disk.disk(DiskFacts("/here", 10**12, "vfat", {"link": "Operation not permitted"}))

    assert check.state is State.PROBLEM
    assert "link (Operation not permitted)" in check.found


def test_trying_a_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    facts = disk.read_disk(tmp_path)

    assert facts.refused == {}
    assert facts.free > 0
    assert list(tmp_path.iterdir()) == []


def test_calls_that_are_refused_are_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)

    assert disk.read_disk(tmp_path).refused == {"link": "Operation not permitted"}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)

    assert disk.read_disk(tmp_path).refused == {"writing": "Read-only file system"}
