"""The most memory held while something runs."""

from __future__ import annotations

import os
import threading

import torch

_SECONDS_A_LOOK = 0.002  # between two looks at how much memory is held


class PeakMemory:
    """The most memory held at a time inside a block, bytes, in ``n_bytes``: by the process, or on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.n_bytes = 0
        self._device = device
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bignet-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._device.type == "cuda":
            self.n_bytes = torch.cuda.max_memory_allocated(self._device)
        else:
            self._over.set()
            self._thread.join()
            self._look()

    def _watch(self) -> None:
        while not self._over.wait(_SECONDS_A_LOOK):
            self._look()

    def _look(self) -> None:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - no Path to be made every time
            resident = int(file.read().split()[1])
        self.n_bytes = max(self.n_bytes, resident * os.sysconf("SC_PAGE_SIZE"))
