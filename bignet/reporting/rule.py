"""A rule of the verdict: when it speaks, what it looks at, what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bignet.reporting.facts import Facts

SENTENCES = ("score", "separation", "precision")
NEXT = "next"
FIRST_ONLY = (*SENTENCES, NEXT)


@dataclass(frozen=True)
class Rule:
    """When a sentence is said.

    Attributes:
        id: its name in the report and in ``report.json``.
        group: of "score", "separation", "precision" and "next" the first rule that applies speaks; every
            "flag" (a doubt) and every "note" (worth knowing) does.
        condition: in words, as printed.
        inputs: the facts it looks at.
        section: where on the page to read on.
        applies: the condition.
        say: the sentence.
        command: what to type next; only for "next", None where nothing is to be typed.
    """

    id: str
    group: str
    condition: str
    inputs: tuple[str, ...]
    section: str
    applies: Callable[[Facts], bool]
    say: Callable[[Facts], str]
    command: Callable[[Facts], str] | None = None
