"""The images of a sweep: what its stores hold, under one numbering, with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.label_file import read_label_table
from bignet.evaluate.sweep.images import SweepImages

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shelf:
    """The images of all stores under the ids that the first store gave them.

    Attributes:
        images: as they are judged.
        common: rows of the first store that every other store holds, too.
        warnings: what labels had no partner.
    """

    images: SweepImages
    common: Ints
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, stores: Mapping[str, Snapshot], labels_file: str | os.PathLike[str] | None) -> Shelf:
        """Open stores by name, and a table of labels; those that the stores have if it is None."""
        tables = {name: store.metadata(["id", "path", "label"]) for name, store in stores.items()}
        first = next(iter(tables.values()))
        ids = dict(zip(first["path"].to_pylist(), first["id"].to_pylist(), strict=True))
        labels = dict(zip(first["path"].to_pylist(), first["label"].to_pylist(), strict=True))
        held, numbers = {}, count(max(ids.values(), default=-1) + 1)
        for name, table in tables.items():
            paths = table["path"].to_pylist()
            for path, label in zip(paths, table["label"].to_pylist(), strict=True):
                if path not in ids:  # the first model could not embed it
                    ids[path] = next(numbers)
                    labels[path] = label
            held[name] = np.array([ids[path] for path in paths], np.int64)
        own = np.array([*ids.values()], np.int64)
        given = None if labels_file is None else read_label_table(Path(labels_file), own, [*ids])
        known = tuple(labels.values()) if given is None or given.labels is None else given.labels
        groups = None if given is None else given.groups
        everywhere = np.logical_and.reduce([np.isin(first["id"].to_numpy(), each) for each in held.values()])
        return cls(
            SweepImages(own, tuple(ids), known, held, groups),
            np.flatnonzero(everywhere),
            () if given is None else given.warnings,
        )
