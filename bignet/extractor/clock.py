"""A clock for time limits that stands still while the process does."""

from __future__ import annotations

import threading
import time

_LONGEST_STEP = 0.5
_STEPS_A_LIMIT = 8


class RunningClock:
    """Seconds in which the process ran, so that Ctrl-Z is nobody's timeout.

    Whoever waits looks at it every ``step`` seconds. A longer stretch in which nobody looked counts as one step: the
    process may have been stopped, and a limit that is kept a little late harms nobody.
    """

    def __init__(self, limit: float) -> None:
        self.step = min(_LONGEST_STEP, limit / _STEPS_A_LIMIT)
        self._lock = threading.Lock()
        self._running = 0.0
        self._looked = time.monotonic()

    def now(self) -> float:
        """Seconds since some moment, never falling."""
        with self._lock:
            looked = time.monotonic()
            self._running += min(looked - self._looked, 2 * self.step)
            self._looked = looked
            return self._running
