"""Which rows were asked for their neighbours, and which line of the graph is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.result import KnnGraph


def asked_rows(graph: KnnGraph) -> NDArray[np.int64]:
    """(Q,) positions in the evaluated arrays of the graph's lines: all of them, or the sample that was asked."""
    return np.arange(len(graph.rows), dtype=np.int64) if graph.queries is None else graph.queries


def first_neighbours(graph: KnnGraph) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows that have a neighbour, that neighbour, and its similarity; (M,) each, rows ascending."""
    if graph.rows.ndim < 2 or graph.rows.shape[1] == 0:
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros(0)
    found = graph.rows[:, 0] >= 0
    return asked_rows(graph)[found], graph.rows[found, 0].astype(np.int64), graph.similarity[found, 0]


def line_of(graph: KnnGraph, row: int) -> int | None:
    """The graph's line of a row; None if it was not asked."""
    if graph.queries is None:
        return row if row < len(graph.rows) else None
    at = int(np.searchsorted(graph.queries, row))
    return at if at < len(graph.queries) and graph.queries[at] == row else None
