"""Tuning: how hard an approximate index must look to reach a recall, shown on queries that are not in it.

Held-out queries are drawn from the store before the index is filled: a row that is in the index is found from itself
more easily than a fresh picture would be. The least costly effort is chosen on one half of them and confirmed on the
other, which had no part in the choice.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.index import recall
from bignet.index.candidates import Exact
from bignet.index.neighbors import best
from bignet.index.tuning import EVERYTHING, Effort, OperatingPoint, Tuning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bignet.index.recall import Truth
    from bignet.index.search import Index
    from bignet.index.tuning import Aim
    from bignet.index.vectors import InMemory

MOST_QUERIES = 2000
_SHARE = 0.1  # of the rows at most, so that the index stays nearly whole
_SINGLE = 32  # queries timed one at a time
_ENOUGH = 0.9995  # a mean recall that more effort hardly improves
_GAIN = 1e-3
_BLOCK = 256


def n_held_out(rows: int) -> int:
    """Queries to keep back from an index of so many rows."""
    return min(MOST_QUERIES, int(_SHARE * rows))


def check_k(k: int, rows: int) -> None:
    """Whether recall@k can be shown on a store of so many rows.

    Raises:
        UsageError: fewer rows than that are left to find once the queries are held out.
    """
    held = n_held_out(rows)
    if k > rows - held:
        raise UsageError(
            f"recall@{k:,} cannot be shown on {rows:,} rows, of which {held:,} are held out as queries; "
            f"allowed: -k from 1 to {rows - held}, or --kind flat, which is exact"
        )


def too_few_to_show(target: float, n_queries: int) -> str:
    """Why so many queries cannot show a recall even if every answer is perfect; empty if they can."""
    best = recall.lower_bound(np.ones(n_queries))
    if best >= target:
        return ""
    needed, most = recall.queries_to_show(target), MOST_QUERIES // 2
    at_most = f"{n_queries:,} queries can show {math.floor(best * 1e4) / 1e4:g} at most, not {target}"
    if needed > most:
        return f"{at_most}, nor can the {most:,} that are asked at most"
    return f"{at_most}, which takes {round(2 * needed / _SHARE):,} rows"


def shortfall(tuning: Tuning) -> str:
    """Why a recall was not shown; empty if it was."""
    if tuning.met:
        return ""
    return too_few_to_show(tuning.target, tuning.n_queries) or f"that misses {tuning.target}"


def find_truth(queries: NDArray[np.float32], base: InMemory, k: int) -> tuple[Truth, float, float]:
    """(Q, D) unit queries, the rows they are to be found among -> truth; ms a query alone, queries/s together."""
    exact = Exact(base)
    start = time.perf_counter()
    parts = [_exactly(queries[at : at + _BLOCK], exact, base, k) for at in range(0, len(queries), _BLOCK)]
    batch_qps = len(queries) / (time.perf_counter() - start)
    single_ms = _single_ms(queries, lambda one: _exactly(one, exact, base, k))
    return recall.truth(queries, np.concatenate(parts), k), single_ms, batch_qps


def _exactly(queries: NDArray[np.float32], exact: Exact, base: InMemory, n: int) -> NDArray[np.float64]:
    rows = exact.nearest(queries, n, EVERYTHING)
    return best(queries, rows, n, base, None, exactly=True)[1]


def measure(index: Index, efforts: Sequence[Effort], truth: Truth) -> list[OperatingPoint]:
    """What each effort gives, least first; what cannot be better than one before it is not tried."""
    points: list[OperatingPoint] = []
    for effort in efforts:
        if not _is_vain(effort, points):
            points.append(_point(replace(index, effort=effort), effort, truth))
    return points


def _is_vain(effort: Effort, points: Sequence[OperatingPoint]) -> bool:
    """Whether the same with less of one, search or shortlist, has all there is, or longer lists have helped no more."""
    if any(p.recall >= _ENOUGH and p.search <= effort.search and p.shortlist <= effort.shortlist for p in points):
        return True
    shorter = [point.recall for point in points if point.search == effort.search]
    return len(shorter) > 1 and shorter[-1] - shorter[-2] < _GAIN


def _point(index: Index, effort: Effort, truth: Truth) -> OperatingPoint:
    recalls, batch_qps = recalls_of(index, truth)
    single_ms = _single_ms(truth.queries, lambda one: index.search_many(one, truth.k))
    mean, low = float(recalls.mean()), recall.lower_bound(recalls)
    return OperatingPoint(effort.search, effort.shortlist, mean, low, batch_qps, single_ms)


def recalls_of(index: Index, truth: Truth) -> tuple[NDArray[np.float64], float]:
    """(Q,) recall of each query, and queries a second."""
    start = time.perf_counter()
    _, scores = index.search_many(truth.queries, truth.k)
    return truth.recall(scores), len(truth) / (time.perf_counter() - start)


def _single_ms(queries: NDArray[np.float32], answer: Callable[[NDArray[np.float32]], object]) -> float:
    """Median over single queries, which a person waits for."""
    seconds = []
    for at in range(min(len(queries), _SINGLE)):
        start = time.perf_counter()
        answer(queries[at : at + 1])
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds)) if seconds else 0.0


def tune(index: Index, efforts: Sequence[Effort], queries: NDArray[np.float32], base: InMemory, aim: Aim) -> Tuning:
    """The least costly effort that meets a recall.

    Args:
        index: filled with ``base`` alone.
        efforts: what can be tried, least first.
        queries: (Q, D) unit vectors that are not in it.
        base: (N, D) unit vectors.
        aim: the recall wanted.
    """
    truth, exact_ms, exact_qps = find_truth(queries, base, aim.k)
    points = measure(index, efforts, truth.half(0))
    chosen, recalls = choose(index, points, truth.half(1), aim.recall)
    low = recall.lower_bound(recalls)
    return Tuning(
        target=aim.recall,
        k=truth.k,
        met=low >= aim.recall,
        recall=float(recalls.mean()) if len(recalls) else 0.0,
        recall_low=low,
        n_queries=len(recalls),
        chosen=chosen,
        points=tuple(points),
        exact_ms=exact_ms,
        exact_qps=exact_qps,
    )


def choose(
    index: Index, points: Sequence[OperatingPoint], truth: Truth, target: float
) -> tuple[OperatingPoint, NDArray[np.float64]]:
    """The fastest point that meets the target on both halves -> it, and the second half's recalls.

    Without one: the point with the highest recall.
    """
    able = sorted((point for point in points if point.recall_low >= target), key=lambda point: -point.batch_qps)
    for point in able:
        recalls, _ = recalls_of(replace(index, effort=point.effort), truth)
        if recall.lower_bound(recalls) >= target:
            return point, recalls
    best = max(points, key=lambda point: (point.recall_low, point.batch_qps))
    return best, recalls_of(replace(index, effort=best.effort), truth)[0]
