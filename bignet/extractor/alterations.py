"""Pictures altered: turned, seen from nearer or farther, blurred, compressed, lit otherwise, mirrored, covered.

An alteration is applied to the upright RGB picture before it is resized and cropped for a network, so that networks of
any input size see the same copy. It keeps the picture's size, uses no random numbers, and its strength means the same
for pictures of any size: lengths are shares of the shorter side. Where a turn or a shrinking brings in what lies beyond
the frame, the picture is reflected at its edges: black corners would be a second alteration, and a strong one.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

# Copies are made from the picture brought down to this: networks see half of it, and time and memory are bounded.
SHORTER_SIDE = 512
# Of a strip longer than so many such sides only the middle is used.
_LONGEST_IN_SIDES = 8
_GREY = (128, 128, 128)
_RESAMPLING = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Alteration:
    """One way to alter a picture, and how much.

    Attributes:
        kind: ``rotate``, ``scale``, ``blur``, ``jpeg``, ``brightness``, ``flip`` or ``occlusion``.
        strength: rotate: degrees anticlockwise about the middle; scale: how many times larger things are, the frame
            staying as it is; blur: standard deviation of the Gaussian, as a share of the shorter side; jpeg: Pillow's
            quality; brightness: what every value is multiplied by; flip: 1, left and right exchanged; occlusion: share
            of the area that a grey square (in a strip a rectangle) in the middle covers.

    Raises:
        UsageError: another kind, or a strength it has not.
    """

    kind: str
    strength: float

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise UsageError(f"alteration '{self.kind}' is unknown; allowed: {', '.join(_KINDS)}")
        least, most = _KINDS[self.kind].bounds
        if not least <= self.strength <= most:
            raise UsageError(
                f"alteration {self.kind} has strength {self.strength:g}; it must be from {least:g} to {most:g}"
            )

    @property
    def name(self) -> str:
        """``rotate:30``."""
        return f"{self.kind}:{self.strength:.12g}"

    @property
    def point(self) -> tuple[str, float]:
        """Kind and strength."""
        return self.kind, self.strength

    def apply(self, picture: Image.Image) -> Image.Image:
        """RGB picture -> the altered one, RGB and of the same size; the picture stays as it is."""
        return _KINDS[self.kind].make(picture, self.strength)


def parse(text: str) -> Alteration:
    """``"rotate:30"`` -> the alteration.

    Raises:
        UsageError: it is none.
    """
    kind, _, number = text.partition(":")
    try:
        return Alteration(kind, float(number or 1))
    except ValueError:
        raise UsageError(f"alteration '{text}' has no number; write it as in rotate:30") from None


def reduced(picture: Image.Image) -> Image.Image:
    """RGB picture -> what copies are made from: its shorter side at most SHORTER_SIDE, strips cut to their middle."""
    longest = _LONGEST_IN_SIDES * max(min(picture.size), SHORTER_SIDE)
    if max(picture.size) > longest:
        picture = _middle(picture, (min(picture.width, longest), min(picture.height, longest)))
    scale = SHORTER_SIDE / min(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(round(side * scale), 1) for side in picture.size)
    return picture.resize((width, height), _RESAMPLING, reducing_gap=3.0)  # Pillow: as good as without


def _rotate(picture: Image.Image, degrees: float) -> Image.Image:
    diagonal = math.hypot(*picture.size)
    across, down = (math.ceil((diagonal - side) / 2) + 2 for side in picture.size)  # 2: as far as bicubic looks
    cos, sin = (round(value(math.radians(degrees)), 15) for value in (math.cos, math.sin))
    x, y = picture.width / 2, picture.height / 2
    whence = (cos, -sin, x + across - cos * x + sin * y, sin, cos, y + down - sin * x - cos * y)
    wide = _reflected(picture, across, across, down, down)
    return wide.transform(picture.size, Image.Transform.AFFINE, whence, _RESAMPLING)


def _scale(picture: Image.Image, factor: float) -> Image.Image:
    width, height = picture.size
    if factor >= 1:
        left, top = (width - width / factor) / 2, (height - height / factor) / 2
        return picture.resize(picture.size, _RESAMPLING, box=(left, top, width - left, height - top))
    small = picture.resize((max(round(width * factor), 1), max(round(height * factor), 1)), _RESAMPLING)
    left, top = (width - small.width) // 2, (height - small.height) // 2
    return _reflected(small, left, width - small.width - left, top, height - small.height - top)


def _reflected(picture: Image.Image, left: int, right: int, top: int, bottom: int) -> Image.Image:
    """The picture with so many more pixels at each side, reflected at its edges, again and again where need be."""
    return Image.fromarray(np.pad(np.asarray(picture), ((top, bottom), (left, right), (0, 0)), mode="symmetric"))


def _blur(picture: Image.Image, share: float) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(share * min(picture.size)))


def _jpeg(picture: Image.Image, quality: float) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=round(quality))
    return Image.open(file, formats=("JPEG",)).convert("RGB")


def _brightness(picture: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def _flip(picture: Image.Image, _: float) -> Image.Image:
    return ImageOps.mirror(picture)


def _occlusion(picture: Image.Image, share: float) -> Image.Image:
    shorter, longer = min(picture.size), max(picture.size)
    narrow = min(math.sqrt(share * shorter * longer), shorter)
    wide = share * shorter * longer / narrow
    sides = (narrow, wide) if picture.width <= picture.height else (wide, narrow)
    width, height = (max(round(side), 1) for side in sides)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    covered = picture.copy()
    covered.paste(_GREY, (left, top, left + width, top + height))
    return covered


def _middle(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    left, top = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    return picture.crop((left, top, left + size[0], top + size[1]))


@dataclass(frozen=True)
class _Kind:
    """How a kind of alteration is made, and the least and largest strength it has."""

    make: Callable[[Image.Image, float], Image.Image]
    bounds: tuple[float, float]


_KINDS = {
    "rotate": _Kind(_rotate, (-360, 360)),
    "scale": _Kind(_scale, (0.1, 10)),
    "blur": _Kind(_blur, (0, 1)),
    "jpeg": _Kind(_jpeg, (1, 95)),
    "brightness": _Kind(_brightness, (0, 10)),
    "flip": _Kind(_flip, (1, 1)),
    "occlusion": _Kind(_occlusion, (0.001, 1)),
}

USUAL = tuple(
    Alteration(kind, strength)
    for kind, strengths in (
        ("rotate", (15, 45, 90, 180)),
        ("scale", (0.5, 2)),
        ("blur", (0.01, 0.02)),
        ("jpeg", (10,)),
        ("brightness", (0.5,)),
        ("flip", (1,)),
        ("occlusion", (0.15,)),
    )
    for strength in strengths
)
