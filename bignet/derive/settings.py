"""What a derivation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from bignet.derive.steps import Step, joined, parse_steps


@dataclass(frozen=True)
class DeriveSettings:
    """Settings of one derivation.

    Attributes:
        steps: what is done to the vectors, in order: ``center,pca:256``; see ``steps.ALLOWED``.
        embedding: which vector column of the parent; its first if None.
        update: apply the steps as they were fitted to a parent that has moved on since.

    Raises:
        UsageError: steps that are none.
    """

    steps: str
    embedding: str | None = None
    update: bool = False

    def __post_init__(self) -> None:
        parse_steps(self.steps)

    @property
    def parsed(self) -> tuple[Step, ...]:
        """The steps in order."""
        return parse_steps(self.steps)

    @property
    def text(self) -> str:
        """The steps as a store records them."""
        return joined(self.parsed)
