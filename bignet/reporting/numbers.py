"""Numbers as people and pages read them: grouped, rounded, never NaN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUS = "\u2212"
NARROW = "\u00a0"  # a space that keeps a number and its unit on one line
NOTHING = "–"  # noqa: RUF001 - the dash that stands for a missing number


def finite(value: float | None) -> float | None:
    """The number, or None when it is missing, NaN or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)


def brief(value: float | None) -> float | None:
    """At most 4 significant digits: more only make the page heavy."""
    number = finite(value)
    return None if number is None else float(f"{number:.4g}")


def decimals(value: float | None, places: int = 3) -> str:
    """``0.540``; a true minus sign; ``<0.001`` for next to nothing; a dash when missing."""
    number = finite(value)
    if number is None:
        return NOTHING
    text = f"{number:.{places}f}"
    if number > 0 and float(text) == 0:
        return f"<{10**-places:.{places}f}"
    return MINUS + text[1:] if text.startswith("-") and float(text) != 0 else text.removeprefix("-")


def figure(value: float | None) -> str:
    """``1.70``, ``23.35``, ``12,480``: at most 4 significant digits, whatever the scale."""
    number = finite(value)
    if number is None:
        return NOTHING
    if abs(number) < 1:
        return decimals(number)
    rounded = float(f"{number:.4g}")
    text = f"{rounded:,.{max(0, 3 - int(math.log10(abs(rounded))))}f}"
    return MINUS + text[1:] if text.startswith("-") else text


def signed(value: float | None, places: int = 3) -> str:
    """``+0.012`` or ``−0.012``."""  # noqa: RUF002 - the sign that is printed
    text = decimals(value, places)
    return text if text.startswith((MINUS, NOTHING, "<")) or (finite(value) or 0) == 0 else f"+{text}"


def count(number: int) -> str:
    """``12,480``."""
    return f"{number:,}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """``1 image``, ``12,480 images``."""
    return f"{count(number)} {singular if number == 1 else plural or singular + 's'}"


def percent(share: float | None) -> str:
    """``6.3 %`` with a space that does not break; never 0 % for something, never 100 % for not quite all."""
    number = finite(share)
    if number is None:
        return NOTHING
    if 0 < number < 0.001:
        return f"under 0.1{NARROW}%"
    if 0.999 < number < 1:
        return f"over 99.9{NARROW}%"
    digits = 3 if number >= 0.01 else 2
    return f"{100 * number:.{digits}g}{NARROW}%"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def sentence(text: str) -> str:
    """The first letter large."""
    return text[:1].upper() + text[1:]
