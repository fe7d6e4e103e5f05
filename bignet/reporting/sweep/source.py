"""What a sweep's page needs beside its numbers: names and provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class SweepSource:
    """Where a sweep comes from.

    Attributes:
        name: the sweep's own folder, without those above it: what commands on the page start from.
        image_root: the folder that the paths of the images start from; None when the pictures are not at hand.
        provenance: versions, device and whatever else is the same for all choices.
        method: how it was made and judged, by name: k, seed, pools asked for, ...
    """

    name: str
    image_root: Path | None = None
    provenance: Mapping[str, str | int | float | None] = field(default_factory=dict)
    method: Mapping[str, str | int | float] = field(default_factory=dict)
