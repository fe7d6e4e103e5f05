"""What tuning an index is about, as it is asked for and as it is recorded; needs no FAISS."""

from __future__ import annotations

from dataclasses import dataclass

from bignet.errors import UsageError


@dataclass(frozen=True)
class Aim:
    """A recall to be reached: the lower bound of recall@k."""

    recall: float = 0.95
    k: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.recall < 1:
            raise UsageError(
                f"recall {self.recall:g} cannot be aimed at; allowed: above 0, below 1 (for 1: --kind flat)"
            )
        if self.k < 1:
            raise UsageError(f"k is {self.k}; ask for at least 1 neighbour")


USUAL = Aim()
USUAL_KIND, FLAT_KIND = "auto", "flat"
ASKED_FOR = "asked for"  # why an index is of its kind, where nobody had to choose


@dataclass(frozen=True)
class Effort:
    """How hard an approximate index looks.

    Attributes:
        search: efSearch of a graph, nprobe of inverted lists; 0 where there is neither.
        shortlist: rows compared exactly for each neighbour wanted.
    """

    search: int = 0
    shortlist: int = 1


EVERYTHING = Effort()


@dataclass(frozen=True)
class OperatingPoint:
    """What an effort gives and costs, on the half of the queries that the choice was made with.

    Attributes:
        search: efSearch or nprobe; 0 where there is neither.
        shortlist: rows compared exactly for each neighbour wanted.
        recall: mean of the queries.
        recall_low: its lower bound; see recall.lower_bound.
        batch_qps: queries a second, many at once, all cores.
        single_ms: milliseconds for a query alone.
    """

    search: int
    shortlist: int
    recall: float
    recall_low: float
    batch_qps: float
    single_ms: float

    @property
    def effort(self) -> Effort:
        """As the index takes it."""
        return Effort(self.search, self.shortlist)


@dataclass(frozen=True)
class Tuning:
    """What was found out about an approximate index.

    Attributes:
        target: recall that its lower bound was to reach.
        k: of recall@k.
        met: whether it did, on queries that had no part in the choice.
        recall: on those queries.
        recall_low: its lower bound.
        n_queries: queries it was confirmed on; as many others were used for choosing.
        chosen: what searches use.
        points: everything tried.
        exact_ms: milliseconds for a query compared with every row, alone.
        exact_qps: queries a second so, many at once.
    """

    target: float
    k: int
    met: bool
    recall: float
    recall_low: float
    n_queries: int
    chosen: OperatingPoint
    points: tuple[OperatingPoint, ...]
    exact_ms: float
    exact_qps: float
