"""What the ladder of storages and indexes gives back: plain data, read without any search library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.evaluate.result import Metric

EXACT = "fp32"
STORAGE, INDEX = "storage", "index"


@dataclass(frozen=True)
class Rung:
    """One way to store the vectors or to search them, against float32 and an exact scan.

    Attributes:
        id: ``fp32``, ``fp16``, ``bf16``, ``int8``, ``sign``, ``itq``, ``pq``, ``ivf``, ``hnsw``.
        name: in a person's words, ``IVF, 894 lists, 16 looked at``.
        kind: ``storage`` = every vector is compared, in fewer bytes; ``index`` = not every vector is.
        bytes_a_vector: with what the index holds beside them; None where it could not be made.
        overlap: share of the k nearest of the exact scan that are found (ties count as found, within 1e-6): where items
            tie at the last place, its mean over their orders.
        p1: precision at 1, likewise; its value is None without labels.
        p1_change: the same less that of the exact scan, with its paired interval; None of that scan itself.
        tie_rate: share of queries whose k-th and next neighbour tie; None of an index.
        params: everything needed to make it again.
        reason: why there is nothing to measure; None where there is.
    """

    id: str
    name: str
    kind: str
    bytes_a_vector: float | None
    overlap: Metric
    p1: Metric
    p1_change: Metric | None
    tie_rate: float | None = None
    params: Mapping[str, float | int | str] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Timing:
    """How long one rung takes on one core of the machine at hand.

    Attributes:
        build: seconds to train and fill.
        single: queries a second one by one.
        batch: queries a second all together.
    """

    build: float
    single: float
    batch: float


@dataclass(frozen=True)
class Ladder:
    """All rungs, the exact scan of float32 first.

    Attributes:
        rungs: see Rung.
        k: neighbours looked for.
        n_rows: vectors that were stored and searched.
        n_queries: of them, those that were asked.
        dims: numbers in a vector.
        estimator: ``exact``, or ``sampled, ...`` with the sample.
        timings: by rung; apart, for they differ from run to run.
    """

    rungs: tuple[Rung, ...]
    k: int
    n_rows: int
    n_queries: int
    dims: int
    estimator: str
    timings: Mapping[str, Timing] = field(default_factory=dict)

    @property
    def exact(self) -> Rung:
        """Float32 and every vector compared."""
        return self.rungs[0]

    @property
    def measured(self) -> tuple[Rung, ...]:
        """Those that could be made."""
        return tuple(rung for rung in self.rungs if rung.reason is None)
