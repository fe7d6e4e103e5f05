"""Labels as a tree: its nodes are whole prefixes, so that ``a#other`` and ``b#other`` are two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError
from bignet.evaluate.labels import check_labels, split_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class Taxonomy:
    """The tree of C labels; the root above all of them has depth 0, a label as many as it has parts.

    Attributes:
        depth: (C,) parts of each label.
        n_levels: L, the largest depth.
        node: (L + 1, C) which prefix of l parts a label begins with, numbered within its level; -1 = it is
            shorter. Level 0 is the root.
        height: (L + 1, C) levels from that prefix down to the deepest label below it; -1 = it is shorter.
    """

    def __init__(self, names: Sequence[str]) -> None:
        paths = [split_label(name) for name in names]
        self.depth = np.array([len(path) for path in paths], dtype=np.int64)
        self.n_levels = int(self.depth.max(initial=0))
        shape = (self.n_levels + 1, len(paths))
        self.node, self.height = np.full(shape, -1, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
        for level in range(self.n_levels + 1):
            long = np.flatnonzero(self.depth >= level)
            number: dict[tuple[str, ...], int] = {}
            own = np.array([number.setdefault(paths[i][:level], len(number)) for i in long], dtype=np.int64)
            deepest = np.zeros(len(number), dtype=np.int64)
            np.maximum.at(deepest, own, self.depth[long])
            self.node[level, long], self.height[level, long] = own, deepest[own] - level

    @property
    def is_flat(self) -> bool:
        """Whether no label has a parent but the root."""
        return self.n_levels < 2

    def shared(self, a: Ints, b: Ints) -> Ints:
        """Two arrays of classes -> how many first parts they share: the depth of their lowest common ancestor."""
        total = np.zeros(np.broadcast_shapes(a.shape, b.shape), dtype=np.int64)
        for node in self.node[1:]:
            total += (node[a] == node[b]) & (node[a] >= 0)
        return total

    def wu_palmer(self, a: Ints, b: Ints) -> Floats:
        """Two arrays of classes -> see ``wu_palmer``."""
        return np.asarray(2.0 * (self.shared(a, b) + 1) / (self.depth[a] + self.depth[b] + 2))

    def level_codes(self, codes: Ints, level: int) -> Ints:
        """(N,) classes, -1 = unlabelled -> (N,) their prefix of that many parts, -1 = unlabelled or shorter."""
        return np.where(codes >= 0, self.node[level][codes], -1) if len(self.depth) else codes

    def relatives(self, codes: Ints, groups: Ints | None, rows: Ints, found: Bools | None = None) -> Ints:
        """(N,) classes and groups, (Q,) labelled positions -> (Q, L + 1, L + 1) other labelled rows by kinship.

        Entry [q, l, d] counts those outside the own group that share the first l parts and have d; of the rows that
        (N,) ``found`` says can be found, None = all.
        """
        n = self.n_levels + 1
        counts = np.zeros((len(rows), n, n), dtype=np.int64)
        labelled = np.flatnonzero(codes >= 0 if found is None else found & (codes >= 0))
        own = (
            np.arange(len(codes))
            if groups is None
            else np.where(groups >= 0, groups, int(groups.max(initial=0)) + 1 + np.arange(len(codes)))
        )
        for level in range(n):
            node = self.level_codes(codes, level)
            deep = labelled[node[labelled] >= 0]
            if not len(deep):
                continue
            depth = self.depth[codes[deep]]
            every = np.bincount(node[deep] * n + depth, minlength=n * (int(node.max(initial=0)) + 1)).reshape(-1, n)
            keys, count = np.unique((own[deep] * len(every) + node[deep]) * n + depth, return_counts=True)
            asked = np.flatnonzero(node[rows] >= 0)
            wanted = (own[rows[asked]] * len(every) + node[rows[asked]])[:, None] * n + np.arange(n)
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            counts[asked, level] = every[node[rows[asked]]] - np.where(keys[place] == wanted, count[place], 0)
        return counts


def wu_palmer(names: Sequence[str]) -> Floats:
    """C labels -> (C, C) similarities 2 depth(a and b) / (depth(a) + depth(b)), 1 for the same label.

    Wu and Palmer 1994, "Verb semantics and lexical selection": depth counts nodes from the root above all
    labels, which has depth 1; ``a and b`` is the lowest common ancestor.
    """
    tree = Taxonomy([str(name) for name in check_labels(range(len(names)), names)])
    every = np.arange(len(names))
    return tree.wu_palmer(every[:, None], every)


def hierarchical_scores(labels: Sequence[str], predicted: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """Q labels and Q predicted ones -> (Q,) hierarchical precision, recall and F of each.

    Kiritchenko, Matwin and Famili 2005: with the prefixes of either label as its ancestors, itself among them
    and the root not, the shared ones over those of the prediction, over those of the label, and over their mean.
    """
    if len(labels) != len(predicted):
        raise MismatchError(f"predicted: found {len(predicted)}; there are {len(labels)} labels")
    names = [str(name) for name in check_labels(range(2 * len(labels)), [*labels, *predicted])]
    tree, place = Taxonomy(names), np.arange(len(labels))
    shared, true, found = tree.shared(place, place + len(place)), tree.depth[: len(place)], tree.depth[len(place) :]
    return shared / found, shared / true, 2.0 * shared / (found + true)
