"""What a report needs from a store: names, paths and provenance, nothing to compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class GivenLabels:
    """Where labels, groups and split come from; a value for each of the evaluation's ids.

    Attributes:
        file: the label file's own name; None = the store's own labels.
        groups: rows of one group are never each other's neighbours; None = no groups were given.
        split: the part each row belongs to; None = none was given.
        not_in_file: store ids that the file does not name.
        not_in_store: ids or paths that the file names and the store does not hold.
    """

    file: str | None = None
    groups: tuple[str | None, ...] | None = None
    split: tuple[str | None, ...] | None = None
    not_in_file: tuple[int, ...] = ()
    not_in_store: tuple[str, ...] = ()


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
        labels: where labels, groups and split come from.
        method: how it was evaluated, by name: k, mode, unlabelled, seed.
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
    labels: GivenLabels = GivenLabels()
    method: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def n_rejected(self) -> int:
        """Files that were found and not embedded."""
        return sum(self.rejected.values())
