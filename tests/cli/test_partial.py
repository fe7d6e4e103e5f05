"""A shard is lost, or another store's: it is named, and the others answer where that is asked for."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

import bignet
from tests.cli.conftest import MODEL, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Outcome]


def extracted(images: Path, path: Path, seed: int) -> list[Path]:
    bignet.extract(images, path, model=MODEL, weights=f"random:{seed}", shard_rows=4)
    return sorted((path / "shards").iterdir())


@pytest.fixture(scope="session")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve rows in three shards, with an index."""
    path = tmp_path_factory.mktemp("whole") / "s"
    extracted(images, path, 0)
    bignet.build_index(path)
    return path


@pytest.fixture(params=["deleted", "swapped"])
def lost(request: pytest.FixtureRequest, whole: Path, images: Path, tmp_path: Path) -> Path:
    """The store without a shard of its own, and that shard."""
    store = shutil.copytree(whole, tmp_path / "s")
    shard = min((store / "shards").iterdir())
    shard.unlink()
    if request.param == "swapped":
        shutil.copy(extracted(images, tmp_path / "other", 1)[0], shard)
    return shard


def test_search_and_report_name_a_lost_shard_and_end_with_code_3(
    bignet_command: Command, lost: Path, tmp_path: Path
) -> None:
    store = lost.parent.parent
    for words in (["search", store, "0"], ["search", store, "0", "--exact"], ["report", store, "-o", tmp_path / "r"]):
        done = bignet_command(*words)

        assert done.code == 3
        assert re.match(rf"bignet: error\[integrity\]: shard {re.escape(str(lost))} (is|has) ", done.err)
        assert "--allow-partial" in done.err
        assert done.err.count("\n") == 1


def test_search_in_part_answers_as_brute_force_over_what_is_left_and_warns(
    bignet_command: Command, whole: Path, lost: Path
) -> None:
    store = lost.parent.parent
    gone = set(bignet.open(whole).snapshot.read_shard(bignet.open(whole).snapshot.manifest.shards[0])["id"].to_pylist())
    query = max(set(range(12)) - gone)
    expected = [hit for hit in bignet.open(whole).search(query, k=12) if hit.id not in gone]

    words = ("search", store, f"id:{query}", "-k", 99, "--allow-partial")
    text, found = bignet_command(*words), json.loads(bignet_command(*words, "--json").out)[0]

    assert [(hit["id"], hit["path"]) for hit in found["neighbors"]] == [(hit.id, hit.path) for hit in expected]
    assert found["left_out"]["rows"] == 4
    assert [item["file"] for item in found["left_out"]["files"]] == [f"shards/{lost.name}"]
    assert text.code == 0
    assert text.err.startswith(f"warning: 4 of 12 rows are left out (shards/{lost.name}: ")
    assert f"bignet verify {store} --repair" in text.err
    assert "searched: exact scan of 8 rows" in text.err


def test_a_row_that_is_left_out_is_no_query(bignet_command: Command, whole: Path, lost: Path) -> None:
    opened = bignet.open(whole).snapshot
    row_id = opened.read_shard(opened.manifest.shards[0])["id"].to_pylist()[0]

    assert bignet_command("search", lost.parent.parent, f"id:{row_id}", "--allow-partial").code == 2


def test_a_report_in_part_warns_on_the_page_and_in_its_data(
    bignet_command: Command, lost: Path, tmp_path: Path
) -> None:
    store = lost.parent.parent
    done = bignet_command("report", store, "-o", tmp_path / "r", "--allow-partial")
    warning = f"4 of 12 rows are left out (shards/{lost.name}: "

    assert done.code == 0
    assert done.out.count(warning) == 1
    assert f"\nwarning: {warning}" in done.out
    assert warning in (tmp_path / "r" / "report.html").read_text()
    assert json.loads((tmp_path / "r" / "report.json").read_text())["warnings"][0].startswith(warning)


def test_a_page_of_answers_in_part_warns(bignet_command: Command, lost: Path, tmp_path: Path) -> None:
    words = ("search", lost.parent.parent, "--allow-partial", "--html", tmp_path / "p.html")
    (query,) = json.loads(bignet_command(*words[:3], "path:owl/11.png", "--json").out)

    assert bignet_command(*words, query["query"]).code == 0
    assert f"4 of 12 rows are left out (shards/{lost.name}: " in (tmp_path / "p.html").read_text()


def test_a_whole_store_gives_the_same_answer_where_a_part_is_allowed(bignet_command: Command, whole: Path) -> None:
    words = ("search", whole, "0", "--json")

    assert bignet_command(*words, "--allow-partial").out == bignet_command(*words).out


def test_a_folder_of_queries_is_answered_in_part_too(
    bignet_command: Command, lost: Path, images: Path, tmp_path: Path
) -> None:
    words = ("--queries", images / "cat", "-o", tmp_path / "a.jsonl", "--allow-partial", "--json")
    done = bignet_command("search", lost.parent.parent, *words)

    assert done.code == 0
    assert json.loads(done.out)["left_out"]["of_rows"] == 12
