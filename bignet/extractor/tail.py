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

from bignet.extractor import onednn

if TYPE_CHECKING:
    from collections.abc import Iterable

# Parts that the linear layers take together.
PARTS = 4
_LARGE_BYTES = 8 << 20
_FRONT, _TAIL = 0, 1
_ROUNDING = 0.02  # of bf16, in sums of another order


class Split(nn.Module):
    """A network whose linear layers take several batches at a time."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Tensor) -> Any:
        """As the module itself."""
        return self.module(batch)


class _InParts(nn.Module):
    def __init__(self, front: nn.Module) -> None:
        super().__init__()
        self._front = front
        self.part_size = 1

    def forward(self, batch: Tensor) -> Any:
        found = [self._front(part) for part in torch.split(batch, self.part_size)]
        if isinstance(found[0], Tensor):
            return torch.cat(found)
        return tuple(torch.cat(each) for each in zip(*found, strict=True))


def split(module: fx.GraphModule, part_size: int, sample: Tensor) -> fx.GraphModule | Split:
    """The same network with what comes before its first large linear layer in parts; itself if that cannot be.

    Args:
        module: packed, see fusion.pack.
        part_size: images of a part.
        sample: (1, 3, H, W) of the type to compute in.
    """
    large = [node for node in module.graph.nodes if _bytes_of_linear(module, node) >= _LARGE_BYTES]
    if not large:
        return module
    tail = _all_that_need(large)
    parted = split_module(module, module, lambda node: _TAIL if node in tail else _FRONT)
    front = _InParts(parted.get_submodule(f"submod_{_FRONT}"))
    parted.add_submodule(f"submod_{_FRONT}", front)
    two = torch.cat([sample, sample.flip(-1)]).contiguous(memory_format=torch.channels_last)
    if not _agree(parted, module, two):
        return module
    front.part_size = part_size
    return Split(parted)


def _agree(ours: nn.Module, theirs: nn.Module, batch: Tensor) -> bool:
    """Whether two pictures give the same one at a time: what has no dimension of images cannot be joined again."""
    with torch.inference_mode():
        try:
            pairs = zip(ours(batch), theirs(batch), strict=True)
            return all(a.shape == b.shape and _difference(a, b) <= _ROUNDING for a, b in pairs)
        except (RuntimeError, TypeError, ValueError):
            return False


def _difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest, as a share of the largest value."""
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max().clamp_min(1e-30))


def _bytes_of_linear(module: fx.GraphModule, node: fx.Node) -> int:
    """Of the weights of a linear layer that takes one vector an image; 0 for anything else."""
    if node.op != "call_module":
        return 0
    found = module.get_submodule(str(node.target))
    if isinstance(found, onednn.PackedDense):
        return found.n_bytes
    if type(found) is not nn.Linear or "tensor_meta" not in node.meta or len(node.meta["tensor_meta"].shape) != 2:
        return 0
    return found.weight.numel() * found.weight.element_size()


def _all_that_need(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    found = set()
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if node not in found and node.op != "output":
            found.add(node)
            ahead += node.users
    return found
