"""Which classes are taken for which, and how bad the mistakes are, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric


@dataclass(frozen=True)
class ConfusedPair:
    """How much of a class's neighbourhood another class holds.

    Attributes:
        label: the class whose neighbours are counted.
        other: the class they belong to.
        n_slots: places held, among the k nearest of all queries of the class.
        share: of the places of the class.
        lift: the share over what a blind embedding would give.
    """

    label: str
    other: str
    n_slots: int
    share: float
    lift: float


@dataclass(frozen=True)
class ClassConfusion:
    """One class's neighbourhoods.

    Attributes:
        label: the class.
        purity: share of its places held by its own images; None without queries.
        top: up to three other classes, highest lift first, each with enough places to mean something.
        plausible_fp: share of wrong first neighbours with the same parent; None for flat labels, no mistake,
            or where none could leave the parent.
    """

    label: str
    purity: float | None
    top: tuple[ConfusedPair, ...]
    plausible_fp: float | None


@dataclass(frozen=True)
class Confusion:
    """Who holds whose neighbourhoods.

    Attributes:
        k: neighbours counted for each query.
        labels: C classes in the order of the distance matrix.
        counts: (C, C) places of the row's class held by the column's; None for more classes than a matrix shows.
        pairs: different classes by falling lift, those with enough places to mean something.
        classes: one a class, in the order of ``Evaluation.classes``.
        metrics: neighbour purity and what else sums it up.
        unlabelled: (C,) places of each of ``labels`` held by unlabelled rows; None where those were dropped.
    """

    k: int
    labels: tuple[str, ...]
    counts: NDArray[np.int64] | None
    pairs: tuple[ConfusedPair, ...]
    classes: tuple[ClassConfusion, ...]
    metrics: tuple[Metric, ...]
    unlabelled: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Level:
    """Scores when only the first parts of the labels count.

    Attributes:
        depth: parts that must agree, from 1.
        n_classes: different prefixes of that length.
        p1: precision at 1.
        map_r: mean average precision at R.
    """

    depth: int
    n_classes: int
    p1: Metric
    map_r: Metric


@dataclass(frozen=True)
class Hierarchy:
    """What labels that are paths say: scores by level and how far mistakes go.

    Attributes:
        levels: from the most general to the whole label.
        severity: wrong first neighbours by the height of the node where they meet the right class: levels from
            it down to its deepest label; entry 0 is unused.
        precision: (K,) mean hierarchical precision at 1 to K.
        metrics: hP, hR, hF, hierarchical precision, plausible mistakes, severity.
    """

    levels: tuple[Level, ...]
    severity: tuple[int, ...]
    precision: NDArray[np.float64]
    metrics: tuple[Metric, ...]
