"""``bignet import``: its words, its output, its exit codes, and the examples of its help as typed."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bignet.cli.console import search_hint
from tests import oracle
from tests.cli.conftest import Outcome, draw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors, paths and pictures, named as in the help, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    paths = [f"{('cat', 'dog')[number % 2]}/{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        draw(tmp_path / "photos" / path, number)
    array = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    np.save("vectors.npy", array)
    (tmp_path / "paths.txt").write_text("\n".join(paths))
    pq.write_table(pa.table({"v": array.tolist(), "path": paths}), "vectors.parquet")


def test_the_examples_of_the_help_work_as_typed(bignet_command: Command, tmp_path: Path) -> None:
    lines = bignet_command("import", "--help").out.splitlines()
    examples = [line.strip() for line in lines if line.startswith("  bignet import ")]

    assert len(examples) == 2
    for example in examples:
        done = bignet_command(*shlex.split(example)[1:])
        assert (done.code, done.err.count("\n")) == (0, 1)
    clip, dino = oracle.check(tmp_path / "clip.bignet"), oracle.check(tmp_path / "dino.bignet")
    assert clip.ids == dino.ids
    assert {path: list(row[1]) for path, row in clip.rows.items()} == {path: ["clip"] for path in clip.ids}


def test_import_says_what_it_found_what_came_of_it_and_what_is_next(bignet_command: Command) -> None:
    array = np.load("vectors.npy")
    array[2] = np.nan
    np.save("vectors.npy", array)

    done = bignet_command("import", "vectors.npy", "s", "--encoder", "CLIP ViT-B/32")

    assert done.code == 10
    assert done.err == "6 vectors of 4 dims (float32) in vectors.npy\n"
    first, second, third = done.out.splitlines()
    listed = "not finite or all zero; list: bignet info s --rejected"
    assert first.startswith(f"5 imported as 'vectors', 1 rejected ({listed}) in ")
    assert second.startswith("s: 5 rows, ")
    assert third == "next: bignet index s · bignet search s id:0 · bignet report s -o report"
    assert bignet_command("info", "s", "--rejected").out == (
        "2\tnon_finite_vector\t4 of 4 numbers are not finite as float32\n"
    )


def test_the_search_that_import_names_next_works_as_typed(bignet_command: Command) -> None:
    np.save("ids.npy", np.arange(70, 76))
    line = bignet_command("import", "vectors.npy", "s", "--ids", "ids.npy").out.splitlines()[-1]
    hint = line.removeprefix("next: ").split(" · ")[1]

    assert hint == search_hint("s") == "bignet search s id:70"
    assert bignet_command(*shlex.split(hint)[1:]).code == 0


def test_import_again_says_that_there_is_nothing_to_do(bignet_command: Command) -> None:
    assert bignet_command("import", "vectors.npy", "s").code == 0
    again = bignet_command("import", "vectors.npy", "s")
    other = bignet_command("import", "vectors.npy", "s", "--name", "dino")

    assert (again.code, again.out.splitlines()[0]) == (0, "nothing to do: s holds just these vectors already")
    assert (other.code, other.err.count("\n")) == (2, 2)
    assert "store 's' exists already: 6 vectors 'vectors' imported from vectors.npy" in other.err


def test_vectors_that_are_all_rejected_still_have_a_next_step(bignet_command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "zero.npy", np.zeros((3, 4), np.float32))
    store = tmp_path / "zero.bignet"

    done = bignet_command("import", tmp_path / "zero.npy", store)

    assert done.code == 10
    step = f"bignet info {store} --rejected"
    assert done.out.splitlines()[-1] == f"next: {step}, mend the vectors and import them into another folder"
    assert bignet_command(*step.split()[1:]).out.count("all numbers are 0") == 3


def test_json_holds_the_summary_alone(bignet_command: Command) -> None:
    done = bignet_command("import", "vectors.npy", "s", "--name", "clip", "--storage", "float16", "--json")

    summary = json.loads(done.out)
    assert done.err == ""
    assert (summary["rows"], summary["rejected"], summary["done"]) == (6, 0, True)
    assert summary["embedding"]["name"] == "clip"
    assert summary["embedding"]["dtype"] == "float16"
    assert summary["embedding"]["encoder"]["imported_from"] == "vectors.npy"


def test_quiet_says_nothing_on_stderr(bignet_command: Command) -> None:
    assert bignet_command("import", "vectors.npy", "s", "--quiet").err == ""


def test_info_and_verify_describe_an_imported_store(bignet_command: Command, tmp_path: Path) -> None:
    bignet_command("import", "vectors.parquet", "s", "--name", "clip", "--encoder", "CLIP", "--images", "photos")

    info, verified = bignet_command("info", "s"), bignet_command("verify", "s")

    assert [line.split(maxsplit=1) for line in info.out.splitlines()[1:4]] == [
        ["imported", "from vectors.parquet (6 vectors), stored as float32"],
        ["encoder", "CLIP"],
        ["images", f"{tmp_path / 'photos'}, where paths start from"],
    ]
    assert info.out.splitlines()[-1].split()[:2] == ["clip", "4"]
    assert (verified.code, "all as written" in verified.out) == (0, True)
    assert json.loads(bignet_command("info", "s", "--json").out)["source"]["kind"] == "import"


def test_search_takes_ids_and_paths_and_draws_the_pictures(bignet_command: Command, tmp_path: Path) -> None:
    bignet_command("import", "vectors.parquet", "s", "--images", "photos")

    answers = json.loads(bignet_command("search", "s", "id:3", "path:dog/3.png", "dog/3.png", "-k", 2, "--json").out)
    drawn = bignet_command("search", "s", "id:3", "--sheet", "sheet.png")

    assert len({json.dumps(answer["neighbors"]) for answer in answers}) == 1
    assert answers[0]["neighbors"][0]["path"] == "dog/3.png"
    assert (drawn.code, (tmp_path / "sheet.png").is_file()) == (0, True)


def test_search_with_another_image_and_extract_name_the_missing_encoder(
    bignet_command: Command, tmp_path: Path
) -> None:
    bignet_command("import", "vectors.parquet", "s", "--encoder", "CLIP")
    draw(tmp_path / "other" / "new.png", 99)

    for words in (("search", "s", "other/new.png"), ("extract", "other", "s")):
        done = bignet_command(*words)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "imported from vectors.parquet (CLIP)" in done.err
        assert "id:N, path:P or a vector" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["photos", "s"], "vectors 'photos' are not a file"),
        (["paths.txt", "s"], "are of no kind that is read"),
        (["vectors.npy", "s", "--column", "v"], "leave --column out"),
        (["vectors.parquet", "s", "--column", "path"], "'path' of 'vectors.parquet' holds no vectors"),
        (["vectors.npy", "s", "--ids", "paths.txt"], "row 0 (the first is 0): 'cat/0.png' is no id"),
        (["vectors.npy", "s", "--labels", "nowhere.csv"], "labels 'nowhere.csv' are not a file"),
        (["vectors.npy", "s", "--images", "nowhere"], "'nowhere' is not a folder"),
        (["vectors.npy", "s", "--images", "photos"], "none of the 6 paths, such as '0', is a file in"),
        (["vectors.npy", "s", "--name", "a/b"], "name 'a/b' cannot name an embedding"),
        (["vectors.npy", "s", "--storage", "int8"], "allowed: float32, float16"),
        (["vectors.npy", "photos"], "is not a BigNet store"),
    ],
)
def test_what_cannot_be_imported_is_explained_in_one_line_and_leaves_no_store(
    bignet_command: Command, tmp_path: Path, words: list[str], says: str
) -> None:
    done = bignet_command("import", *words, "--quiet")

    assert done.code == 2
    assert done.err.startswith("bignet: error[usage]: ")
    assert done.err.count("\n") == 1
    assert says in done.err
    assert not (tmp_path / "s").exists()
