"""What a sweep is judged on: images that every model could embed, their labels, and altered copies of some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SweepImages:
    """The images that a sweep was asked for.

    Attributes:
        ids: (N,) distinct, in the order in which everything is given.
        paths: (N,) relative to the images' root.
        labels: (N,) ``#``-separated from general to particular if hierarchical, None = unlabelled; None = no labels.
        groups: (N,) what images of one video, product or session share, None = nothing: they are no neighbours of
            each other; None = no groups.
        held: store (``Choice.store``) -> ids of the rows that ``read`` gives for its choices, in their order. An image
            that some store does not hold is left out for all.
    """

    ids: Ints
    paths: Sequence[bytes]
    labels: Sequence[str | None] | None
    held: Mapping[str, Ints]
    groups: Sequence[object] | None = None


@dataclass(frozen=True)
class AlteredCopies:
    """Vectors of altered copies of some images: rotated, scaled, blurred ...

    Attributes:
        ids: (n,) of the images altered, the same for every choice.
        alterations: A pairs of a transform and its strength, such as ("rotate", 15.0).
        vectors: (A, n, D) float32; a row of NaN where a copy could not be embedded.
    """

    ids: Ints
    alterations: tuple[tuple[str, float], ...]
    vectors: NDArray[np.float32]
