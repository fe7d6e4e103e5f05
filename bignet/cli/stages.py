"""What ``bignet report`` shows while it runs: the stage, how far it is, the time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bignet.cli.console import Bar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.cli.console import Notices


class Stages:
    """One bar, for the stage that runs, which nobody may watch; ``seconds`` has how long each took.

    Args:
        notices: where the bar is shown.
        units: stage -> what it counts; rows where it is not named.
    """

    def __init__(self, notices: Notices, units: Mapping[str, str] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._notices = notices
        self._units = units or {}
        self._bar: Bar | None = None
        self._name, self._start = "", 0.0

    def __call__(self, stage: str, n_done: int, n_total: int) -> None:
        """How far a stage is; the one before it has ended."""
        if stage != self._name:
            self.close()
            self._name, self._start = stage, time.monotonic()
            self._bar = Bar(self._notices, stage, self._units.get(stage, "rows"))
        if self._bar is not None and n_total > 1:
            self._bar.advanced(n_done, n_total)
        elif self._bar is not None:  # whole or nothing: nobody can say how long it takes
            self._bar.advanced(0, None)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            spent = time.monotonic() - self._start
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + spent
            self._name = ""
