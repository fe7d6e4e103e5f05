"""A clustering and a store's names -> a folder with two tables."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bignet.errors import explain_os_error
from bignet.files import replace_all
from bignet.reporting.cluster_tables import cluster_members_table, clusters_table
from bignet.reporting.tables import table_writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.clusters.result import Clustering, Clusters


@dataclass(frozen=True)
class ClusterFiles:
    """Where the tables were written."""

    folder: Path
    clusters: Path
    members: Path


@dataclass(frozen=True)
class StoreClusters:
    """The clusters of a store's embedding, with the names of its rows.

    Attributes:
        found: the clusters; their rows are positions in the next two.
        ids: (N,) store ids of the rows that could be used.
        paths: N relative paths.
        files: what was written; None if nothing was.
    """

    found: Clusters
    ids: NDArray[np.int64]
    paths: tuple[bytes, ...]
    files: ClusterFiles | None


def write_clusters(clustering: Clustering, ids: NDArray[np.int64], paths: Sequence[bytes], out: Path) -> ClusterFiles:
    """``clusters.parquet`` and ``cluster_members.parquet`` in the folder ``out``, both or neither.

    Raises:
        ResourceError: the disk refused.
    """
    files = ClusterFiles(out, out / "clusters.parquet", out / "cluster_members.parquet")
    tables = {files.clusters: clusters_table, files.members: cluster_members_table}
    contents = {path: table_writer(partial(make, clustering, ids, paths), path.stem) for path, make in tables.items()}
    try:
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(out))
        out.mkdir(parents=True, exist_ok=True)
        replace_all(contents)
    except OSError as error:
        raise explain_os_error(error, f"write the clusters into {out}") from error
    return files
