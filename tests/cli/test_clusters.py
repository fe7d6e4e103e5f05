"""``bignet clusters`` by its words, its output and its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

import bignet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    Command = Callable[..., Outcome]


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 90 imported vectors in three separate groups, one of zeros, one with a hostile name."""
    root = tmp_path_factory.mktemp("groups")
    group = np.arange(90) % 3
    vectors = 3 * np.eye(6)[group] + 0.1 * np.random.default_rng(0).standard_normal((90, 6))
    vectors[7] = 0
    np.save(root / "v.npy", vectors.astype(np.float32))
    names = [f"{'xyz'[g]}/{row:02d}.jpg" for row, g in enumerate(group)]
    names[0] = "x/\x1b[31m.jpg"
    (root / "paths.txt").write_text("\n".join(names))
    labels = "label,id\n" + "\n".join(f"{'xyz'[g]},{row}" for row, g in enumerate(group))
    (root / "labels.csv").write_text(labels)
    bignet.import_vectors(root / "v.npy", root / "s.bignet", name="v", paths=root / "paths.txt")
    return root


def test_the_curve_the_suggestion_and_the_clusters_are_printed(
    bignet_command: Command, groups: Path, tmp_path: Path
) -> None:
    done = bignet_command(
        "clusters", groups / "s.bignet", "-o", tmp_path / "c", "--labels", groups / "labels.csv", "-k", "2,3,6"
    )

    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["k", "silhouette", "stability", "v-measure"]
    assert [line.split()[0] for line in lines[1:4]] == ["2", "3", "6"]
    assert lines[2].endswith("<- suggested")
    assert lines[5].startswith("3 clusters: the most stable, 1.00")
    assert [line.split()[:6] for line in lines[8:11]] == [
        ["0", "30", "x", "100", "%", "3.0"],
        ["1", "30", "z", "100", "%", "3.0"],
        ["2", "29", "y", "100", "%", "3.1"],
    ]
    assert "agreement with the labels: v-measure 1.000 (chance 0.0" in done.out
    assert lines[-1] == f"tables: {tmp_path / 'c/clusters.parquet'} · {tmp_path / 'c/cluster_members.parquet'}"


def test_the_tables_hold_what_json_says_and_leave_the_zero_row_out(
    bignet_command: Command, groups: Path, tmp_path: Path
) -> None:
    done = bignet_command("clusters", groups / "s.bignet", "-o", tmp_path, "-k", "3", "--json")

    found = json.loads(done.out)
    clusters = pq.read_table(found["files"]["clusters"]).to_pylist()
    members = pq.read_table(found["files"]["members"])
    assert [card["medoid_id"] for card in found["clusters"]] == [row["medoid_id"] for row in clusters]
    assert [card["nearest_ids"] for card in found["clusters"]] == [row["nearest_ids"] for row in clusters]
    assert sorted(members["id"].to_pylist()) == [row for row in range(90) if row != 7]
    path_of = dict(zip(members["id"].to_pylist(), members["path"].to_pylist(), strict=True))
    assert (path_of[0], path_of[31]) == (b"x/\x1b[31m.jpg", b"y/31.jpg")
    assert found["suggested"] == 3
    assert {metric["id"]: metric["reason"] for metric in found["metrics"]}["ari"] == "no labels"


def test_a_hostile_name_is_shown_as_what_it_is(bignet_command: Command, groups: Path, tmp_path: Path) -> None:
    done = bignet_command("clusters", groups / "s.bignet", "-o", tmp_path, "-k", "89")
    assert "x/\\x1b[31m.jpg" in done.out
    assert "\x1b" not in done.out
    assert "49 smaller clusters more in clusters.parquet" in done.out
    assert "fewer than 39" in done.out


def test_hdbscan_finds_its_own_number_of_clusters(bignet_command: Command, groups: Path, tmp_path: Path) -> None:
    done = bignet_command("clusters", groups / "s.bignet", "-o", tmp_path, "--method", "hdbscan")
    assert done.code == 0
    assert done.out.startswith("3 clusters: as many dense groups as HDBSCAN found in 89 rows\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("-k", "some"), "allowed are auto, a number"),
        (("-k", "0"), "at least 1"),
        (("--method", "dbscan"), "allowed are kmeans, hdbscan"),
        (("--embedding", "w"), "it has: 'v'"),
    ],
)
def test_a_wrong_choice_is_named_and_nothing_is_written(
    bignet_command: Command, groups: Path, tmp_path: Path, words: tuple[str, ...], hint: str
) -> None:
    done = bignet_command("clusters", groups / "s.bignet", "-o", tmp_path / "c", *words)
    assert done.code == 2
    assert hint in done.err
    assert not (tmp_path / "c").exists()


def test_a_store_is_no_folder_for_tables(bignet_command: Command, groups: Path) -> None:
    done = bignet_command("clusters", groups / "s.bignet", "-o", groups / "s.bignet")
    assert done.code == 2
    assert "cannot hold clusters" in done.err


def test_too_few_images_are_an_error_in_one_line(bignet_command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(3, dtype=np.float32))
    bignet.import_vectors(tmp_path / "v.npy", tmp_path / "s.bignet", name="v")
    done = bignet_command("clusters", tmp_path / "s.bignet", "-o", tmp_path / "c")
    assert done.code == 2
    assert "3 images cannot be divided into clusters" in done.err


def test_from_python_nothing_is_written_unless_asked(groups: Path) -> None:
    done = bignet.clusters(groups / "s.bignet", k=[3], labels=groups / "labels.csv")
    assert done.files is None
    assert done.found.chosen.k == 3
    medoids = [card.medoid for card in done.found.chosen.clusters]
    assert [done.paths[row][:1] for row in medoids] == [b"x", b"z", b"y"]
    assert [done.ids[row] % 3 for row in medoids] == [0, 2, 1]
