"""Output that nobody reads: every command stops quietly, as other tools do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bignet
from tests.cli.conftest import MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
BIGNET = (sys.executable, "-m", "bignet.cli.main")


def unread(words: Sequence[object], *, with_stderr: bool = False) -> tuple[int, str]:
    """A command behind whose pipe there is nobody -> its exit code and its stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*BIGNET, *map(str, words)],
            cwd=ROOT,
            env=BUFFERED,
            stdout=writer,
            stderr=writer if with_stderr else subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize("words", [["--help"], ["extract", "--help"], ["--version"], ["models"], ["models", "--json"]])
def test_a_command_that_nobody_reads_says_nothing_and_ends_as_the_shell_tells_a_broken_pipe(words: list[str]) -> None:
    assert unread(words) == (141, "")


def test_an_answer_longer_than_the_pipe_s_reader_is_cut_off_quietly(store: Path) -> None:
    code, err = unread(["search", store, *["id:0"] * 50, "-k", 12, "--quiet"])

    assert (code, err) == (141, "")


def test_notices_that_nobody_reads_stop_an_extraction_that_can_go_on(images: Path, tmp_path: Path) -> None:
    words = ["extract", images, tmp_path / "s", "--model", MODEL, "--weights", "random:0"]

    assert unread(words, with_stderr=True)[0] == 141
    assert len(bignet.extract(images, tmp_path / "s", model=MODEL, weights="random:0")) == 12


def test_an_error_that_nobody_reads_keeps_its_exit_code() -> None:
    assert unread(["info", "nowhere"], with_stderr=True)[0] == 2


def test_a_full_disk_behind_stdout_is_still_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*BIGNET, "models"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode == 4
    assert done.stderr.startswith("bignet: error[environment]: ")
