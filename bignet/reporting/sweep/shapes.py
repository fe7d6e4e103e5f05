"""A shape for each colour, so that models are told apart without it: paths of about unit radius, in the map's order."""

from __future__ import annotations

SHAPES = (
    "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
    "M-.88-.88H.88V.88H-.88Z",
    "M0-1.2L1.1 .8H-1.1Z",
    "M0-1.25L1.25 0L0 1.25L-1.25 0Z",
    "M0 1.2L1.1-.8H-1.1Z",
    "M-1.15-.4H-.4V-1.15H.4V-.4H1.15V.4H.4V1.15H-.4V.4H-1.15Z",
    "M-1.2-.5H1.2V.5H-1.2Z",
    "M-.5-1.2H.5V1.2H-.5Z",
    "M1.2 0L-.8 1.1V-1.1Z",
    "M-1.2 0L.8 1.1V-1.1Z",
)


def shape(slot: int) -> str:
    """The path of a model's shape; a circle for those without one of their own."""
    return SHAPES[slot] if 0 <= slot < len(SHAPES) else SHAPES[0]


def tint(slot: int) -> str:
    """The class of a model's colour."""
    return f"tint-{slot}" if 0 <= slot < len(SHAPES) else "tint-rest"
