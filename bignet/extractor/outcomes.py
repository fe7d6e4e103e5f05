"""What can become of a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch

from bignet.images import rejection

if TYPE_CHECKING:
    from torch import Tensor

    from bignet.extractor.sources import Entry
    from bignet.images import Reason


@dataclass(frozen=True)
class Decoded:
    """A file that became pixels.

    Attributes:
        entry: the file.
        sha256: of its bytes, 32 bytes.
        n_bytes: their number.
        mtime_ns: modification time when it was read.
        width: of the upright picture, pixels.
        height: likewise.
        square: (views, 3, crop, crop) uint8.
    """

    entry: Entry
    sha256: bytes
    n_bytes: int
    mtime_ns: int
    width: int
    height: int
    square: Tensor

    def without_pixels(self) -> Decoded:
        """The same once the network has seen it."""
        return replace(self, square=_NO_PIXELS)


_NO_PIXELS = torch.empty(0, dtype=torch.uint8)


@dataclass(frozen=True)
class SameBytes:
    """A file whose bytes were met before: it needs no decoding."""

    entry: Entry
    sha256: bytes
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Refused:
    """A file that cannot be embedded."""

    entry: Entry
    reason: Reason
    detail: str
    sha256: bytes | None = None

    @classmethod
    def because(cls, error: Exception, entry: Entry, sha256: bytes | None = None) -> Self:
        """Of whatever was raised while it was read or decoded."""
        refusal = rejection(error)
        return cls(entry, refusal.reason, refusal.detail, sha256)


Outcome = Decoded | SameBytes | Refused


@dataclass(frozen=True)
class Shared:
    """What became of a file that was read and decoded for several encoders.

    Attributes:
        entry: the file.
        each: an outcome for each of them; None for those that have no need of the file.
    """

    entry: Entry
    each: tuple[Outcome | None, ...]
