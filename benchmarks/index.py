"""BigNet's indexes beside hnswlib, usearch and autofaiss: build time, queries a second at matched recall, memory.

    python benchmarks/index.py PHOTOS --weights squeezenet.safetensors --rows 50000 --runs 3
    python benchmarks/index.py PHOTOS --rows 1000000 --dims 256 --runs 1

The same vectors, queries and threads for all, in turn; every contestant takes the least effort that reaches the recall
on one set of queries, and is timed, with its recall, on another. Needs ``pip install hnswlib usearch``, and autofaiss,
whose own requirements hold numpy back (``pip install --no-deps autofaiss embedding-reader``); what is missing is left
out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import machine
import numpy as np
import vectors
from index_contestants import THREADS, Contestant, K, contestants

from bignet.index.neighbors import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_QUERIES = 2000  # for finding the effort, and as many others for timing
REPEATS = 5  # of a tenth of a second each: the median is what counts


@dataclass
class Row:
    """What a contestant showed, run by run."""

    name: str
    build_seconds: list[float] = field(default_factory=list)
    qps: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    effort: Any = None
    bytes_a_vector: float = 0.0


def recall_of(rows: NDArray[np.int64], unit: NDArray[np.float32], queries: NDArray[np.float32], kth: Any) -> float:
    """Share of answers at least as similar as the true tenth."""
    scores = np.einsum("qkd,qd->qk", unit[np.maximum(rows, 0)], queries)
    return float(((scores >= kth[:, None] - 1e-6) & (rows >= 0)).mean())


def measure(one: Contestant, row: Row, data: Data, recall: float) -> None:
    """Build, find the effort, time fresh queries."""
    row.build_seconds.append(one.build(data.unit, recall))
    for effort in one.efforts():
        found = recall_of(one.search(data.tuning, effort), data.unit, data.tuning, data.tuning_kth)
        row.effort = effort
        if found >= recall:
            break
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        rows = one.search(data.fresh, row.effort)
        seconds.append(time.perf_counter() - start)
    row.qps.append(len(data.fresh) / statistics.median(seconds))
    row.recall.append(recall_of(rows, data.unit, data.fresh, data.fresh_kth))
    row.bytes_a_vector = one.n_bytes() / len(data.unit)


@dataclass(frozen=True)
class Data:
    """Unit vectors, two sets of queries that are not among them, and the similarity of each query's true tenth."""

    unit: NDArray[np.float32]
    tuning: NDArray[np.float32]
    fresh: NDArray[np.float32]
    tuning_kth: NDArray[np.float32]
    fresh_kth: NDArray[np.float32]

    @classmethod
    def of(cls, made: NDArray[np.float32]) -> Data:
        """Vectors in random order, the last ones as queries."""
        unit = normalised(made[np.random.default_rng(2).permutation(len(made))])
        base, queries = np.ascontiguousarray(unit[: -2 * N_QUERIES]), unit[-2 * N_QUERIES :]
        similarity, _ = faiss.knn(queries, base, K, metric=faiss.METRIC_INNER_PRODUCT)
        halves = queries[:N_QUERIES].copy(), queries[N_QUERIES:].copy()
        return cls(base, *halves, similarity[:N_QUERIES, -1], similarity[N_QUERIES:, -1])


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos to cut patches out of")
    parser.add_argument("--model", default="squeezenet1_1")
    parser.add_argument("--weights", default="random:0")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dims", type=int, help="make vectors of so many dimensions from the real ones, with noise")
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="contestants by the beginning of their name")
    parser.add_argument("--work", type=Path, help="keep the real vectors here from one call to the next")
    parser.add_argument("-o", "--output", type=Path, help="write the table here too, as Markdown")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = options()
    print(machine.line(), flush=True)
    n_real = min(given.rows, 50_000) + 2 * N_QUERIES
    made = vectors.of_patches(given.photos, n_real, given.model, given.weights, given.work)
    if given.dims:
        made = vectors.with_noise(made, given.rows + 2 * N_QUERIES, given.dims)
    data = Data.of(made)
    rows = {one.name: Row(one.name) for one in contestants(given.only)}
    for number in range(given.runs):
        for one in contestants(given.only):
            row = rows[one.name]
            measure(one, row, data, given.recall)
            shown = f"{row.qps[-1]:9,.0f} queries/s at {row.recall[-1]:.4f}, built in {row.build_seconds[-1]:.1f} s"
            print(f"  run {number + 1}  {one.name:14} {shown}", flush=True)
    text = table(list(rows.values()), data, given)
    print(text)
    if given.output:
        given.output.write_text(text)


def table(rows: Sequence[Row], data: Data, given: argparse.Namespace) -> str:
    """Markdown: medians of the runs."""
    what = "noisy copies of real vectors" if given.dims else "vectors of photo patches"
    lines = [
        f"## {len(data.unit):,} x {data.unit.shape[1]} {what}, recall@{K} >= {given.recall:g}, {THREADS} threads",
        "",
        machine.line(),
        "",
        "| index | queries/s | [min-max] | recall@10, fresh queries | built in | bytes a vector |",
        "| --- | ---: | :---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        median, spread = statistics.median(row.qps), f"[{min(row.qps):,.0f}-{max(row.qps):,.0f}]"
        lines.append(
            f"| {row.name} | {median:,.0f} | {spread} | {min(row.recall):.4f} | "
            f"{statistics.median(row.build_seconds):.1f} s | {row.bytes_a_vector:,.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
