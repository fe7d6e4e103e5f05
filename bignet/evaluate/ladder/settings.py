"""How the ladder is climbed."""

from __future__ import annotations

from dataclasses import dataclass

from bignet.evaluate.limits import check_least


@dataclass(frozen=True)
class LadderSettings:
    """How the ladder is climbed.

    Attributes:
        k: neighbours looked for.
        most_rows: vectors stored and searched; of more, a sample.
        queries: of them, asked.
        nprobe: lists that inverted lists look at.
        ef_search: candidates that a graph keeps in sight.
        seconds: that each timing takes at least.
        seed: of the samples, the resamples and whatever is trained.
        level: coverage of the intervals.
        bootstrap: resamples behind the intervals of the overlap.

    Raises:
        UsageError: a number below 1.
    """

    k: int = 10
    most_rows: int = 50_000
    queries: int = 2_000
    nprobe: int = 16
    ef_search: int = 64
    seconds: float = 0.2
    seed: int = 0
    level: float = 0.95
    bootstrap: int = 2000

    def __post_init__(self) -> None:
        check_least(self, dict.fromkeys(("k", "most_rows", "queries", "nprobe", "ef_search"), 1))
