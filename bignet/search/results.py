"""What a search gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bignet.index.selection import Searched

GroupValue = str | int | bool | None


@dataclass(frozen=True)
class Hit:
    """One neighbour.

    Attributes:
        id: of its row.
        path: relative to the store's image folder.
        score: cosine similarity, higher = more similar.
        label: None where there is none.
        group: the value of ``group_by``; None where there is none, and without it.
    """

    id: int
    path: str
    score: float
    label: str | None
    group: GroupValue = None


@dataclass(frozen=True)
class Query:
    """A query ready to be answered.

    Attributes:
        text: as it was given.
        vector: (D,) float32.
        own_ids: rows that are the query itself.
        images: the pictures' files, for showing them: absolute or below the store's image folder; none for a vector.
        subtracts: whether something has a negative weight: such a query lies where no image is.
    """

    text: str
    vector: NDArray[np.float32]
    own_ids: frozenset[int] = frozenset()
    images: tuple[Path, ...] = ()
    subtracts: bool = False


@dataclass(frozen=True)
class Answer:
    """A query with its hits, best first, and how they were found."""

    query: Query
    hits: tuple[Hit, ...]
    searched: Searched
