"""One number for score, speed and size together, by what a person says that speed and size are worth to them.

The page picks again with this formula when its sliders move; it is here once, in Python, and mirrored there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.evaluate.sweep.result import Scored

FORMULA = "score + speed * log2(images/s) - size * log2(bytes a vector)"


@dataclass(frozen=True)
class Weights:
    """What speed and size are worth, in points of the score.

    Attributes:
        speed: worth of twice as many images a second, end to end.
        size: worth of half as many bytes a vector.
    """

    speed: float = 0.0
    size: float = 0.0


def pick(scored: Sequence[Scored], weights: Weights) -> str | None:
    """Choices in their order -> name of the one on the front with the most worth, the first of equals; None = none.

    The score is ``chosen_half``: what is chosen is chosen by that half. Images a second that were not measured count as
    the lowest that were, 1 if none were.
    """
    front = [item for item in scored if item.on_front and item.chosen_half.value is not None]
    known = [item.cost.images_s_end2end for item in front if item.cost.images_s_end2end is not None]
    slowest = min(known, default=1.0)
    best = max(front, key=lambda item: worth(item, weights, slowest), default=None)
    return None if best is None else best.choice.name


def worth(item: Scored, weights: Weights, slowest: float) -> float:
    """``FORMULA`` for a choice that has a score; ``slowest`` stands in for images a second that were not measured."""
    score, images_s = item.chosen_half.value, item.cost.images_s_end2end
    speed = math.log2(slowest if images_s is None else images_s)
    return (score or 0.0) + weights.speed * speed - weights.size * math.log2(item.cost.bytes_per_vector)
