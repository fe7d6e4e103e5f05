"""Which kind of index: flat whenever exact search is fast enough, else the fastest that the memory has room for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.index import footprint, graphs, kinds, tune
from bignet.index.candidates import Exact
from bignet.index.tuning import ASKED_FOR, EVERYTHING
from bignet.index.vectors import InMemory
from bignet.units import size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.index.kinds import Kind

# A query a person does not notice waiting for.
FAST_ENOUGH_MS = 20.0
_SAMPLE = 100_000
_REPEATS = 5


@dataclass(frozen=True)
class Choice:
    """A kind and why.

    Attributes:
        kind: None for flat.
        reason: in a sentence.
        or_flat: whether flat is to be taken where the kind does not reach its recall.
    """

    kind: Kind | None
    reason: str
    or_flat: bool = False


def choose(name: str, unit: NDArray[np.float32], memory: int | None, recall: float) -> Choice:
    """The kind asked for, or for ``auto`` the one that fits (N, D) unit vectors.

    Args:
        name: see kinds.ALLOWED.
        unit: to be indexed.
        memory: bytes that the index may fill; None: what is free for ``auto``, else no limit.
        recall: that its lower bound is to reach.

    Raises:
        UsageError: no such kind, or it does not fit.
    """
    if name == kinds.AUTO:
        return _fitting(unit, free_memory() if memory is None else memory, recall)
    kind = None if name == kinds.FLAT else kinds.find(name, unit.shape[1], len(unit))
    if memory is not None:
        _check_room(name, kind, unit, memory)
    return Choice(kind, ASKED_FOR)


def _check_room(name: str, kind: Kind | None, unit: NDArray[np.float32], memory: int) -> None:
    rows, dims = unit.shape
    needed = footprint.of_flat(rows, dims) if kind is None else _bytes_of(kind, unit)
    if needed > memory:
        raise UsageError(
            f"{rows:,} rows x {dims:,} fill {size(footprint.typed(needed))} as index kind '{name}', --memory allows "
            f"{size(memory)}; raise it, or take --kind auto, which looks for one that fits"
        )


def _bytes_of(kind: Kind, unit: NDArray[np.float32]) -> int:
    rows, dims = unit.shape
    made, _ = graphs.fitted(kind, unit)
    return footprint.of_index(made.make(dims), rows)


def _fitting(unit: NDArray[np.float32], memory: int, recall: float) -> Choice:
    rows, dims = unit.shape
    what = f"{rows:,} rows x {dims:,}"
    milliseconds = exact_ms(unit)
    flat_bytes = footprint.of_flat(rows, dims)
    if milliseconds <= FAST_ENOUGH_MS and flat_bytes <= memory:
        return Choice(None, f"comparing a query with all of {what} takes {milliseconds:.2g} ms")
    slow = f"comparing a query with all of {what} takes {milliseconds:.0f} ms"
    unproved = tune.too_few_to_show(recall, tune.n_held_out(rows) // 2)
    if unproved and flat_bytes <= memory:
        return Choice(None, f"{slow}, but {unproved}")
    graph = kinds.find("hnsw", dims, rows)
    with_graph = _bytes_of(graph, unit)
    if with_graph <= memory:
        return Choice(graph, f"{slow}, and a graph fits into {size(memory)}", or_flat=True)
    return _codes(unit, memory, with_graph)


def _codes(unit: NDArray[np.float32], memory: int, with_graph: int) -> Choice:
    rows, dims = unit.shape
    what, needed = f"{rows:,} rows x {dims:,}", 0
    flat_bytes = footprint.of_flat(rows, dims)
    for code in ("SQ8", "RaBitQ"):
        kind = kinds.find(f"IVF{kinds.lists_for(rows)},{code}", dims, rows)
        needed = _bytes_of(kind, unit)
        if needed <= memory:
            reason = f"{what} as floats in a graph are {size(with_graph)}, more than {size(memory)}; these codes fit"
            return Choice(kind, reason, or_flat=flat_bytes <= memory)
    least = size(footprint.typed(needed))
    raise UsageError(f"no index of {what} fits into {size(memory)}; the smallest fills {least}: raise --memory")


def exact_ms(unit: NDArray[np.float32]) -> float:
    """Milliseconds to compare one query with (N, D) unit vectors, measured on up to 100,000 of them."""
    if not len(unit):
        return 0.0
    part = InMemory(unit[:_SAMPLE])
    exact, seconds = Exact(part), []
    for row in range(_REPEATS):
        start = time.perf_counter()
        exact.nearest(part.unit[row % len(part)][None], 10, EVERYTHING)
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds)) * len(unit) / len(part)


def free_memory() -> int:
    """Half of the memory that is free now, bytes: what an index may fill unless told otherwise."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return int(values["MemAvailable"].split()[0]) * 1024 // 2
