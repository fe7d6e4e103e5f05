"""Clusters as tables: a row a cluster, a row an image, hostile names and noise included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from bignet.errors import ResourceError
from bignet.evaluate.clusters.result import Cluster, Clustering
from bignet.reporting.cluster_tables import ROLES, cluster_members_table, clusters_table
from bignet.reporting.record import SCHEMA_VERSION
from bignet.reporting.write_clusters import write_clusters

if TYPE_CHECKING:
    from pathlib import Path

IDS = np.array([10, 11, 12, 13, 14, 15, 16])
PATHS = [b"a.jpg", b"b\xff.jpg", b"c\n.jpg", b"d.jpg", b"<script>.jpg", b"f.jpg", b"g.jpg"]


def card(number: int, size: int, medoid: int, **rows: tuple[int, ...]) -> Cluster:
    lists = {f"{name}_rows": rows.get(name, ()) for name in ("nearest", "boundary", "outlier", "minority")}
    label = None if number else "caf\udcff#x"
    share = None if number else 0.75
    return Cluster(number, size, medoid, 0.5, 0.2, 1 - number, label, share, share, share, 0.25, **lists)


def clustering() -> Clustering:
    return Clustering(
        method="hdbscan",
        k=2,
        assignment=np.array([0, 0, 0, 0, 1, 1, -1]),
        similarity=np.array([0.9, 0.8, 0.7, 0.6, 0.9, 0.8, np.nan]),
        margin=np.array([0.3, 0.2, 0.1, -0.1, 0.3, 0.2, np.nan]),
        clusters=(
            card(0, 4, 0, nearest=(1, 2), boundary=(3, 2), outlier=(3,), minority=(2, 0)),
            card(1, 2, 5, nearest=(4,), boundary=(4, 5)),
        ),
        noise_share=1 / 7,
        metrics=(),
    )


def test_a_cluster_is_a_row_that_names_images_by_id_and_path() -> None:
    first, second = clusters_table(clustering(), IDS, PATHS).to_pylist()

    assert (first["cluster"], first["size"], first["medoid_id"], first["medoid_path"]) == (0, 4, 10, b"a.jpg")
    assert (first["label"], first["label_share"], first["nearest"]) == ("caf\\xff#x", 0.75, 1)
    assert (first["nearest_ids"], first["boundary_ids"]) == ([11, 12], [13, 12])
    assert (first["outlier_ids"], first["minority_ids"]) == ([13], [12, 10])
    assert (second["label"], second["entropy"], second["minority_ids"]) == (None, None, [])


def test_an_image_is_a_row_with_its_cluster_and_its_most_telling_role() -> None:
    rows = cluster_members_table(clustering(), IDS, PATHS).to_pylist()

    assert [row["id"] for row in rows] == IDS.tolist()
    assert [row["path"] for row in rows] == PATHS
    assert [row["cluster"] for row in rows] == [0, 0, 0, 0, 1, 1, None]
    assert (rows[6]["similarity"], rows[6]["margin"]) == (None, None)
    assert [row["role"] for row in rows] == ["medoid", "nearest", "minority", "outlier", "boundary", "medoid", None]
    assert {row["role"] for row in rows} - {None} == set(ROLES)


def test_no_clusters_at_all_are_two_tables_of_the_same_columns() -> None:
    noise = Clustering("hdbscan", 0, np.full(7, -1), np.full(7, np.nan), np.full(7, np.nan), (), 1.0, ())

    assert clusters_table(noise, IDS, PATHS).schema.equals(clusters_table(clustering(), IDS, PATHS).schema)
    assert cluster_members_table(noise, IDS, PATHS)["cluster"].null_count == 7


def test_both_files_say_what_they_are_and_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    files = write_clusters(clustering(), IDS, PATHS, tmp_path / "out")
    before = files.clusters.read_bytes(), files.members.read_bytes()
    write_clusters(clustering(), IDS, PATHS, tmp_path / "out")

    assert (files.clusters.read_bytes(), files.members.read_bytes()) == before
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "cluster_members.parquet",
        "clusters.parquet",
    ]
    for path in (files.clusters, files.members):
        metadata = pq.read_schema(path).metadata
        assert (metadata[b"bignet.kind"], metadata[b"schema_version"]) == (
            path.stem.encode(),
            str(SCHEMA_VERSION).encode(),
        )


def test_a_file_in_the_folders_place_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ResourceError, match="is a file, not a folder"):
        write_clusters(clustering(), IDS, PATHS, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
