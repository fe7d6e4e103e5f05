"""``atlas.parquet``: every image with a place on the map, as Embedding Atlas reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bignet.errors import UsageError
from bignet.names import storable
from bignet.reporting.tables import image_columns, labels_column, per_query_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.result import Evaluation
    from bignet.reporting.source import ReportSource

    Ints = NDArray[np.int64]

SCORES = ("p1", "rp", "apr", "rank_first", "silhouette", "lid", "N_k")
COMMAND = "embedding-atlas {file} --x projection_x --y projection_y --neighbors neighbors"
_NEIGHBOURS = pa.struct([("ids", pa.list_(pa.int32())), ("distances", pa.list_(pa.float32()))])


def has_map(evaluation: Evaluation) -> bool:
    """Whether there are places to show."""
    maps = evaluation.geometry.projections if evaluation.geometry else ()
    return bool(maps) and len(maps[0].rows) > 0


def atlas_table(evaluation: Evaluation, source: ReportSource, n_neighbours: int) -> pa.Table:
    """One row an image on the first map, the neighbours among them by row number of this table.

    The columns are id, image (path in the folder of images), label, cluster, scores, projection_x, projection_y and
    neighbors, a struct of ids and cosine distances, nearest first. Needs a map, see ``has_map``.
    """
    first = evaluation.geometry.projections[0] if evaluation.geometry else None
    if first is None:
        raise UsageError("there is no map to make an atlas of; evaluate two images or more")
    shown, xy = np.sort(first.rows), first.xy[np.argsort(first.rows, kind="stable")]
    all_columns = per_query_table(evaluation, source).take(pa.array(shown))
    paths = [storable(source.paths[row]) for row in shown]
    return pa.table(
        {
            "id": all_columns["id"],
            "image": pa.array(paths, pa.string()),
            "label": labels_column([evaluation.labels[row] for row in shown]),
            "cluster": image_columns(evaluation)["cluster"].take(pa.array(shown)),
            **{name: all_columns[name] for name in SCORES},
            "projection_x": pa.array(xy[:, 0], pa.float64()),
            "projection_y": pa.array(xy[:, 1], pa.float64()),
            "neighbors": _neighbours(evaluation, shown, n_neighbours),
        }
    )


def _neighbours(evaluation: Evaluation, shown: Ints, n_neighbours: int) -> pa.Array:
    """(M,) rows on the map -> a struct each; empty lists where a row was not asked, or none is on the map."""
    rows, similarity = _of_shown(evaluation, shown, n_neighbours)
    place = np.full(len(evaluation.ids), -1, dtype=np.int64)
    place[shown] = np.arange(len(shown))
    kept = (rows >= 0) & (place[np.maximum(rows, 0)] >= 0)
    offsets = pa.array(np.concatenate([[0], np.cumsum(kept.sum(axis=1))]), pa.int32())
    ids = pa.ListArray.from_arrays(offsets, pa.array(place[rows[kept]], pa.int32()))
    distances = pa.ListArray.from_arrays(offsets, pa.array(1.0 - similarity[kept], pa.float32()))
    return pa.StructArray.from_arrays([ids, distances], fields=list(_NEIGHBOURS))


def _of_shown(evaluation: Evaluation, shown: Ints, n_neighbours: int) -> tuple[Ints, NDArray[np.float64]]:
    """The graph's first places for the rows on the map, -1 for rows that were not asked."""
    graph = evaluation.graph
    asked = np.arange(len(evaluation.ids)) if graph.queries is None else graph.queries
    line = np.full(len(evaluation.ids), -1, dtype=np.int64)
    line[asked] = np.arange(len(asked))
    width = min(n_neighbours, graph.rows.shape[1])
    rows, similarity = np.full((len(shown), width), -1, dtype=np.int64), np.full((len(shown), width), np.nan)
    known = line[shown] >= 0
    rows[known] = graph.rows[line[shown][known], :width]
    similarity[known] = graph.similarity[line[shown][known], :width]
    return rows, similarity
