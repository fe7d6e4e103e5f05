"""Searching: queries in, ids and cosines out, whatever kind of index proposes the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bignet.index import scan
from bignet.index.candidates import Exact
from bignet.index.neighbors import NONE, Neighbors, best, check_queries, normalised, wrong_shape
from bignet.index.tuning import EVERYTHING, Effort
from bignet.index.vectors import InMemory

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from bignet.index.candidates import Candidates
    from bignet.index.tuning import Tuning
    from bignet.index.vectors import Vectors

_QUERIES_A_BLOCK = 1024


class Answers(NamedTuple):
    """Answers to several queries, best first.

    Attributes:
        ids: (Q, n) int64 store ids.
        scores: (Q, n) float64 cosines.
        scanned: (Q,) whether the index came back short and every row that may be an answer was compared.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    scanned: NDArray[np.bool_]


@dataclass(frozen=True)
class Index:
    """Unit vectors by id, and a kind of candidates; ``Index.exact`` compares with every row.

    Attributes:
        ids: (N,) int64 store ids by row.
        vectors: the unit vectors themselves.
        candidates: what proposes rows.
        effort: how hard it looks.
        rank: (N,) row of the store by row of the index: the order of equal scores. NONE for rows that were removed from
            the store since, which are no answers. None: as they come, all of them there.
        kind: its name, see kinds.
        tuning: what is on record about its recall and its time; None where every row is compared.
        older: of which snapshot it is, where that is not the store's; else empty.
    """

    ids: NDArray[np.int64]
    vectors: Vectors
    candidates: Candidates
    effort: Effort = EVERYTHING
    rank: NDArray[np.int64] | None = None
    kind: str = "flat"
    tuning: Tuning | None = None
    older: str = ""

    @classmethod
    def exact(cls, vectors: NDArray[np.float32], ids: NDArray[np.int64]) -> Index:
        """(N, D) vectors of any length and their ids -> an index that compares with all of them."""
        return cls.of_units(normalised(vectors), ids)

    @classmethod
    def of_units(cls, unit: NDArray[np.float32], ids: NDArray[np.int64]) -> Index:
        """(N, D) vectors of length 1, not copied, and their ids -> an index that compares with all of them."""
        held = InMemory(unit)
        return cls(ids, held, Exact(held))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return self.vectors.dims

    @property
    def tuned_for(self) -> int:
        """Neighbours that its recall is about: asked for fewer, it looks no less hard."""
        return 0 if self.tuning is None else self.tuning.k

    @property
    def is_exact(self) -> bool:
        """Whether every row is compared with every query."""
        return isinstance(self.candidates, Exact)

    def search(
        self,
        query: NDArray[np.float32],
        k: int,
        exclude: Collection[int] = (),
        only: NDArray[np.bool_] | None = None,
    ) -> Neighbors:
        """The k rows most similar to one (D,) query; fewer only if there are fewer.

        Args:
            query: need not be of length 1.
            k: how many.
            exclude: ids that are no answers.
            only: (N,) rows that may be answers; None for all.

        Raises:
            UsageError: k below 1, a query of another dimension, with numbers that are not finite, or all zero.
        """
        if query.ndim != 1:
            raise wrong_shape(query.shape, self.dims)
        check_queries(query[None], self.dims, k)
        rows, scores, _ = self._found(normalised(query[None]), k + len(exclude), only)
        ids = self.ids[rows[0]]
        kept = (rows[0] != NONE) & ~np.isin(ids, list(exclude))
        return Neighbors(ids[kept][:k], scores[0][kept][:k])

    def search_many(
        self, queries: NDArray[np.float32], k: int, only: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(Q, D) queries -> (Q, min(k, rows that may be answers)) ids and cosines, best first.

        Raises:
            UsageError: see search.
        """
        ids, scores, _ = self.answers(queries, k, only)
        return ids, scores

    def answers(self, queries: NDArray[np.float32], k: int, only: NDArray[np.bool_] | None = None) -> Answers:
        """As search_many, and which queries it took a scan to answer.

        Raises:
            UsageError: see search.
        """
        check_queries(queries, self.dims, k)
        width = min(k, self.n_allowed(only))
        shape = len(queries), width
        found = Answers(np.empty(shape, np.int64), np.empty(shape), np.zeros(len(queries), bool))
        for start in range(0, len(queries), _QUERIES_A_BLOCK):
            part = slice(start, start + _QUERIES_A_BLOCK)
            rows, found.scores[part], found.scanned[part] = self._found(normalised(queries[part]), width, only)
            found.ids[part] = self.ids[rows]
        return found

    def scan(self, queries: NDArray[np.float32], k: int, only: NDArray[np.bool_] | None = None) -> Answers:
        """As answers, but every row that may be an answer is compared, whatever the kind.

        Raises:
            UsageError: see search.
        """
        check_queries(queries, self.dims, k)
        rows, scores = scan.nearest(self, normalised(queries), k, self.allowed_rows(only))
        return Answers(self.ids[rows], scores, np.ones(len(queries), bool))

    def allowed_rows(self, only: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Rows that may be answers, rising."""
        allowed = self._allowed(only)
        return np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)

    def units(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) ids that are there -> (n, D) their unit vectors."""
        return self.vectors.at(self.rows_of(ids))

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) ids -> (up to n,) their rows, without those that an older index lacks."""
        order, rising = self._by_id
        places = np.minimum(np.searchsorted(rising, ids), len(rising) - 1)
        rows: NDArray[np.int64] = order[places[rising[places] == ids]]
        return rows

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.ids, kind="stable")
        return order, self.ids[order]

    def n_allowed(self, only: NDArray[np.bool_] | None = None) -> int:
        """Rows that may be answers."""
        allowed = self._allowed(only)
        return len(self) if allowed is None else int(allowed.sum())

    def _allowed(self, only: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if only is None or self._alive is None:
            return self._alive if only is None else only
        return only & self._alive

    @cached_property
    def _alive(self) -> NDArray[np.bool_] | None:
        return None if self.rank is None or (self.rank != NONE).all() else self.rank != NONE

    def _found(
        self, unit: NDArray[np.float32], k: int, only: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """(Q, min(k, allowed)) rows and cosines, (Q,) whether it took comparing all, where the index was short."""
        allowed = self._allowed(only)
        k = min(k, self.n_allowed(only))
        if k == 0:
            return np.empty((len(unit), 0), np.int64), np.empty((len(unit), 0)), np.zeros(len(unit), bool)
        proposed = self.candidates.nearest(unit, max(k, self.tuned_for), self.effort, allowed)
        rows, scores = best(unit, proposed, k, self.vectors, self.rank, exactly=self.is_exact)
        short = (rows == NONE).any(axis=1)
        if short.any():
            rows[short], scores[short] = scan.nearest(self, unit[short], k, self.allowed_rows(only))
        return rows, scores, short
