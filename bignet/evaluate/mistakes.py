"""First neighbours of another class: how far off they are, and whether a person would forgive them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.asked import Asked, asked_rows
from bignet.evaluate.taxonomy import Taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FirstNeighbours:
    """Q queries that are not alone in their class, and the class of the nearest labelled row of each.

    Attributes:
        asked: the queries.
        own: (Q,) their classes.
        found: (Q,) the classes of their nearest neighbours.
    """

    asked: Asked
    own: Ints
    found: Ints

    @property
    def wrong(self) -> Bools:
        """(Q,) True where the neighbour is of another class."""
        return np.asarray(self.own != self.found)

    def plausible(self, tree: Taxonomy) -> Bools:
        """(Q,) True where the neighbour lies under the parent of the own class, below the root."""
        depth = tree.depth[self.own]
        return np.asarray((depth > 1) & (tree.shared(self.own, self.found) >= depth - 1))


def first_neighbours(subject: Subject) -> FirstNeighbours:
    """A subject -> the nearest labelled row of every query; a query whose list holds none is left out."""
    asked = asked_rows(subject, unlabelled=False)
    has = asked.near[:, 0] >= 0 if asked.near.shape[1] else np.zeros(len(asked.rows), dtype=bool)
    asked = asked.only((asked.n_relevant > 0) & has)
    codes = subject.coded.codes
    first = asked.near[:, 0] if asked.near.shape[1] else asked.rows
    return FirstNeighbours(asked, codes[asked.rows], codes[first])


def plausible_by_class(subject: Subject) -> list[float | None]:
    """A subject -> for each class, by code, the share of its mistakes that stay under its parent.

    None without a mistake, and where none could leave the parent.
    """
    tree, n = Taxonomy(subject.names), len(subject.names)
    if tree.is_flat:
        return [None] * n
    first = first_neighbours(subject)
    counted = first.wrong & (tree.depth[first.own] > 1) & ~_confined(subject, tree)[first.own]
    mistakes = np.bincount(first.own[counted], minlength=n)
    plausible = np.bincount(first.own[counted & first.plausible(tree)], minlength=n)
    return [float(some / all_) if all_ else None for some, all_ in zip(plausible, mistakes, strict=True)]


def _confined(subject: Subject, tree: Taxonomy) -> Bools:
    """(C,) True for classes under whose parent all others lie that can be found."""
    codes, every = subject.coded.codes, np.zeros(len(subject.names), dtype=bool)
    named, confined = every.copy(), every
    named[codes[subject.found & (codes >= 0)]] = True
    for level in range(1, tree.n_levels):
        node, under = tree.node[level], np.flatnonzero(tree.depth == level + 1)
        held = np.bincount(node[named & (node >= 0)], minlength=int(node.max()) + 1)
        confined[under] = held[node[under]] == named.sum()  # the class itself among them, or in neither
    return confined
