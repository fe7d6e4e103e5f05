"""Rankings deeper than the neighbour graph, of all labelled rows or of a seeded sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_CELLS = 25_000_000  # scores that may be worked out: a few seconds
_FEWEST = 200  # queries below which a sample says too little
_BLOCK_CELLS = 2**22  # float64 scores held at a time: 32 MiB
_PART = 4096
_STEPS = 1e12  # similarity in whole steps of 1e-12, as in the graph, so that equal means equal


@dataclass(frozen=True)
class DeepRanking:
    """Every row that can be found, for some queries.

    Args:
        subject: what is measured.
        queries: (Q,) positions of the queries, ascending.
        estimator: "exact", or how many rows were asked.
    """

    subject: Subject
    queries: Ints
    estimator: str

    def __iter__(self) -> Iterator[tuple[int, Ints]]:
        """Each query and the positions of all rows that can be found outside its group, nearest first, ties by row."""
        rows, groups, findable = self.subject.rows, self.subject.groups, self.subject.findable
        step = max(1, _BLOCK_CELLS // max(1, len(rows)))
        for start in range(0, len(self.queries), step):
            part = self.queries[start : start + step]
            for query, steps in zip(part.tolist(), self._scores(part), strict=True):
                order = _order(steps)
                keep = order != query
                if groups is not None and groups[query] >= 0:
                    keep &= groups[order] != groups[query]
                if findable is not None:
                    keep &= findable[order]
                yield query, order[keep]

    def _scores(self, queries: Ints) -> Floats:
        """(Q,) positions -> (Q, N) similarities in whole steps."""
        rows = self.subject.rows
        scores, left = np.empty((len(queries), len(rows))), rows.unit(queries)
        for start in range(0, len(rows), _PART):
            part = np.arange(start, min(len(rows), start + _PART))
            scores[:, part] = np.rint(left @ rows.unit(part).T * _STEPS)
        return scores


def deep_ranking(subject: Subject) -> DeepRanking | None:
    """A subject -> rankings of as many labelled rows as a few seconds allow; None if that is too few."""
    labelled = np.flatnonzero(subject.may_be_asked & (subject.coded.codes >= 0))
    affordable = _CELLS // max(1, len(subject.rows))
    if affordable >= len(labelled):
        return DeepRanking(subject, labelled, "exact")
    if affordable < _FEWEST:
        return None
    rng = np.random.default_rng([subject.settings.seed, 4])
    drawn = np.sort(rng.choice(labelled, affordable, replace=False))
    return DeepRanking(subject, drawn, f"sampled, {affordable} of {len(labelled)} rows")


def _order(steps: Floats) -> Ints:
    """(N,) similarities in whole steps -> positions by falling similarity, ties by position.

    One number holds both, so that a plain sort does it: several times faster than sorting positions.
    """
    keys = np.arange(len(steps)) - steps.astype(np.int64) * len(steps)
    keys.sort()
    return np.asarray(keys % len(steps))
