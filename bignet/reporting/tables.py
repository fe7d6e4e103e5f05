"""The report's numbers as Arrow tables: one row an image, a neighbour, a dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bignet.names import storable
from bignet.reporting.record import SCHEMA_VERSION
from bignet.reporting.relation import NAMES, Relations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.geometry_result import Spectrum
    from bignet.evaluate.ladder.result import Ladder
    from bignet.evaluate.result import Evaluation, Metric
    from bignet.files import HashingFile
    from bignet.reporting.source import ReportSource


INFLUENCED = {"p@1": "p1", "r_precision": "rp", "map@r": "apr"}
_LISTS = 4096  # looked at together: millions of neighbours would stand in a dozen arrays


def per_query_table(evaluation: Evaluation, source: ReportSource) -> pa.Table:
    """One row an evaluated image; null where it was no query, or where nothing was asked about it."""
    queries, n = evaluation.per_query, len(evaluation.ids)
    given = source.labels
    columns = {
        "id": pa.array(evaluation.ids),
        "path": pa.array(source.paths, pa.binary()),
        "label": labels_column(evaluation.labels),
        "group": labels_column(given.groups or [None] * n),
        "split": labels_column(given.split or [None] * n),
        "R": _count(queries.n_relevant),
        "p1": _number(queries.p1),
        f"p{evaluation.k}" if evaluation.k != 1 else "pk": _number(queries.pk),
        "rp": _number(queries.rp),
        "apr": _number(queries.apr),
        "rr": _number(queries.rr),
        "rank_first": _count(queries.rank_first),
        "knn_pred": labels_column(queries.knn_pred),
        "knn_conf": _number(queries.knn_conf),
        "farthest_id": _id_of(evaluation, queries.farthest),
        "farthest_sim": _number(queries.farthest_similarity),
    }
    return pa.table(columns | influence_columns(evaluation) | image_columns(evaluation))


def influence_columns(evaluation: Evaluation) -> dict[str, pa.Array]:
    """What the headline family's means lose without each image: ``apr_influence``, ``apr_macro_influence``, ..."""
    found = {}
    for name, column in INFLUENCED.items():
        for metric_id, kind in ((name, column), (f"{name}.macro", f"{column}_macro")):
            if metric_id in evaluation.influences:
                found[f"{kind}_influence"] = _number(evaluation.influences[metric_id])
    return found


def image_columns(evaluation: Evaluation) -> dict[str, pa.Array]:
    """What the other parts say of each image: silhouette, lid, N_k, cluster; null where they do not, or in noise."""
    n, geometry = len(evaluation.ids), evaluation.geometry
    nothing = np.full(n, np.nan)
    silhouette = evaluation.separation.silhouette if evaluation.separation else nothing
    lid = geometry.dimension.lid if geometry and geometry.dimension else nothing
    listed = np.full(n, -1, dtype=np.int64)
    if geometry and geometry.hubness:
        listed[geometry.hubness.rows] = geometry.hubness.counts
    clusters = evaluation.clusters.chosen.assignment if evaluation.clusters else np.full(n, -1, dtype=np.int64)
    return {
        "silhouette": _number(silhouette),
        "lid": _number(lid),
        "N_k": _count(listed),
        "cluster": _count(clusters),
    }


def neighbours_table(evaluation: Evaluation, n_neighbours: int) -> pa.Table:
    """One row a listed neighbour of an image that was asked: id, rank from 1, nn_id, sim, relation."""
    graph, n = evaluation.graph, len(evaluation.ids)
    asked = np.arange(n) if graph.queries is None else graph.queries
    width = graph.rows.shape[1] if graph.rows.ndim == 2 else 0
    rows = graph.rows.reshape(len(asked), width)[:, :n_neighbours]
    similarity = graph.similarity.reshape(len(asked), width)[:, :n_neighbours]
    listed = rows >= 0
    n_listed = listed.sum(axis=1)
    relations, kinds = Relations.of(evaluation.labels), np.empty(int(n_listed.sum()), dtype=np.int8)
    n_done = 0
    for start in range(0, len(asked), _LISTS):
        part = slice(start, start + _LISTS)
        other = rows[part][listed[part]].astype(np.int64)
        found = relations.between(np.repeat(asked[part], n_listed[part]), other)
        kinds[n_done : n_done + len(other)] = found
        n_done += len(other)
    ranks = np.broadcast_to(np.arange(1, rows.shape[1] + 1, dtype=np.int32), rows.shape)
    return pa.table(
        {
            "id": pa.array(np.repeat(evaluation.ids[asked], n_listed)),
            "rank": pa.array(ranks[listed], pa.int32()),
            "nn_id": pa.array(evaluation.ids[rows[listed]]),
            "sim": pa.array(similarity[listed]),
            "relation": pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(NAMES)),
        }
    )


def spectrum_table(spectrum: Spectrum) -> pa.Table:
    """One row a dimension. ``rank`` counts the eigenvalues and singular values, ``dim`` the vector's own places.

    In float32: the last bits of a matrix product hang on the number of threads.
    """
    dims = len(spectrum.eigenvalues)
    return pa.table(
        {
            "rank": pa.array(np.arange(1, dims + 1), pa.int32()),
            "eigenvalue": pa.array(spectrum.eigenvalues, pa.float32()),
            "singular_value": pa.array(spectrum.singular_values, pa.float32()),
            "dim": pa.array(np.arange(dims), pa.int32()),
            "zero_share": _number(spectrum.zero_share),
            "dead": pa.array(np.isin(np.arange(dims), spectrum.dead)),
        }
    )


def ladder_table(ladder: Ladder) -> pa.Table:
    """One row a storage or index; how long each takes is in report.json, for it differs from run to run."""
    rungs = ladder.rungs
    changes = [rung.p1_change for rung in rungs]
    return pa.table(
        {
            "rung": pa.array([rung.id for rung in rungs], pa.string()),
            "name": pa.array([rung.name for rung in rungs], pa.string()),
            "kind": pa.array([rung.kind for rung in rungs], pa.string()),
            "bytes_a_vector": pa.array([rung.bytes_a_vector for rung in rungs], pa.float64()),
            **{f"overlap{end}": _ends([rung.overlap for rung in rungs], end) for end in ("", "_lo", "_hi")},
            "p1": _ends([rung.p1 for rung in rungs], ""),
            **{f"p1_change{end}": _ends(changes, end) for end in ("", "_lo", "_hi")},
            "tie_rate": pa.array([rung.tie_rate for rung in rungs], pa.float64()),
            "reason": pa.array([rung.reason for rung in rungs], pa.string()),
        }
    )


def _ends(metrics: Sequence[Metric | None], end: str) -> pa.Array:
    names = {"": "value", "_lo": "lo", "_hi": "hi"}
    return pa.array([None if metric is None else getattr(metric, names[end]) for metric in metrics], pa.float64())


def table_writer(make: Callable[[], pa.Table], kind: str) -> Callable[[HashingFile], None]:
    """What writes a table as zstd Parquet, its kind and schema version in the metadata; it is made only then."""
    metadata = {"bignet.kind": kind, "schema_version": str(SCHEMA_VERSION)}

    def write(file: HashingFile) -> None:
        pq.write_table(make().replace_schema_metadata(metadata), file, compression="zstd")
        pa.default_memory_pool().release_unused()

    return write


def labels_column(labels: Sequence[str | None]) -> pa.Array:
    """Names as a dictionary of valid UTF-8."""
    plain = [None if label is None else storable(label) for label in labels]
    return pa.array(plain, pa.string()).dictionary_encode()


def _number(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _count(values: NDArray[np.int64]) -> pa.Array:
    return pa.array(values, pa.int64(), mask=values < 0)


def _id_of(evaluation: Evaluation, rows: NDArray[np.int64]) -> pa.Array:
    safe = np.maximum(rows, 0)
    ids = evaluation.ids[safe] if len(evaluation.ids) else evaluation.ids
    return pa.array(ids, pa.int64(), mask=rows < 0)
