"""``bignet sweep`` by its words, its output and its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bignet import sweep_costs
from bignet.cli.sweep_lines import time_line
from tests.extractor.pictures import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    Command = Callable[..., Outcome]

MODEL = "tests.tiny:build"
OPTIONS = ("-m", MODEL, "-w", f"{MODEL}=random:0", "-p", "gap,max,cls", "--precision", "fp32")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_costs, "_SECONDS_A_LAYER", 0.01)
    monkeypatch.setattr(sweep_costs, "_SECONDS_DECODING", 0.05)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of two classes."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        put(folder, f"{'ab'[number % 2]}/{number:02}.png", number)
    return folder


def test_the_choices_the_recommendation_and_what_was_not_tried_are_printed(
    bignet_command: Command, photos: Path, tmp_path: Path
) -> None:
    done = bignet_command("sweep", photos, "-o", tmp_path / "s", *OPTIONS, "--pca", "4")

    assert done.code == 0
    lines = done.out.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("choice "))
    assert lines[header].split()[:2] == ["choice", "map@r.macro"]
    rows = [line.split()[0] for line in lines[header + 1 : lines.index("", header)]]
    assert {f"{MODEL}/head.gap", f"{MODEL}/stem.max+pca:4"} <= set(rows)
    assert all("untrained" in line for line in lines[header + 1 : header + 1 + len(rows)])
    assert [line.split(":")[0] for line in lines[lines.index("") + 1 :][:3]] == ["best", "balanced", "cheapest"]
    assert any(line.startswith("3 combinations not tried: 3 not defined there") for line in lines)
    assert f"sweep: {tmp_path}/s/sweep.html" in done.out
    assert lines[-1].startswith(f"next: bignet report {tmp_path}/s/stores/tests.tiny-build.bignet --embedding ")
    assert f"{MODEL} · random:0 · 6 embeddings" in done.err


def test_the_stages_and_the_rest_make_the_whole_time() -> None:
    stages = {"starting": 1.0, "speeds": 50.0, "score": 30.0}
    assert time_line(stages, 90.0) == "1m 30s · speeds 50 s · score 30 s · the rest 10 s"


def test_the_result_as_json_is_all_there_is_on_stdout(bignet_command: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for item in photos.rglob("*.png"):
        (tmp_path / "more" / item.name).write_bytes(item.read_bytes())
    (tmp_path / "more" / "bad.jpg").write_bytes(b"no picture")
    done = bignet_command("sweep", tmp_path / "more", "-o", tmp_path / "s", *OPTIONS, "--json")

    assert (done.code, done.err) == (10, "")
    found = json.loads(done.out)
    assert (found["images"], found["ranking"], found["rejected"]) == (12, "self_hit@1", {MODEL: 1})
    assert len(found["choices"]) == 6
    assert {item["reason"] for item in found["dropped"]} != {""}
    assert (tmp_path / "s" / "sweep.parquet").is_file()
    assert found["recommendations"][0]["preset"] == "best"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-w", "resnet18"), "write them as in resnet18=mine.safetensors"),
        (("-w", "resnet18=random:0"), "weights are given for 'resnet18', which is not tried"),
        (("-p", ","), "--pools names nothing"),
        (("-l", "haed"), "nearest: 'head'"),
        (("-m", "resnet19"), "nearest: 'resnet18'"),
        (("--max-dims", "2"), "nothing is left to try"),
    ],
)
def test_a_wrong_word_is_one_line_and_leaves_nothing(
    bignet_command: Command, photos: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    weights = ("-w", f"{MODEL}=random:0") if "-m" not in words else ()
    done = bignet_command("sweep", photos, "-o", tmp_path / "s", "-m", MODEL, *weights, *words)

    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert message in done.err
    assert not (tmp_path / "s").exists()
