"""How far an evaluation is, for whoever watches; what computes says where it is and knows nobody."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listener(Protocol):
    """Told about progress."""

    def stage(self, name: str) -> None:
        """Something begins: ``neighbours``."""

    def advanced(self, n_done: int, n_total: int) -> None:
        """How far the stage is."""


_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def watched_by(listener: Listener | None) -> Iterator[None]:
    """What runs in this thread within the block tells ``listener``; None = nobody."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def stage(name: str) -> None:
    """A stage begins."""
    listener = _LISTENER.get()
    if listener is not None:
        listener.stage(name)


def advanced(n_done: int, n_total: int) -> None:
    """So much of the stage is done."""
    listener = _LISTENER.get()
    if listener is not None:
        listener.advanced(n_done, n_total)
