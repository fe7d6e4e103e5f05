"""Student's t distribution, without scipy."""

from __future__ import annotations

import math

_STEPS = 300
_TINY = 1e-300
_ENOUGH = 1e-15
_NORMAL = 1e7  # degrees of freedom from which on the normal distribution is the same to nine digits


def two_sided(t: float, freedom: float) -> float:
    """Chance of a t at least as far from 0 in either direction; infinite ``freedom`` = the normal distribution.

    The regularised incomplete beta function at v / (v + t^2) with a = v / 2 and b = 1 / 2 (Abramowitz and Stegun 1964,
    26.7.1 and 26.5.8).
    """
    if math.isinf(t):
        return 0.0
    if freedom >= _NORMAL:
        return math.erfc(abs(t) / math.sqrt(2.0))
    return _beta(freedom / (freedom + t * t), t * t / (freedom + t * t), freedom / 2.0, 0.5)


def _beta(x: float, rest: float, a: float, b: float) -> float:
    """I_x(a, b), with 1 - x given too: of a small t it would be lost."""
    if x <= 0.0 or rest <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta(rest, x, b, a)
    front = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction by the method of Lentz 1976, as modified by Thompson and Barnett 1986."""
    c, d = 1.0, _safe(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    found = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1.0 / _safe(1.0 + term * d), _safe(1.0 + term / c)
            found *= d * c
        if abs(d * c - 1.0) < _ENOUGH:
            break
    return found


def _safe(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
