"""What the numbers of settings may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_least(settings: object, least: Mapping[str, int]) -> None:
    """Raises UsageError for an attribute below its least value."""
    for name, lowest in least.items():
        if getattr(settings, name) < lowest:
            raise UsageError(f"{name}: found {getattr(settings, name)}; needed at least {lowest}")


def check_level(level: float) -> None:
    """Raises UsageError for a coverage that is no share between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise UsageError(f"level: found {level}; needed a share between 0 and 1, such as 0.95")
