"""What an extraction is asked to do."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, TypedDict

from bignet.errors import UsageError
from bignet.extractor.defaults import IMAGE_TIMEOUT, SHARD_ROWS
from bignet.images import Limits
from bignet.spec import DECODERS, DTYPES, PRECISIONS, RESIZE_MODES, VIEWS

if TYPE_CHECKING:
    from collections.abc import Collection

    from bignet.spec import EmbeddingSpec, Preprocess

DEFAULT_MODEL = "resnet50"
DEFAULT_POOL = "gap"
MAX_WORKERS = 256


@dataclass(frozen=True)
class Tap:
    """A layer, and the pool that makes a vector of what it gives."""

    layer: str
    pool: str


@dataclass(frozen=True)
class Form:
    """How pictures become vectors, apart from network, layers and pools.

    Attributes:
        size: side of the square the network sees, pixels; None = as in training.
        resize_mode: see Preprocess.mode; None = as in training.
        views: see Preprocess.views.
        decode: see Preprocess.decode.
        precision: see EncoderSpec.precision.
        ranges: see EncoderSpec.ranges.
        storage: see EmbeddingSpec.dtype.
    """

    size: int | None = None
    resize_mode: str | None = None
    views: str = "centre"
    decode: str = "exact"
    precision: str = "fp32"
    ranges: tuple[tuple[str, float], ...] = ()
    storage: str = "float32"

    def applied_to(self, trained: Preprocess) -> Preprocess:
        """The preprocessing of training, changed as asked."""
        sized = trained if self.size is None or self.size == trained.crop else trained.sized(self.size)
        return replace(sized, mode=self.resize_mode or trained.mode, views=self.views, decode=self.decode)

    @classmethod
    def of(cls, spec: EmbeddingSpec) -> Form:
        """The form of a store's embeddings."""
        encoder = spec.computed_by
        pre = encoder.preprocess
        return cls(pre.crop, pre.mode, pre.views, pre.decode, encoder.precision, encoder.ranges, spec.dtype)


AUTO = "auto"
DEFAULT_PRECISION = AUTO
SMALLEST_SIZE = 16
LARGEST_SIZE = math.isqrt(Limits().max_pixels)
_CHOICES: dict[str, Collection[str]] = {
    "resize_mode": RESIZE_MODES,
    "views": tuple(VIEWS),
    "decode": (*DECODERS, AUTO),
    "precision": (AUTO, *PRECISIONS),
    "storage": DTYPES,
}


@dataclass(frozen=True)
class ExtractSettings:
    """Settings of one extraction; what is None is taken from the store, or else the default.

    Attributes:
        model: name of the backbone.
        weights: ``default``, ``random:SEED``, ``factory`` or a file.
        layers: names of layers; empty = the model's last feature map.
        pools: see ``bignet.extractor.pools``; empty = gap. Each layer gets each pool.
        taps: layers each with a pool of its own, in place of layers and pools.
        size: side of the square the network sees, pixels; None = as in training.
        resize_mode: ``crop``, ``squash`` or ``pad``.
        views: ``centre``, ``flip``, ``five`` or ``ten``: squares of a picture whose vectors are averaged.
        decode: ``exact``, ``fast`` (large JPEGs at a smaller scale), or ``auto``: fast if a probe proves it.
        precision: ``fp32``, ``bf16``, ``fp16``, ``int8`` (every convolution that can), or ``auto``: the fastest here
            that a probe proves.
        storage: ``float32`` or ``float16``.
        device: ``auto``, ``cpu``, ``cuda`` (all GPUs) or ``cuda:N``.
        batch_size: images a forward pass; 0 = as many as keep its memory the same for all sizes of input.
        workers: decoding threads; 0 = one a core.
        limit: only so many of the files found, in path order; 0 = all.
        shard_rows: at most so many images between two commits, fewer where vectors are long: what a crash can lose.
        limits: see Limits.
        image_timeout: seconds one image may take to read and decode.
        rehash: read every file again and compare contents, not only size and time.
        retry_rejected: try rejected images again.
    """

    model: str | None = None
    weights: str | None = None
    layers: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    taps: tuple[Tap, ...] = ()
    size: int | None = None
    resize_mode: str | None = None
    views: str | None = None
    decode: str | None = None
    precision: str | None = None
    storage: str | None = None
    device: str = "auto"
    batch_size: int = 0
    workers: int = 0
    limit: int = 0
    shard_rows: int = SHARD_ROWS
    limits: Limits = field(default_factory=Limits)
    image_timeout: float = IMAGE_TIMEOUT
    rehash: bool = False
    retry_rejected: bool = False

    def __post_init__(self) -> None:
        for name, smallest in (("batch_size", 0), ("workers", 0), ("limit", 0), ("shard_rows", 1)):
            _check_whole(name, getattr(self, name), smallest)
        if self.workers > MAX_WORKERS:
            raise UsageError(f"workers is {self.workers}; it must be at most {MAX_WORKERS}")
        if self.size is not None:
            check_size(self.size)
        if not 0 < self.image_timeout < threading.TIMEOUT_MAX:
            raise UsageError(f"image timeout is {self.image_timeout}; it must be above 0 seconds, and finite")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in (None, *allowed):
                asked = f"{_in_words(name)} '{getattr(self, name)}'"
                raise UsageError(f"{asked} is unknown; allowed: {', '.join(allowed)}")

    @property
    def n_workers(self) -> int:
        """Decoding threads, resolved."""
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def form(self) -> Form:
        """The form of a new store before anything is proved: exact and fp32."""
        form = Form(size=self.size, resize_mode=self.resize_mode)
        return replace(form, views=self.views or form.views, storage=self.storage or form.storage)


def _check_whole(name: str, value: object, smallest: int) -> None:
    if not isinstance(value, Integral):
        raise UsageError(f"{_in_words(name)} is {value!r}; give a whole number")
    if int(value) < smallest:
        raise UsageError(f"{_in_words(name)} is {value}; it must be at least {smallest}")


def check_size(size: int) -> None:
    """Whether a square of so many pixels a side can be asked for.

    Raises:
        UsageError: it cannot.
    """
    _check_whole("size", size, SMALLEST_SIZE)
    if size > LARGEST_SIZE:
        why = "a larger square has more pixels than any picture that is decoded"
        raise UsageError(f"size is {size}; it must be at most {LARGEST_SIZE} pixels: {why}")


def _in_words(name: str) -> str:
    """``resize_mode`` -> ``resize mode``: as the keyword and the option ``--resize-mode`` are both read."""
    return name.replace("_", " ")


class ExtractOptions(TypedDict, total=False):
    """The keywords of ``bignet.extract`` besides layers and pools; see ExtractSettings, which has the defaults."""

    model: str | None
    weights: str | os.PathLike[str] | None
    size: int | None
    resize_mode: str | None
    views: str | None
    decode: str | None
    precision: str | None
    storage: str | None
    device: str
    batch_size: int
    workers: int
    limit: int
    shard_rows: int
    limits: Limits
    image_timeout: float
    rehash: bool
    retry_rejected: bool
