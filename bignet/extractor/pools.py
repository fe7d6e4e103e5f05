"""Pools: a layer's feature map -> a vector an image.

Sources of the formulas: SPoC/global average (Babenko & Lempitsky 2015), MAC (Tolias et al. 2016), GeM (Radenovic et
al. 2018), average pooling as ``torch.nn.functional.avg_pool2d``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from bignet.errors import UsageError
from bignet.spec import parse_pool

if TYPE_CHECKING:
    from collections.abc import Callable

GEM_EPSILON = 1e-6


@dataclass(frozen=True)
class Pool:
    """A pool by its canonical name.

    Attributes:
        name: ``gap``, ``max``, ``gem:3``, ``avg:3``, ``flat``.
        apply: (N, C, H, W) or (N, D) -> (N, dims).
        needs_map: whether it is defined on (N, C, H, W) only.
        needs_non_negative: whether a map with negative values gives nonsense.
        kernel: side of its window, for avg:k; 0 otherwise.
    """

    name: str
    apply: Callable[[Tensor], Tensor]
    needs_map: bool = True
    needs_non_negative: bool = False
    kernel: int = 0


def find(text: str) -> Pool:
    """``"gem:3"`` -> its Pool.

    Raises:
        UsageError: not a pool; the message lists those there are.
    """
    name = parse_pool(text)
    if name.kind == "gem":
        return Pool(str(name), partial(gem, p=name.number), needs_non_negative=True)
    if name.kind == "avg":
        return Pool(str(name), partial(average, k=int(name.number)), kernel=int(name.number))
    return _PLAIN[name.kind]


def global_average(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C): the mean over all positions. After L2 normalisation the same as SPoC."""
    return maps.mean(dim=(2, 3))


def maximum(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C): the largest activation of each channel (MAC)."""
    return maps.amax(dim=(2, 3))


def gem(maps: Tensor, p: float) -> Tensor:
    """(N, C, H, W) -> (N, C): generalised mean, (mean max(x, 1e-6)^p)^(1/p)."""
    return maps.clamp(min=GEM_EPSILON).pow(p).mean(dim=(2, 3)).pow(1.0 / p)


def average(maps: Tensor, k: int) -> Tensor:
    """(N, C, H, W) -> (N, C * floor(H/k) * floor(W/k)): k x k means, stride k, the border left over is dropped."""
    return F.avg_pool2d(maps, kernel_size=k).flatten(1)


def flat(values: Tensor) -> Tensor:
    """(N, ...) -> (N, D): every activation, copied: an in-place ReLU that follows would overwrite a view."""
    return values.flatten(1).clone()


_PLAIN = {
    "gap": Pool("gap", global_average),
    "max": Pool("max", maximum),
    "flat": Pool("flat", flat, needs_map=False),
}


def check(pool: Pool, layer: str, sample: Tensor) -> int:
    """Whether a pool fits a layer's output, tried on a sample (N, ...) -> dims of the pooled vector.

    Raises:
        UsageError: the output is no map, too small for the window, or negative where that is nonsense.
    """
    if pool.needs_map and sample.ndim != 4:  # (N, C, H, W)
        shape = tuple(sample.shape[1:])
        raise UsageError(f"layer '{layer}' gives {shape}, not a feature map, so '{pool.name}' has no meaning; use flat")
    if pool.needs_map and 1 < sample.shape[1] == sample.shape[2] != sample.shape[3]:
        shape = tuple(sample.shape[1:])
        raise UsageError(f"layer '{layer}' gives {shape}, with its channels last; tap the layer that permutes them")
    if pool.kernel and min(sample.shape[2:]) < pool.kernel:
        height, width = sample.shape[2:]
        raise UsageError(f"pool '{pool.name}' is larger than the {height} x {width} map of layer '{layer}'")
    if pool.needs_non_negative and bool((sample < 0).any()):
        raise UsageError(
            f"pool '{pool.name}' needs a map without negative values, and layer '{layer}' has them; "
            "take the activation (ReLU) that follows it, or use gap"
        )
    return int(pool.apply(sample).shape[1])


def coverage(pool: Pool, height: int, width: int) -> float:
    """Share of a map's area that a pool uses: below 1 only where avg:k drops the border."""
    if not pool.kernel:
        return 1.0
    k = pool.kernel
    return (height // k * k) * (width // k * k) / (height * width)
