"""The numbers the verdict's rules look at, gathered once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bignet.reporting.definitions import define
from bignet.reporting.numbers import finite
from bignet.reporting.plain import PlainScore, plain_score
from bignet.reporting.unsaid import unsaid_warnings
from bignet.reporting.weakness import FEW_QUERIES, ClassShare, class_shares

if TYPE_CHECKING:
    from bignet.evaluate.result import ClassRow, Evaluation, Metric
    from bignet.reporting.source import ReportSource

HEADLINE = "map@r.macro"
UNGROUPED = f"{HEADLINE}.nogroups"
SAME_VECTOR = 1 - 1e-9  # cosine of two vectors that differ in nothing but rounding


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
    def metrics(self) -> tuple[Metric, ...]:
        """Every number there is, of whatever family, each once."""
        return self.evaluation.metrics

    def number(self, metric_id: str) -> float | None:
        """The value of a metric; None where it is undefined or was not computed."""
        return next((finite(item.value) for item in self.metrics if item.id == metric_id), None)

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

    @cached_property
    def plain(self) -> PlainScore | None:
        """The headline in plain words; None without a score."""
        return plain_score(self)

    @property
    def gain(self) -> float | None:
        """How far it is on the way from chance to perfect."""
        return self.plain.gain if self.plain else None

    @cached_property
    def classes_by_share(self) -> list[ClassShare]:
        """Classes that were asked often enough, worst first."""
        return class_shares(self)

    @property
    def weakest(self) -> list[tuple[str, float]]:
        """The three worst classes and their share of right neighbours."""
        return [(item.label, item.share) for item in self.classes_by_share[:3]]

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
    def is_sampled(self) -> bool:
        """Whether only some of the images were asked."""
        return self.evaluation.graph.queries is not None

    @property
    def unscored_share(self) -> float:
        """Embedded rows that can be no query, as a share."""
        lost = self.n_unlabelled + self.n_singleton + self.n_unusable
        return min(1.0, lost / self.n_embedded) if self.n_embedded else 0.0

    @property
    def tie_rate(self) -> float:
        """The largest tie rate of a list that is shown or scored."""
        rates = self.evaluation.graph.tie_rate
        return max((rate for k, rate in rates.items() if k <= self.evaluation.k), default=0.0)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the evaluation that nothing else on the page says."""
        return unsaid_warnings(self.evaluation)

    @property
    def n_warnings(self) -> int:
        """How many those are."""
        return len(self.warnings)

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

    @property
    def ungrouped(self) -> float | None:
        """The headline number if images of one group may find each other."""
        return self.number(UNGROUPED)

    @property
    def group_gap(self) -> float | None:
        """How much higher the headline is when images of one group may find each other."""
        return None if self.ungrouped is None or self.value is None else self.ungrouped - self.value

    @property
    def leak_rate(self) -> float | None:
        """Share of the images asked whose very vector is in the gallery; None without a split."""
        return self.number("leak_rate")

    @property
    def hub_max(self) -> float | None:
        """Share of the lists looked at that the most popular image is in."""
        hubness = self.evaluation.geometry.hubness if self.evaluation.geometry else None
        return float(hubness.counts.max() / len(hubness.rows)) if hubness and len(hubness.rows) else None

    @cached_property
    def _counts(self) -> dict[int, int]:
        """Lists that each hub is in, by row."""
        hubness = self.evaluation.geometry.hubness if self.evaluation.geometry else None
        if hubness is None:
            return {}
        hubs = hubness.counts >= 2 * hubness.k
        return dict(zip(hubness.rows[hubs].tolist(), hubness.counts[hubs].tolist(), strict=True))

    def lists_of(self, row: int) -> int | None:
        """How many lists an image is in, if it is in at least twice as many as usual."""
        return self._counts.get(row)

    @property
    def rank_share(self) -> float | None:
        """RankMe of the centred vectors over their dimensions."""
        rank = self.number("rankme_centered")
        return None if rank is None or not self.source.dims else rank / self.source.dims

    @property
    def rank_room(self) -> float:
        """The largest share that the number of images allows."""
        return min(1.0, self.n_evaluated / self.source.dims) if self.source.dims else 0.0

    @property
    def plausible_fp(self) -> float | None:
        """Share of wrong first neighbours that stay inside the parent class."""
        return self.number("plausible_fp")

    @cached_property
    def n_twins(self) -> int:
        """Images asked whose nearest image has the same vector."""
        similarity = self.evaluation.graph.similarity
        return int(np.sum(similarity[:, 0] >= SAME_VECTOR)) if similarity.ndim == 2 and similarity.shape[1] else 0

    @property
    def twin_share(self) -> float:
        """The same as a share of the images asked."""
        return self.n_twins / max(1, len(self.evaluation.graph.rows))

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
