"""``bignet report``: its options, what it prints, what it exits with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

import bignet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def report(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store's report."""
    folder = tmp_path_factory.mktemp("reports") / "report"
    bignet.report(store, folder)
    return folder


def write_labels(path: Path, store: Path, columns: str, line: Callable[[int], str]) -> Path:
    ids = bignet.open(store).snapshot.ids().tolist()
    path.write_text("\n".join([f"id,{columns}", *(f"{row_id},{line(row_id)}" for row_id in ids)]) + "\n")
    return path


def test_it_prints_what_was_measured_the_figures_the_worst_classes_and_where_to_look(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    done = bignet_command("report", store, "-o", tmp_path / "r")
    lines = done.out.splitlines()

    assert done.code == 0
    assert lines[0] == "pictures.bignet · gap · 12 images, 12 labelled in 3 classes (the store's own)".replace(
        "· gap ·", f"· {bignet.open(store).embeddings[0].name} ·"
    )
    assert lines[1].split()[:2] == ["metric", "value"]
    assert [line.split()[0] for line in lines[2:10]] == [
        "map@r.macro", "map@r", "p@1", "p@10", "r_precision", "mrr", "knn_acc", "pair_auroc",
    ]  # fmt: skip
    assert any(line.startswith("worst class") for line in lines)
    assert f"report: {tmp_path}/r/report.html" in done.out
    assert lines[-1].startswith(f"next: embedding-atlas {tmp_path}/r/atlas.parquet --x projection_x ")
    assert "--check" not in done.out  # its interval reaches below chance


def test_json_is_the_whole_record_alone_on_stdout(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    done = bignet_command("report", store, "-o", tmp_path / "r", "--json", "--check", "map@r>=0")
    found = json.loads(done.out)
    record = json.loads((tmp_path / "r" / "report.json").read_text())

    assert {name: found[name] for name in record} == record
    assert found["files"]["html"] == str(tmp_path / "r" / "report.html")
    assert found["checks"][0]["passed"] is True
    assert found["baseline"] is None
    assert done.err == ""


def test_conditions_that_hold_end_with_0_and_others_with_3(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    good = bignet_command("report", store, "-o", tmp_path / "r", "--check", "map@r>=0,p@1<=1")
    bad = bignet_command("report", store, "-o", tmp_path / "r", "--check", "map@r>=0,p@1>1")

    assert good.code == 0
    assert bad.code == 3
    assert [line.split()[-1] for line in bad.out.splitlines() if line.startswith(("map@r >=", "p@1 >"))] == [
        "holds", "fails",
    ]  # fmt: skip
    assert (tmp_path / "r" / "report.html").is_file()


def test_an_undefined_figure_fails_with_its_reason(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "l.csv", store, "label", lambda row_id: str(row_id))
    done = bignet_command("report", store, "-o", tmp_path / "r", "--labels", labels, "--check", "map@r>=0")

    assert done.code == 3
    assert "undefined  fails: every class has one image" in done.out


def test_a_report_is_checked_again_without_its_store(bignet_command: Command, report: Path) -> None:
    for path in (report, report / "report.json"):
        assert bignet_command("report", path, "--check", "map@r>=0").code == 0
        assert bignet_command("report", path, "--check", "map@r>1").code == 3
    found = json.loads(bignet_command("report", report, "--check", "map@r>1", "--json").out)
    assert found["checks"][0]["passed"] is False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--check", "mapr>=0"], "metric 'mapr' is not in the report; nearest: 'map@r'"),
        (["--check", "map@r"], "is no condition"),
        (["--baseline", "nowhere.json"], "nowhere.json"),
        ([], "is a report, not a store; add --check or --baseline"),
    ],
)
def test_what_cannot_be_asked_of_a_report_is_explained(
    bignet_command: Command, report: Path, words: list[str], says: str
) -> None:
    done = bignet_command("report", report, *words)

    assert done.code == 2
    assert says in done.err


def test_an_unknown_metric_still_says_where_the_report_is(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    done = bignet_command("report", store, "-o", tmp_path / "r", "--check", "leek_rate<=0.01")

    assert done.code == 2
    assert f"report: {tmp_path}/r/report.html" in done.out
    assert "metric 'leek_rate' is not in the report; nearest: 'leak_rate'" in done.err


def test_a_rate_that_needs_a_split_fails_its_check_without_one(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    done = bignet_command("report", store, "-o", tmp_path / "r", "--check", "leak_rate<=0.01")

    assert done.code == 3
    assert "split" in done.out + done.err


def test_a_mistake_in_a_condition_shows_before_anything_is_measured(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    assert bignet_command("report", store, "-o", tmp_path / "r", "--check", "p@1=1").code == 2
    assert not (tmp_path / "r").exists()


def test_another_embedding_is_held_against_a_baseline_query_by_query(
    bignet_command: Command, store: Path, report: Path, tmp_path: Path
) -> None:
    other = bignet.open(store).embeddings[1].name
    words = ("report", store, "-o", tmp_path / "r", "-e", other, "--baseline", report / "report.json")
    done, found = bignet_command(*words), json.loads(bignet_command(*words, "--json").out)["baseline"]

    assert done.code == 0
    assert "paired over 12 queries" in done.out
    assert found["unpaired"] is None
    assert found["change"]["n_queries"] == 12
    assert found["change"]["value"] == pytest.approx(found["now"]["value"] - found["before"]["value"])


def test_a_baseline_in_the_folder_that_is_written_is_read_first(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    other = bignet.open(store).embeddings[1].name
    bignet.report(store, tmp_path / "r")
    before = json.loads((tmp_path / "r" / "report.json").read_text())["metrics"][0]["value"]
    words = ("report", store, "-o", tmp_path / "r", "-e", other, "--baseline", tmp_path / "r" / "report.json", "--json")

    assert json.loads(bignet_command(*words).out)["baseline"]["before"]["value"] == before


def test_marks_become_a_figure_and_those_of_another_store_are_refused(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    opened = bignet.open(store)
    evaluation, _ = bignet.report(opened, tmp_path / "r")
    ids = opened.snapshot.ids().tolist()
    pairs = [
        {"query": {"id": ids[0]}, "neighbour": {"id": ids[i]}, "mark": ("plausible", "implausible")[i % 2]}
        for i in range(1, 4)
    ]
    labels = write_labels(tmp_path / "l.csv", store, "label", lambda row_id: str(row_id % 6))
    record = {
        "schema_version": 1,
        "kind": "bignet.marks",
        "store": "pictures.bignet",
        "embedding": opened.embeddings[0].name,
        "fingerprint": evaluation.gallery_fingerprint,
        "marks": pairs,
    }
    marks = tmp_path / "marks.json"
    marks.write_text(json.dumps(record))
    done = bignet_command(
        "report", store, "-o", tmp_path / "r", "--labels", labels, "--marks", marks, "--check", "human_plausible>=0.3"
    )

    assert done.code == 0
    assert "human_plausible" in done.out
    found = {metric["id"]: metric for metric in json.loads((tmp_path / "r" / "report.json").read_text())["metrics"]}
    assert found["human_plausible"]["value"] == pytest.approx(1 / 3)
    for name, value in (
        ("store", "cars.bignet"),
        ("store_uuid", "0" * 32),
        ("embedding", "layer1.max"),
        ("embedding_fingerprint", "0" * 16),
        ("fingerprint", "0" * 64),
    ):
        marks.write_text(json.dumps(record | {name: value}))
        refused = bignet_command("report", store, "-o", tmp_path / "r", "--marks", marks)
        assert refused.code == 2
        assert refused.err.startswith("bignet: error[mismatch]: the marks ")
        assert name == "fingerprint" or value in refused.err
    marks.write_text(json.dumps(record | {"store": "renamed", "store_uuid": opened.snapshot.manifest.store_uuid}))
    assert bignet_command("report", store, "-o", tmp_path / "r", "--marks", marks).code == 0


def test_labels_say_what_found_no_partner_and_groups_reach_the_table(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path / "l.csv", store, "label,group", lambda row_id: f"{'ab'[row_id % 2]},g{row_id // 4}")
    text = labels.read_text().splitlines()
    labels.write_text("\n".join([*text[:-1], "990,a,g"]) + "\n")

    done = bignet_command("report", store, "-o", tmp_path / "r", "--labels", labels)

    assert done.code == 0
    assert f"11 labelled in 2 classes ({labels})" in done.out
    assert "note: 1 image of the store is not in l.csv: " in done.out
    assert "note: 1 line of l.csv about nothing in the store: 990" in done.out
    table = pq.read_table(tmp_path / "r" / "per_query.parquet").to_pylist()
    assert [line["group"] for line in table[:-1]] == [f"g{line['id'] // 4}" for line in table[:-1]]
    record = json.loads((tmp_path / "r" / "report.json").read_text())["labels"]
    assert (record["file"], record["n_not_in_file"], record["not_in_store"]) == ("l.csv", 1, ["990"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--thumbs", "many"], "--thumbs 'many' is neither a number nor none"),
        (["--clusters", "1"], "--clusters '1' is no list"),
        (["--clusters", "few"], "--clusters 'few' is no list"),
        (["--mode", "split"], "with a column 'split'"),
        (["--mode", "twice"], "mode: found 'twice'; allowed are loo, split, folds"),
        (["--unlabelled", "keep"], "allowed are drop, distractor"),
    ],
)
def test_options_that_cannot_be_are_explained(
    bignet_command: Command, store: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    done = bignet_command("report", store, "-o", tmp_path / "r", *words)

    assert done.code == 2
    assert says in done.err
    assert not (tmp_path / "r").exists()


def test_clusters_are_tried_as_asked_and_written_beside_the_page(
    bignet_command: Command, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r"
    asked = json.loads(bignet_command("report", store, "-o", out, "--json", "--clusters", "3,2").out)
    found = asked["clusters"]
    members = pq.read_table(out / "cluster_members.parquet").to_pylist()
    rows = pq.read_table(out / "per_query.parquet").to_pylist()

    assert [point["k"] for point in found["curve"]] == [2, 3]
    assert sum(card["size"] for card in found["clustering"]["clusters"]) == 12
    assert [line["cluster"] for line in rows] == [line["cluster"] for line in members]
    assert {"purity", "v_measure"} <= {metric["id"] for metric in asked["metrics"]}
    none = json.loads(bignet_command("report", store, "-o", out, "--json", "--clusters", "none").out)
    assert none["clusters"] is None
    assert not list(out.glob("cluster*"))


def test_without_thumbnails_the_page_holds_no_picture(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    bignet_command("report", store, "-o", tmp_path / "with")
    bignet_command("report", store, "-o", tmp_path / "without", "--thumbs", "none")

    assert "data:image/jpeg" in (tmp_path / "with" / "report.html").read_text()
    assert "data:image/jpeg" not in (tmp_path / "without" / "report.html").read_text()


def test_another_seed_moves_intervals_and_no_value(bignet_command: Command, store: Path, tmp_path: Path) -> None:
    first, second = (
        json.loads(bignet_command("report", store, "-o", tmp_path / "r", "--json", "--seed", seed).out)["metrics"][:15]
        for seed in (0, 1)
    )

    assert [metric["value"] for metric in first] == [metric["value"] for metric in second]
    assert [metric["lo"] for metric in first] != [metric["lo"] for metric in second]


@pytest.mark.parametrize("command", ["report", "clusters"])
@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_file_where_the_folder_should_be_is_a_mistake_that_shows_before_anything_is_measured(
    bignet_command: Command, store: Path, tmp_path: Path, command: str, below: str
) -> None:
    file = tmp_path / "r.html"
    file.write_text("kept")

    done = bignet_command(command, store, "-o", file / below)

    assert done.code == 2
    assert f"'{file}' is a file; give a folder" in done.err
    assert file.read_text() == "kept"
