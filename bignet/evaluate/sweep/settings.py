"""How a sweep is judged."""

from __future__ import annotations

from dataclasses import dataclass

from bignet.evaluate.limits import check_least, check_level

_LEAST = {"k": 1, "seed": 0, "pairs": 1, "strips": 0, "exact_rows": 2}


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep is judged; the same settings and vectors give the same numbers.

    Attributes:
        k: neighbours in a strip, in lists whose overlap is measured, and in lists that make hubs.
        seed: fixes halves, samples and what strips show.
        level: coverage of the intervals; 1 - level is also the error allowed for "not tied" over the whole sweep.
        pairs: pairs of images of each kind behind a pair AUROC, whose standard deviation 40,000 keep below 0.0021.
        strips: queries shown under several choices.
        exact_rows: up to so many images every one is used; above, so many are drawn, by class in proportion, the same
            for every choice.
    """

    k: int = 10
    seed: int = 0
    level: float = 0.95
    pairs: int = 40_000
    strips: int = 12
    exact_rows: int = 10_000

    def __post_init__(self) -> None:
        check_least(self, _LEAST)
        check_level(self.level)
