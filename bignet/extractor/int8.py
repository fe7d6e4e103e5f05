"""Convolutions in 8-bit integers: twice the arithmetic of bf16 where a processor multiplies bytes (VNNI).

The input of such a convolution is rounded to 255 steps between 0 and the largest value seen on a sample (254 between
minus that and that where values may be negative); larger ones become that value. Filters are rounded to 254 steps, each
filter with a scale of its own; sums are exact, and results are floating-point numbers again. Formula: Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 2.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from bignet.errors import MismatchError
from bignet.extractor import fusion, onednn

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

Ranges = tuple[tuple[str, float], ...]
# Added to a float32 of at most 23 bits, it leaves that number, rounded to the nearest integer, in the lowest bits.
_ROUNDER = float(1 << 23)
_STEPS, _SIGNED_STEPS = 255, 127
_ZERO = 128  # what stands for 0 where values may be negative
_CHANNELS = (1, 2, 3)  # all but the filter's number


@dataclass(frozen=True)
class Grid:
    """The numbers that 8 bits can stand for.

    Attributes:
        largest: the largest of them.
        signed: whether there are negative ones.
    """

    largest: float
    signed: bool

    @property
    def step(self) -> float:
        """From one number to the next."""
        return self.largest / (_SIGNED_STEPS if self.signed else _STEPS)

    @property
    def zero(self) -> int:
        """The byte that stands for 0."""
        return _ZERO if self.signed else 0

    def bytes_of(self, values: Tensor) -> Tensor:
        """Floating-point numbers -> uint8, each the nearest number there is; NaN -> the first."""
        clipped = values.to(torch.float32, copy=True).clamp_(-self.largest if self.signed else 0.0, self.largest)
        base = torch.tensor(_ROUNDER + self.zero, device=values.device)
        torch.add(base, clipped, alpha=1 / self.step, out=clipped)  # one place for all: it stays in the cache
        return clipped.view(torch.int32).to(torch.uint8)

    def rounded(self, values: Tensor) -> Tensor:
        """The nearest numbers there are, as floating-point numbers of the same type."""
        return ((self.bytes_of(values).float() - self.zero) * self.step).to(values.dtype)


@dataclass(frozen=True)
class Source:
    """A convolution in float32, and what 8 bits can stand for in its input.

    Attributes:
        weight: (out, in, H, W) float32, batch norm folded in.
        bias: (out,) float32 or None.
        grid: of the input.
    """

    weight: Tensor
    bias: Tensor | None
    grid: Grid

    @property
    def scales(self) -> Tensor:
        """(out,) float32: the step of each filter; 1 for a filter of zeros."""
        scales = self.weight.abs().amax(_CHANNELS) / _SIGNED_STEPS
        return torch.where(scales > 0, scales, torch.ones_like(scales))

    @property
    def integers(self) -> Tensor:
        """(out, in, H, W) int8."""
        return (self.weight / self.scales[:, None, None, None]).round().to(torch.int8)


class Convolution(nn.Module):
    """In oneDNN's integers; input uint8 on its grid or still floating-point; see onednn.Packed for the second input."""

    def __init__(self, source: Source, site: onednn.Site) -> None:
        super().__init__()
        self.grid = source.grid
        self._geometry = site.geometry
        self.activation = site.activation
        self._output: tuple[float, int, torch.dtype] = (1.0, 0, torch.bfloat16)
        self._bias = source.bias
        scales = source.scales
        stride, padding, dilation, groups = self._of_torch()
        self._packed = torch.ops.onednn.qconv_prepack(
            source.integers, scales, self.grid.step, self.grid.zero, stride, padding, dilation, groups, site.shape
        )
        self._filters = (self._packed, scales, torch.zeros(len(scales), dtype=torch.int64))

    def _of_torch(self) -> tuple[Any, ...]:
        padding, stride, dilation, groups = self._geometry
        return stride, padding, dilation, groups

    def answer_in_bytes(self, grid: Grid) -> None:
        """Its results are wanted as uint8 on that grid."""
        self._output = (grid.step, grid.zero, torch.uint8)

    def forward(self, batch: Tensor, into: Tensor | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W)."""
        given = batch if batch.dtype is torch.uint8 else self.grid.bytes_of(batch)
        values = (given, self.grid.step, self.grid.zero, *self._filters)
        kind, numbers, algorithm = self.activation
        ops = torch.ops.onednn
        if into is None:
            plain = ops.qconv2d_pointwise
            result: Tensor = plain(*values, self._bias, *self._of_torch(), *self._output, kind, numbers, algorithm)
            return result
        summing = ops.qconv2d_pointwise.binary
        place = (into, self._bias, *self._of_torch(), *self._output, 1.0, 0, "sum", 1.0)
        added: Tensor = summing(*values, *place, kind, numbers, algorithm)
        return added


class Bytes(nn.Module):
    """Numbers rounded once for several convolutions."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._grid = grid

    def forward(self, values: Tensor) -> Tensor:
        """Floating-point -> uint8."""
        return self._grid.bytes_of(values)


class Imitation(nn.Module):
    """The same roundings in floating-point arithmetic, for devices without 8-bit convolutions."""

    def __init__(self, convolution: nn.Conv2d, grid: Grid) -> None:
        super().__init__()
        self._grid = grid
        self.convolution = convolution

    def forward(self, batch: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W)."""
        result: Tensor = self.convolution(self._grid.rounded(batch))
        return result


def sources(module: fx.GraphModule, ranges: Mapping[str, float]) -> dict[str, Source]:
    """The convolutions named, by their nodes' names, while the graph is still in float32.

    Raises:
        MismatchError: one of them is not there.
    """
    found = {}
    for node, convolution in fusion.convolutions(module):
        if node.name in ranges:
            grid = Grid(ranges[node.name], signed=not _never_negative(module, node.args[0]))
            found[node.name] = Source(convolution.weight.detach(), _detached(convolution.bias), grid)
    check_all_there(ranges, found)
    return found


def check_all_there(ranges: Iterable[str], found: Container[str]) -> None:
    """Whether the convolutions named are among those found.

    Raises:
        MismatchError: one is not.
    """
    missing = [name for name in ranges if name not in found]
    if missing:
        raise MismatchError(
            f"the vectors need convolution '{missing[0]}' in 8-bit integers, which this network does not have; "
            "use the versions of torch and of the model's package that made the store (bignet info names them)"
        )


def _detached(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach()


def imitate(module: fx.GraphModule, chosen: Mapping[str, Source]) -> None:
    """Every convolution of ``chosen`` becomes an imitation; to be done in float32, before the graph is moved."""
    for node, convolution in list(fusion.convolutions(module)):
        source = chosen.get(node.name)
        if source is not None:
            rounded = source.integers.float() * source.scales[:, None, None, None]
            fusion.put(module, node, Imitation(fusion.with_weights(convolution, rounded, source.bias), source.grid))
    fusion.tidy(module)


def link(module: fx.GraphModule) -> None:
    """Round once where several convolutions read the same numbers, and nowhere between two that follow each other."""
    for node in list(module.graph.nodes):
        readers = [user for user in node.users if _integer(module, user) is not None and user.args[0] is node]
        grids = {_grid(module, user) for user in readers}
        if not readers or len(grids) != 1:
            continue
        (grid,) = grids
        before = _integer(module, node)
        alone = all(user in readers and node not in user.args[1:] for user in node.users)
        if before is not None and alone and len(node.args) == 1 and not grid.signed:
            before.answer_in_bytes(grid)
        elif len(readers) > 1:
            _share(module, node, readers, grid)
    fusion.tidy(module)


def _share(module: fx.GraphModule, node: fx.Node, readers: list[fx.Node], grid: Grid) -> None:
    name = f"bytes_of_{node.name}"
    module.add_submodule(name, Bytes(grid))
    with module.graph.inserting_after(node):
        shared = module.graph.call_module(name, (node,))
    for reader in readers:
        reader.args = (shared, *reader.args[1:])


def _integer(module: fx.GraphModule, node: fx.Node) -> Convolution | None:
    found = module.get_submodule(str(node.target)) if node.op == "call_module" else None
    return found if isinstance(found, Convolution) else None


def _grid(module: fx.GraphModule, node: fx.Node) -> Grid:
    found = _integer(module, node)
    if found is None:
        raise TypeError(f"{node} is no convolution in integers")
    return found.grid


_NOT_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid)
_KEEPS_SIGN = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Identity)
_NOT_NEGATIVE_FUNCTIONS = (F.relu, torch.relu, F.relu6, torch.sigmoid)
_KEEPS_SIGN_FUNCTIONS = (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, operator.add, torch.add, torch.cat)


def _never_negative(module: fx.GraphModule, node: Any) -> bool:
    """Whether a result is 0 or more whatever the picture."""
    if not isinstance(node, fx.Node):
        return False
    if node.op == "call_method":
        return node.target == "relu"
    if node.op == "call_module":
        found = module.get_submodule(str(node.target))
        return isinstance(found, _NOT_NEGATIVE) or (
            isinstance(found, _KEEPS_SIGN) and _never_negative(module, node.args[0])
        )
    if node.op != "call_function":
        return False
    terms = node.all_input_nodes
    # A number is added, or times one.
    plain = node.target in (operator.add, torch.add) and (len(terms) != len(node.args) or bool(node.kwargs))
    return node.target in _NOT_NEGATIVE_FUNCTIONS or (
        node.target in _KEEPS_SIGN_FUNCTIONS and not plain and all(_never_negative(module, term) for term in terms)
    )
