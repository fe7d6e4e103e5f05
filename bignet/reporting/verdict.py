"""Three sentences, the red flags and the next step, from fixed rules that the page prints: nothing else judges."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from bignet.names import visible
from bignet.reporting.numbers import brief
from bignet.reporting.rule import FIRST_ONLY, NEXT, SENTENCES
from bignet.reporting.rules import RULES

if TYPE_CHECKING:
    from bignet.reporting.facts import Facts
    from bignet.reporting.rule import Rule


@dataclass(frozen=True)
class Finding:
    """What a rule came to."""

    rule: Rule
    fired: bool
    sentence: str | None
    inputs: dict[str, Any]
    command: str | None = None


@dataclass(frozen=True)
class Verdict:
    """All rules' findings; ``sentences`` speak first, ``flags`` warn, ``next_step`` is what to do."""

    findings: tuple[Finding, ...]

    @property
    def sentences(self) -> tuple[Finding, ...]:
        """One finding for each group of sentences, in their order."""
        return tuple(item for group in SENTENCES for item in self._fired(group))

    @property
    def flags(self) -> tuple[Finding, ...]:
        """What must be known before the numbers are believed."""
        return self._fired("flag")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is worth knowing, and no doubt."""
        return self._fired("note")

    @property
    def next_step(self) -> Finding:
        """The one thing to do now."""
        return self._fired(NEXT)[0]

    def _fired(self, group: str) -> tuple[Finding, ...]:
        return tuple(item for item in self.findings if item.fired and item.rule.group == group)


def judge(facts: Facts) -> Verdict:
    """Every rule against the facts; where only the first of a group speaks, only the first that applies fires."""
    spoken: set[str] = set()
    findings = []
    for rule in RULES:
        fired = rule.group not in spoken and rule.applies(facts)
        if fired and rule.group in FIRST_ONLY:
            spoken.add(rule.group)
        findings.append(_finding(rule, facts, fired=fired))
    return Verdict(tuple(findings))


def _finding(rule: Rule, facts: Facts, *, fired: bool) -> Finding:
    inputs = {name: _plain(getattr(facts, name)) for name in rule.inputs}
    command = rule.command(facts) if fired and rule.command else None
    return Finding(rule, fired, rule.say(facts) if fired else None, inputs, command)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return brief(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return visible(value)
    return None if is_dataclass(value) else value
