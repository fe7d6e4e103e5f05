"""What each layer of a network gives and costs: shapes and floating-point operations, found without computing.

The network runs once on torch's ``meta`` device, where tensors have shapes and no numbers. Operations are counted as
``torch.utils.flop_counter`` does, a multiplication and an addition as two: convolutions, matrix products and attention,
which are nearly all of a forward pass. The count is the same on every machine; time on yours also depends on memory.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bignet.errors import UsageError
from bignet.extractor import backbones, pools, taps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bignet.extractor.backbones import Backbone
    from bignet.extractor.pools import Pool


@dataclass(frozen=True)
class LayerCost:
    """A layer that can be tapped.

    Attributes:
        name: as ``--layer`` takes it.
        kind: its class.
        shape: of its output for one image.
        flops: floating-point operations of its own subtree, for one image.
        flops_so_far: those of the forward pass until it has finished: what a run pays that stops there.
        inside: whether it lies within a block, and not between blocks.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    flops: int
    flops_so_far: int
    inside: bool

    def dims(self, pool: Pool) -> int | None:
        """Numbers in a vector of this layer, None where the pool has no meaning for it.

        Whether gem and crow are refused for negative values shows only with pictures.
        """
        try:
            return pools.check(pool, self.name, torch.zeros(1, *self.shape))
        except UsageError:
            return None


@dataclass(frozen=True)
class Outline:
    """A network's layers in the order they finish, and what the whole of it costs.

    Attributes:
        layers: those that give one tensor.
        flops: floating-point operations of the whole forward pass, for one image.
        last_map: the last outermost layer with positions, as in backbones.last_map; None where no pool can read it.
    """

    layers: tuple[LayerCost, ...]
    flops: int
    last_map: str | None


def outline(backbone: Backbone, size: int) -> Outline:
    """The layers of a backbone for one image of ``size`` x ``size`` pixels.

    Raises:
        UsageError: the network does not take images of that size.
        ResourceError: the memory does not suffice for them.
    """
    try:
        with torch.device("meta"):
            return measure(backbone.build().eval(), size)
    except UsageError:
        raise
    except Exception:  # a network that looks at its numbers while it is built or run
        model = backbone.build().eval()
    try:
        return measure(model, size)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise backbones.wrong_size(backbone, size, error) from None


def measure(model: nn.Module, size: int) -> Outline:
    """The layers of a network in eval mode, on the device of torch's that new tensors go to."""
    counter = FlopCounterMode(display=False)
    notes = _Notes(counter.get_total_flops)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation for all of attention, which nobody counts
    try:
        with ExitStack() as stack:
            for name, module in model.named_modules():
                if name:
                    stack.callback(module.register_forward_pre_hook(notes.before(name)).remove)
                    stack.callback(module.register_forward_hook(notes.after(name, inside=_inside(model, name))).remove)
            with torch.inference_mode(), counter:
                model(torch.zeros(1, 3, size, size))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    rows = tuple(notes.rows.values())
    return Outline(rows, counter.get_total_flops(), _last_map(rows, set(taps.outermost(model))))


def _last_map(rows: Sequence[LayerCost], outermost: set[str]) -> str | None:
    found = [row for row in rows if row.name in outermost and pools.has_positions((1, *row.shape))]
    return found[-1].name if found and not pools.channels_last((1, *found[-1].shape)) else None


class _Notes:
    """What hooks write down: the count before and after each call of a layer."""

    def __init__(self, count: Callable[[], int]) -> None:
        self.rows: dict[str, LayerCost] = {}
        self._count = count
        self._started: dict[str, int] = {}
        self._spent: dict[str, int] = {}

    def before(self, name: str) -> Callable[[nn.Module, Any], None]:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            self._started[name] = self._count()

        return hook

    def after(self, name: str, *, inside: bool) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            now = self._count()
            self._spent[name] = self._spent.get(name, 0) + now - self._started[name]  # all calls of a shared layer
            self.rows.pop(name, None)
            if isinstance(output, Tensor) and output.ndim > 1:
                shape = tuple(output.shape[1:])
                self.rows[name] = LayerCost(name, type(module).__name__, shape, self._spent[name], now, inside)

        return hook


def _inside(model: nn.Module, name: str) -> bool:
    """Whether a layer is a part of a block: of anything but the outermost parts, plain sequences and lists."""
    parts = name.split(".")
    parents = [model.get_submodule(".".join(parts[:end])) for end in range(2, len(parts))]
    return any(type(parent) is not nn.Sequential and not taps.only_holds(parent) for parent in parents)
