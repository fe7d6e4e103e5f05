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
    below = -similarity
    order = np.argsort(below, axis=1)
    ranked = np.take_along_axis(similarity, order, 1)
    tied = np.flatnonzero(((ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] > PADDING)).any(axis=1))
    if len(tied):  # to sort all so that ties stay in order takes three times as long
        order[tied] = np.argsort(below[tied], axis=1, kind="stable")
    width = int((rows >= 0).sum(axis=1).max(initial=0))
    return Ranked(np.take_along_axis(rows, order[:, :width], 1), ranked[:, :width])


def stacked(parts: Sequence[Ranked]) -> Ranked:
    """Rankings one below the other, as wide as the widest."""
    width = max(part.rows.shape[1] for part in parts)
    wide = [part.widened(width) for part in parts]
    return Ranked(np.concatenate([part.rows for part in wide]), np.concatenate([part.similarity for part in wide]))
