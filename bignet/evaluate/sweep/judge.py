"""Judges the choices of a sweep: scores each, compares them fairly, and says which to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.evaluate.sweep.settings import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.clock import Progress
    from bignet.evaluate.sweep.images import AlteredCopies, SweepImages
    from bignet.evaluate.sweep.result import Choice, Cost, Sweep


def judge(  # noqa: PLR0913 - what was embedded, what it cost, and where to read it
    images: SweepImages,
    choices: Sequence[Choice],
    costs: Mapping[str, Cost],
    read: Callable[[Choice], NDArray[np.float32]],
    altered: Callable[[Choice], AlteredCopies] | None = None,
    settings: SweepSettings = SweepSettings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Sweep:
    """Images and the choices that embedded them -> which choice is best, what ties with it, and what to take.

    Vectors are read one choice at a time and held no longer than that. ``Sweep.dropped`` lists choices that could
    not be scored, and ``cost_setting`` is empty: whoever made the grid and took the times adds theirs
    (``dataclasses.replace``).

    Args:
        images: what was embedded, and what each store holds of it.
        choices: names distinct.
        costs: by choice name, one each.
        read: choice -> (n, D) vectors of the rows that its store holds, as ``SweepImages.held`` says. Called more
            than once a choice.
        altered: choice -> vectors of altered copies; None = there are none.
        settings: see SweepSettings.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        UsageError: names or ids repeat, a choice's store is not in ``held``.
        MismatchError: columns differ in length, or a choice has no cost.
    """
    raise NotImplementedError
