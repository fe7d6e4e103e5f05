"""What an extraction is asked to do."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TypedDict

from bignet.errors import UsageError
from bignet.images import Limits

DEFAULT_MODEL = "resnet50"
DEFAULT_POOL = "gap"
MAX_WORKERS = 256


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class ExtractSettings:
    """Settings of one extraction; what is None is taken from the store, or else the default.

    Attributes:
        model: name of the backbone.
        weights: ``default``, ``random:SEED`` or a file.
        layers: names of layers; empty = the model's last feature map.
        pools: ``gap``, ``max``, ``gem:p``, ``avg:k``, ``flat``; empty = gap.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: images a forward pass.
        workers: decoding threads; 0 = one a core.
        shard_rows: images between two commits: what a crash can lose.
        limits: see Limits.
        image_timeout: seconds one image may take to read and decode.
        rehash: read every file again and compare contents, not only size and time.
        retry_rejected: try rejected images again.
    """

    model: str | None = None
    weights: str | None = None
    layers: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    device: str = "auto"
    batch_size: int = 32
    workers: int = 0
    shard_rows: int = 1000
    limits: Limits = field(default_factory=Limits)
    image_timeout: float = 60.0
    rehash: bool = False
    retry_rejected: bool = False

    def __post_init__(self) -> None:
        if self.workers > MAX_WORKERS:
            raise UsageError(f"workers is {self.workers}; it must be at most {MAX_WORKERS}")
        for name, smallest in (("batch_size", 1), ("workers", 0), ("shard_rows", 1)):
            if getattr(self, name) < smallest:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least {smallest}")
        if not 0 < self.image_timeout < threading.TIMEOUT_MAX:
            raise UsageError(f"image_timeout is {self.image_timeout}; it must be above 0 seconds, and finite")

    @property
    def n_workers(self) -> int:
        """Decoding threads, resolved."""
        return self.workers or available_cores()


class ExtractOptions(TypedDict, total=False):
    """The keywords of ``bignet.extract`` besides layers and pools; see ExtractSettings, which has the defaults."""

    model: str | None
    weights: str | None
    device: str
    batch_size: int
    workers: int
    shard_rows: int
    limits: Limits
    image_timeout: float
    rehash: bool
    retry_rejected: bool
