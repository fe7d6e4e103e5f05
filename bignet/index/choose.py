"""Which kind of index: flat whenever exact search is fast enough, else the fastest that the memory has room for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.index import kinds
from bignet.index.candidates import Exact
from bignet.index.tuning import EVERYTHING
from bignet.index.vectors import InMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.index.kinds import Kind

# A query a person does not notice waiting for.
FAST_ENOUGH_MS = 20.0
_FLOAT = 4  # bytes
_LINKS = 32 * 2 * 4 + 32  # bytes a row in the graph of HNSW32: links of the lowest layer, a share of those above
_SAMPLE = 100_000
_REPEATS = 5


@dataclass(frozen=True)
class Choice:
    """A kind and why; ``kind`` is None for flat."""

    kind: Kind | None
    reason: str


def choose(name: str, unit: NDArray[np.float32], memory: int) -> Choice:
    """The kind asked for, or for ``auto`` the one that fits (N, D) unit vectors.

    Raises:
        UsageError: no such kind.
    """
    rows, dims = unit.shape
    if name == kinds.FLAT:
        return Choice(None, "asked for")
    if name != kinds.AUTO:
        return Choice(kinds.find(name, dims, rows), "asked for")
    what = f"{rows:,} rows x {dims:,}"
    milliseconds = exact_ms(unit)
    flat_bytes = rows * dims * _FLOAT
    if milliseconds <= FAST_ENOUGH_MS and flat_bytes <= memory:
        return Choice(None, f"comparing a query with all of {what} takes {milliseconds:.2g} ms")
    slow = f"comparing a query with all of {what} takes {milliseconds:.0f} ms"
    if flat_bytes + rows * _LINKS <= memory:
        return Choice(kinds.find("hnsw", dims, rows), f"{slow}, and a graph fits into {_gb(memory)}")
    lists = kinds.lists_for(rows)
    for code, row_bytes in (("SQ8", dims), ("RaBitQ", dims // 8 + 8)):
        if rows * row_bytes <= memory:
            reason = f"{what} as floats are {_gb(flat_bytes)}, more than {_gb(memory)}; these codes fit"
            return Choice(kinds.find(f"IVF{lists},{code}", dims, rows), reason)
    least = rows * (dims // 8 + 8)
    raise UsageError(f"no index of {what} fits into {_gb(memory)}; the smallest needs {_gb(least)}: raise --memory")


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


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.3g} GB"
