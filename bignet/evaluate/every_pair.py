"""Exact cosine similarity between few rows: of all pairs at once, each product serving two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.candidates import candidates
from bignet.evaluate.cosine import DECIMALS, Cosines, first_copies
from bignet.evaluate.ranked import Ranked, in_order
from bignet.evaluate.unit_rows import parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.pair_draw import Pairs
    from bignet.evaluate.unit_rows import UnitRows

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Scores = NDArray[np.floating[Any]]

_CELLS = 2**22  # pairs, and numbers in all, up to which rows are few: 32 MiB of float64 each
_PART = 2**18  # pairs finished in one go: stay in the processor's cache
_BLOCK_CELLS = 2**19  # pairs of a block: likewise, for nothing is multiplied


def cosines_of(rows: UnitRows) -> Cosines:
    """N unit rows -> what scores them: where they are few, all pairs at once."""
    return EveryPair(rows) if are_few(len(rows), rows.dim) else Cosines(rows)


def are_few(n_rows: int, dim: int) -> bool:
    """Whether all pairs of so many rows of so many numbers are scored at once."""
    return 0 < n_rows * max(n_rows, dim) <= _CELLS


class EveryPair(Cosines):
    """As ``Cosines``, of rows whose similarities all fit into memory: float64 from the start, nothing left in doubt."""

    def __init__(self, rows: UnitRows) -> None:
        self.rows = rows
        self._scores = _scores(rows)

    @property
    def block_size(self) -> int:
        """Queries of a block."""
        return max(1, _BLOCK_CELLS // len(self))

    def block(self, queries: Ints, buffer: Scores | None = None) -> Scores:
        """(Q,) positions -> (Q, N) exact similarity; the query itself included."""
        return self.double_block(queries)

    def double_block(self, queries: Ints) -> Floats:
        """As ``block``."""
        return np.asarray(self._scores[queries])

    def slack(self, scores: Scores) -> float:
        """One step of the rounding."""
        return 10.0**-DECIMALS

    def crowded(self, scores: Scores, n_unsure: int) -> bool:
        """Never: no score is in doubt."""
        return False

    def exact(self, queries: Ints, rows: Ints) -> Floats:
        """(P,) and (P,) positions -> (P,) float64 similarity rounded to 1e-12, alike for copies."""
        return np.asarray(self._scores[queries, rows])

    def of_pairs(self, pairs: Pairs) -> Floats:
        """(P,) cosines of pairs."""
        return np.asarray(self._scores[pairs.left, pairs.right])

    def nearest(
        self,
        queries: Ints,
        scores: Scores,
        depth: int,
        exact_depth: int = 0,
        columns: Ints | None = None,
    ) -> Ranked:
        """As ``Cosines.nearest``, every similarity exact."""
        found, near = candidates(scores, depth, 0.0)
        return in_order(
            found if columns is None else np.where(found >= 0, columns[found], -1), near.astype(np.float64, copy=False)
        )


def _scores(rows: UnitRows) -> Floats:
    """N rows -> (N, N) cosines rounded to 1e-12, alike for copies."""
    raw, first = rows.raw_span(slice(0, len(rows))), first_copies(rows)
    scores = raw @ raw.T
    for part in parts(len(rows), len(rows), _PART):
        some = scores[part]
        some /= rows.norms[part, None] * rows.norms
        np.clip(np.round(some, DECIMALS, out=some), -1.0, 1.0, out=some)
    return scores if first is None else scores[np.ix_(first, first)]
