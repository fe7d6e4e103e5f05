"""Quantities as people read them."""

from __future__ import annotations


def size(n_bytes: float) -> str:
    """Bytes in the unit people use: ``73.8 MB``."""
    value = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 999.5:  # more would be shown as 1e+03
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
