"""The cores this process may use: for FAISS, and for numpy's loops, which take one each."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import faiss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Part = TypeVar("_Part")
_FEWEST = 4  # parts that are worth a thread


def use_them() -> None:
    """Tell FAISS how many threads to take: its own guess ignores the cores this process may use."""
    faiss.omp_set_num_threads(_count())


def in_turns(work: Callable[[_Part], object], parts: Sequence[_Part]) -> None:
    """Do each part, several at a time: numpy's loops let other threads run."""
    if len(parts) < _FEWEST or _count() == 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(_count(), "bignet-index") as threads:
        list(threads.map(work, parts))


def _count() -> int:
    return len(os.sched_getaffinity(0))
