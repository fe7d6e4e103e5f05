"""Bytes on disk -> RGB pixels, safely, without torch.

A file is read once and what is hashed is what is decoded. Size and format come from the header, so the limits
hold before a pixel is decoded: 425 bytes of GIF can declare 68 megapixels. The format is decided by content, never
by name. ``LOAD_TRUNCATED_IMAGES`` stays off: a half-read picture is one flat colour and a false duplicate.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from bignet.errors import is_out_of_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_READ_CHUNK = 1 << 20

# Pillow logs some oddities; without a handler Python would print them on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class Reason(StrEnum):
    """Why an image is not in the store. The list is closed: scripts may rely on it."""

    NOT_REGULAR_FILE = "not_regular_file"
    UNREADABLE = "unreadable"
    TOO_LARGE_BYTES = "too_large_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    UNSUPPORTED_FORMAT = "unsupported_format"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    WORKER_CRASH = "worker_crash"
    CHANGED_WHILE_READING = "changed_while_reading"
    NON_FINITE_VECTOR = "non_finite_vector"


class RejectedImage(Exception):  # noqa: N818 - not an error of the run: an outcome that becomes a row
    """This file cannot be embedded; ``reason`` says why, ``detail`` in the decoder's words."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Limits:
    """What a single image may cost. Checked before decoding.

    Attributes:
        max_bytes: largest file, in bytes.
        max_pixels: largest width x height, from the header.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 40_000_000


@dataclass(frozen=True)
class ImageFile:
    """A file as it was read, once.

    Attributes:
        data: its bytes.
        sha256: their digest, 32 bytes.
        n_bytes: their number.
        mtime_ns: modification time, nanoseconds since the epoch.
    """

    data: bytes
    sha256: bytes
    n_bytes: int
    mtime_ns: int


def read_image_file(path: str | bytes | os.PathLike[str], limits: Limits | None = None) -> ImageFile:
    """The whole file, read once.

    Raises:
        RejectedImage: not a regular file, unreadable, too large, or changed while it was read.
    """
    try:
        # Non-blocking, so that a FIFO named x.jpg cannot hold the run.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        reason = Reason.NOT_REGULAR_FILE if error.errno == errno.ENXIO else Reason.UNREADABLE  # ENXIO: a socket
        raise RejectedImage(reason, error.strerror or str(error)) from None
    try:
        return _read_open_file(descriptor, limits or Limits())
    except OSError as error:
        raise RejectedImage(Reason.UNREADABLE, error.strerror or str(error)) from None
    finally:
        os.close(descriptor)


def _read_open_file(descriptor: int, limits: Limits) -> ImageFile:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise RejectedImage(Reason.NOT_REGULAR_FILE, "not a regular file")
    if before.st_size > limits.max_bytes:
        detail = f"{before.st_size:,} bytes, at most {limits.max_bytes:,} are read"
        raise RejectedImage(Reason.TOO_LARGE_BYTES, detail)
    data = _read_at_most(descriptor, before.st_size + 1)
    after = os.fstat(descriptor)
    if len(data) != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        raise RejectedImage(Reason.CHANGED_WHILE_READING, "the file changed while it was read")
    return ImageFile(data, hashlib.sha256(data).digest(), len(data), before.st_mtime_ns)


def _read_at_most(descriptor: int, n_bytes: int) -> bytes:
    chunks = []
    while n_bytes > 0 and (chunk := os.read(descriptor, min(n_bytes, _READ_CHUNK))):
        chunks.append(chunk)
        n_bytes -= len(chunk)
    return b"".join(chunks)


def open_header(data: bytes, limits: Limits | None = None) -> Image.Image:
    """The image with only its header read; its size is within the limits.

    Raises:
        RejectedImage: not one of FORMATS, broken header, or too many pixels.
    """
    limits = limits or Limits()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile bytes
        raise _unopened(error, data) from None
    n_pixels = image.width * image.height
    if n_pixels > limits.max_pixels:
        detail = f"{image.width} x {image.height} pixels, at most {limits.max_pixels:,} are decoded"
        raise RejectedImage(Reason.TOO_MANY_PIXELS, detail)
    return image


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it cannot be read."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # broken EXIF does not make a broken picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1  # EXIF's own range


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height, pixels, once the picture is turned as its EXIF orientation says."""
    return image.size[::-1] if orientation(image) in _QUARTER_TURNS else image.size


def open_rgb(data: bytes, limits: Limits | None = None, draft: tuple[int, int] | None = None) -> Image.Image:
    """Encoded bytes -> RGB picture: first frame, upright, 16 bits scaled, alpha over white.

    Args:
        data: a whole file of one of FORMATS.
        limits: refused beyond these; the defaults of Limits if None.
        draft: decode JPEGs at the smallest scale not below this (width, height): for thumbnails.

    Raises:
        RejectedImage: with a reason of the closed list.
    """
    return load_rgb(open_header(data, limits), draft)[0]


def load_rgb(image: Image.Image, draft: tuple[int, int] | None = None) -> tuple[Image.Image, tuple[int, int]]:
    """An image of which the header was read -> (RGB picture as open_rgb's, the upright file's (width, height)).

    The size is the file's own, also where ``draft``, which see in open_rgb, makes the picture smaller.

    Raises:
        RejectedImage: with a reason of the closed list.
    """
    whole = image.size
    try:
        drafted = draft is not None and image.draft("RGB", draft) is not None
        image.load()  # before asking for EXIF: PNG loads for that, and a second try would hide the first one's error
        turn = orientation(image)
        picture = _upright(_to_rgb(image), turn)
    except Exception as error:  # as above
        raise rejection(error) from None
    if not drafted:
        return picture, picture.size
    return picture, whole[::-1] if turn in _QUARTER_TURNS else whole


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS = (5, 6, 7, 8)  # width becomes height


def _upright(picture: Image.Image, turn: int) -> Image.Image:
    return picture.transpose(_TRANSPOSE[turn]) if turn in _TRANSPOSE else picture


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return _gray_to_rgb(np.asarray(image).astype(np.uint16) >> 8)
    if image.mode in ("I", "F"):
        return _gray_to_rgb(_stretched(np.asarray(image, dtype=np.float64)))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """32-bit and floating-point pictures have no fixed range: theirs is mapped to 0..255."""
    if not np.isfinite(values).all():
        raise ValueError("non-finite pixel values")
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros_like(values)
    return (values - low) * (255.0 / (high - low))


def _gray_to_rgb(values: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


_TRUNCATED_WORDS = ("truncated", "broken data stream", "unexpected end", "not enough", "premature", "eof")
_UNSUPPORTED_WORDS = (
    "unsupported",
    "not supported",
    "unknown",
    "cannot handle",
    "not available",
    "not implemented",
)


def _unopened(error: Exception, data: bytes) -> RejectedImage:
    """What was raised before there was a size -> one of the closed reasons."""
    if not data:
        return RejectedImage(Reason.TRUNCATED, "the file is empty")
    return _unidentified(data) if isinstance(error, UnidentifiedImageError) else rejection(error)


def rejection(error: Exception) -> RejectedImage:
    """Whatever was raised over a file -> one of the closed reasons.

    Where memory ran out nothing is wrong with the file, so that the next run must look at it again: ``unreadable``.
    """
    if isinstance(error, RejectedImage):
        return error
    if is_out_of_memory(error):
        return RejectedImage(Reason.UNREADABLE, "out of memory")
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return RejectedImage(Reason.TOO_MANY_PIXELS, text)
    return RejectedImage(_reason_for(error, text.lower()), text)


def _unidentified(data: bytes) -> RejectedImage:
    if data.startswith(_MAGIC):
        return RejectedImage(Reason.CORRUPT, "the header is broken")
    return RejectedImage(Reason.UNSUPPORTED_FORMAT, f"not one of {', '.join(FORMATS)}")


def _reason_for(error: Exception, text: str) -> Reason:
    if any(word in text for word in _TRUNCATED_WORDS):
        return Reason.TRUNCATED
    if isinstance(error, NotImplementedError) or any(word in text for word in _UNSUPPORTED_WORDS):
        return Reason.UNSUPPORTED_FORMAT
    return Reason.CORRUPT
