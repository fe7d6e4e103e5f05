"""The headline in words that need no explaining: of so many neighbours, how many are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.reporting.numbers import NARROW, finite

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts

MIXED, GOOD, VERY_GOOD = 0.25, 0.5, 0.8  # of the way from chance to perfect


@dataclass(frozen=True)
class PlainScore:
    """A share of neighbours that show the right class.

    Attributes:
        share: of the neighbours, or of the first neighbours, that do.
        chance: what a blind embedding gives; None if unknown.
        first_only: whether only the nearest image of each counts.
    """

    share: float
    chance: float | None
    first_only: bool

    @property
    def gain(self) -> float:
        """How far the share is on the way from chance (0) to perfect (1)."""
        chance = self.chance or 0.0
        return (self.share - chance) / (1 - chance) if chance < 1 else 0.0

    @property
    def words(self) -> str:
        """``of 100 nearest neighbours, 41 show the same class; by chance 10 would``."""
        right = of_hundred(self.share)
        if self.first_only:
            text = f"of 100 images, {right} have a nearest neighbour of the same class"
        else:
            text = f"of 100 nearest neighbours, {right} show the same class"
        return text if self.chance is None else f"{text}; by chance {of_hundred(self.chance)} would"


def plain_score(facts: Facts) -> PlainScore | None:
    """Precision at k where every class has images enough to fill a list, else at 1; None without a score."""
    if not facts.n_labelled:
        return None
    wanted = (f"p@{facts.evaluation.k}", "p@1") if fills_lists(facts) else ("p@1",)
    found = {metric.id: metric for metric in facts.metrics if finite(metric.value) is not None}
    first = next((found[name] for name in wanted if name in found), None)
    return None if first is None else _score(first)


def fills_lists(facts: Facts) -> bool:
    """Whether every class that was asked has images enough to fill a list of k."""
    sizes = [row.n for row in facts.evaluation.classes if row.n_queries]
    return bool(sizes) and min(sizes) > facts.evaluation.k > 1


def of_hundred(share: float) -> str:
    """``41``; never 0 for something, never 100 for not quite all."""
    if 0 < share < 0.005:
        return f"under{NARROW}1"
    if 0.995 <= share < 1:
        return f"over{NARROW}99"
    return str(round(100 * share))


def _score(metric: Metric) -> PlainScore:
    return PlainScore(finite(metric.value) or 0.0, finite(metric.chance), metric.id == "p@1")
