"""``bignet search`` beyond one query: weights, conditions, groups, folders, pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

import bignet
from tests.cli.conftest import Outcome

if TYPE_CHECKING:
    from pathlib import Path

Command = Callable[..., Outcome]


def answers(done: Outcome) -> list[dict[str, object]]:
    assert done.code == 0, done.err
    found: list[dict[str, object]] = json.loads(done.out)
    return found


def paths(answer: dict[str, object]) -> list[str]:
    return [hit["path"] for hit in answer["neighbors"]]


def test_weights_make_one_query_of_several(bignet_command: Command, store: Path) -> None:
    (found,) = answers(bignet_command("search", store, "cat/00.png:1", "dog/01.png:-0.5", "-k", 12, "--json"))
    wanted = bignet.open(store).search(["cat/00.png", ("dog/01.png", -0.5)], k=12)

    assert found["query"] == "cat/00.png dog/01.png:-0.5"
    assert paths(found) == [hit.path for hit in wanted]
    assert len(answers(bignet_command("search", store, "0", "1", "--combine", "--json"))) == 1


def test_a_condition_is_met_by_every_hit_and_the_way_is_said(bignet_command: Command, store: Path) -> None:
    words = ("search", store, "cat/00.png", "--where", "label = 'dog' AND width >= 48", "-k", 9)
    text = bignet_command(*words)
    (found,) = answers(bignet_command(*words, "--json"))

    assert len(text.out.splitlines()) == 6
    assert text.err == "searched: exact scan of 4 matching rows\n"
    assert all(path.startswith("dog/") for path in paths(found))
    assert found["searched"] == {
        "by": "exact scan of 4 matching rows",
        "kind": "flat",
        "exact": True,
        "rows": 4,
        "filtered": True,
        "scanned": 0,
        "older": "",
        "shown": True,
    }
    assert bignet_command(*words, "--quiet").err == ""


def test_a_condition_that_cannot_be_used_is_one_line(bignet_command: Command, store: Path) -> None:
    done = bignet_command("search", store, "0", "--where", "colour = 'red'\nAND label")

    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "columns: id, path, sha256, bytes, width, height, mtime_ns, label" in done.err


def test_no_hits_are_said(bignet_command: Command, store: Path) -> None:
    assert "no row matches" in bignet_command("search", store, "0", "--where", "false").out
    assert "no hits among 12 rows" in bignet_command("search", store, "0", "--threshold", 1, "--exclude-self").out


def test_a_grouping_shows_its_values_where_they_say_more_than_the_label(bignet_command: Command, store: Path) -> None:
    by_label = bignet_command("search", store, "0", "--group-by", "label").out.splitlines()
    by_half = bignet_command("search", store, "0", "--group-by", "id % 2 = 0").out.splitlines()
    (found,) = answers(bignet_command("search", store, "0", "--group-by", "label", "--json"))

    assert (len(by_label), len(by_half)) == (5, 4)
    assert by_label[1].split() == ["rank", "score", "label", "path", "id"]
    assert by_half[1].split() == ["rank", "score", "label", "path", "id", "group"]
    assert {line.split()[-1] for line in by_half[2:]} == {"True", "False"}
    assert {hit["group"] for hit in found["neighbors"]} == {"cat", "dog", "owl"}


def test_a_threshold_gives_all_that_reach_it(bignet_command: Command, store: Path) -> None:
    (every,) = answers(bignet_command("search", store, "0", "--threshold", -1, "--json"))
    (two,) = answers(bignet_command("search", store, "0", "--threshold", -1, "-k", 2, "--json"))

    assert (len(paths(every)), paths(two)) == (12, paths(every)[:2])


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_a_folder_of_queries_is_answered_into_a_file(
    bignet_command: Command, store: Path, images: Path, tmp_path: Path, name: str
) -> None:
    done = bignet_command("search", store, "--queries", images, "-o", tmp_path / name, "-k", 2)
    lines = done.out.splitlines()

    assert done.code == 10
    assert lines[0] == "13 queries: 12 answered, 1 rejected (1 unsupported_format; their rows say why)"
    assert lines[1] == "searched: exact scan of 12 rows (12 queries)"
    assert lines[-1] == f"{tmp_path / name}: 24 hits"
    if name.endswith(".parquet"):
        assert pq.read_table(tmp_path / name).num_rows == 25
    summary = json.loads(bignet_command("search", store, "--queries", images, "-o", tmp_path / name, "--json").out)
    assert (summary["n_answered"], summary["n_rejected"]) == (12, 1)
    assert summary["reasons"] == {"unsupported_format": 1}


def test_a_folder_of_queries_without_hits_is_answered_and_nothing_in_it_rejected(
    bignet_command: Command, store: Path, images: Path, tmp_path: Path
) -> None:
    words = ("search", store, "--queries", images / "cat", "-o", tmp_path / "a.jsonl", "--where", "false")
    done = bignet_command(*words)

    assert done.code == 0
    assert done.out.splitlines()[0] == "4 queries: 0 answered, 4 without hits"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["0", "--html", "o.txt"], "end its name in .html"),
        (["0", "--sheet", "o.txt"], "end its name in one of .jpg, .jpeg, .png, .webp"),
        (["--queries", "x", "-o", "o.txt"], "end its name in one of .parquet, .jsonl"),
    ],
)
def test_a_wrong_ending_is_refused_before_anything_is_read(
    bignet_command: Command, words: list[str], says: str
) -> None:
    done = bignet_command("search", "nowhere", *words)

    assert done.code == 2
    assert says in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "there is no query"),
        (["--queries", "x"], "go together"),
        (["0", "-o", "a.parquet"], "go together"),
        (["0", "--queries", "x", "-o", "a.parquet"], "does not go with other queries"),
        (["--combine", "--queries", "x", "-o", "a.parquet"], "does not go with --combine"),
        (["--html", "p.html", "--queries", "x", "-o", "a.parquet"], "does not go with --sheet or --html"),
        (["0", "--html", "p.pdf"], "end its name in .html"),
        (["0:1", "0:-1"], "cancel each other out"),
        (["0", "--threshold", "7"], "allowed: -1 to 1"),
        (["0", "--expand", "-1"], "--expand"),
        (["0", "-k", "0"], "-k"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    bignet_command: Command, store: Path, words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = bignet_command("search", store, *words)

    assert done.code == 2
    assert says in done.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_page_and_a_sheet_are_drawn(bignet_command: Command, store: Path, images: Path, tmp_path: Path) -> None:
    words = ("search", store, images / "cat" / "00.png", "dog/01.png", "-k", 4, "--images", images)
    done = bignet_command(*words, "--html", tmp_path / "p.html", "--sheet", tmp_path / "s.png")
    text = (tmp_path / "p.html").read_text()

    assert done.out.splitlines()[-1] == f"sheet: {tmp_path / 's.png'} · {tmp_path / 'p.html'}"
    assert text.count('class="hits"') == 2
    assert text.count("data:image/jpeg;base64,") >= 4
    assert "not shown" not in text
