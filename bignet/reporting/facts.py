"""The numbers the verdict's rules look at, gathered once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bignet.reporting.definitions import define
from bignet.reporting.numbers import finite

if TYPE_CHECKING:
    from bignet.evaluate.result import ClassRow, Evaluation, Metric
    from bignet.reporting.source import ReportSource

HEADLINE = "map@r.macro"
FEW_QUERIES = 5


@dataclass(frozen=True)
class Facts:
    """Everything a rule may ask about; each property has a plain value that can be printed."""

    evaluation: Evaluation
    source: ReportSource

    @cached_property
    def headline(self) -> Metric | None:
        """Macro MAP@R if it was computed, else the first metric; None without labels."""
        metrics = self.evaluation.metrics
        if not metrics or not self.n_labelled:
            return None
        return next((item for item in metrics if item.id == HEADLINE), metrics[0])

    @property
    def headline_name(self) -> str:
        """How the headline number is called."""
        return define(self.headline).name if self.headline else "no score"

    @property
    def value(self) -> float | None:
        """The headline number."""
        return finite(self.headline.value) if self.headline else None

    @property
    def lo(self) -> float | None:
        """Lower end of its interval."""
        return finite(self.headline.lo) if self.headline else None

    @property
    def hi(self) -> float | None:
        """Upper end of its interval."""
        return finite(self.headline.hi) if self.headline else None

    @property
    def width(self) -> float | None:
        """Width of its interval."""
        return None if self.lo is None or self.hi is None else self.hi - self.lo

    @property
    def chance(self) -> float | None:
        """What a random order would score."""
        return finite(self.headline.chance) if self.headline else None

    @property
    def reason(self) -> str | None:
        """Why the headline is undefined."""
        return self.headline.reason if self.headline else None

    @property
    def n_discovered(self) -> int:
        """Files found; never less than what came of them."""
        return max(self.source.n_discovered, self.n_embedded + self.n_rejected)

    @property
    def n_rejected(self) -> int:
        """Files found and not embedded."""
        return self.source.n_rejected

    @property
    def rejected_share(self) -> float:
        """Rejected files, as a share of all found."""
        return self.n_rejected / self.n_discovered if self.n_discovered else 0.0

    @property
    def n_evaluated(self) -> int:
        """Rows that the evaluation lists."""
        return len(self.evaluation.ids)

    @cached_property
    def n_embedded(self) -> int:
        """Rows in the store: those evaluated and those whose vector is unusable."""
        unusable = {row_id for ids in self.evaluation.unusable.values() for row_id in ids}
        return self.n_evaluated + len(unusable.difference(self.evaluation.ids.tolist()))

    @cached_property
    def n_unusable(self) -> int:
        """Rows with a non-finite or all-zero vector."""
        return sum(len(ids) for ids in self.evaluation.unusable.values())

    @cached_property
    def n_labelled(self) -> int:
        """Rows with a label."""
        return sum(label is not None for label in self.evaluation.labels)

    @property
    def n_unlabelled(self) -> int:
        """Rows without a label."""
        return self.n_evaluated - self.n_labelled

    @cached_property
    def n_classes(self) -> int:
        """Different labels."""
        return len(set(self.evaluation.labels) - {None})

    @cached_property
    def n_queries(self) -> int:
        """Rows that could be scored."""
        if self.headline and self.headline.n_queries:
            return self.headline.n_queries
        return int(np.sum(self.evaluation.per_query.n_relevant > 0))

    @cached_property
    def n_singleton(self) -> int:
        """Labelled rows alone in their class."""
        return self.headline.excluded.singleton if self.headline else 0

    @property
    def unscored_share(self) -> float:
        """Embedded rows that are no query, as a share."""
        return 1 - self.n_queries / self.n_embedded if self.n_embedded else 0.0

    @property
    def tie_rate(self) -> float:
        """The largest tie rate of a list that is shown or scored."""
        rates = self.evaluation.graph.tie_rate
        return max((rate for k, rate in rates.items() if k <= self.evaluation.k), default=0.0)

    @property
    def n_warnings(self) -> int:
        """Warnings that came with the evaluation."""
        return len(self.evaluation.warnings)

    @cached_property
    def margins(self) -> tuple[ClassRow, ...]:
        """Classes with a margin, narrowest first."""
        known = [row for row in self.evaluation.classes if finite(row.margin) is not None]
        return tuple(sorted(known, key=lambda row: (row.margin or 0.0, row.label)))

    @property
    def n_negative_margins(self) -> int:
        """Classes nearer to another class than to themselves."""
        return sum((row.margin or 0.0) < 0 for row in self.margins)

    @property
    def worst_pairs(self) -> list[tuple[str, str | None, float | None]]:
        """The three narrowest margins: class, nearest class, margin."""
        return [(row.label, row.nearest_class, row.margin) for row in self.margins[:3]]

    @cached_property
    def n_small_classes(self) -> int:
        """Classes with fewer than five queries."""
        return sum(row.n_queries < FEW_QUERIES for row in self.evaluation.classes)

    @cached_property
    def n_wrong_first(self) -> int:
        """Queries whose first neighbour has another label."""
        return int(np.sum(self.evaluation.per_query.p1 == 0))

    @cached_property
    def nearest(self) -> float | None:
        """Median similarity to the first neighbour."""
        similarity = self.evaluation.graph.similarity
        return _median(similarity[:, 0]) if similarity.ndim == 2 and similarity.shape[1] else None

    @cached_property
    def farthest(self) -> float | None:
        """Median similarity to the least similar image."""
        return _median(self.evaluation.per_query.farthest_similarity)


def _median(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
