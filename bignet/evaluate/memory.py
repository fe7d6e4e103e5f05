"""Memory that goes back to the system as soon as it can."""

from __future__ import annotations

import ctypes
import gc
import math
import mmap
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def give_back() -> None:
    """Hand freed memory to the system, where the C library can: glibc keeps what lies below anything still in use."""
    gc.collect()
    if "pyarrow" in sys.modules:  # it has a heap of its own
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def pages(*shape: int) -> NDArray[np.float32]:
    """Float32 zeros in pages of their own, which go back with the array: what malloc gave a thread may stay with it."""
    n = math.prod(shape)
    return np.frombuffer(mmap.mmap(-1, max(1, 4 * n)), dtype=np.float32, count=n).reshape(shape)
