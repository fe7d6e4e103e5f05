"""Pools: a layer's output -> a vector an image, in float32 whatever the output's precision and memory layout.

Sources of the formulas: SPoC/global average (Babenko & Lempitsky 2015), MAC and R-MAC (Tolias et al. 2016, regions as
in cirtorch), GeM (Radenovic et al. 2018), CroW (Kalantidis et al. 2016), windows as ``torch.nn.functional``.
A map (N, C, H, W) has H * W positions; tokens (N, T, C) have T, the class token among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from bignet.errors import UsageError
from bignet.spec import parse_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EPSILON = 1e-6  # GeM's floor, CroW's constant, and what keeps an empty region from dividing by zero
TOKENS = 3  # (N, T, C)
MAP = 4  # (N, C, H, W)


@dataclass(frozen=True)
class Pool:
    """A pool by its canonical name.

    Attributes:
        name: ``gap``, ``max``, ``gem:3``, ``rmac:3``, ``crow``, ``avg:3``, ``avgc:3``, ``grid:2``, ``cls``, ``flat``.
        apply: (N, ...) in any floating type -> (N, dims) float32, sharing no memory with what came in.
        takes: numbers of dimensions of the outputs it is defined on; empty = any.
        needs_non_negative: whether a map with negative values gives nonsense.
        smallest: the least side of a map it is defined on.
        kernel: side of its window where the border left over is dropped (avg:k); 0 otherwise.
    """

    name: str
    apply: Callable[[Tensor], Tensor]
    takes: tuple[int, ...] = (TOKENS, MAP)
    needs_non_negative: bool = False
    smallest: int = 1
    kernel: int = 0


def find(text: str) -> Pool:
    """``"gem:3"`` -> its Pool.

    Raises:
        UsageError: not a pool; the message lists those there are.
    """
    name = parse_pool(text)
    if name.kind in _PLAIN:
        return _PLAIN[name.kind]
    if name.kind == "gem":
        return Pool(str(name), partial(gem, p=name.number), needs_non_negative=True)
    return _counted(name.kind, str(name), int(name.number))


def _counted(kind: str, name: str, n: int) -> Pool:
    if kind == "avg":
        return Pool(name, partial(average, k=n), (MAP,), smallest=n, kernel=n)
    if kind == "avgc":
        return Pool(name, partial(average_whole, k=n), (MAP,), smallest=n)
    if kind == "grid":
        return Pool(name, partial(grid, n=n), (MAP,), smallest=n)
    return Pool(name, partial(regional_maximum, levels=n), (MAP,), smallest=(n + 2) // 2)


def _by_image(pool: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Pool image after image on a CPU, whose caches one map in float32 fits; a GPU takes the batch as it is."""
    return torch.cat([pool(part) for part in (torch.split(values, 1) if values.device.type == "cpu" else (values,))])


def _rows(values: Tensor) -> Tensor:
    """(N, C, H, W) or (N, T, C) -> (N, positions, C); of a channels-last map a view."""
    return values.permute(0, 2, 3, 1).flatten(1, 2) if values.ndim == MAP else values


def global_average(values: Tensor) -> Tensor:
    """(N, C, H, W) or (N, T, C) -> (N, C): the mean over all positions. After L2 normalisation the same as SPoC."""
    return _by_image(lambda part: _rows(part).float().mean(dim=1), values)


def maximum(values: Tensor) -> Tensor:
    """(N, C, H, W) or (N, T, C) -> (N, C): the largest activation of each channel (MAC)."""
    return _by_image(lambda part: _rows(part).amax(dim=1).float(), values)


def gem(values: Tensor, p: float) -> Tensor:
    """(N, C, H, W) or (N, T, C) -> (N, C): generalised mean, (mean max(x, 1e-6)^p)^(1/p)."""

    def pool(part: Tensor) -> Tensor:
        rows = _rows(part).float().clamp(min=EPSILON)
        largest = rows.amax(dim=1, keepdim=True)  # taken out, so that no power overflows or vanishes
        return (rows.div_(largest).pow_(p).mean(dim=1)).pow(1.0 / p) * largest[:, 0]

    return _by_image(pool, values)


def crow(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C): CroW, sums over positions, weighted by position and by channel.

    A position weighs sqrt(S / |S|_2), S its sum over channels; a channel ln((C e + sum Q) / (e + Q_c)), Q_c the share
    of its positions that are not zero, e = 1e-6.
    """

    def pool(part: Tensor) -> Tensor:
        rows = _rows(part).float()  # (1, positions, C)
        strength = rows.sum(dim=2)
        spatial = F.normalize(strength, eps=EPSILON).sqrt()
        share = (rows != 0).float().mean(dim=1)
        rare = ((rows.shape[2] * EPSILON + share.sum(dim=1, keepdim=True)) / (EPSILON + share)).log()
        return rare * (spatial.unsqueeze(1) @ rows).squeeze(1)

    return _by_image(pool, maps)


def regional_maximum(maps: Tensor, levels: int) -> Tensor:
    """(N, C, H, W) -> (N, C): R-MAC, the sum of the L2-normalised maxima of the whole map and of square regions.

    Level l has squares of side floor(2 min(H, W) / (l + 1)), l along the shorter side, more along a longer one, about
    40 % of two neighbours shared.
    """
    rows = maps.permute(0, 2, 3, 1)  # slices of whole positions are read fastest
    total = _unit(rows.amax(dim=(1, 2)))
    for side, tops, lefts in _regions(maps.shape[2], maps.shape[3], levels):
        for top in tops:
            strip = rows[:, top : top + side].amax(dim=1)
            for left in lefts:
                total += _unit(strip[:, left : left + side].amax(dim=1))
    return total


def _unit(vectors: Tensor) -> Tensor:
    vectors = vectors.float()
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / (lengths + EPSILON)


def _regions(height: int, width: int, levels: int) -> Iterator[tuple[int, list[int], list[int]]]:
    """R-MAC's squares, level by level: side, tops, lefts."""
    more = _extra_steps(height, width)
    for level in range(1, levels + 1):
        side = 2 * min(height, width) // (level + 1)
        down = level + (more if height > width else 0)
        across = level + (more if width > height else 0)
        yield side, _starts(height - side, down), _starts(width - side, across)


def _extra_steps(height: int, width: int) -> int:
    """How many squares more along the longer side bring the share of two neighbours closest to 40 %."""
    short, room = min(height, width), abs(height - width)
    return min(range(1, 7), key=lambda steps: abs(1 - room / steps / short - 0.4))


def _starts(room: int, steps: int) -> list[int]:
    return [step * room // max(steps - 1, 1) for step in range(steps)]


def average(maps: Tensor, k: int) -> Tensor:
    """(N, C, H, W) -> (N, C * floor(H/k) * floor(W/k)): k x k means, stride k, the border left over is dropped."""
    return _by_image(lambda part: F.avg_pool2d(part.float(), k).flatten(1), maps)


def average_whole(maps: Tensor, k: int) -> Tensor:
    """(N, C, H, W) -> (N, C * ceil(H/k) * ceil(W/k)): k x k means, stride k, those at the border over what is there."""
    pool = partial(F.avg_pool2d, kernel_size=k, ceil_mode=True, count_include_pad=False)
    return _by_image(lambda part: pool(part.float()).flatten(1), maps)


def grid(maps: Tensor, n: int) -> Tensor:
    """(N, C, H, W) -> (N, C * n * n): the map cut into n x n parts, equal to a pixel and overlapping by as much."""
    return _by_image(lambda part: F.adaptive_avg_pool2d(part.float(), n).flatten(1), maps)


def class_token(tokens: Tensor) -> Tensor:
    """(N, T, C) -> (N, C): the first token, where transformers that have one keep their class token."""
    return _by_image(lambda part: part[:, 0].float(), tokens)


def flat(values: Tensor) -> Tensor:
    """(N, ...) -> (N, D): every activation, copied: an in-place ReLU that follows would overwrite a view."""
    return _by_image(lambda part: part.flatten(1).float(), values)


_PLAIN = {
    "gap": Pool("gap", global_average),
    "max": Pool("max", maximum),
    "crow": Pool("crow", crow, (MAP,), needs_non_negative=True),
    "cls": Pool("cls", class_token, (TOKENS,)),
    "flat": Pool("flat", flat, ()),
}


def check(pool: Pool, layer: str, sample: Tensor) -> int:
    """Whether a pool fits a layer's output, tried on a sample (N, ...) -> dims of the pooled vector.

    Raises:
        UsageError: the pool is not defined on such an output, its window is larger, or there are negative values where
            that is nonsense.
    """
    if pool.takes:
        _check_kind(pool, layer, sample)
    if sample.ndim == MAP and min(sample.shape[2:]) < pool.smallest:
        height, width = sample.shape[2:]
        raise UsageError(
            f"pool '{pool.name}' is larger than the {height} x {width} map of layer '{layer}'; "
            f"it needs {pool.smallest} x {pool.smallest}; give a smaller number, an earlier layer, or use gap"
        )
    if pool.needs_non_negative and bool((sample < 0).any()):
        raise UsageError(
            f"pool '{pool.name}' needs a map without negative values, and layer '{layer}' has them; "
            "take the activation (ReLU) that follows it, or use gap"
        )
    return int(pool.apply(sample).shape[1])


def _check_kind(pool: Pool, layer: str, sample: Tensor) -> None:
    shape = tuple(sample.shape[1:])
    if sample.ndim not in pool.takes:
        raise UsageError(f"layer '{layer}' gives {shape}, {_instead(sample)}; '{pool.name}' has no meaning for it")
    if channels_last(tuple(sample.shape)):
        raise UsageError(
            f"layer '{layer}' gives {shape}, with its channels last, so '{pool.name}' would mix them up; tap the layer "
            "that permutes or pools them (torchvision's Swin: permute; timm's: head.global_pool), or use flat"
        )


def _instead(sample: Tensor) -> str:
    """What an output is, and which pools it has."""
    if sample.ndim == TOKENS:
        return "tokens, not a feature map: use gap, max, cls or flat"
    if sample.ndim == MAP:
        return "a feature map, without a class token: use gap"
    return "not a feature map: use flat"


def channels_last(shape: tuple[int, ...]) -> bool:
    """Whether an output is a map as (N, H, W, C): inputs are square, so its equal sides show where they are."""
    return len(shape) == MAP and 1 < shape[1] == shape[2] != shape[3]


def has_positions(shape: tuple[int, ...]) -> bool:
    """Whether an output of shape (N, ...) is a map larger than 1 x 1 or more than one token."""
    if len(shape) == TOKENS:
        return shape[1] > 1
    return len(shape) == MAP and min(shape[2:]) > 1


def coverage(pool: Pool, height: int, width: int) -> float:
    """Share of a map's area that a pool uses: below 1 only where avg:k drops the border."""
    if not pool.kernel:
        return 1.0
    k = pool.kernel
    return (height // k * k) * (width // k * k) / (height * width)
