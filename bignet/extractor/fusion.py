"""Fewer and cheaper operations for the same numbers: batch norms folded away, activations and sums inside convolutions.

``fold_batch_norms`` holds anywhere. ``pack`` is for CPUs: convolutions become oneDNN's own, with their weights laid out
once, and the activation or residual sum that follows computed while the result is still in the registers.
"""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from bignet.extractor import onednn
from bignet.extractor.graph import Pooling, is_just

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bignet.extractor.onednn import Activation


def fold_batch_norms(module: fx.GraphModule) -> None:
    """Convolutions take over the batch norm that follows them: exact in real numbers, one operation less."""
    for node in list(module.graph.nodes):
        following = _only_user(node)
        if following is None or not _is_convolution(module, node):
            continue
        norm = _norm(module, following)
        if norm is None:
            continue
        convolution = _without_norm(_convolution(module, node), norm)
        put(module, node, convolution)
        _absorb(node, following)
    tidy(module)


def _without_norm(convolution: nn.Conv2d, norm: tuple[Any, ...]) -> nn.Conv2d:
    weight, bias = fuse_conv_bn_weights(convolution.weight, convolution.bias, *norm)
    return with_weights(convolution, weight, bias)


def with_weights(convolution: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """The same convolution with other numbers; the original keeps its own."""
    other = copy.copy(convolution)
    other.__dict__["_parameters"] = {}
    other.weight = nn.Parameter(weight, requires_grad=False)
    other.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return other


def convolutions(module: fx.GraphModule) -> Iterator[tuple[fx.Node, nn.Conv2d]]:
    """Those that can be made another kind of convolution."""
    for node in module.graph.nodes:
        if _is_convolution(module, node):
            yield node, _convolution(module, node)


def pack(module: fx.GraphModule, sample: Tensor, make: Callable[[nn.Conv2d, onednn.Site], nn.Module]) -> None:
    """Every convolution becomes oneDNN's, together with the activation or the sum and activation that follow it.

    Args:
        module: on the CPU, its parameters in the type to compute in.
        sample: (N, 3, H, W) batch of the size and type to come; one pass with it finds the sizes in between.
        make: what a convolution becomes; ``onednn.Packed`` or something that is called alike.
    """
    with torch.no_grad():
        _Shapes(module).run(sample)
    plans = {node: _Plan() for node in module.graph.nodes if _is_convolution(module, node)}
    for node, plan in plans.items():
        plan.activation = _take_activation(module, node)
    order = {node: number for number, node in enumerate(module.graph.nodes)}
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target in (operator.add, torch.add) and _is_plain_sum(node):
            _take_sum(module, node, plans, order)
    for node in plans:
        convolution = _convolution(module, node)
        shape, alone = list(node.args[0].meta["tensor_meta"].shape), _only_user(node)
        is_joined = alone is not None and bool(joined_channels(alone))
        site = onednn.Site.of(convolution, node.name, shape, plans[node].activation, is_joined=is_joined)
        put(module, node, make(convolution, site))
    if sample.dtype is torch.bfloat16:  # in fp32 the plain product is as fast
        _pack_dense(module)
    tidy(module)


class _Shapes(fx.Interpreter):
    """Notes shape and type of what each operation gives; torch's own ShapeProp prints where one fails."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["tensor_meta"] = result.to("meta")
        return result


def _pack_dense(module: fx.GraphModule) -> None:
    """Large linear layers of one vector an image, which would lay out their weights anew in every pass."""
    for node in list(module.graph.nodes):
        if node.op != "call_module" or node.kwargs or "tensor_meta" not in node.meta:
            continue
        linear = module.get_submodule(str(node.target))
        if is_just(linear, nn.Linear) and len(node.meta["tensor_meta"].shape) == 2:  # (N, dims)
            activation = _take_activation(module, node)
            put(module, node, onednn.PackedDense(linear, activation))


def _is_plain_sum(node: fx.Node) -> bool:
    """``a + b``, neither of them scaled or written elsewhere."""
    return len(node.args) == 2 and not node.kwargs


_NONE = onednn.NO_ACTIVATION
_RELU: Activation = ("relu", [], "")
_RELU6: Activation = ("hardtanh", [0.0, 6.0], "")
_MODULES: dict[type, Activation] = {
    nn.ReLU: _RELU,
    nn.ReLU6: _RELU6,
    nn.Hardswish: ("hardswish", [], ""),
    nn.SiLU: ("swish", [], ""),
}
_FUNCTIONS: dict[Any, Activation] = {
    F.relu: _RELU,
    torch.relu: _RELU,
    F.relu6: _RELU6,
    F.hardswish: ("hardswish", [], ""),
    F.silu: ("swish", [], ""),
}


@dataclass
class _Plan:
    """What a convolution takes over from the operations after it."""

    activation: Activation = _NONE


def _take_activation(module: fx.GraphModule, node: fx.Node) -> Activation:
    """The activation that alone uses this node's result, taken out of the graph."""
    following = _only_user(node)
    if following is None:
        return _NONE
    found = _NONE
    if following.op == "call_module":
        act = module.get_submodule(str(following.target))
        found = _MODULES.get(type(act), _NONE) if is_just(act, type(act)) else _NONE
    elif following.op == "call_function":
        found = _FUNCTIONS.get(following.target, _NONE)
    elif following.op == "call_method" and following.target == "relu":
        found = _RELU
    if found is not _NONE:
        _absorb(node, following)
    return found


def _take_sum(module: fx.GraphModule, total: fx.Node, plans: dict[fx.Node, _Plan], order: dict[fx.Node, int]) -> None:
    """``other + convolution``: the convolution adds into ``other`` if nobody, itself included, reads that one then."""
    terms = [term for term in total.args if isinstance(term, fx.Node)]
    ours = [term for term in terms if term in plans and plans[term].activation is _NONE and _only_user(term) is total]
    if len(terms) != len(total.args) or terms[0] is terms[1] or not ours:
        return
    convolution = max(ours, key=order.__getitem__)
    other = terms[1] if convolution is terms[0] else terms[0]
    if len(convolution.args) > 1 or order[other] > order[convolution]:
        return
    earlier = all(order[user] < order[convolution] for user in other.users if user is not total)
    if not earlier or not _has_memory_of_its_own(module, other, plans, total):
        return
    shapes = [term.meta["tensor_meta"].shape for term in terms if "tensor_meta" in term.meta]
    if len(shapes) < len(terms) or shapes[0] != shapes[1]:
        return
    convolution.args = (convolution.args[0], other)
    _absorb(convolution, total)
    plans[convolution].activation = _take_activation(module, convolution)


def _has_memory_of_its_own(module: fx.GraphModule, node: fx.Node, plans: dict[fx.Node, _Plan], total: fx.Node) -> bool:
    """Whether nobody but the sum can look at a result later, not even through a view of it."""
    readers = [user for user in node.users if user is not total]
    return _is_fresh(module, node, plans) and all(_is_fresh(module, user, plans) for user in readers)


def _is_fresh(module: fx.GraphModule, node: fx.Node, plans: dict[fx.Node, _Plan]) -> bool:
    if node in plans:
        return True
    if node.op == "call_module":
        found = module.get_submodule(str(node.target))
        return any(is_just(found, kind) for kind in (nn.MaxPool2d, nn.ReLU, nn.BatchNorm2d, nn.AvgPool2d, Pooling))
    return node.op == "call_function" and node.target in (operator.add, torch.add, torch.relu, F.relu)


def _is_convolution(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return False
    found = module.get_submodule(str(node.target))
    return is_just(found, nn.Conv2d) and found.padding_mode == "zeros" and not isinstance(found.padding, str)


def _convolution(module: fx.GraphModule, node: fx.Node) -> nn.Conv2d:
    found = module.get_submodule(str(node.target))
    if not isinstance(found, nn.Conv2d):
        raise TypeError(f"{node.target} is no convolution")
    return found


def joined_channels(node: fx.Node) -> Sequence[fx.Node]:
    """What a node joins along the channels, none of it twice; nothing if it does something else."""
    if node.op != "call_function" or node.target is not torch.cat or [*node.args[1:], *node.kwargs.values()] != [1]:
        return []
    parts, distinct = node.args[0], node.all_input_nodes
    return distinct if isinstance(parts, list | tuple) and list(parts) == distinct else []


def _norm(module: fx.GraphModule, node: fx.Node) -> tuple[Any, ...] | None:
    """(mean, variance, epsilon, weight, bias) of a batch norm with fixed statistics; None for anything else."""
    if node.op == "call_module":
        found = module.get_submodule(str(node.target))
        if not is_just(found, nn.BatchNorm2d) or found.training or found.running_mean is None:
            return None
        return found.running_mean, found.running_var, found.eps, found.weight, found.bias
    if node.op != "call_function" or node.target is not F.batch_norm:
        return None
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    given = dict(zip(names, node.args, strict=False)) | node.kwargs  # what is left out has torch's default
    if given.get("training", False) or given.get("running_mean") is None:
        return None
    tensors = [_value(module, given.get(name)) for name in ("running_mean", "running_var", "weight", "bias")]
    return tensors[0], tensors[1], given.get("eps", 1e-5), tensors[2], tensors[3]


def _value(module: fx.GraphModule, node: Any) -> Any:
    if not isinstance(node, fx.Node):
        return node
    owner, _, name = str(node.target).rpartition(".")
    return getattr(module.get_submodule(owner), name)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _absorb(node: fx.Node, following: fx.Node) -> None:
    following.replace_all_uses_with(node)
    following.graph.erase_node(following)


def place_of(name: str) -> str:
    """Where the module stands that took the place of a node of that name."""
    return f"fused_{name}"


def put(module: fx.GraphModule, node: fx.Node, replacement: nn.Module) -> None:
    """A module of its own for this node: another node may call the one it had."""
    name = place_of(node.name)
    module.add_submodule(name, replacement)
    node.target = name


def tidy(module: fx.GraphModule) -> None:
    """Drop what nobody uses, and make the graph runnable again."""
    module.graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))
    module.delete_all_unused_submodules()
    module.graph.lint()
    module.recompile()
