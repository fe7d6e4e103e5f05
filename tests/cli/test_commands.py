"""Every command by its words, its output and its exit code."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import bignet
from tests.cli.conftest import MODEL, Outcome, draw

if TYPE_CHECKING:
    from pathlib import Path

Command = Callable[..., Outcome]


def lines_of(err: str) -> list[str]:
    return [line for line in err.splitlines() if line]


def test_extract_reports_every_file_and_exits_10_when_some_were_rejected(
    bignet_command: Command, images: Path, tmp_path: Path
) -> None:
    done = bignet_command("extract", images, tmp_path / "s", "--model", MODEL, "--weights", "random:0")

    assert done.code == 10
    assert "12 embedded" in done.out
    assert "1 rejected (1 unsupported_format" in done.out
    assert "untrained" in done.err
    assert done.out.splitlines()[-1].startswith(f"next: bignet search {tmp_path / 's'} QUERY.jpg · ")


def test_extract_again_changes_nothing_and_says_so(bignet_command: Command, images: Path, store: Path) -> None:
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    done = bignet_command("extract", images, store, "--json")

    summary = json.loads(done.out)
    assert (summary["decoded"], summary["unchanged"]) == (0, 13)
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    assert done.err == ""


def test_extract_of_an_empty_folder_is_a_usage_error_in_one_line(bignet_command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = bignet_command("extract", tmp_path / "empty", tmp_path / "s", "--model", MODEL, "--weights", "random:0")

    assert done.code == 2
    assert len(lines_of(done.err)) == 1
    assert done.err.startswith("bignet: error[usage]: no files found in")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--model", "resnet5000"], "resnet"),
        (["--model", MODEL, "--weights", "random:0", "--layer", "layr"], "nearest"),
        (["--model", MODEL, "--weights", "random:0", "--pool", "avg:x"], "avg:k"),
        (["--model", MODEL], "random:SEED"),
        (["--model", MODEL, "--weights", "random:x"], "random:0"),
        (["--model", MODEL, "--weights", "random:0", "--pool", "avg:999"], "larger than"),
        (["--model", MODEL, "--device", "cuda:99"], "CUDA devices found"),
        (["--model", MODEL, "--device", "tpu"], "allowed: auto"),
    ],
)
def test_a_wrong_choice_is_named_before_anything_is_written(
    bignet_command: Command, images: Path, tmp_path: Path, words: list[str], hint: str
) -> None:
    done = bignet_command("extract", images, tmp_path / "s", *words)

    assert done.code == 2
    assert hint in done.err.splitlines()[-1]
    assert not (tmp_path / "s").exists()


def test_extract_with_other_settings_names_both_sides(bignet_command: Command, images: Path, store: Path) -> None:
    done = bignet_command("extract", images, store, "--pool", "gem:3")

    assert done.code == 2
    assert "pools gap, max" in done.err
    assert "gem:3" in done.err


def test_search_finds_the_very_file_first_at_score_one(bignet_command: Command, images: Path, store: Path) -> None:
    done = bignet_command("search", store, images / "cat" / "00.png", "-k", 3)

    assert done.code == 0
    assert [line.split()[:4] for line in done.out.splitlines()[2:3]] == [["1", "1.000", "cat", "cat/00.png"]]
    assert len(done.out.splitlines()) == 5


def test_search_leaves_the_query_out_when_asked(bignet_command: Command, images: Path, store: Path) -> None:
    words = ("search", store, images / "cat" / "00.png", "cat/00.png", "id:0", "-k", 99, "--exclude-self", "--json")

    answers = json.loads(bignet_command(*words).out)

    assert [len(answer["neighbors"]) for answer in answers] == [11, 11, 11]
    assert all(hit["path"] != "cat/00.png" for answer in answers for hit in answer["neighbors"])


def test_search_json_is_a_list_with_one_object_a_query(bignet_command: Command, store: Path) -> None:
    answers = json.loads(bignet_command("search", store, "dog/01.png", "5", "-k", 2, "--json").out)

    assert [answer["query"] for answer in answers] == ["dog/01.png", "5"]
    assert set(answers[0]["neighbors"][0]) == {"id", "path", "score", "label"}
    assert [len(answer["neighbors"]) for answer in answers] == [2, 2]


def test_search_agrees_with_brute_force(bignet_command: Command, store: Path) -> None:
    opened = bignet.open(store)
    vectors = opened.vectors(opened.embeddings[1].name).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = opened.table()["id"].to_pylist()
    expected = unit @ unit[ids.index(7)]
    order = sorted(range(len(ids)), key=lambda row: (-expected[row], row))

    hits = json.loads(
        bignet_command("search", store, "id:7", "-k", 12, "--embedding", opened.embeddings[1].name, "--json").out
    )[0]["neighbors"]

    assert [hit["id"] for hit in hits] == [ids[row] for row in order]
    np.testing.assert_allclose([hit["score"] for hit in hits], expected[order], atol=1e-6)


def test_search_with_an_unseen_image_uses_the_store_s_own_encoder(
    bignet_command: Command, images: Path, store: Path, tmp_path: Path
) -> None:
    query = tmp_path / "copy.bmp"
    with Image.open(images / "owl" / "02.png") as picture:
        picture.save(query)  # the same pixels in other bytes

    hits = json.loads(bignet_command("search", store, query, "-k", 1, "--json").out)[0]["neighbors"]

    assert hits[0]["path"] == "owl/02.png"
    assert hits[0]["score"] == pytest.approx(1.0, abs=1e-5)


def test_search_works_from_another_directory(
    bignet_command: Command, images: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = bignet_command("search", store, "owl/02.png", "-k", 1, "--sheet", "sheet.jpg")

    assert done.code == 0
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 100


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("nowhere.jpg", "neither a file here"),
        ("id:999", "id 999 is not in"),
        ("path:cat/none.png", "is not in"),
        ("notes.txt", "unsupported_format"),
        ("folder", "not_regular_file"),
    ],
)
def test_a_query_that_cannot_be_used_is_explained(
    bignet_command: Command, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "folder").mkdir()

    done = bignet_command("search", store, query)

    assert done.code == 2
    assert says in done.err
    assert len(lines_of(done.err)) == 1


def test_a_store_of_one_row_answers(bignet_command: Command, tmp_path: Path) -> None:
    draw(tmp_path / "in" / "one.png", 1)
    bignet.extract(tmp_path / "in", tmp_path / "s", model=MODEL, weights="random:0")

    alone = json.loads(bignet_command("search", tmp_path / "s", "one.png", "-k", 5, "--json").out)
    nobody = json.loads(bignet_command("search", tmp_path / "s", "one.png", "--exclude-self", "--json").out)

    assert [hit["path"] for hit in alone[0]["neighbors"]] == ["one.png"]
    assert nobody[0]["neighbors"] == []


def test_a_store_without_rows_says_that_there_is_nothing_to_search(bignet_command: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").write_text("no picture")
    made = bignet_command("extract", tmp_path / "in", tmp_path / "s", "--model", MODEL, "--weights", "random:0")

    done = bignet_command("search", tmp_path / "s", "0")

    assert made.code == 10
    assert done.code == 2
    assert len(lines_of(done.err)) == 1


def test_an_index_answers_like_the_vectors_and_a_stale_one_is_refused(
    bignet_command: Command, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "in")
    words = ("--model", MODEL, "--weights", "random:0")
    bignet_command("extract", tmp_path / "in", tmp_path / "s", *words)
    plain = bignet_command("search", tmp_path / "s", "id:3", "--json")

    built = bignet_command("index", tmp_path / "s")
    indexed = bignet_command("search", tmp_path / "s", "id:3", "--json")
    (tmp_path / "in" / "cat" / "00.png").unlink()
    bignet_command("extract", tmp_path / "in", tmp_path / "s")
    stale = bignet_command("search", tmp_path / "s", "id:3")
    allowed = bignet_command("search", tmp_path / "s", "id:3", "--stale-ok", "--json", "-k", 99)
    exact = bignet_command("search", tmp_path / "s", "id:3", "--exact", "--json", "-k", 99)

    assert "head.gap: flat index built: comparing a query with all of 12 rows" in built.out
    assert [hit["id"] for hit in json.loads(indexed.out)[0]["neighbors"]] == [
        hit["id"] for hit in json.loads(plain.out)[0]["neighbors"]
    ]
    assert stale.code == 2
    assert "--stale-ok" in stale.err
    assert len(json.loads(allowed.out)[0]["neighbors"]) == 11
    assert json.loads(allowed.out)[0]["neighbors"][0] == json.loads(exact.out)[0]["neighbors"][0]
    said = "of snapshot 2 (12 rows), the store is at snapshot 3 (11 rows)"
    assert json.loads(allowed.out)[0]["searched"]["older"] == said
    assert said in stale.err
    assert not json.loads(indexed.out)[0]["searched"]["older"]


def test_info_says_what_the_store_holds(bignet_command: Command, store: Path) -> None:
    text = bignet_command("info", store).out
    data = json.loads(bignet_command("info", store, "--json").out)
    rejected = bignet_command("info", store, "--rejected").out

    assert "12 rows" in text
    assert "unsupported_format" in text
    assert data["rows"] == 12
    assert rejected.startswith("notes.md\tunsupported_format\t")


def test_verify_finds_and_names_one_flipped_bit(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "s")
    shard = next((tmp_path / "s" / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)

    fine = bignet_command("verify", store)
    done = bignet_command("verify", tmp_path / "s")

    assert fine.code == 0
    assert "all as written" in fine.out
    assert done.code == 3
    assert shard.name in done.out


def test_repair_and_another_extraction_bring_everything_back(
    bignet_command: Command, images: Path, store: Path, tmp_path: Path
) -> None:
    shutil.copytree(store, tmp_path / "s")
    shard = next((tmp_path / "s" / "shards").iterdir())
    shard.write_bytes(b"gone")

    bignet_command("verify", tmp_path / "s", "--repair")
    again = bignet_command("extract", images, tmp_path / "s", "--json")

    assert json.loads(again.out)["decoded"] == 12
    assert bignet_command("verify", tmp_path / "s").code == 0


def test_report_writes_the_page_and_prints_the_headline(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    done = bignet_command("report", store, "-o", tmp_path / "r")

    assert done.code == 0
    assert "map@r.macro" in done.out
    assert (tmp_path / "r" / "report.html").stat().st_size > 10_000
    assert json.loads((tmp_path / "r" / "report.json").read_text())["metrics"][0]["id"] == "map@r.macro"


def test_report_takes_labels_from_a_file(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    table = bignet.open(store).table()
    rows = [
        f"{path.decode()},{'even' if row_id % 2 == 0 else 'odd'}"
        for row_id, path in zip(table["id"].to_pylist(), table["path"].to_pylist(), strict=True)
    ]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\nelsewhere.png,odd\n")

    bignet_command("report", store, "-o", tmp_path / "r", "--labels", tmp_path / "labels.csv")

    classes = json.loads((tmp_path / "r" / "report.json").read_text())["classes"]
    assert {row["label"] for row in classes} == {"even", "odd"}


@pytest.mark.parametrize(
    ("text", "says"),
    [("name,label\nx,y\n", "columns name, label"), ("path,label\nx.png,y\n", "none of the store's"), ("", "read")],
)
def test_labels_that_do_not_fit_are_explained(
    bignet_command: Command, store: Path, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "labels.csv").write_text(text)

    done = bignet_command("report", store, "-o", tmp_path / "r", "--labels", tmp_path / "labels.csv")

    assert done.code == 2
    assert says in done.err


def test_models_are_listed_with_what_is_known_of_them(bignet_command: Command) -> None:
    table = bignet_command("models", "squeezenet").out.splitlines()
    data = json.loads(bignet_command("models", "squeezenet", "--json").out)

    assert table[0].split() == ["model", "parameters", "default", "layer", "weights", "cached"]
    assert [line.split()[:4] for line in table[1:3]] == [
        ["squeezenet1_0", "1.2", "M", "features"],
        ["squeezenet1_1", "1.2", "M", "features"],
    ]
    assert table[3].startswith("2 models, ")
    assert [item["name"] for item in data] == ["squeezenet1_0", "squeezenet1_1"]


def test_layers_are_listed_with_dims_and_costs(bignet_command: Command) -> None:
    table = bignet_command("layers", MODEL, "--pool", "gap", "--pool", "avg:2").out.splitlines()
    data = json.loads(bignet_command("layers", MODEL, "--all", "--json").out)

    assert table[0] == "tests.tiny:build · 32 px · 277 kFLOP an image · default layer: head"
    assert table[1].split() == ["layer", "kind", "output", "gap", "avg:2", "cost", "up", "to", "here"]
    assert next(line.split() for line in table if line.startswith("head ")) == [
        *["head", "Sequential", "16", "x", "4", "x", "4", "16", "64", "20.0", "%", "99.9", "%"]
    ]
    head = next(row for row in data if row["layer"] == "head")
    assert head["shape"] == [16, 4, 4]
    assert head["dims"] == {"gap": 16, "avg:3": 16, "grid:2": 64}
    assert data[-1]["cost_so_far"] == 1.0


def test_layers_inside_blocks_are_listed_when_asked_for(bignet_command: Command) -> None:
    some, every = (bignet_command("layers", "resnet18", *words).out for words in ([], ["--all"]))

    assert "layer1.0.conv1" not in some
    assert "layer1.0.conv1" in every
    assert some.splitlines()[-1] == "49 more inside these blocks: bignet layers resnet18 --all"


def test_layers_are_those_at_the_size_asked_for(bignet_command: Command) -> None:
    data = json.loads(bignet_command("layers", MODEL, "--size", "16", "--json").out)

    assert next(row["shape"] for row in data if row["layer"] == "head") == [16, 2, 2]
    assert bignet_command("layers", "vit_b_32", "--size", "96").code == 2
    assert "size is 100000; it must be at most 6324" in bignet_command("layers", MODEL, "--size", "100000").err


@pytest.mark.parametrize("words", [["search", "nowhere", "x"], ["info", "nowhere"], ["report", "nowhere"]])
def test_a_store_that_is_not_there_is_a_usage_error(bignet_command: Command, words: list[str]) -> None:
    done = bignet_command(*words)

    assert done.code == 2
    assert "does not exist" in done.err


def test_a_traceback_is_shown_only_with_debug(bignet_command: Command) -> None:
    assert "Traceback" not in bignet_command("info", "nowhere").err
    assert "Traceback" in bignet_command("--debug", "info", "nowhere").err


@pytest.mark.parametrize(
    "words", [["search", "s", "x", "-k", "0"], ["extract", "only-one"], ["nonsense"], ["info", "s", "--nonsense"]]
)
def test_a_command_that_is_no_command_is_explained_in_one_line(bignet_command: Command, words: list[str]) -> None:
    done = bignet_command(*words)

    assert done.code == 2
    assert done.err.startswith("bignet: error[usage]: ")
    assert len(lines_of(done.err)) == 1


def test_bignet_alone_shows_its_help(bignet_command: Command) -> None:
    assert bignet_command().out == bignet_command("--help").out


@pytest.mark.parametrize("query", ["x" * 300, "²", "id:²", "٣"])
def test_odd_queries_are_explained(bignet_command: Command, store: Path, query: str) -> None:
    done = bignet_command("search", store, query)

    assert done.code in (2, 4)
    assert len(lines_of(done.err)) == 1


def test_the_demo_on_a_file_is_explained(bignet_command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    done = bignet_command("demo", "-o", tmp_path / "file")

    assert done.code == 4
    assert len(lines_of(done.err)) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."), "out of memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "out of memory"),
        (RuntimeError("could not create a primitive"), "out of memory"),
        (RuntimeError("can't start new thread"), "starts no more threads"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_memory_and_threads_that_run_out_are_explained(
    bignet_command: Command, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr("bignet.extractor.weights.prepare", refused)
    done = bignet_command("extract", images, tmp_path / "s", "--weights", "random:0")

    assert done.code == 4
    assert says in lines_of(done.err)[-1]
    assert "Traceback" not in done.err


def test_an_error_nobody_foresaw_keeps_its_traceback(
    bignet_command: Command, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("bignet.extractor.weights.prepare", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        bignet_command("extract", images, tmp_path / "s", "--weights", "random:0")


def test_a_report_is_not_written_into_a_store(bignet_command: Command, store: Path) -> None:
    before = sorted(store.rglob("*"))

    assert bignet_command("report", store, "-o", store).code == 2
    assert bignet_command("report", store, "-o", "").code == 2
    assert sorted(store.rglob("*")) == before


def test_a_report_that_does_not_fit_on_the_disk_leaves_the_older_one_whole(
    bignet_command: Command, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bignet_command("report", store, "-o", tmp_path / "r")
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    real, calls = os.fsync, []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    done = bignet_command("report", store, "-o", tmp_path / "r", "-k", 3)

    assert done.code == 4
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before


def test_notes_show_control_characters_instead_of_sending_them(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    table = bignet.open(store).table()
    rows = [f'{row_id},"{"a" if row_id % 2 else "b"}\x1b[31m"' for row_id in table["id"].to_pylist()]
    (tmp_path / "labels.csv").write_text("id,label\n" + "\n".join(rows) + "\n")

    done = bignet_command("report", store, "-o", tmp_path / "r", "--labels", tmp_path / "labels.csv")

    assert done.code == 0
    assert "\x1b" not in done.out + done.err


def test_moved_images_are_mentioned_and_a_wrong_folder_is_refused(
    bignet_command: Command, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "in")
    bignet_command("extract", tmp_path / "in", tmp_path / "s", "--model", MODEL, "--weights", "random:0")
    (tmp_path / "in").rename(tmp_path / "away")

    moved = bignet_command("report", tmp_path / "s", "-o", tmp_path / "r")
    found = bignet_command("report", tmp_path / "s", "-o", tmp_path / "r", "--images", tmp_path / "away")
    wrong = bignet_command("report", tmp_path / "s", "-o", tmp_path / "r", "--images", tmp_path / "nowhere")

    assert "--images FOLDER" in moved.out
    assert "--images" not in found.out
    assert wrong.code == 2


def test_the_counts_of_a_limited_extraction_add_up(bignet_command: Command, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "in")
    words = ("extract", tmp_path / "in", tmp_path / "s", "--model", MODEL, "--weights", "random:0")
    bignet_command(*words)
    for path in [*sorted((tmp_path / "in").rglob("*.png"))[:5], tmp_path / "in" / "notes.md"]:
        path.write_bytes(b"no picture any more")

    done = bignet_command(*words, "--limit", 2)

    assert done.err.startswith("13 files: 2 to do, 7 unchanged, 4 left for a run without --limit\n")
    assert done.out.startswith(
        "0 embedded, 7 unchanged, 4 left for a run without --limit, 2 rejected (3 in the store: 3 unsupported_format;"
    )


def test_the_counts_of_an_extraction_add_up(bignet_command: Command, images: Path, store: Path) -> None:
    line = bignet_command("extract", images, store).out.splitlines()[0]

    assert line.startswith("0 embedded, 12 unchanged, 1 rejected")
