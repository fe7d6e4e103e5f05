"""What is done to queries of a derived store: the steps that its rows went through, and those for queries alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bignet.derive.parameters import fitted_of
from bignet.derive.steps import Step, StepKind, parse_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.derive.fitted import Fitted
    from bignet.store.snapshot import Snapshot


class QuerySteps:
    """The steps of a store; none where its vectors are as an encoder made them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(Q, D) vectors as the encoder makes them -> (Q, d) as the store's rows are.

        Raises:
            UsageError: vectors of another dimension.
            IntegrityError: what was fitted for the steps is damaged.
        """
        return vectors if self._fitted is None else self._fitted.apply(np.atleast_2d(vectors))

    @cached_property
    def expansion(self) -> Step | None:
        """The expansion that every query gets, if any."""
        derived = self._snapshot.embedding().derived
        steps = () if derived is None else parse_steps(derived.steps)
        return next((step for step in steps if step.kind is StepKind.QE), None)

    @cached_property
    def _fitted(self) -> Fitted | None:
        return fitted_of(self._snapshot)
