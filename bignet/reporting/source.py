"""What a report needs from a store: names, paths and provenance, nothing to compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class ReportSource:
    """The store's side of a report.

    Attributes:
        store_name: the store's own name, without its folders: ``"photos.bignet"``.
        embedding: which embedding was evaluated: ``"layer4.gap"``.
        dims: length of its vectors.
        paths: relative paths as bytes, one for each of the evaluation's ids; any byte may occur in them.
        image_root: the folder those paths start from; None when the pictures are not at hand.
        provenance: where the vectors come from: model, weights, versions, device, fingerprints.
        n_discovered: files found when the store was made.
        rejected: how many of them were not embedded, for each reason.
        imported: whether the vectors were made elsewhere, so that no image can be added to the store.
    """

    store_name: str
    embedding: str
    dims: int
    paths: tuple[bytes, ...]
    image_root: Path | None = None
    provenance: Mapping[str, str | int | float | None] = field(default_factory=dict)
    n_discovered: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    imported: bool = False

    @property
    def n_rejected(self) -> int:
        """Files that were found and not embedded."""
        return sum(self.rejected.values())
