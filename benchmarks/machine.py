"""The machine in a line, for the head of a table."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("bignet", "torch", "torchvision", "pillow", "img2vec-pytorch", "openvino", "pytorch-metric-learning")


def line() -> str:
    """Processor, cores, bf16 or not, versions."""
    fields = {
        name.strip(): value.strip()
        for name, _, value in (row.partition(":") for row in Path("/proc/cpuinfo").read_text().splitlines())
    }
    flags = fields.get("flags", "").split()
    bf16 = ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in ("avx512_bf16", "amx_bf16"))
    cores = len(os.sched_getaffinity(0))
    name = fields.get("model name", platform.machine())
    busy = f"load {os.getloadavg()[0]:.1f} before"
    return f"{name}, {cores} cores ({busy}), {bf16}; Python {platform.python_version()}, {', '.join(_versions())}"


def _versions() -> list[str]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
