"""The report's numbers as Arrow tables: one row a query, a neighbour, a class, a pair of classes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bignet.names import storable
from bignet.reporting.numbers import finite
from bignet.reporting.relation import NAMES, Relations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.result import ClassRow, Evaluation, Metric
    from bignet.reporting.source import ReportSource

SCHEMA_VERSION = 1


def per_query_table(evaluation: Evaluation, source: ReportSource) -> pa.Table:
    """One row an evaluated image; null where it was no query."""
    queries = evaluation.per_query
    columns = {
        "id": pa.array(evaluation.ids),
        "path": pa.array(list(source.paths), pa.binary()),
        "label": _labels(evaluation.labels),
        "R": _count(queries.n_relevant),
        "p1": _number(queries.p1),
        f"p{evaluation.k}" if evaluation.k != 1 else "pk": _number(queries.pk),
        "rp": _number(queries.rp),
        "apr": _number(queries.apr),
        "rr": _number(queries.rr),
        "rank_first": _count(queries.rank_first),
        "farthest_id": _id_of(evaluation, queries.farthest),
        "farthest_sim": _number(queries.farthest_similarity),
    }
    return pa.table(columns)


def neighbours_table(evaluation: Evaluation, n_neighbours: int) -> pa.Table:
    """One row a listed neighbour: id, rank from 1, nn_id, sim, relation."""
    graph, n = evaluation.graph, len(evaluation.ids)
    width = graph.rows.shape[1] if graph.rows.ndim == 2 else 0
    rows = graph.rows.reshape(n, width)[:, :n_neighbours].astype(np.int64)
    query, place = np.nonzero(rows >= 0)
    other = rows[query, place]
    relation = Relations.of(evaluation.labels).between(query, other)
    kinds = pa.DictionaryArray.from_arrays(pa.array(relation, pa.int8()), pa.array(NAMES))
    return pa.table(
        {
            "id": pa.array(evaluation.ids[query]),
            "rank": pa.array(place + 1, pa.int32()),
            "nn_id": pa.array(evaluation.ids[other]),
            "sim": pa.array(graph.similarity.reshape(n, width)[query, place]),
            "relation": kinds,
        }
    )


def per_class_table(classes: Sequence[ClassRow]) -> pa.Table:
    """One row a class, every class of the store."""
    columns: dict[str, pa.Array] = {
        "class": _labels([row.label for row in classes]),
        "n": pa.array([row.n for row in classes], pa.int64()),
        "n_queries": pa.array([row.n_queries for row in classes], pa.int64()),
    }
    for name in ("p1", "r_precision", "map_r"):
        columns |= _interval_columns(name, [getattr(row, name) for row in classes])
    columns["within"] = _numbers([row.within for row in classes])
    columns["margin"] = _numbers([row.margin for row in classes])
    columns["nearest_class"] = _labels([row.nearest_class for row in classes])
    columns["nearest_distance"] = _numbers([row.nearest_distance for row in classes])
    return pa.table(columns)


def class_pairs_table(evaluation: Evaluation) -> pa.Table:
    """One row a pair of classes, each pair once, the diagonal included; null for a class of one image."""
    found = evaluation.class_distance
    labels = [storable(label) for label in found.labels] if found else []
    a, b = np.triu_indices(len(labels))
    names = pa.array(labels, pa.string())
    distance = found.matrix[a, b] if found else np.zeros(0)
    return pa.table(
        {
            "class_a": pa.DictionaryArray.from_arrays(pa.array(a, pa.int32()), names),
            "class_b": pa.DictionaryArray.from_arrays(pa.array(b, pa.int32()), names),
            "distance": _number(distance),
        }
    )


def parquet_bytes(table: pa.Table, kind: str) -> bytes:
    """A table as zstd Parquet with its kind and schema version in the metadata."""
    metadata = {"bignet.kind": kind, "schema_version": str(SCHEMA_VERSION)}
    target = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), target, compression="zstd")
    return target.getvalue()


def _labels(labels: Sequence[str | None]) -> pa.Array:
    plain = [None if label is None else storable(label) for label in labels]
    return pa.array(plain, pa.string()).dictionary_encode()


def _number(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _numbers(values: Sequence[float | None]) -> pa.Array:
    return pa.array([finite(value) for value in values], pa.float64())


def _count(values: NDArray[np.int64]) -> pa.Array:
    return pa.array(values, pa.int64(), mask=values < 0)


def _id_of(evaluation: Evaluation, rows: NDArray[np.int64]) -> pa.Array:
    safe = np.maximum(rows, 0)
    ids = evaluation.ids[safe] if len(evaluation.ids) else evaluation.ids
    return pa.array(ids, pa.int64(), mask=rows < 0)


def _interval_columns(name: str, metrics: Sequence[Metric]) -> dict[str, Any]:
    return {
        name: _numbers([metric.value for metric in metrics]),
        f"{name}_lo": _numbers([metric.lo for metric in metrics]),
        f"{name}_hi": _numbers([metric.hi for metric in metrics]),
    }
