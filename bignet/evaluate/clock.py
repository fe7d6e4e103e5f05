"""Wall time by stage, and word of how far a stage is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bignet.evaluate.memory import give_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[str, int, int], None]


class Clock:
    """Times stages, says when each begins and ends, and has each start without what the one before it left behind.

    Args:
        progress: called with the stage, how much of it is done, and how much there is.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def __call__(self, stage: str) -> Iterator[Callable[[int, int], None]]:
        """Times the block under it, which is given what to call with how much of how much is done."""
        give_back()
        start = time.perf_counter()
        self._tell(stage, 0, 1)
        yield lambda done, total: self._tell(stage, done, total)
        self._tell(stage, 1, 1)
        self.seconds[stage] = time.perf_counter() - start

    def _tell(self, stage: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(stage, done, total)
