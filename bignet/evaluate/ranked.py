"""Neighbours of several queries, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.candidates import PADDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranked:
    """Neighbours of a block of queries, nearest first; -1 and a similarity below -1 fill empty places."""

    rows: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def widened(self, width: int) -> Ranked:
        """At least so many places, the new ones empty."""
        more = max(0, width - self.rows.shape[1])
        rows = np.pad(self.rows, ((0, 0), (0, more)), constant_values=-1)
        return Ranked(rows, np.pad(self.similarity, ((0, 0), (0, more)), constant_values=float(PADDING)))


def in_order(rows: NDArray[np.int64], similarity: NDArray[np.float64]) -> Ranked:
    """(Q, W) rows found, ascending, -1 = none, and their similarity -> the same nearest first, ties in row order."""
    order = np.argsort(-similarity, axis=1, kind="stable")[:, : int((rows >= 0).sum(axis=1).max(initial=0))]
    return Ranked(np.take_along_axis(rows, order, 1), np.take_along_axis(similarity, order, 1))


def stacked(parts: Sequence[Ranked]) -> Ranked:
    """Rankings one below the other, as wide as the widest."""
    width = max(part.rows.shape[1] for part in parts)
    wide = [part.widened(width) for part in parts]
    return Ranked(np.concatenate([part.rows for part in wide]), np.concatenate([part.similarity for part in wide]))
