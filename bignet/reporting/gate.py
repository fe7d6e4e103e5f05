"""``map@r>=0.60,leak_rate<=0.01``: conditions on a report's figures, and whether they hold."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bignet.reporting.past import Figure

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*(?P<metric>[^<>\s]+?)\s*(?P<operator>>=|<=|==|>|<)\s*(?P<bound>[^<>=\s]+)\s*")
ALLOWED = 'conditions such as "map@r>=0.60,p@1>0.9", with >=, <=, >, < or =='


@dataclass(frozen=True)
class Condition:
    """What a figure must be."""

    metric: str
    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {self.bound:g}"


@dataclass(frozen=True)
class Outcome:
    """Whether a condition holds; an undefined value holds nothing, and ``reason`` says why it is undefined."""

    condition: Condition
    value: float | None
    passed: bool
    reason: str | None


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """Conditions joined by commas.

    Raises:
        UsageError: a part that is no condition.
    """
    return tuple(_condition(part) for part in text.split(","))


def check(conditions: Iterable[Condition], figures: Sequence[Figure]) -> tuple[Outcome, ...]:
    """Each condition against the figure of its metric.

    Raises:
        UsageError: there is no figure of that name; the message has the nearest ones.
    """
    by_id = {figure.id: figure for figure in figures}
    return tuple(_outcome(condition, by_id) for condition in conditions)


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    try:
        bound = float(found["bound"]) if found else float("nan")
    except ValueError:
        bound = float("nan")
    if found is None or bound != bound:  # NaN: every comparison with it is false
        raise UsageError(f"--check: '{text.strip()}' is no condition; give {ALLOWED}")
    return Condition(found["metric"], found["operator"], bound)


def _outcome(condition: Condition, by_id: dict[str, Figure]) -> Outcome:
    figure = by_id.get(condition.metric)
    if figure is None:
        close = nearest(condition.metric, by_id)
        raise UsageError(f"--check: metric '{condition.metric}' is not in the report; nearest: {close}")
    if figure.value is None:
        return Outcome(condition, None, passed=False, reason=figure.reason or "undefined")
    holds = OPERATORS[condition.operator](figure.value, condition.bound)
    return Outcome(condition, figure.value, passed=holds, reason=None)
