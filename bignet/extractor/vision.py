"""Torchvision, imported without torch's compiler, which it names and BigNet does not use.

One of its operators, which no classification network calls, imports the compiler for the name of one function: a
third of the time in which the two are imported. Whoever asks for the compiler later gets it.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch  # noqa: F401 - before its part is stood in for

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPILER = "torch._dynamo.utils"


class _StandIn(ModuleType):
    """In the compiler's place while torchvision is imported."""

    def is_compile_supported(self, *given: Any) -> Any:
        """As there, asked when it is called."""
        return self.__getattr__("is_compile_supported")(*given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what importing itself asks for
            raise AttributeError(name)
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]
        return getattr(importlib.import_module(_COMPILER), name)


@contextmanager
def _without_compiler() -> Iterator[None]:
    stand_in = _StandIn(_COMPILER)
    sys.modules.setdefault(_COMPILER, stand_in)
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]


with _without_compiler():
    import torchvision
    from torchvision.transforms import functional

__all__ = ["functional", "torchvision"]
