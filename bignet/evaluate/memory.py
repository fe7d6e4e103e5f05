"""Freed memory, given back."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Hand freed memory to the system, where the C library can: glibc keeps what lies below anything still in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
