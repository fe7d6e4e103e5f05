"""What to take: three rules over the front, each with its figures and with what would change it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.sweep.result import Recommendation
from bignet.evaluate.sweep.trade import DECIMALS, below, ceiling, costs_instead, difference, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.sweep.result import Cost, Scored


@dataclass(frozen=True)
class Rule:
    """A preset: the cheapest choice on the front that is at most ``allowance`` below the best, if that is known.

    Attributes:
        preset: its name.
        allowance: points of the score that may be lost, as far as the paired interval reaches; None = take the best.
        sentence: as printed.
    """

    preset: str
    allowance: float | None
    sentence: str


RULES = (
    Rule(
        "best",
        None,
        "The highest score on the half of the images that chooses; of equal ones the one with the fewest bytes.",
    ),
    Rule(
        "balanced",
        0.01,
        "The cheapest choice on the front whose score is within 0.01 of the best: the lower end of the paired interval "
        "of their difference, on the half of the images that is reported, is at least -0.01.",
    ),
    Rule(
        "cheapest",
        0.03,
        "The cheapest choice on the front whose score is within 0.03 of the best: the lower end of the paired interval "
        "of their difference, on the half of the images that is reported, is at least -0.03.",
    ),
)
CHEAPER = (
    "Cheaper is what is surely faster, in images a second end to end. Where the ranges between which two speeds are "
    "known overlap, or speed was not measured, they count as equal, and fewer bytes a vector are cheaper; of equal "
    "ones the better is taken."
)


def recommend(scored: Sequence[Scored]) -> tuple[Recommendation, ...]:
    """Choices in their order, the best first -> one recommendation a rule; none if the first has no score."""
    if not scored or scored[0].chosen_half.value is None:
        return ()
    return tuple(_taken(scored, rule) for rule in RULES)


def is_cheaper(cost: Cost, other: Cost) -> bool:
    """Whether something costs less than something else; see ``CHEAPER``."""
    (low, high), (other_low, other_high) = cost.speed, other.speed
    if low > other_high or high < other_low:
        return low > other_high
    return cost.bytes_per_vector < other.bytes_per_vector


def cheapest(items: Sequence[Scored]) -> Scored:
    """Choices, the best first, at least one -> the cheapest; see ``CHEAPER``."""
    fastest = max(item.cost.speed[0] for item in items)
    return min((item for item in items if item.cost.speed[1] >= fastest), key=lambda item: item.cost.bytes_per_vector)


def shortfall(item: Scored) -> float:
    """How much a choice may be below the best at worst: minus the lower end of the paired interval, 0 for the best."""
    if item.to_best is None:
        return 0.0
    return math.inf if item.to_best.lo is None else -item.to_best.lo


def _taken(scored: Sequence[Scored], rule: Rule) -> Recommendation:
    best = scored[0]
    front = [best, *(item for item in scored[1:] if item.on_front and item.to_best is not None)]
    taken = best if rule.allowance is None else _pick(front, rule.allowance)
    cheaper = _Cheaper.of(front, taken, rule.allowance or 0.0)
    role, rival = _runner_up(scored, taken, cheaper)
    more = _standing(scored) if taken is best else "" if cheaper.left else " Nothing on the front is cheaper."
    return Recommendation(
        preset=rule.preset,
        name=taken.choice.name,
        rule=rule.sentence,
        reason=f"{_weighed(taken, role, rival)}{more}",
        changes=_rival(scored) if rule.allowance is None else _next(cheaper, taken),
        runner_up="" if rival is None else rival.choice.name,
    )


def _pick(front: Sequence[Scored], allowance: float) -> Scored:
    """The cheapest that may lose no more; the best, which loses nothing, is among them."""
    return cheapest([item for item in front if shortfall(item) <= allowance])


@dataclass(frozen=True)
class _Cheaper:
    """What costs less than the choice taken, but may lose more.

    Attributes:
        left: all of it.
        item: what would be taken if more could be lost; None = nothing.
        allowance: how much that is.
    """

    left: tuple[Scored, ...]
    item: Scored | None = None
    allowance: float = 0.0

    @classmethod
    def of(cls, front: Sequence[Scored], taken: Scored, allowance: float) -> _Cheaper:
        left = [item for item in front if shortfall(item) > allowance and is_cheaper(item.cost, taken.cost)]
        for step in sorted({ceiling(shortfall(item)) for item in left if math.isfinite(shortfall(item))}):
            item = _pick(front, step)
            if item is not taken:
                return cls(tuple(left), item, step)
        return cls(tuple(left))


def _runner_up(scored: Sequence[Scored], taken: Scored, cheaper: _Cheaper) -> tuple[str, Scored | None]:
    """What a choice is weighed against: the best; of that one what is cheaper and loses least, else the next best."""
    if taken is not scored[0]:
        return "the best", scored[0]
    if cheaper.item is not None:
        return "the cheaper one that loses least", cheaper.item
    return "the next best", _highest(scored[1:])


def _highest(scored: Sequence[Scored]) -> Scored | None:
    """Of the scores that are shown; choices are in the order of the half that chose."""
    return max(scored, key=lambda item: item.reported.value or 0.0, default=None)


def _weighed(taken: Scored, role: str, rival: Scored | None) -> str:
    """What it scores and costs, and what its runner-up would give and take."""
    if rival is None:
        return f"The only choice: it scores {told(taken)}."
    costs = costs_instead(rival.cost, taken.cost)
    return f"It scores {told(taken)}; {role}, {rival.choice.name}, would give {costs}, {_score_of(taken, rival)}."


def _score_of(taken: Scored, rival: Scored) -> str:
    change = rival.to_best or taken.to_best
    found = None if change is None else difference(change, turned=rival.to_best is None)
    return "for a score that cannot be compared" if found is None else f"for {found}"


def _standing(scored: Sequence[Scored]) -> str:
    tied = sum(item.tied for item in scored[1:])
    if len(scored) == 1:
        return ""
    if not tied:
        return " No other choice is tied with it."
    return f" {tied} other choice{'' if tied == 1 else 's'} cannot be told from it."


def _rival(scored: Sequence[Scored]) -> str:
    best, tied = scored[0], [item for item in scored[1:] if item.tied]
    cheaper = [item for item in tied if is_cheaper(item.cost, best.cost)]
    if cheaper:
        item = cheapest(cheaper)
        costs = costs_instead(item.cost, best.cost)
        return f"If cost counts at all, {item.choice.name}: it cannot be told from the best, and gives {costs}."
    equal = _highest(tied)
    if equal is not None:
        return f"More images could put {equal.choice.name} first: with these the two cannot be told apart."
    second = _highest(scored[1:])
    if second is None:
        return "Nothing, while there is no other choice."
    gap = None if second.to_best is None else difference(second.to_best)
    return f"Other images or other labels; the next best is {second.choice.name}{f', with {gap}' if gap else ''}."


def _next(cheaper: _Cheaper, taken: Scored) -> str:
    """What would have to be accepted for another choice to be taken."""
    if cheaper.item is not None:
        costs = costs_instead(cheaper.item.cost, taken.cost)
        most = f"a score up to {cheaper.allowance:.{DECIMALS}f} below the best"
        return f"If you accept {most}, take {cheaper.item.choice.name}: {costs}."
    if cheaper.left:
        return "More images: with these nothing can be said of how much cheaper choices lose."
    if shortfall(taken) <= 0.0:
        return "Nothing: it is the cheapest on the front and loses nothing."
    return f"If you accept less than {below(shortfall(taken))} below the best: this one may lose as much."
