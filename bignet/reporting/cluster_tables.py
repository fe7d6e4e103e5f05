"""A clustering as Arrow tables: one row a cluster, one row an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bignet.names import storable
from bignet.reporting.numbers import finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.result import Cluster, Clustering

# The first that holds is the one given: what a person would act on comes before what merely describes.
ROLES = ("medoid", "minority", "outlier", "boundary", "nearest")


def clusters_table(clustering: Clustering, ids: NDArray[np.int64], paths: Sequence[bytes]) -> pa.Table:
    """One row a cluster, largest first; rows of the cluster to look at are lists of ids.

    Args:
        clustering: of N rows.
        ids: (N,) store ids.
        paths: N relative paths.
    """
    found = clustering.clusters
    medoids = [cluster.medoid for cluster in found]
    columns = {
        "cluster": pa.array([cluster.number for cluster in found], pa.int64()),
        "size": pa.array([cluster.size for cluster in found], pa.int64()),
        "medoid_id": pa.array([int(ids[row]) for row in medoids], pa.int64()),
        "medoid_path": pa.array([paths[row] for row in medoids], pa.binary()),
        "label": _labels([cluster.label for cluster in found]),
    }
    for name in ("label_share", "label_lift", "entropy", "unlabelled_share", "cohesion", "p95"):
        columns[name] = pa.array([finite(getattr(cluster, name)) for cluster in found], pa.float64())
    columns["nearest"] = pa.array([cluster.nearest for cluster in found], pa.int64())
    for name in ("nearest", "boundary", "outlier", "minority"):
        rows = [getattr(cluster, f"{name}_rows") for cluster in found]
        columns[f"{name}_ids"] = pa.array([ids[list(each)].tolist() for each in rows], pa.list_(pa.int64()))
    return pa.table(columns)


def cluster_members_table(clustering: Clustering, ids: NDArray[np.int64], paths: Sequence[bytes]) -> pa.Table:
    """One row an image: id, path, cluster (null = noise), similarity, margin, role (null = none of the five).

    Args:
        clustering: of N rows.
        ids: (N,) store ids.
        paths: N relative paths.
    """
    role = _roles(clustering)
    names = pa.array(ROLES, pa.string())
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "path": pa.array(list(paths), pa.binary()),
            "cluster": pa.array(clustering.assignment, pa.int64(), mask=clustering.assignment < 0),
            "similarity": _numbers(clustering.similarity),
            "margin": _numbers(clustering.margin),
            "role": pa.DictionaryArray.from_arrays(pa.array(role, pa.int8(), mask=role < 0), names),
        }
    )


def _roles(clustering: Clustering) -> NDArray[np.int8]:
    """(N,) place in ``ROLES``, -1 = none."""
    role = np.full(len(clustering.assignment), -1, dtype=np.int8)
    for place in reversed(range(len(ROLES))):
        for cluster in clustering.clusters:
            role[list(_rows(cluster, ROLES[place]))] = place
    return role


def _rows(cluster: Cluster, role: str) -> Iterable[int]:
    return (cluster.medoid,) if role == "medoid" else getattr(cluster, f"{role}_rows")


def _labels(labels: Sequence[str | None]) -> pa.Array:
    plain = [None if label is None else storable(label) for label in labels]
    return pa.array(plain, pa.string()).dictionary_encode()


def _numbers(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))
