"""What was done to a copy, in words and along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.numbers import NARROW
from bignet.reporting.sections.charts import Axis

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class _Words:
    """How to speak of a kind of alteration.

    Attributes:
        title: of its figure.
        phrase: of the copies it was done to; ``{}`` stands for the strength.
        axis: what the strength is.
        unit: ``%`` for shares, which are shown in percent, or a sign that follows the number.
        nothing: the strength that alters nothing; None = there is none.
    """

    title: str
    phrase: str
    axis: str = ""
    unit: str = ""
    nothing: float | None = None


_WORDS = {
    "rotate": _Words("Rotation", "rotated by {}", "degrees", "°", 0.0),
    "scale": _Words("Scale", "scaled to {}", "scale, against the original", "%", 1.0),
    "blur": _Words("Blur", "blurred by {} of the shorter side", "blur, share of the shorter side", "%", 0.0),
    "jpeg": _Words("JPEG", "saved as JPEG of quality {}", "JPEG quality"),
    "brightness": _Words("Brightness", "set to {} of their brightness", "brightness, against the original", "%", 1.0),
    "flip": _Words("Mirror image", "mirrored"),
    "occlusion": _Words("Covered", "with {} of their area covered", "share of the area that is covered", "%", 0.0),
}


def title_of(kind: str) -> str:
    """A transform's name."""
    return _words(kind).title


def phrase(kind: str, strength: float) -> str:
    """``rotated by 45°``, ``scaled to 50 % of their size``: what was done to the copies."""
    return _words(kind).phrase.format(shown_strength(kind, strength))


def shown_strength(kind: str, strength: float) -> str:
    """``45°``, ``50 %``, ``10``."""
    unit = _words(kind).unit
    return f"{100 * strength:g}{NARROW}%" if unit == "%" else f"{strength:g}{unit}"


def axis_name(kind: str) -> str:
    """What stands under a figure."""
    return _words(kind).axis


def unaltered(kind: str) -> float | None:
    """The strength at which a copy is its original, and surely finds it; None where there is none."""
    return _words(kind).nothing


def place_of(kind: str) -> int:
    """Sorts kinds as they are shown, unknown ones last."""
    return [*_WORDS, kind].index(kind)


def axis_of(kind: str, strengths: Sequence[float]) -> Axis:
    """From the least to the greatest strength, with the one that alters nothing; of factors in equal steps a factor."""
    nothing = unaltered(kind)
    ends = [*strengths, *([] if nothing is None else [nothing])]
    return Axis(min(ends), max(ends), log=nothing == 1.0 and min(ends) > 0)


def _words(kind: str) -> _Words:
    name = visible(kind)
    return _WORDS.get(
        kind, _Words(name.capitalize(), "altered by " + name.replace("{", "{{").replace("}", "}}") + " {}", "strength")
    )
