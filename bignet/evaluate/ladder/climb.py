"""Climbs the ladder: every rung made of the same vectors, asked the same queries, held against the exact scan."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from bignet.evaluate.labels import code_labels
from bignet.evaluate.ladder.compare import Comparison
from bignet.evaluate.ladder.kinds import kinds
from bignet.evaluate.ladder.records import Records
from bignet.evaluate.ladder.result import Ladder, Timing
from bignet.evaluate.ladder.settings import LadderSettings
from bignet.evaluate.unit_rows import UnitRows, usable_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clock import Progress
    from bignet.evaluate.ladder.kinds import Made

    Ints = NDArray[np.int64]

_faiss: Any = faiss  # its type stubs leave functions out
STAGE = "storage and index"
_CONVERTED = 4096  # vectors at a time


def climb(
    vectors: NDArray[Any],
    labels: Sequence[str | None],
    settings: LadderSettings = LadderSettings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Ladder | None:
    """(N, D) vectors and their N labels -> every rung; None for fewer than two vectors with a direction.

    A vector is no neighbour of itself; groups are not kept apart, and an unlabelled neighbour counts as wrong: the
    same on every rung, and only what differs counts.

    Args:
        vectors: of any real dtype, never written to.
        labels: None = unlabelled.
        settings: see LadderSettings.
        progress: called with a stage, how many rungs are done, and how many there are.
    """
    usable = usable_rows(vectors)[0]
    if len(usable) < 2:
        return None
    rng = np.random.default_rng([settings.seed, 6])
    rows = _drawn(rng, usable, settings.most_rows)
    asked = _drawn(rng, np.arange(len(rows)), settings.queries)
    unit = _units(UnitRows(vectors, rows))
    codes = code_labels(tuple(labels[row] for row in rows)).codes
    settings = replace(settings, k=min(settings.k, len(rows) - 1))
    records = Records(asked, codes, settings, _estimator(len(usable), len(rows), len(asked)))
    with _one_core():
        comparison = Comparison(unit, asked, codes, settings.k)
        wanted = kinds(len(rows), unit.shape[1], settings.nprobe, settings.ef_search, settings.seed)
        rungs, timings = [], dict[str, Timing]()
        for done, kind in enumerate(wanted):
            _tell(progress, done, len(wanted))
            if kind.reason is not None:
                rungs.append(records.rung(kind))
                continue
            start = time.perf_counter()
            made = kind.make(unit)
            build = time.perf_counter() - start
            found = comparison.through_index(made) if made.stored is None else comparison.compared(made.stored)
            rungs.append(records.rung(kind, made, found))
            timings[kind.id] = _timed(made, unit[asked], settings, build)
    _tell(progress, len(wanted), len(wanted))
    return Ladder(
        rungs=tuple(rungs),
        k=settings.k,
        n_rows=len(rows),
        n_queries=len(asked),
        dims=int(unit.shape[1]),
        estimator=records.estimator,
        timings=timings,
    )


def _drawn(rng: np.random.Generator, rows: Ints, most: int) -> Ints:
    """At most so many of the rows, ascending."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _units(rows: UnitRows) -> NDArray[np.float32]:
    out = np.empty((len(rows), rows.dim), dtype=np.float32)
    for start in range(0, len(rows), _CONVERTED):
        part = np.arange(start, min(len(rows), start + _CONVERTED))
        out[part] = rows.unit(part)
    return out


def _estimator(n_usable: int, n: int, n_asked: int) -> str:
    parts = [] if n == n_usable else [f"{n:,} of {n_usable:,} vectors"]
    parts += [] if n_asked == n else [f"{n_asked:,} of {n:,} asked"]
    return f"sampled, {', '.join(parts)}" if parts else "exact"


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(STAGE, done, total)


@contextmanager
def _one_core() -> Iterator[None]:
    """FAISS and products on one core: what is trained is then the same everywhere, and what is timed is one core's."""
    before = _faiss.omp_get_max_threads()
    _faiss.omp_set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        _faiss.omp_set_num_threads(before)


def _timed(made: Made, queries: NDArray[np.float32], settings: LadderSettings, build: float) -> Timing:
    single = _rate(lambda i: made.search(queries[i % len(queries)][None], settings.k), 1, settings.seconds)
    batch = _rate(lambda _: made.search(queries, settings.k), len(queries), settings.seconds)
    return Timing(build, single, batch)


def _rate(search: Callable[[int], object], n_queries: int, seconds: float) -> float:
    """Queries a second, over at least so long."""
    start, times = time.perf_counter(), 0
    while times == 0 or time.perf_counter() - start < seconds:
        search(times)
        times += 1
    return times * n_queries / (time.perf_counter() - start)
