"""Loops in C that are compiled when BigNet is installed; nothing needs them where there was no compiler."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

# What a library may use of the processor: the best first. Built by scripts/native.py, which has the flags.
_NEEDS = {"avx512": ("avx512_f", "avx512_vl", "fma3"), "avx2": ("avx2", "fma3"), "any": ()}


@cache
def load(name: str) -> ctypes.CDLL | None:
    """The fastest library of that name that was built and that this processor runs; None if there is none."""
    able = torch.cpu.get_capabilities()
    for variant, needs in _NEEDS.items():
        path = Path(__file__).with_name(f"{name}-{variant}.so")
        if all(able.get(each) for each in needs) and path.exists():
            try:
                return ctypes.CDLL(str(path))
            except OSError:  # built for another system
                continue
    return None
