"""Convolutions and linear layers as oneDNN wants them: filters laid out once, what follows computed along with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Name, numbers, algorithm, as torch's operators take them.
Activation = tuple[str, list[float], str]
NO_ACTIVATION: Activation = ("none", [], "")


@dataclass(frozen=True)
class Site:
    """Where a convolution stands.

    Attributes:
        name: of its node in the graph.
        shape: of its input.
        activation: what follows it.
        geometry: padding, stride, dilation, groups.
        is_joined: whether all that is done with its result is to set it beside other channels.
    """

    name: str
    shape: list[int]
    activation: Activation
    geometry: tuple[Any, ...]
    is_joined: bool = False

    @classmethod
    def of(
        cls, convolution: nn.Conv2d, name: str, shape: list[int], activation: Activation, *, is_joined: bool = False
    ) -> Site:
        """With the geometry of ``convolution``."""
        where = (convolution.padding, convolution.stride, convolution.dilation)
        return cls(name, shape, activation, (*([*pair] for pair in where), convolution.groups), is_joined)


class Packed(nn.Module):
    """A convolution as oneDNN wants it; given a second input, it adds its result to that one in place."""

    def __init__(self, convolution: nn.Conv2d, site: Site) -> None:
        super().__init__()
        self._geometry = site.geometry
        self._activation = site.activation
        self._bias = convolution.bias
        pack_weight = torch.ops.mkldnn._reorder_convolution_weight  # noqa: SLF001 - what Inductor packs with
        self._weight = pack_weight(convolution.weight, *self._geometry, site.shape)

    def forward(self, batch: Tensor, into: Tensor | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W)."""
        kind, numbers, algorithm = self._activation
        ops = torch.ops.mkldnn
        if into is None:
            plain = ops._convolution_pointwise  # noqa: SLF001 - as above
            result: Tensor = plain(batch, self._weight, self._bias, *self._geometry, kind, numbers, algorithm)
            return result
        summing = ops._convolution_pointwise_.binary
        then = (None, [], "") if kind == "none" else self._activation
        added: Tensor = summing(into, batch, self._weight, self._bias, *self._geometry, "add", 1.0, *then)
        return added


class PackedDense(nn.Module):
    """A linear layer with the activation after it, as oneDNN wants it."""

    def __init__(self, linear: nn.Linear, activation: Activation) -> None:
        super().__init__()
        self._activation = activation
        self._bias = linear.bias
        self.n_bytes = linear.weight.numel() * linear.weight.element_size()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight)  # noqa: SLF001 - as above

    def forward(self, batch: Tensor) -> Tensor:
        """(N, in) -> (N, out)."""
        product = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - as above
        result: Tensor = product(batch, self._weight, self._bias, *self._activation)
        return result
