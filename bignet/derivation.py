"""What was done to an embedding's vectors after the encoder made them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Derivation:
    """Steps of post-processing, and how the vectors were before.

    Attributes:
        steps: their text, ``center,pca:256``; see ``bignet.derive.steps``.
        sha256: digest of the steps and of every number that was fitted for them.
        dims: numbers in a vector before.
        dtype: as it was stored before.
    """

    steps: str
    sha256: str
    dims: int
    dtype: str

    @property
    def suffix(self) -> str:
        """The steps as part of a column's name: ``center.pca256``, ``whiten64-0.25``."""
        return ".".join(step.replace(":", "", 1).replace(":", "-") for step in self.steps.split(","))
