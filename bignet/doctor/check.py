"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: ``problem`` only if nothing can be extracted until it is mended.
        found: the facts, in a line.
        advice: what to change, one sentence; empty when all is well.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, State.OK, found)


def note(name: str, found: str, advice: str) -> Check:
    """It works, and could work better."""
    return Check(name, State.NOTE, found, advice)


def problem(name: str, found: str, advice: str) -> Check:
    """It does not work."""
    return Check(name, State.PROBLEM, found, advice)
