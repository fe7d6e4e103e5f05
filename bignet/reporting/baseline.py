"""A report against an earlier one: how far the headline moved, and whether that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.jackknife import of_queries
from bignet.evaluate.paired import paired_difference
from bignet.reporting.facts import HEADLINE

if TYPE_CHECKING:
    from bignet.evaluate.paired import Difference
    from bignet.reporting.past import Figure, PastReport

_QUERIES_ONLY = (
    "a report of an older version does not say what each image does in the galleries of others, "
    "so the interval is of queries only and too narrow; make that report again"
)
_QUERIES_ASKED = "a sample was asked, so the interval is of the queries asked, for others among these same images"


@dataclass(frozen=True)
class Comparison:
    """The headline now and before.

    Attributes:
        metric: the headline's id.
        before: the earlier figure.
        now: this one.
        change: query by query; None where they cannot be paired.
        unpaired: why not; None if they are.
        unlike: how the two were measured, where that differs; such figures cannot be compared at all.
        note: what the interval of the change leaves out; None = nothing.
    """

    metric: str
    before: Figure
    now: Figure
    change: Difference | None
    unpaired: str | None
    unlike: str | None = None
    note: str | None = None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``no difference that the interval shows``, or that nothing can be said."""
        if self.unlike is not None:
            return f"not comparable: {self.unlike}"
        if self.change is not None and self.change.lo is not None and self.change.hi is not None:
            return _verdict(self.change.lo, self.change.hi)
        if self.before.lo is None or self.before.hi is None or self.now.lo is None or self.now.hi is None:
            return "not comparable: no interval"
        return _verdict(self.now.lo - self.before.hi, self.now.hi - self.before.lo)


def compare(now: PastReport, before: PastReport) -> Comparison:
    """The headline of both, as a paired difference where both scored the same queries among the same images.

    Raises:
        UsageError: one of them has no headline.
    """
    earlier, this = _headline(before), _headline(now)
    unlike = _unlike(now, before)
    if unlike is not None:
        return Comparison(HEADLINE, earlier, this, None, "they were measured in other ways", unlike)
    reason = _unpaired(now, before)
    if reason is not None or now.scores is None or before.scores is None:
        return Comparison(HEADLINE, earlier, this, None, reason)
    scores, codes = (before.scores, now.scores), now.scores.codes
    first, second = (of_queries(one.apr, codes, by_class=True) for one in scores)
    known = [one.influences for one in scores if one.influences is not None]
    if len(known) < len(scores):
        return Comparison(HEADLINE, earlier, this, paired_difference(first, second), None, note=_QUERIES_ONLY)
    first, second = (
        replace(one, influences=influences) for one, influences in zip((first, second), known, strict=True)
    )
    note = _QUERIES_ASKED if any(_is_sample(one) for one in (earlier, this)) else None
    return Comparison(HEADLINE, earlier, this, paired_difference(first, second), None, note=note)


def _is_sample(figure: Figure) -> bool:
    return figure.estimator is not None and figure.estimator.startswith("sampled")


def _headline(report: PastReport) -> Figure:
    found = [figure for figure in report.figures if figure.id == HEADLINE and figure.value is not None]
    if not found:
        raise UsageError(f"the report of {report.name} has no {HEADLINE} to compare; give one with labels")
    return found[0]


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no difference that the interval shows"


def _unlike(now: PastReport, before: PastReport) -> str | None:
    """``mode loo before, folds now``; None if both were measured in the same way on the same images."""
    if now.fingerprint != before.fingerprint:
        return "other images; scores depend on how many there are and which"
    differ = [name for name in now.method if now.method[name] != before.method[name]]
    return ", ".join(f"{name} {before.method[name]} before, {now.method[name]} now" for name in differ) or None


def _unpaired(now: PastReport, before: PastReport) -> str | None:
    """Why the two cannot be compared query by query; None if they can."""
    if before.scores is None or now.scores is None:
        return f"{'the baseline' if before.scores is None else 'this report'} has no per_query.parquet beside it"
    if now.scores.labels != before.scores.labels:
        return "the labels differ"
    if not np.array_equal(now.scores.asked, before.scores.asked):
        return "different images were asked"
    return None if now.scores.asked.any() else "no query was scored"
