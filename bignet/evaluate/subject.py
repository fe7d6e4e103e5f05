"""What every family of measurements starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.labels import CodedLabels
    from bignet.evaluate.result import Excluded, KnnGraph, PerQuery
    from bignet.evaluate.settings import EvaluateSettings
    from bignet.evaluate.unit_rows import UnitRows


@dataclass(frozen=True)
class Subject:
    """One embedding's usable rows, their labels and their neighbours; N rows, positions 0 to N - 1.

    Attributes:
        rows: the vectors, read in pieces; never hold a second copy of all of them.
        ids: (N,) store ids, by which everything is named to the outside.
        coded: class codes, -1 = unlabelled.
        groups: (N,) integer codes, rows of one group are never each other's neighbours; -1 = in no group;
            None = there are no groups.
        graph: the nearest neighbours, of all rows or of those asked.
        per_query: label scores of the rows asked.
        excluded: rows that are no queries, counted by reason.
        settings: as evaluated.
        findable: (N,) True for rows that can be a neighbour, the others being those asked; None = every row, and all
            may be asked.
    """

    rows: UnitRows
    ids: NDArray[np.int64]
    coded: CodedLabels
    groups: NDArray[np.int64] | None
    graph: KnnGraph
    per_query: PerQuery
    excluded: Excluded
    settings: EvaluateSettings
    findable: NDArray[np.bool_] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """C class names in code order."""
        return self.coded.names

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N,) True for rows that can be a neighbour."""
        return np.ones(len(self.rows), dtype=bool) if self.findable is None else self.findable

    @property
    def may_be_asked(self) -> NDArray[np.bool_]:
        """(N,) True for rows that are asked, or of which those asked are a sample."""
        return np.ones(len(self.rows), dtype=bool) if self.findable is None else ~self.findable
