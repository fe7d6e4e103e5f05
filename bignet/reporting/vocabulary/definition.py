"""What there is to say about a metric, and the families metrics come in."""

from __future__ import annotations

from dataclasses import dataclass

RETRIEVAL, SEPARATION, HIERARCHY, GEOMETRY, CLUSTERS = "retrieval", "separation", "hierarchy", "geometry", "clusters"


@dataclass(frozen=True)
class Definition:
    """A metric in words.

    Attributes:
        name: as printed; ``{k}`` stands for the depth.
        meaning: what the number says, in one plain clause.
        formula: how it is computed.
        family: of metrics, for the scorecard.
        unit_scale: True when it lives between 0 and 1 and may be drawn on the common axis.
        low_is_good: True where smaller is better, so that nobody has to guess.
        tile: place in the row of score tiles; 0 = never there.
    """

    name: str
    meaning: str
    formula: str
    family: str = RETRIEVAL
    unit_scale: bool = True
    low_is_good: bool = False
    tile: int = 0

    @property
    def title(self) -> str:
        """The name where it stands alone: nDCG and mAP keep their small letter, "macro" does not."""
        return self.name[:1].upper() + self.name[1:] if self.name.startswith("macro ") else self.name
