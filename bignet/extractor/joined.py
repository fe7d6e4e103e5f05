"""Convolutions whose results are joined, written where they belong: no map is copied to stand beside another.

SqueezeNet's and GoogLeNet's blocks end so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from bignet.extractor import fusion, kernels

if TYPE_CHECKING:
    from collections.abc import Sequence


def put_in(module: fx.GraphModule) -> None:
    """A graph that ``fusion.pack`` has gone through: joined results of BigNet's kernels become one ``Joined`` each."""
    for node in list(module.graph.nodes):
        parts = fusion.joined_channels(node)
        branches = [_branch(module, part) for part in parts]
        convolutions = [branch for branch in branches if branch is not None]
        if convolutions and len(convolutions) == len(branches):
            _join(module, node, Joined(convolutions), [part.args[0] for part in parts])
    fusion.tidy(module)


class Joined(nn.Module):
    """Convolutions of maps of their own (or the same), their results' channels one after the other."""

    def __init__(self, branches: Sequence[kernels.Convolution]) -> None:
        super().__init__()
        self._branches = tuple(branches)
        self._n_channels = sum(branch.n_channels for branch in branches)

    def forward(self, *batches: Tensor) -> Tensor:
        """(N, in, H, W) float32 each -> (N, out, H, W), channels last in memory."""
        shape = (len(batches[0]), self._n_channels, *self._branches[0].sides(batches[0]))
        whole = torch.empty(shape, memory_format=torch.channels_last)
        first = 0
        for branch, batch in zip(self._branches, batches, strict=True):
            branch.fill(batch, whole, first)
            first += branch.n_channels
        return whole


def _branch(module: fx.GraphModule, node: fx.Node) -> kernels.Convolution | None:
    """A convolution that nobody but the joined map reads, and that is done when its kernel is."""
    if node.op != "call_module" or len(node.args) != 1 or len(node.users) != 1:
        return None
    found = module.get_submodule(str(node.target))
    return found if isinstance(found, kernels.Convolution) and found.is_fused else None


def _join(module: fx.GraphModule, node: fx.Node, joined: Joined, inputs: Sequence[Any]) -> None:
    with module.graph.inserting_before(node):
        whole = module.graph.create_node("call_module", "", tuple(inputs))
    fusion.put(module, whole, joined)
    node.replace_all_uses_with(whole)
