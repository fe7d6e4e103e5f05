"""How far classes stand apart, as plain data: pair scores, silhouettes and scale-free distances of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold on the similarity does: pairs at or above it are called the same.

    Attributes:
        far: false accept rate asked for, of different-class pairs.
        tar: true accept rate reached, of same-class pairs.
        threshold: the similarity.
    """

    far: float
    tar: float
    threshold: float


@dataclass(frozen=True)
class PairScores:
    """Similarities of same-class pairs against those of different-class pairs.

    Attributes:
        n_same: pairs of one class that were scored.
        n_different: pairs of two classes that were scored.
        sampled: whether they are a sample of all pairs.
        eer: equal error rate.
        eer_threshold: the similarity it is reached at.
        points: the true accept rate at each false accept rate asked for.
        edges: (B + 1,) similarities between the bars of the histogram, ascending.
        same: (B,) share of same-class pairs in each bar, classes weighted equally; sums to 1.
        different: (B,) the same of different-class pairs.
    """

    n_same: int
    n_different: int
    sampled: bool
    eer: float
    eer_threshold: float
    points: tuple[OperatingPoint, ...]
    edges: NDArray[np.float64]
    same: NDArray[np.float64]
    different: NDArray[np.float64]


@dataclass(frozen=True)
class ClassSpreadRow:
    """One class: its silhouette and the class it is hardest to tell from, free of scale.

    Attributes:
        label: the class.
        silhouette: mean over its images; None if it has one image.
        cdnv: largest class-distance normalised variance to another class (high = hard to tell apart); None
            where undefined.
        cdnv_class: the class that is to; None where undefined.
        cdnv_min: the smallest to another class, that it is easiest to tell from; None where undefined.
    """

    label: str
    silhouette: float | None
    cdnv: float | None
    cdnv_class: str | None
    cdnv_min: float | None = None


@dataclass(frozen=True)
class Separation:
    """Everything about how far classes stand apart, besides the matrix of distances.

    Attributes:
        metrics: pair AUROC, accept rates, silhouette, contrast, alignment.
        pairs: None without a pair of each kind.
        silhouette: (N,) cosine silhouette of every row; NaN = unlabelled.
        classes: one a class, in the order of ``Evaluation.classes``.
    """

    metrics: tuple[Metric, ...]
    pairs: PairScores | None
    silhouette: NDArray[np.float64]
    classes: tuple[ClassSpreadRow, ...]
