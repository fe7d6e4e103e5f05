"""The labelled rows that were asked for their neighbours, and the neighbours that a label metric looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.own_group import group_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_CELLS = 2**20


@dataclass(frozen=True)
class Asked:
    """Q labelled rows and their nearest rows that can be found, in the order of the graph.

    Attributes:
        rows: (Q,) positions of the rows asked.
        near: (Q, K) positions, nearest first; -1 pads lists with fewer.
        complete: (Q,) True where the list holds every row that can be found.
        n_others: (Q,) how many can be found: the gallery less the own group.
        n_relevant: (Q,) how many of them bear the row's label.
        weight: (Q,) rows of the class each stands for; 1 where every row was asked.
        n_rows: labelled rows that may be asked, asked or not.
        gallery_size: rows that can be found, the query among them if it can.
    """

    rows: Ints
    near: Ints
    complete: Bools
    n_others: Ints
    n_relevant: Ints
    weight: Floats
    n_rows: int
    gallery_size: int

    def only(self, keep: Bools) -> Asked:
        """(Q,) flags -> those rows."""
        fields = ("rows", "near", "complete", "n_others", "n_relevant", "weight")
        return replace(self, **{name: getattr(self, name)[keep] for name in fields}) if not keep.all() else self

    @property
    def estimator(self) -> str:
        """How the queries were chosen: ``exact`` = every row was asked."""
        if len(np.unique(self.weight)) < 2 and (self.weight == 1).all():
            return "exact"
        return f"sampled, {len(self.rows)} of {self.n_rows} rows by class"


def asked_rows(subject: Subject, *, unlabelled: bool) -> Asked:
    """A subject -> its labelled rows among those asked.

    Args:
        subject: what was measured.
        unlabelled: True = unlabelled rows can be found; False = they are passed over, and the next labelled
            ones in the list of the graph are taken, as far as the list goes.
    """
    codes, graph, found = subject.coded.codes, subject.graph, subject.found
    positions = np.arange(len(codes)) if graph.queries is None else graph.queries
    labelled = codes[positions] >= 0
    rows, near = positions[labelled], (graph.rows if labelled.all() else graph.rows[labelled]).astype(np.int64)
    member = found if unlabelled else found & (codes >= 0)
    one, able = np.zeros(len(codes), dtype=np.int64), codes[subject.may_be_asked & (codes >= 0)]
    population = np.bincount(able, minlength=len(subject.names))
    asked = np.bincount(codes[rows], minlength=len(subject.names))
    alike = np.bincount(codes[found & (codes >= 0)], minlength=len(subject.names))
    return Asked(
        rows=rows,
        near=near if np.array_equal(member, found) else kept_first(near, member),
        complete=(near >= 0).sum(axis=1) >= found.sum() - _own_sizes(one, subject.groups, found)[rows],
        n_others=int(member.sum()) - _own_sizes(one, subject.groups, member)[rows],
        n_relevant=alike[codes[rows]] - _own_sizes(codes, subject.groups, found)[rows],
        weight=population[codes[rows]] / np.maximum(asked, 1)[codes[rows]],
        n_rows=len(able),
        gallery_size=int(member.sum()),
    )


def kept_first(near: Ints, member: Bools) -> Ints:
    """(Q, K) positions and (N,) flags -> (Q, K) the flagged ones in their order, -1 after the last."""
    kept = np.empty_like(near)
    step = max(1, _CELLS // max(1, near.shape[1]))
    for start in range(0, len(near), step):
        part = near[start : start + step]
        out = (part < 0) | ~member[part]
        order = np.argsort(out, axis=1, kind="stable")
        kept[start : start + step] = np.take_along_axis(np.where(out, -1, part), order, 1)
    return kept


def _own_sizes(codes: Ints, groups: Ints | None, counted: Bools) -> Ints:
    """(N,) classes and groups -> (N,) rows counted of the row's own class and group, the row itself too if counted."""
    cells = group_cells(codes, groups)
    return np.bincount(cells[counted], minlength=len(cells))[cells]
