"""Steps of post-processing by name: what is done to the vectors of a finished embedding, one after the other."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from bignet.errors import UsageError

ALLOWED = (
    "center, power:P (0 < P <= 1, usually .5), l2, pca:D, whiten:D or whiten:D:P (0 < P <= .5, the power of the "
    "eigenvalues that is divided by; .5 whitens fully, .25 half), dba:N:A and qe:N:A (N neighbours, A >= 0)"
)
EXAMPLE = "center,pca:256"
_FULL_WHITENING = 0.5
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
_MOST = 10**9


class StepKind(StrEnum):
    """What a step does; see ALLOWED and ``bignet.derive.fit``."""

    CENTER = "center"
    POWER = "power"
    L2 = "l2"
    PCA = "pca"
    WHITEN = "whiten"
    DBA = "dba"
    QE = "qe"


_COUNTED = (StepKind.PCA, StepKind.WHITEN, StepKind.DBA, StepKind.QE)
_OF_NEIGHBOURS = (StepKind.DBA, StepKind.QE)


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        kind: what it does.
        count: dimensions kept by pca and whiten, neighbours of dba and qe; 0 where there is none.
        power: of the numbers (power), of the eigenvalues that whiten divides by, of the similarity by which dba and qe
            weigh a neighbour; 0 where there is none.
    """

    kind: StepKind
    count: int = 0
    power: float = 0.0

    def __str__(self) -> str:
        """As it is asked for: ``whiten:64:0.25``."""
        count = f":{self.count}" if self.count else ""
        usual = self.kind is StepKind.WHITEN and self.power == _FULL_WHITENING
        shown = self.kind in (StepKind.POWER, StepKind.WHITEN, *_OF_NEIGHBOURS) and not usual
        return f"{self.kind}{count}{f':{self.power:g}' if shown else ''}"

    @property
    def of_neighbours(self) -> bool:
        """Whether it mixes a vector with its neighbours; else it looks at each vector alone."""
        return self.kind in _OF_NEIGHBOURS


def parse_steps(text: str) -> tuple[Step, ...]:
    """``"center,pca:256"`` -> its steps in order.

    Raises:
        UsageError: none, one that is unknown, or dba and qe before others; the message lists what is allowed.
    """
    steps = tuple(_parsed(part.strip()) for part in text.split(",")) if text.strip() else ()
    if not steps:
        raise UsageError(f"there are no steps; give some of: {ALLOWED}; such as {EXAMPLE}")
    ranks = [_OF_NEIGHBOURS.index(step.kind) + 1 if step.of_neighbours else 0 for step in steps]
    if ranks != sorted(ranks) or any(ranks.count(rank) > 1 for rank in (1, 2)):
        raise UsageError(
            f"steps '{text}' cannot be done in this order; dba and qe mix whole vectors: each once at most, after all "
            "other steps, dba before qe"
        )
    return steps


def joined(steps: tuple[Step, ...]) -> str:
    """Steps -> their text, the same for the same steps however they were written."""
    return ",".join(map(str, steps))


def warnings_about(text: str) -> tuple[str, ...]:
    """Steps -> sentences that a reader of numbers about such a store must see before them."""
    by_kind = {step.kind: step for step in parse_steps(text)}
    dba, qe = by_kind.get(StepKind.DBA), by_kind.get(StepKind.QE)
    found = []
    if dba:
        found.append(
            f"{dba} has mixed every image with its nearest, so that each is in the images it finds: these figures are "
            "too high; the one that bignet derive prints is of a split and is not"
        )
    if qe:
        found.append(
            f"{qe} is done to queries when they are searched for, not to the images measured here; the figure that "
            "bignet derive prints is with it"
        )
    return tuple(found)


def _parsed(text: str) -> Step:
    name, *numbers = text.split(":")
    if name not in set(StepKind) or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise _unknown(text)
    kind, values = StepKind(name), [float(number) for number in numbers]
    counted, powered = kind in _COUNTED, kind in (StepKind.POWER, *_OF_NEIGHBOURS)
    most = counted + (powered or kind is StepKind.WHITEN)
    if not counted + powered <= len(values) <= most:
        raise _unknown(text)
    count = values.pop(0) if counted else 0.0
    power = values.pop() if values else _FULL_WHITENING * (kind is StepKind.WHITEN)
    if not _is_possible(kind, count, power):
        raise _unknown(text)
    return Step(kind, int(count), power)


def _is_possible(kind: StepKind, count: float, power: float) -> bool:
    if kind in _COUNTED and not (1 <= count <= _MOST and count.is_integer()):
        return False
    if kind is StepKind.POWER:
        return 0 < power <= 1
    return 0 < power <= _FULL_WHITENING if kind is StepKind.WHITEN else math.isfinite(power)


def _unknown(text: str) -> UsageError:
    return UsageError(f"step '{text}' is unknown; allowed: {ALLOWED}")
