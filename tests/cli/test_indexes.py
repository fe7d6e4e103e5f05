"""What ``bignet verify`` and ``bignet info`` say of indexes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import bignet
from bignet.index import identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    Command = Callable[..., Outcome]


@pytest.fixture
def indexed(store: Path, tmp_path: Path) -> Path:
    """The store with an index of its second embedding."""
    copy = shutil.copytree(store, tmp_path / "s")
    bignet.build_index(copy, "head.max", kind="flat")
    return copy


def index_file(store: Path) -> Path:
    folder = store / "index" / "head.max"
    return folder / identity.load(folder).file


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_verify_counts_indexes_that_are_as_written(bignet_command: Command, indexed: Path) -> None:
    done = bignet_command("verify", indexed)

    assert done.code == 0
    assert done.out.startswith(f"{indexed}: all as written; ")
    assert " files (1 index), " in done.out


def test_verify_names_an_altered_index_ends_with_code_3_and_says_the_mend(
    bignet_command: Command, indexed: Path
) -> None:
    path = index_file(indexed)
    flip(path)
    done = bignet_command("verify", indexed)
    as_json = bignet_command("verify", indexed, "--json")
    lines = done.out.splitlines()
    words = ["bignet", "index", str(indexed), "--embedding", "head.max", "--kind", "flat"]

    assert (done.code, as_json.code) == (3, 3)
    assert lines[0] == f"index/head.max/{path.name}: its bytes differ from what was written (SHA-256)"
    assert lines[1].startswith(f"{indexed}: 1 problem; ")
    assert lines[2] == f"next: {' '.join(words)}"
    assert json.loads(as_json.out)["findings"][0]["mend"] == words
    assert bignet_command(*words[1:]).code == 0
    assert bignet_command("verify", indexed).code == 0


def test_verify_with_repair_does_not_speak_of_shards_where_only_an_index_is_damaged(
    bignet_command: Command, indexed: Path
) -> None:
    flip(index_file(indexed))
    done = bignet_command("verify", indexed, "--repair")

    assert done.code == 3
    assert "shard" not in done.out
    assert done.out.splitlines()[-1].startswith("next: bignet index ")


def test_verify_notes_an_index_older_than_the_store_and_ends_with_code_0(
    bignet_command: Command, indexed: Path, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "in")
    (tmp_path / "in" / "cat" / "00.png").unlink()
    bignet_command("extract", tmp_path / "in", indexed)
    done = bignet_command("verify", indexed)
    noted = json.loads(bignet_command("verify", indexed, "--json").out)

    assert done.code == 0
    assert done.out.startswith("note: index/head.max: older than the store: ")
    assert done.out.splitlines()[-1] == f"next: bignet index {indexed} --embedding head.max --kind flat"
    assert (noted["ok"], [note["file"] for note in noted["notes"]]) == (True, ["index/head.max"])


def test_info_says_whether_each_index_is_current(bignet_command: Command, indexed: Path) -> None:
    text = bignet_command("info", indexed).out.splitlines()
    found = json.loads(bignet_command("info", indexed, "--json").out)["embeddings"]

    assert [line.split(maxsplit=3)[3] for line in text[-2:]] == ["none", "flat, current"]
    assert [item["index"] for item in found] == [
        None,
        {"kind": "flat", "state": "current", "why": "", "mend": []},
    ]


def test_info_names_what_is_wrong_with_an_index_and_the_command_that_mends_it(
    bignet_command: Command, indexed: Path
) -> None:
    index_file(indexed).unlink()
    text = bignet_command("info", indexed)
    found = json.loads(bignet_command("info", indexed, "--json").out)["embeddings"][1]["index"]

    assert text.code == 0
    assert text.out.splitlines()[-2].endswith("  flat, damaged (the file is missing)")
    assert text.out.splitlines()[-1] == f"next: bignet index {indexed} --embedding head.max --kind flat"
    assert (found["state"], found["why"]) == ("damaged", "the file is missing")


def test_info_tells_an_older_index_from_one_of_another_store(
    bignet_command: Command, indexed: Path, store: Path, images: Path, tmp_path: Path
) -> None:
    bignet_command("extract", images, tmp_path / "other", "--model", "tests.tiny:build", "--weights", "random:0")
    shutil.copytree(indexed / "index" / "head.max", tmp_path / "other" / "index" / "head.gap")
    shutil.copytree(images, tmp_path / "in")
    (tmp_path / "in" / "cat" / "00.png").unlink()
    bignet_command("extract", tmp_path / "in", indexed)

    assert "flat, older than the store\n" in bignet_command("info", indexed).out
    assert "flat, of another store\n" in bignet_command("info", tmp_path / "other").out
