"""The headline family without keeping groups apart, and the columns that scores are gathered in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate import deletions, retrieval
from bignet.evaluate.chance import chance_precision
from bignet.evaluate.influence import Influences
from bignet.evaluate.scores import Scored, at_r, at_r_effects, chance_at_r

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bignet.evaluate.gallery import Gallery
    from bignet.evaluate.view import Seen

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


class Columns:
    """Scores of the queries by name, filled in block by block."""

    def __init__(self, queries: Ints) -> None:
        self._queries = queries
        self.columns: dict[str, Floats] = {}

    def put(self, queries: Ints, values: Mapping[str, Floats]) -> None:
        """(P,) of the queries and what each scored."""
        place = np.searchsorted(self._queries, queries)
        for name, column in values.items():
            self.columns.setdefault(name, np.full(len(self._queries), np.nan))[place] = column


class Together:
    """The headline family without keeping groups apart; nobody is asked where there are no groups."""

    def __init__(self, gallery: Gallery, capped: Gallery) -> None:
        self._groups = gallery.apart is not None
        self._gallery = gallery.together()
        self._capped = self._gallery if capped is gallery else capped.together()
        self.asked = (self._gallery.n_relevant > 0) & self._groups
        self._scores = Columns(self._gallery.queries)
        self.influences = Influences(self._gallery)

    def depth(self, queries: Ints) -> int:
        """Places to rank for the scores at R."""
        return int(self._capped.n_relevant[queries].max(initial=1)) + 1

    def put(self, queries: Ints, seen: Seen) -> None:
        """Scores a block."""
        own = self._gallery.codes[queries, None]
        first, deep = (
            (self._gallery.codes[ranked.rows] == own) & (ranked.rows >= 0)
            for ranked in (seen.together, seen.together_capped)
        )
        n_relevant = self._capped.n_relevant[queries]
        values = {"p@1": retrieval.precision_at_k(first, 1), **at_r(deep, n_relevant)}
        self._scores.put(queries, values)
        if self._capped is self._gallery:
            effects = {"p@1": deletions.precision_at_k(first, n_relevant, 1), **at_r_effects(deep, n_relevant)}
            for name, found in effects.items():
                self.influences.put(name, queries, seen.together.rows, found)

    def scored(self) -> Scored | None:
        """Scores and what chance gives."""
        if not self._groups:
            return None
        queries = self._gallery.queries
        first = chance_precision(self._gallery.n_relevant[queries], self._gallery.n_others[queries])
        chance = {"p@1": first, **chance_at_r(self._capped, queries)}
        influences = self.influences if self._capped is self._gallery else None
        return Scored(queries, self._scores.columns, chance, influences=influences)
