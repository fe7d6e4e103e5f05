"""Loops in C that are compiled when BigNet is installed; nothing needs them where there was no compiler."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

# What a library may use of the processor: the best first. Built by scripts/native.py, which has the flags.
_NEEDS = {"avx512": ("avx512_f", "avx512_vl", "fma3"), "avx2": ("avx2", "fma3"), "any": ()}


def sources() -> list[str]:
    """Names of what there is in C."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.c"))


def variant(name: str) -> str | None:
    """The best form of a library that was built and that this processor runs; None if there is none."""
    able = torch.cpu.get_capabilities()
    fitting = (each for each, needs in _NEEDS.items() if all(able.get(need) for need in needs))
    return next((each for each in fitting if _path(name, each).exists()), None)


@cache
def load(name: str) -> ctypes.CDLL | None:
    """That library; None if there is none, or it was built for another system."""
    found = variant(name)
    try:
        return None if found is None else ctypes.CDLL(str(_path(name, found)))
    except OSError:
        return None


def _path(name: str, form: str) -> Path:
    return Path(__file__).with_name(f"{name}-{form}.so")
