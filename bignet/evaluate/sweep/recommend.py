"""What to take: three rules over the front, each with its figures and with what would change it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.evaluate.sweep.result import Recommendation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.sweep.result import Cost, Scored

DECIMALS = 3


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
    "Cheaper means more images a second end to end; where the ranges between which two rates are known overlap, the "
    "rates count as equal, and cheaper means fewer bytes a vector. The cheapest is, of those that none is surely "
    "faster than, the one with the fewest bytes, of equal ones the better."
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
    if rule.allowance is None:
        return Recommendation(rule.preset, best.choice.name, rule.sentence, _why_best(scored), _rival(scored))
    taken = _pick(front, rule.allowance)
    n_cheaper = sum(is_cheaper(item.cost, taken.cost) for item in front if shortfall(item) > rule.allowance)
    reason = _why_cheap(best, taken, rule.allowance, n_cheaper)
    changes = _next(front, taken, rule.allowance)
    return Recommendation(rule.preset, taken.choice.name, rule.sentence, reason, changes)


def _pick(front: Sequence[Scored], allowance: float) -> Scored:
    """The cheapest that may lose no more; the best, which loses nothing, is among them."""
    return cheapest([item for item in front if shortfall(item) <= allowance])


def _why_best(scored: Sequence[Scored]) -> str:
    best, tied = scored[0], sum(item.tied for item in scored[1:])
    if len(scored) == 1:
        return f"The only choice: {_told(best)}."
    others = f"{_others(tied)} cannot be told from it" if tied else "no other choice is tied with it"
    return f"Chosen by one half of the images; on the other half it scores {_told(best)}; {others}."


def _rival(scored: Sequence[Scored]) -> str:
    best, tied = scored[0], [item for item in scored[1:] if item.tied]
    cheaper = [item for item in tied if is_cheaper(item.cost, best.cost)]
    if cheaper:
        item = cheapest(cheaper)
        return f"If cost counts at all, {item.choice.name}: it is tied with the best and cheaper ({_cost(item.cost)})."
    if tied:
        return f"More images could put {tied[0].choice.name} first: with these the two cannot be told apart."
    if len(scored) == 1:
        return "Nothing, while there is no other choice."
    second = scored[1]
    gap = "" if second.to_best is None or second.to_best.value is None else f" ({_signed(second.to_best.value)})"
    return f"Other images or other labels; the next is {second.choice.name}{gap}."


def _why_cheap(best: Scored, taken: Scored, allowance: float, n_cheaper: int) -> str:
    change = taken.to_best
    if change is None or change.value is None:
        found = f"The best itself: it scores {_told(taken)}. "
    else:
        ends = "" if change.lo is None or change.hi is None else f" ({_signed(change.lo)} to {_signed(change.hi)})"
        found = f"It scores {_told(taken)}; the best, {best.choice.name}, {_told(best)}: "
        found += f"a difference of {_signed(change.value)}{ends}. "
    if not n_cheaper:
        return f"{found}Nothing on the front costs less."
    less = f"{_others(n_cheaper)} on the front {'costs' if n_cheaper == 1 else 'cost'} less"
    return f"{found}{less}, but may lose more than {allowance:g}."


def _next(front: Sequence[Scored], taken: Scored, allowance: float) -> str:
    """What the allowance would have to be for another choice to be taken."""
    left = [item for item in front if shortfall(item) > allowance and is_cheaper(item.cost, taken.cost)]
    for step in sorted({_ceiling(shortfall(item)) for item in left if math.isfinite(shortfall(item))}):
        item = _pick(front, step)
        if item is not taken:
            costs = f"{_cost(item.cost)} instead of {_cost(taken.cost)}"
            return (
                f"With an allowance of {step:.{DECIMALS}f} instead of {allowance:g} it would be {item.choice.name} "
                f"({costs})."
            )
    if left:
        return "More images: with these nothing can be said of how much cheaper choices lose."
    if shortfall(taken) <= 0.0:
        return "Nothing: it is the cheapest on the front and loses nothing."
    return f"An allowance below {_down(shortfall(taken))}: this one may lose as much."


def _told(item: Scored) -> str:
    return f"{_score(item)} at {_cost(item.cost)}"


def _score(item: Scored) -> str:
    found = item.reported
    if found.value is None:
        return "no score"
    ends = "" if found.lo is None or found.hi is None else f" ({found.lo:.{DECIMALS}f} to {found.hi:.{DECIMALS}f})"
    return f"{found.value:.{DECIMALS}f}{ends}"


def _cost(cost: Cost) -> str:
    speed = ""
    if cost.images_s_end2end is not None:
        low, high = map(_rounded, cost.speed)
        ends = "" if low == high else f" ({low} to {high})"
        speed = f"{_rounded(cost.images_s_end2end)}{ends} images/s and "
    return f"{speed}{cost.bytes_per_vector:,} bytes a vector"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _signed(value: float) -> str:
    return f"{value:+.{DECIMALS}f}"


def _ceiling(value: float) -> float:
    """Rounded up: what is printed must be enough."""
    return float(math.ceil(value * 10**DECIMALS) / 10**DECIMALS)


def _down(value: float) -> str:
    """Rounded down: what is below it must be too little."""
    return f"{math.floor(value * 10**DECIMALS) / 10**DECIMALS:.{DECIMALS}f}"


def _others(n: int) -> str:
    return f"{n} other choice{'' if n == 1 else 's'}"
