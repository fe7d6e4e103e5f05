"""Some rows of an index, those that a filter lets through, and the least costly way to search them.

Either the query is compared with those rows alone: with a share s of the rows that takes s times as long as with all.
Or the index is asked for so many of all rows, k / s and some to spare, that k of them may be expected to match: it
must look that much harder. The times of both are on record since the index was tuned; few rows are therefore compared,
many are searched. Where fewer than k of those near the query match, because the filter goes against it (cats, asked
for dogs), the rows are compared after all: a graph or lists told to skip rows would give back k that are not the best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bignet.index import scan
from bignet.index.candidates import Exact
from bignet.index.neighbors import NONE, Neighbors, best, check_queries, normalised
from bignet.index.search import Answers, Index
from bignet.index.vectors import InMemory

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from bignet.index.tuning import Effort, Tuning

# Vectors of a selection that are kept together for the next query: gathering them takes longer than comparing.
_KEPT_BYTES = 128 << 20
# Reading a vector from a shard takes so many times as long as comparing it in memory.
_READING = 20
_FLOAT = 4  # bytes
_QUERIES_A_BLOCK = 256
# Rows asked for beyond the k / s in which k matching ones are expected, in standard deviations of their number.
_SPARE = 3


@dataclass(frozen=True)
class Searched:
    """How queries were answered.

    Attributes:
        kind: the index's, see kinds; ``flat`` where there is none.
        exact: whether every row that may be an answer was compared.
        rows: that may be answers.
        filtered: whether others may not.
        scanned: queries that the index answered short, so that every row was compared.
        older: see Index.
        shown: whether the recall that was asked for was shown when the index was made.
    """

    kind: str
    exact: bool
    rows: int
    filtered: bool
    scanned: int = 0
    older: str = ""
    shown: bool = True

    def __str__(self) -> str:
        return f"{self._how}, {self.older}" if self.older else self._how

    @property
    def _how(self) -> str:
        if self.exact:
            return f"exact scan of {self.rows:,} {'matching ' if self.filtered else ''}row{'s' * (self.rows != 1)}"
        which = ", filtered" if self.filtered else ""
        doubt = "" if self.shown else ", whose recall was not shown"
        return f"{self.kind} index{which}{doubt}{', completed by an exact scan' if self.scanned else ''}"


@dataclass(frozen=True)
class Plan:
    """How an index is asked.

    Attributes:
        effort: how hard it looks.
        n_near: rows it is asked for, whether they match or not; 0 if it compares all that match.
    """

    effort: Effort
    n_near: int = 0


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
        plan = self.plan(k, len(queries))
        if plan is None:
            return self.compared(queries, k)
        found = self._near(queries, k, plan) if plan.n_near else self.index.answers(queries, k, self._only)
        shown = self.index.tuning is None or self.index.tuning.met
        return found, replace(self._exactly, exact=False, scanned=int(found.scanned.sum()), shown=shown)

    def compared(self, queries: NDArray[np.float32], k: int) -> tuple[Answers, Searched]:
        """As nearest, with every row that may be an answer compared.

        Raises:
            UsageError: see Index.search.
        """
        return self._compared(queries, k), self._exactly

    def plan(self, k: int, n_queries: int = 1) -> Plan | None:
        """How the index is to be asked; None if comparing the rows takes no longer."""
        index, tuning = self.index, self.index.tuning
        if index.is_exact or tuning is None or not len(self):
            return None
        if self._only is None:
            return Plan(index.effort)
        share = len(self) / len(index)
        plan = _plan(index.effort, tuning, max(k, index.tuned_for), share)
        alone = n_queries == 1
        exact = tuning.exact_ms if alone else 1000 / max(tuning.exact_qps, 1e-9)
        usual = tuning.chosen.single_ms if alone else 1000 / max(tuning.chosen.batch_qps, 1e-9)
        reading = 1 if isinstance(index.vectors, InMemory) else _READING
        times = plan.effort.search / index.effort.search if plan.n_near else 1
        return None if exact * share * reading <= usual * times else plan

    def with_rows(self, found: Neighbors, query: NDArray[np.float32], ids: Collection[int]) -> Neighbors:
        """Answers to a (D,) query and, among them, those of some rows that belong there: as many as before."""
        index = self.index
        rows = index.rows_of(np.array(sorted({*found.ids.tolist(), *ids}), np.int64))
        rows = rows[self._mask[rows]]
        if len(rows) == len(found.ids):
            return found
        best_rows, scores = best(normalised(query[None]), rows[None], len(found.ids), index.vectors, index.rank)
        return Neighbors(index.ids[best_rows[0]], scores[0])

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

    def _near(self, queries: NDArray[np.float32], k: int, plan: Plan) -> Answers:
        """Those that match among the rows nearest to each query; every row compared where they are too few."""
        check_queries(queries, self.index.dims, k)
        shape = len(queries), min(k, len(self))
        found = Answers(np.empty(shape, np.int64), np.empty(shape), np.zeros(len(queries), bool))
        for start in range(0, len(queries), _QUERIES_A_BLOCK):
            part = slice(start, start + _QUERIES_A_BLOCK)
            rows, found.scores[part], found.scanned[part] = self._met(normalised(queries[part]), shape[1], plan)
            found.ids[part] = self.index.ids[rows]
        if found.scanned.any():
            found.ids[found.scanned], found.scores[found.scanned], _ = self._compared(queries[found.scanned], k)
        return found

    def _met(
        self, unit: NDArray[np.float32], k: int, plan: Plan
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """(Q, k) rows and cosines, (Q,) whether fewer matched, so that they mean nothing."""
        near = self.index.candidates.nearest(unit, plan.n_near, plan.effort)
        matching = (near != NONE) & self._mask[near]
        width = max(int(matching.sum(axis=1).max(initial=0)), k)
        first = np.argsort(~matching, axis=1, kind="stable")[:, :width]
        proposed = np.take_along_axis(np.where(matching, near, NONE), first, 1)
        proposed = np.pad(proposed, ((0, 0), (0, width - proposed.shape[1])), constant_values=NONE)
        rows, scores = best(unit, proposed, k, self.index.vectors, self.index.rank)
        return rows, scores, matching[:, : plan.n_near].sum(axis=1) < k

    @cached_property
    def _mask(self) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.index), bool)
        mask[self._places] = True
        return mask

    def _compared(self, queries: NDArray[np.float32], k: int) -> Answers:
        if self._alone is not None:
            return self._alone.answers(queries, k)
        return self.index.scan(queries, k, self._only)

    @cached_property
    def _exactly(self) -> Searched:
        return Searched(
            self.index.kind, exact=True, rows=len(self), filtered=self._only is not None, older=self.index.older
        )

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


def _plan(usual: Effort, tuning: Tuning, k: int, share: float) -> Plan:
    """How to meet k rows of a share, as surely as the usual effort meets as many of all."""
    if not usual.search:
        return Plan(usual)  # every code is compared, and those that do not match are passed over
    n_near = math.ceil((k + _SPARE * math.sqrt(k)) / share)
    return Plan(replace(usual, search=max(math.ceil(usual.search * n_near / tuning.k), usual.search)), n_near)
