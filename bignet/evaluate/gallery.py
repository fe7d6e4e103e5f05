"""Who is asked, and what can be found: leave-one-out, groups, splits, folds, and samples of large stores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

FEWEST_OF_CLASS = 20  # queries drawn of each class at least, where it has as many


@dataclass(frozen=True)
class Gallery:
    """What each of N rows may find, and which rows are asked.

    Attributes:
        codes: (N,) class of each row, -1 = unlabelled.
        asked: (N,) True for rows that may be asked.
        findable: (N,) True for rows that can be a neighbour.
        member: (N,) True for rows that can be found where labels are judged; all of them findable.
        apart: (N,) codes; rows of one code are never each other's neighbours, -1 = of none; None = no such codes.
    """

    codes: Ints
    asked: Bools
    findable: Bools
    member: Bools
    apart: Ints | None = None

    @property
    def size(self) -> int:
        """Rows that can be found, the query among them."""
        return int(self.member.sum())

    @cached_property
    def n_relevant(self) -> Ints:
        """(N,) how many rows with its label a row may find; -1 = no query: not asked, unlabelled, or none."""
        found = self.alike(self.codes)
        return np.where(self.asked & (self.codes >= 0) & (found > 0), found, -1)

    @cached_property
    def n_others(self) -> Ints:
        """(N,) how many rows each may find where labels are judged."""
        return self.alike(np.zeros(len(self.codes), dtype=np.int64))

    @cached_property
    def queries(self) -> Ints:
        """Positions of the rows that are asked for their label."""
        return np.flatnonzero(self.n_relevant > 0)

    @property
    def plain(self) -> bool:
        """Whether every labelled row is asked and everything but itself can be found."""
        return self.apart is None and bool(self.asked.all() and self.findable.all())

    def alike(self, nodes: Ints) -> Ints:
        """(N,) codes, -1 = none -> (N,) members of the same code that each row may find."""
        known = self.member & (nodes >= 0)
        place = np.maximum(nodes, 0)
        total = np.bincount(nodes[known], minlength=int(place.max(initial=0)) + 1)[place]
        hidden = known.astype(np.int64)  # the row itself
        if self.apart is not None and len(nodes):
            pair = np.maximum(self.apart, 0) * (place.max() + 1) + place
            _, pair = np.unique(pair, return_inverse=True)
            inside = np.bincount(pair[known & (self.apart >= 0)], minlength=int(pair.max()) + 1)[pair]
            hidden = np.where(self.apart >= 0, inside, hidden)
        return np.where(nodes >= 0, total - hidden, 0)

    def hidden(self, queries: Ints) -> Bools | None:
        """(Q,) rows -> (Q, N) True for rows kept apart from them; None if there are none."""
        if self.apart is None:
            return None
        own = self.apart[queries, None]
        return np.asarray((own == self.apart) & (own >= 0))

    def together(self) -> Gallery:
        """The same without keeping rows apart."""
        return replace(self, apart=None)

    def capped(self, most: int, seed: int) -> Gallery:
        """The same with at most so many findable rows of each class, drawn at random."""
        kept = np.flatnonzero(self.codes < 0)
        shuffled = np.random.default_rng([seed, 3]).permutation(np.flatnonzero(self.member & (self.codes >= 0)))
        place = _places_in_class(self.codes[shuffled])
        member = np.zeros(len(self.codes), dtype=bool)
        member[kept] = self.member[kept]
        member[shuffled[place < most]] = True
        return replace(self, member=member)


def label_gallery(codes: Ints, unlabelled: str) -> Gallery:
    """(N,) codes -> all against all; unlabelled rows leave ("drop") or stay in as wrong ("distractor")."""
    every = np.ones(len(codes), dtype=bool)
    return Gallery(codes, every, every, codes >= 0 if unlabelled == "drop" else every)


def sampled_queries(gallery: Gallery, n: int, seed: int) -> Ints:
    """About ``n`` rows to ask, ascending: by class in proportion, some of each class; at random without labels."""
    rng = np.random.default_rng([seed, 2])
    if not len(gallery.queries):
        able = np.flatnonzero(gallery.asked)
        return np.sort(rng.choice(able, size=min(n, len(able)), replace=False))
    shuffled = rng.permutation(gallery.queries)
    codes = gallery.codes[shuffled]
    share = np.ceil(np.bincount(codes) * (n / len(codes))).astype(np.int64)
    wanted = np.maximum(share, FEWEST_OF_CLASS)[codes]
    return np.sort(shuffled[_places_in_class(codes) < wanted])


def stratified_folds(codes: Ints, units: Ints, n_folds: int, seed: int) -> Ints:
    """(N,) classes and (N,) units -> (N,) fold of each row; a unit stays whole, and classes are spread evenly.

    Units come in random order, the largest first, each to the fold with the fewest rows of its most common class, the
    smallest fold on a tie.

    Args:
        codes: classes, -1 = unlabelled.
        units: rows of one code stay together, -1 = alone.
        n_folds: how many.
        seed: fixes the order.
    """
    alone = np.flatnonzero(units < 0)
    whole = units.copy()
    whole[alone] = units.max(initial=-1) + 1 + np.arange(len(alone))
    _, unit, sizes = np.unique(whole, return_inverse=True, return_counts=True)
    classes = _most_common(unit, codes + 1)
    order = np.random.default_rng([seed, 4]).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((int(classes.max(initial=0)) + 1, n_folds), dtype=np.int64)
    total, fold = np.zeros(n_folds, dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    for number in order:
        own = held[classes[number]]
        fold[number] = best = np.lexsort((total, own))[0]
        own[best] += sizes[number]
        total[best] += sizes[number]
    return np.asarray(fold[unit], dtype=np.int64)


def _most_common(unit: Ints, codes: Ints) -> Ints:
    """(N,) units and codes from 0 -> (U,) the most common code of each unit, the lowest on a tie."""
    width = int(codes.max(initial=0)) + 1
    pairs, counts = np.unique(unit * width + codes, return_counts=True)
    order = np.lexsort((pairs % width, -counts, pairs // width))
    _, first = np.unique(pairs[order] // width, return_index=True)
    return np.asarray(pairs[order][first] % width)


def _places_in_class(codes: Ints) -> Ints:
    """(M,) codes -> (M,) how many of the same code come before each."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=1)
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place
