"""Memory that goes back to the system as soon as it can."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.number)

_SECONDS_BETWEEN = 0.1
_last = -_SECONDS_BETWEEN


def give_back() -> None:
    """Hand freed memory to the system, where the C library can: glibc keeps what lies below anything still in use.

    Not again within a tenth of a second: so little time leaves little behind, and looking for it takes time, too.
    """
    global _last
    now = time.monotonic()
    if now - _last < _SECONDS_BETWEEN:
        return
    _last = now
    if "pyarrow" in sys.modules:  # it has a heap of its own
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def pages(*shape: int, dtype: type[Number]) -> NDArray[Number]:
    """Zeros in pages of their own, which go back with the array: what malloc gave may stay, between what is in use."""
    n, size = math.prod(shape), np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, size * n)), dtype=dtype, count=n).reshape(shape)
