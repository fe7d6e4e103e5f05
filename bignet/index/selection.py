"""Some rows of an index, those that a filter lets through, and the least costly way to search them.

A graph or inverted lists that may answer with a share s of their rows only meet them one time in 1/s, and must look
that much harder; comparing the query with those rows alone takes s times as long as with all of them. The times of
both are on record since the index was tuned. Few rows are therefore compared, many are searched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bignet.index import scan
from bignet.index.candidates import Exact, is_graph
from bignet.index.neighbors import Neighbors, check_queries, normalised
from bignet.index.search import Answers, Index
from bignet.index.vectors import InMemory

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from bignet.index.tuning import Effort

# Vectors of a selection that are kept together for the next query: gathering them takes longer than comparing.
_KEPT_BYTES = 128 << 20
# Reading a vector from a shard takes so many times as long as comparing it in memory.
_READING = 20
_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Searched:
    """How queries were answered.

    Attributes:
        kind: the index's, see kinds; ``flat`` where there is none.
        exact: whether every row that may be an answer was compared.
        rows: that may be answers.
        filtered: whether others may not.
        scanned: queries that the index answered short, so that every row was compared.
    """

    kind: str
    exact: bool
    rows: int
    filtered: bool
    scanned: int = 0

    def __str__(self) -> str:
        if self.exact:
            return f"exact scan of {self.rows:,} {'matching ' if self.filtered else ''}row{'s' * (self.rows != 1)}"
        which = ", filtered" if self.filtered else ""
        return f"{self.kind} index{which}{', completed by an exact scan' if self.scanned else ''}"


class Selection:
    """Rows of an index that may be answers: ``only`` of them, all if None."""

    def __init__(self, index: Index, only: NDArray[np.bool_] | None = None) -> None:
        self.index = index
        self._only = only
        self._n_rows = index.n_allowed(only)

    def __len__(self) -> int:
        return self._n_rows

    def nearest(self, queries: NDArray[np.float32], k: int) -> tuple[Answers, Searched]:
        """(Q, D) queries -> (Q, min(k, rows)) ids and cosines, and how they were found.

        Raises:
            UsageError: see Index.search.
        """
        effort = self.effort(k, len(queries))
        if effort is None:
            return self._compared(queries, k), self._exactly
        found = replace(self.index, effort=effort).answers(queries, k, self._only)
        n_scanned = int(found.scanned.sum())
        return found, replace(self._exactly, exact=False, scanned=n_scanned)

    def effort(self, k: int, n_queries: int = 1) -> Effort | None:
        """How hard the index must look for its recall to hold; None if comparing the rows takes no longer."""
        index, tuning = self.index, self.index.tuning
        share = len(self) / max(len(index), 1)
        if index.is_exact or tuning is None or not len(self):
            return None
        if self._only is None:
            return index.effort
        harder = _harder(index, k, share)
        alone = n_queries == 1
        exact = (tuning.exact_ms if alone else 1000 / max(tuning.exact_qps, 1e-9)) * share
        usual = tuning.chosen.single_ms if alone else 1000 / max(tuning.chosen.batch_qps, 1e-9)
        factor = 1 if isinstance(index.vectors, InMemory) else _READING
        times = harder.search / max(tuning.chosen.search, 1) if harder.search else 1
        return None if exact * factor <= usual * times else harder

    def within(self, query: NDArray[np.float32], threshold: float) -> tuple[Neighbors, Searched]:
        """Every row whose cosine with the (D,) query reaches the threshold, best first.

        Raises:
            UsageError: see Index.search.
        """
        check_queries(query[None], self.index.dims, 1)
        rows, scores = scan.within(self.index, normalised(query[None])[0], threshold, self._places)
        return Neighbors(self.index.ids[rows], scores), self._exactly

    def best_of_groups(
        self, query: NDArray[np.float32], k: int, groups: NDArray[np.int64], exclude: Collection[int] = ()
    ) -> tuple[Neighbors, Searched]:
        """The best row of each of the k groups most similar to a query, best first.

        Args:
            query: (D,).
            k: groups wanted; fewer if there are fewer.
            groups: number of its group, from 0, for each row of the index.
            exclude: ids that are no answers.

        Raises:
            UsageError: see Index.search.
        """
        index = self.index
        check_queries(query[None], index.dims, k)
        places = self._places[~np.isin(index.ids[self._places], list(exclude))] if exclude else self._places
        rows, scores = scan.best_of_groups(index, normalised(query[None])[0], k, places, groups[places])
        return Neighbors(index.ids[rows], scores), self._exactly

    def _compared(self, queries: NDArray[np.float32], k: int) -> Answers:
        if self._alone is not None:
            return self._alone.answers(queries, k)
        return self.index.scan(queries, k, self._only)

    @cached_property
    def _exactly(self) -> Searched:
        return Searched(self.index.kind, exact=True, rows=len(self), filtered=self._only is not None)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        return self.index.allowed_rows(self._only)

    @cached_property
    def _alone(self) -> Index | None:
        """Those rows as an index of their own; None if they are too many to be held twice."""
        index = self.index
        if index.is_exact and self._only is None:
            return index
        if len(self) * index.dims * _FLOAT > _KEPT_BYTES:
            return None
        held = InMemory(index.vectors.at(self._places))
        rank = None if index.rank is None else index.rank[self._places]
        return Index(index.ids[self._places], held, Exact(held), rank=rank)


def _harder(index: Index, k: int, share: float) -> Effort:
    """The effort that meets as many rows of a share as the usual one meets of all."""
    usual = index.effort
    if not usual.search:
        return usual
    least = k * usual.shortlist if is_graph(index.candidates) else 0
    return replace(usual, search=math.ceil(max(usual.search, least) / share))
