r"""How two labels stand to each other. Labels may be paths: ``animal#dog``, with ``\#`` for a plain ``#``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAME, PARENT, DIFFERENT, UNLABELLED = range(4)
NAMES = ("same", "parent", "different", "unlabelled")
TITLES = ("same label", "same parent", "different label", "unlabelled")
_LAST_SEPARATOR = re.compile(r"(?<!\\)#(?!.*(?<!\\)#)", re.DOTALL)


def parent_of(label: str) -> str | None:
    """``animal#dog`` -> ``animal``; None for a label without a parent."""
    found = _LAST_SEPARATOR.search(label)
    return label[: found.start()] or None if found else None


@dataclass(frozen=True)
class Relations:
    """The labels of all rows as numbers; -1 where there is none."""

    own: NDArray[np.int64]
    parent: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Sequence[str | None]) -> Relations:
        """N labels -> their codes and their parents' codes, from one numbering."""
        codes: dict[str | None, int] = {None: -1}
        for label in labels:
            codes.setdefault(label, len(codes))
        parents = {label: parent_of(label) for label in list(codes) if label is not None}
        for parent in parents.values():
            codes.setdefault(parent, len(codes))
        own = [codes[label] for label in labels]
        above = [codes[parents[label]] if label is not None else -1 for label in labels]
        return cls(np.array(own, dtype=np.int64), np.array(above, dtype=np.int64))

    def between(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Broadcastable row numbers -> the relation of each pair."""
        a, b, pa, pb = self.own[rows], self.own[others], self.parent[rows], self.parent[others]
        related = ((pa == pb) & (pa >= 0)) | (pa == b) | (pb == a)
        relation = np.where(a == b, SAME, np.where(related, PARENT, DIFFERENT))
        return np.where((a < 0) | (b < 0), UNLABELLED, relation)
