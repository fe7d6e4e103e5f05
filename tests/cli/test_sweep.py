"""``bignet sweep`` by its words, its output and its files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bignet import sweep_costs
from bignet.cli import sweep_lines
from bignet.cli.sweep_lines import time_line
from bignet.evaluate.sweep.result import Dropped, Why
from tests.extractor.pictures import put
from tests.reporting.sweep.factory import make_sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    Command = Callable[..., Outcome]

MODEL = "tests.tiny:build"
PRESETS = ("best", "balanced", "cheapest")
OPTIONS = ("-m", MODEL, "-w", f"{MODEL}=random:0", "-p", "gap,max,cls", "--precision", "fp32")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_costs, "_SECONDS_A_NETWORK", 0.01)
    monkeypatch.setattr(sweep_costs, "_SECONDS_DECODING", 0.05)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of two classes."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        put(folder, f"{'ab'[number % 2]}/{number:02}.png", number)
    return folder


def test_what_was_dropped_is_counted_by_reason() -> None:
    dropped = tuple(
        Dropped("net", "stem", "max", 9000, why, "") for why in (Why.SIZE, Why.UNDEFINED, Why.NO_DIRECTIONS)
    )
    (line,) = sweep_lines.dropped(make_sweep(None, 2, dropped=(*dropped, dropped[0])).sweep)
    assert line.startswith(
        "4 combinations not tried: 2 too long or no shorter, 1 not defined there, 1 without directions;"
    )


def test_the_choices_the_recommendation_and_what_was_not_tried_are_printed(
    bignet_command: Command, photos: Path, tmp_path: Path
) -> None:
    done = bignet_command("sweep", photos, "-o", tmp_path / "s", *OPTIONS, "--pca", "4")

    assert done.code == 0
    lines = done.out.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("choice "))
    assert lines[header].split()[:2] == ["choice", "map@r.macro"]
    rows = [line for line in lines[header + 1 : lines.index("", header)] if line.startswith(MODEL)]
    assert {f"{MODEL}/head.gap", f"{MODEL}/stem.max+pca:4"} <= {line.split()[0] for line in rows}
    assert all("untrained" in line for line in rows)
    presets = [line.partition(": ")[0] for line in lines[lines.index("") + 1 :] if line.startswith(PRESETS)]
    assert sorted(", ".join(presets).split(", ")) == ["balanced", "best", "cheapest"]
    assert any(line.startswith("3 combinations not tried: 3 not defined there") for line in lines)
    assert f"sweep: {tmp_path}/s/sweep.html" in done.out
    assert lines[-1].startswith(f"next: bignet report {tmp_path}/s/stores/tests.tiny-build.bignet --embedding ")
    assert f"{MODEL} · random:0 · 6 embeddings" in done.err


def test_the_table_is_sorted_by_what_it_shows_and_says_what_that_is() -> None:
    sweep = make_sweep(None, 12).sweep
    first, second, *rest = sweep.scored
    assert second.to_best is not None
    near = replace(second, tied=True, to_best=replace(second.to_best, lo=-0.03, hi=-0.01))
    lines = sweep_lines.front(replace(sweep, scored=(first, near, *rest)))

    scores = [float(line.split()[1]) for line in lines[1:13]]
    assert scores == sorted(scores, reverse=True)
    assert next(line for line in lines if line.startswith(second.choice.name)).endswith("not told apart, front")
    overall = first.metrics["map@r.macro"].value
    assert lines[-2] == (
        "map@r.macro: on the half of the images that had no say in the choice, 30 queries; "
        f"on all 60 images {first.choice.name} has {overall:.3f}"
    )
    assert lines[-1].startswith("not told apart: from the best, once corrected for 11 comparisons")


def test_presets_that_agree_are_said_once_with_what_would_change_them() -> None:
    sweep = make_sweep(None, 12).sweep
    best, balanced, cheapest = sweep.recommendations
    agreed = (best, replace(balanced, name=best.name), replace(cheapest, name=best.name, changes=balanced.changes))

    assert sweep_lines.recommended(replace(sweep, recommendations=agreed)) == [
        f"best, balanced, cheapest: {best.name}",
        f"  {balanced.reason}",
        f"  would change best: {best.changes[0].lower()}{best.changes[1:]}",
        f"  would change balanced, cheapest: {balanced.changes[0].lower()}{balanced.changes[1:]}",
    ]


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
    usual = ("-m", MODEL, "-w", f"{MODEL}=random:0") if "-m" not in words else ()
    done = bignet_command("sweep", photos, "-o", tmp_path / "s", *usual, *words)

    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert message in done.err
    assert not (tmp_path / "s").exists()


def test_options_given_again_add_up(bignet_command: Command, photos: Path, tmp_path: Path) -> None:
    usual = ("-m", MODEL, "-w", f"{MODEL}=random:0", "--precision", "fp32", "--json")
    done = bignet_command("sweep", photos, "-o", tmp_path / "s", *usual, "-p", "gap", "-p", "max,avg:2")

    assert {item["name"].rsplit(".", 1)[1] for item in json.loads(done.out)["choices"]} == {"gap", "max", "avg2"}
