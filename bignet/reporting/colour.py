"""One hue from light (near) to dark (far), with a text colour that can be read on every step."""

from __future__ import annotations

import math

STEPS = 24
_HUE = math.radians(254)
_LIGHT, _DARK = 0.97, 0.27
_CHROMA = 0.125


def ramp() -> tuple[tuple[str, str], ...]:
    """STEPS pairs (background, text), monotone in lightness."""
    return tuple(_step(i / (STEPS - 1)) for i in range(STEPS))


def step_of(value: float, low: float, high: float) -> int:
    """Which step a distance falls on; the middle when all are equal."""
    if high <= low:
        return STEPS // 2
    return min(STEPS - 1, max(0, int((value - low) / (high - low) * STEPS)))


def contrast(one: str, other: str) -> float:
    """The WCAG contrast of two ``#rrggbb`` colours."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _step(t: float) -> tuple[str, str]:
    lightness = _LIGHT + (_DARK - _LIGHT) * t
    chroma = _CHROMA * (0.14 + 0.86 * math.sin(math.pi * t**0.8 * 0.78))
    back = _hex(lightness, chroma * math.cos(_HUE), chroma * math.sin(_HUE))
    return back, max(("#000000", "#ffffff"), key=lambda text: contrast(back, text))


def _hex(lightness: float, a: float, b: float) -> str:
    """OKLab -> sRGB."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return "#" + "".join(f"{round(255 * _gamma(channel)):02x}" for channel in (red, green, blue))


def _gamma(linear: float) -> float:
    clipped = min(1.0, max(0.0, linear))
    return 12.92 * clipped if clipped <= 0.0031308 else 1.055 * clipped ** (1 / 2.4) - 0.055


def _luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
