"""What is the same for every choice of a sweep: which images, their classes, who is asked, and the two halves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bignet.evaluate.gallery import Gallery, label_gallery
from bignet.evaluate.sweep.halves import reported_half
from bignet.evaluate.taxonomy import Taxonomy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.labels import CodedLabels

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Design:
    """N images, positions 0 to N - 1, that every choice is scored on.

    Attributes:
        ids: (N,).
        coded: class codes, -1 = unlabelled.
        groups: (N,) codes, -1 = in no group; None = no groups.
        reported: (N,) True for the half that is reported on.
        estimator: "exact", or how the images were drawn.
    """

    ids: Ints
    coded: CodedLabels
    groups: Ints | None
    reported: Bools
    estimator: str

    @classmethod
    def of(cls, ids: Ints, coded: CodedLabels, groups: Ints | None, estimator: str, seed: int) -> Design:
        """Images and how they were drawn -> the same, cut in two halves by the seed."""
        return cls(ids, coded, groups, reported_half(ids, coded.codes, groups, seed), estimator)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def gallery(self) -> Gallery:
        """Every image against all others; unlabelled ones are found by nobody who is asked for a label."""
        return replace(label_gallery(self.coded.codes, "drop"), apart=self.groups)

    @cached_property
    def halves(self) -> tuple[Gallery, Gallery]:
        """The half that chooses and the half that is reported, each among its own images."""
        chosen, reported = (self._half(part) for part in (~self.reported, self.reported))
        return chosen, reported

    @cached_property
    def tree(self) -> Taxonomy:
        """Of the class names."""
        return Taxonomy(self.coded.names)

    @property
    def labels(self) -> tuple[str | None, ...]:
        """(N,) None = unlabelled."""
        return tuple(None if code < 0 else self.coded.names[code] for code in self.coded.codes.tolist())

    def _half(self, part: Bools) -> Gallery:
        return Gallery(self.coded.codes, part, part, part & (self.coded.codes >= 0), self.groups)
