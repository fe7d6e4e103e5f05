"""What ``bignet index`` takes and what it says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from bignet.index import recall, tune
from tests.index.conftest import quick_indexes as quick_indexes
from tests.index.stores import clustered, extend, make

OF_BEFORE = "too few to show the recall on: it is of before"

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    Command = Callable[..., Outcome]


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """A store of 900 vectors."""
    return make(tmp_path / "my photos", ids=range(900), vectors_of=clustered).path


@pytest.mark.parametrize(
    "text", ["-1GB", "0", "0GB", "1B", "nan", "nanGB", "infGB", "1e400GB", "", "2", "GB", "two GB", "1e-9KB", "2GiB"]
)
def test_what_is_no_amount_of_memory_is_refused_with_what_is(bignet_command: Command, vectors: Path, text: str) -> None:
    done = bignet_command("index", vectors, f"--memory={text}")

    assert done.code == 2
    assert done.err == (
        f"bignet: error[usage]: --memory '{text}' is no amount of memory; allowed: a number above 0 and its unit, "
        "KB, MB, GB or TB: 500MB, 2GB\n"
    )


def test_an_amount_of_memory_may_be_a_fraction_and_in_small_letters(bignet_command: Command, vectors: Path) -> None:
    assert bignet_command("index", vectors, "--memory", "0.5mb").code == 0


def test_the_first_line_says_what_was_done_and_why(bignet_command: Command, vectors: Path) -> None:
    def first(*words: str) -> str:
        return bignet_command("index", vectors, "--recall", "0.8", *words).out.splitlines()[0]

    assert first("--kind", "hnsw") == "head.gap: hnsw index built (asked for)"
    assert first() == "head.gap: hnsw index is up to date (asked for)"
    extend(vectors, range(900, 905), vectors_of=clustered)
    assert first() == f"head.gap: hnsw index grown (asked for): 5 rows added, 0 hidden, {OF_BEFORE}"
    again = "head.gap: ivf index built again (asked for): ivf was asked for, the index was hnsw"
    assert first("--kind", "ivf") == again
    flat = first("--kind", "auto")
    assert re.match(r"head.gap: flat index built again: auto was .* ivf; comparing a query with all of 905 rows", flat)
    assert re.match(r"head.gap: flat index is up to date: comparing a query with all of 905 rows", first())


def test_the_command_that_an_error_names_builds_what_was_there(bignet_command: Command, vectors: Path) -> None:
    bignet_command("index", vectors, "--kind", "bits:itq:7", "--recall", "0.5", "-k", 5)
    extend(vectors, range(900, 903), vectors_of=clustered)

    done = bignet_command("search", vectors, "id:1")
    after = json.loads(bignet_command("index", vectors, "--json").out)

    assert done.err.endswith(f"with: bignet index '{vectors}' --kind bits:itq:7 --recall 0.5 -k 5\n")
    assert (after["kind"], after["asked"]) == ("bits:itq:7", "bits:itq:7")
    assert (after["tuning"]["target"], after["tuning"]["k"]) == (0.5, 5)


def test_a_recall_that_cannot_be_shown_is_told_in_the_verdict(bignet_command: Command, vectors: Path) -> None:
    line = bignet_command("index", vectors, "--kind", "ivf", "--recall", "0.99").out.splitlines()[2]

    assert line.endswith(
        "on 45 queries that had no part in the choice; 45 queries can show 0.9276 at most, not 0.99, which takes "
        "6,640 rows; take --kind flat, or a lower --recall"
    )


def test_the_rows_that_the_help_names_are_those_it_takes(bignet_command: Command) -> None:
    shown = " ".join(bignet_command("index", "--help").out.split())

    assert "all but auto and flat need 500 rows" in shown
    for target in (0.95, 0.99):
        rows = 20 * recall.queries_to_show(target)
        assert tune.too_few_to_show(target, tune.n_held_out(rows) // 2) == ""
        assert re.search(rf"{target}\b[^.]* {rows:,}\b", shown)
