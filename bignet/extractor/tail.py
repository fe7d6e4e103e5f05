"""Large linear layers, run once for several batches: they read more weights than a batch has numbers.

AlexNet's two read 110 MB of weights in bf16, whatever the number of images; the maps of eight images are a tenth of
that. Convolutions are faster in batches that fit a core's cache. So what comes before the first large linear layer
takes its images in parts, and the rest takes them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.split_module import split_module

from bignet.extractor import fusion

if TYPE_CHECKING:
    from collections.abc import Iterable

# Parts that the linear layers take together.
PARTS = 4
_LARGE_BYTES = 8 << 20
_FRONT, _TAIL = 0, 1


class Split(nn.Module):
    """A network whose linear layers take several batches at a time."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Tensor) -> Any:
        """As the module itself."""
        return self.module(batch)


class _InParts(nn.Module):
    def __init__(self, front: nn.Module, part_size: int) -> None:
        super().__init__()
        self._front = front
        self._part_size = part_size

    def forward(self, batch: Tensor) -> Any:
        found = [self._front(part) for part in torch.split(batch, self._part_size)]
        if isinstance(found[0], Tensor):
            return torch.cat(found)
        return tuple(torch.cat(each) for each in zip(*found, strict=True))


def split(module: fx.GraphModule, part_size: int) -> fx.GraphModule | Split:
    """The same network with what comes before its first large linear layer in parts; itself if it has none.

    Args:
        module: see graph.trace.
        part_size: images of a part.
    """
    large = [node for node in module.graph.nodes if _bytes_of_linear(module, node) >= _LARGE_BYTES]
    if not large:
        return module
    tail = _all_that_need(large)
    parted = split_module(module, module, lambda node: _TAIL if node in tail else _FRONT)
    front = parted.get_submodule(f"submod_{_FRONT}")
    parted.add_submodule(f"submod_{_FRONT}", _InParts(front, part_size))
    return Split(parted)


def _bytes_of_linear(module: fx.GraphModule, node: fx.Node) -> int:
    if node.op != "call_module":
        return 0
    found = module.get_submodule(str(node.target))
    return (
        found.n_bytes
        if isinstance(found, fusion.PackedDense)
        else _n_bytes(found)
        if isinstance(found, nn.Linear)
        else 0
    )


def _n_bytes(linear: nn.Linear) -> int:
    return linear.weight.numel() * linear.weight.element_size()


def _all_that_need(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    found = set()
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if node not in found and node.op != "output":
            found.add(node)
            ahead += node.users
    return found
