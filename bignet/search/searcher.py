"""A store opened for searching: an index or vectors in memory, names at hand, the network only if needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import UsageError
from bignet.index import disk
from bignet.index.neighbors import NONE, SAME, Neighbors, normalise, wrong_shape
from bignet.index.scan import first_of_each
from bignet.index.search import Index
from bignet.index.selection import Selection
from bignet.search import filters
from bignet.search.expand import ALPHA, expanded
from bignet.search.queries import Reader
from bignet.search.results import Answer, Hit
from bignet.search.rows import Rows
from bignet.search.settings import Opening

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from bignet.index.selection import Searched
    from bignet.search.results import Query
    from bignet.search.settings import SearchSettings
    from bignet.store.snapshot import Snapshot

# Filters and groupings that are kept for the next query.
_KEPT = 4
# Hits looked at for each group wanted, before all rows are.
_HITS_A_GROUP = 8


@dataclass(frozen=True)
class _Groups:
    """The value of ``group_by``: its number by row of the store and by row of the index, and what it is by number."""

    by_row: NDArray[np.int64]
    by_index_row: NDArray[np.int64]
    values: list[Any]


class Searcher:
    """Answers any number of queries; what was opened or worked out for one is there for the next."""

    def __init__(self, snapshot: Snapshot, opening: Opening = Opening()) -> None:  # noqa: B008 - frozen
        self.snapshot = snapshot
        self.spec = snapshot.embedding(opening.embedding)
        self.rows = Rows(snapshot)
        self.reader = Reader(self.rows, opening, self._vector_of)
        self.opening = opening
        self._selections: dict[str | None, Selection] = {}
        self._groupings: dict[str, _Groups] = {}

    @cached_property
    def index(self) -> Index:
        """What is searched.

        Raises:
            MismatchError, IntegrityError: the index does not belong to the store, or is damaged.
        """
        opening, name = self.opening, self.spec.name
        whole = self.snapshot.left_out is None  # an index holds rows that are left out
        if whole and not opening.exact and disk.exists(self.snapshot, name):
            return disk.open_index(self.snapshot, name, stale_ok=opening.stale_ok)
        return Index.of_units(normalise(self.snapshot.vectors(name)), self.rows.ids)

    def answer(self, query: Query, settings: SearchSettings) -> Answer:
        """The most similar rows, best first.

        Raises:
            UsageError: the query's vector, the condition or the column to group by does not fit.
            MismatchError, IntegrityError: see index.
        """
        return self.answer_all([query], settings)[0]

    def answer_all(self, queries: Sequence[Query], settings: SearchSettings) -> list[Answer]:
        """Several queries at a time, each with its own answer.

        Raises:
            UsageError, MismatchError, IntegrityError: see answer.
        """
        self.prepare(settings)
        if not queries:
            return []
        hits, alpha = self._expansion(settings)
        asked = [self._expanded(query, settings, hits, alpha) for query in queries] if hits else queries
        if settings.group_by is not None:
            found = [self._grouped(query, settings) for query in asked]
        elif settings.most is None:
            found = [self._within(query, settings) for query in asked]
        else:
            found = self._nearest(asked, settings, settings.most)
        named = zip(queries, found, strict=True)
        return [Answer(query, self._hits(hits, settings), how) for query, (hits, how) in named]

    def prepare(self, settings: SearchSettings) -> None:
        """Open and work out all that settings ask for, so that what is wrong with them is known before a query is.

        Raises:
            UsageError, MismatchError, IntegrityError: see answer.
        """
        if not len(self.snapshot):
            raise UsageError(f"store {self.snapshot.path} has no embedded images; there is nothing to search")
        self._selection(settings)
        if settings.group_by is not None:
            self._groups(settings)

    def _nearest(self, queries: Sequence[Query], settings: SearchSettings, k: int) -> list[tuple[Neighbors, Searched]]:
        """The k best of each that may be answers and reach the threshold."""
        vectors = [self._checked(query.vector) for query in queries]
        own = [query.own_ids if settings.exclude_self else frozenset[int]() for query in queries]
        more = k + max(map(len, own))
        selection = self._selection(settings)
        # An index was tuned on queries like images; of one that lies elsewhere it may find next to nothing.
        search = selection.compared if any(query.subtracts for query in queries) else selection.nearest
        answers, how = search(np.stack(vectors), more)
        found = [Neighbors(*each) for each in zip(answers.ids, answers.scores, strict=True)]
        if not how.exact:  # a graph may miss even the query's own row
            asked = zip(found, queries, vectors, strict=True)
            found = [selection.with_rows(hits, vector, query.own_ids) for hits, query, vector in asked]
        each = zip(found, answers.scanned, own, strict=True)
        return [
            (_kept(hits, ignored, settings, k), replace(how, scanned=int(scanned) * (not how.exact)))
            for hits, scanned, ignored in each
        ]

    def _within(self, query: Query, settings: SearchSettings) -> tuple[Neighbors, Searched]:
        """All that reach the threshold."""
        threshold = -1.0 if settings.threshold is None else settings.threshold
        found, how = self._selection(settings).within(self._checked(query.vector), threshold)
        return _kept(found, query.own_ids if settings.exclude_self else (), settings, len(found.ids)), how

    def _grouped(self, query: Query, settings: SearchSettings) -> tuple[Neighbors, Searched]:
        """The best of each group: among the best hits if those hold enough groups, else among all rows."""
        groups, selection = self._groups(settings), self._selection(settings)
        own = query.own_ids if settings.exclude_self else frozenset[int]()
        wanted = max(len(groups.values), 1) if settings.most is None else settings.most
        if _HITS_A_GROUP * wanted < len(selection):
            (found, how), *_ = self._nearest([query], replace(settings, threshold=None), _HITS_A_GROUP * wanted)
            firsts = first_of_each(groups.by_row[self.rows.of_ids(found.ids)].tolist())
            if len(firsts) >= wanted:
                return _kept(Neighbors(found.ids[firsts], found.scores[firsts]), (), settings, wanted), how
        found, how = selection.best_of_groups(self._checked(query.vector), wanted, groups.by_index_row, own)
        return _kept(found, (), settings, wanted), how

    def _expansion(self, settings: SearchSettings) -> tuple[int, float]:
        """Hits to average a query with, and the power of their cosine: as asked for, else as the store's steps say."""
        step = self.reader.steps.expansion
        return (settings.expand, ALPHA) if settings.expand or step is None else (step.count, step.power)

    def _expanded(self, query: Query, settings: SearchSettings, hits: int, alpha: float) -> Query:
        """The query averaged with its best hits, itself not among them."""
        alone = replace(settings, exclude_self=True, threshold=None, group_by=None)
        (found, _), *_ = self._nearest([query], alone, hits)
        return replace(query, vector=expanded(query.vector, self.index.units(found.ids), found.scores, alpha))

    def _vector_of(self, row: int) -> NDArray[np.float32]:
        """A stored row's, from what is searched if it is in there: reading a shard takes longer than a search."""
        places = self._index_rows[row : row + 1]
        found = self.snapshot.vectors_at([row], self.spec.name) if places[0] == NONE else self.index.vectors.at(places)
        vector: NDArray[np.float32] = found[0]
        return vector

    @cached_property
    def _index_rows(self) -> NDArray[np.int64]:
        """(N,) row of the index by row of the store, NONE where an older index lacks it."""
        rank = self.index.rank
        if rank is None:
            return np.arange(len(self.index))
        rows = np.full(len(self.snapshot), NONE)
        rows[rank[rank != NONE]] = np.flatnonzero(rank != NONE)
        return rows

    def _checked(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the right shape, so that it can be put beside others."""
        if vector.shape != (self.index.dims,):
            raise wrong_shape(vector.shape, self.index.dims)
        return vector

    def _selection(self, settings: SearchSettings) -> Selection:
        """The rows that meet the condition."""
        where = settings.where
        if where not in self._selections:
            only = None if where is None else self._by_index_row(filters.matching(self.snapshot, where), missing=0)
            _remember(self._selections, where, Selection(self.index, only))
        return self._selections[where]

    def _groups(self, settings: SearchSettings) -> _Groups:
        expression = settings.group_by or ""
        if expression not in self._groupings:
            codes, values = filters.grouped(self.snapshot, expression)
            _remember(self._groupings, expression, _Groups(codes, self._by_index_row(codes, missing=0), values))
        return self._groupings[expression]

    def _by_index_row(self, values: NDArray[Any], missing: int) -> NDArray[Any]:
        """(N,) values by row of the store -> by row of the index, which may be of an older snapshot."""
        rank = self.index.rank
        return (
            values if rank is None else np.where(rank >= 0, values[np.maximum(rank, 0)], missing).astype(values.dtype)
        )

    def _hits(self, found: Neighbors, settings: SearchSettings) -> tuple[Hit, ...]:
        rows, names = self.rows.of_ids(found.ids).tolist(), self.rows
        values = [None] * len(rows)
        if settings.group_by is not None:
            groups = self._groups(settings)
            values = [groups.values[groups.by_row[row]] for row in rows]
        each = zip(found.ids.tolist(), rows, found.scores.tolist(), values, strict=True)
        return tuple(Hit(row_id, names.path(row), score, names.label(row), value) for row_id, row, score, value in each)


def _kept(found: Neighbors, ignored: Collection[int], settings: SearchSettings, k: int) -> Neighbors:
    """The first k that are not to be ignored and reach the threshold."""
    kept = np.full(len(found.ids), fill_value=True) if not ignored else ~np.isin(found.ids, list(ignored))
    if settings.threshold is not None:
        kept &= found.scores >= settings.threshold - SAME
    return Neighbors(found.ids[kept][:k], found.scores[kept][:k])


def _remember(kept: dict[Any, Any], key: object, value: object) -> None:
    """The oldest goes when there are too many."""
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)), None)
    kept[key] = value
