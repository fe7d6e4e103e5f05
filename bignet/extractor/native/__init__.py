"""C kernels that are compiled when BigNet is installed; nothing needs them where there was no compiler."""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path

import torch

# What a library may use of the processor: the best first. Built by scripts/native.py, which has the flags.
_NEEDS = {"avx512": ("avx512_f", "avx512_vl", "fma3"), "avx2": ("avx2", "fma3"), "any": ()}


def sources() -> list[str]:
    """Names of what there is in C."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.c"))


def digest(name: str, folder: Path) -> str:
    """Of the text that a library is compiled from: another one's structures may have other fields."""
    parts = [folder / f"{name}.c", folder / "vectors.h"]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]


def variant(name: str) -> str | None:
    """The best form of a library that was built and that this processor runs; None if there is none."""
    able = torch.cpu.get_capabilities()
    fitting = (each for each, needs in _NEEDS.items() if all(able.get(need) for need in needs))
    return next((each for each in fitting if _path(name, each).exists()), None)


@cache
def load(name: str) -> ctypes.CDLL | None:
    """That library; None if there is none, if it is no library here, or one of other sources than those beside it."""
    found = variant(name)
    if found is None:
        return None
    path = _path(name, found)
    try:
        library = ctypes.CDLL(str(path))
        library.made_of.restype = ctypes.c_char_p
        made_of = library.made_of()
    except (OSError, AttributeError):  # built for another system; something else
        return None
    return library if made_of == digest(name, path.parent).encode() else None


def _path(name: str, form: str) -> Path:
    return Path(__file__).with_name(f"{name}-{form}.so")
