"""A network as a graph of operations that computes the pooled vectors asked for, and nothing else.

Following a network's own code with symbols (``torch.fx``) gives every operation in order. Where a tapped layer ends,
its pools are put in; what no pool needs falls away. So a pass ends after the last layer asked for, maps are let go as
soon as they are pooled, and operations can be fused (``fusion.py``). Networks whose code cannot be followed keep their
hooks (``taps.py``).
"""

from __future__ import annotations

import copy
import inspect
import operator
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Pools = Mapping[str, Sequence[Callable[[Tensor], Tensor]]]


Kind = TypeVar("Kind", bound=nn.Module)


class Untraceable(Exception):  # noqa: N818 - not an error of the run: the hooks do it
    """This network, or a tapped layer of it, cannot be followed with symbols."""


def trace(model: nn.Module, pools: Pools) -> fx.GraphModule:
    """A network in eval mode -> a module that gives the pooled vectors of each layer, in the order of ``pools``.

    Args:
        model: shares its parameters with the result; its own modules are left alone.
        pools: layer -> functions of its output that return no view of it.

    Raises:
        Untraceable: the network's code depends on its input, or a layer is inside something that does.
    """
    tracer = _Tracer()
    try:
        graph = tracer.trace(model)
    except Exception as error:  # whatever a network's own code makes of a symbol
        raise Untraceable(str(error)) from error
    missing = [layer for layer in pools if layer not in tracer.outputs]
    if missing:
        raise Untraceable(f"layer '{missing[0]}' is inside a part that cannot be followed")
    module = fx.GraphModule(with_own_modules(model), graph)
    _check_overwriting(module)
    copied = dict(zip(graph.nodes, module.graph.nodes, strict=True))
    _end_in_pools(module, {layer: copied[tracer.outputs[layer]] for layer in pools}, pools)
    _without_idle(module)
    _without_overwriting(module)
    _without_views(module)
    module.delete_all_unused_submodules()
    module.graph.lint()
    module.recompile()
    return module


class _Tracer(fx.Tracer):
    """Notes the last output of each module; a module that cannot be followed stays whole."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        name = self.path_of_module(m)
        last = next(iter(reversed(self.graph.nodes)))
        stack = self.module_stack.copy()
        try:
            output = super().call_module(m, forward, args, kwargs)
        except Exception:  # its code asks for numbers that symbols do not have
            self.module_stack = stack
            self._forget_after(last)
            output = self.create_proxy("call_module", name, args, kwargs)
        if isinstance(output, fx.Proxy):
            self.outputs[name] = output.node
        return output

    def _forget_after(self, last: fx.Node) -> None:
        for node in list(reversed(self.graph.nodes)):
            if node is last:
                return
            self.outputs = {name: kept for name, kept in self.outputs.items() if kept is not node}
            self.graph.erase_node(node)


class Pooling(nn.Module):
    """A pool as a module of the graph; its result is no view of its input."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._pool = pool

    def forward(self, output: Tensor) -> Tensor:
        """(N, ...) -> (N, dims) float32."""
        return self._pool(output)


def _end_in_pools(module: fx.GraphModule, outputs: Mapping[str, fx.Node], pools: Pools) -> None:
    """Each pool right after its layer; the vectors are what the graph returns."""
    graph = module.graph
    vectors: list[fx.Node] = []
    for layer, functions in pools.items():
        after = outputs[layer]
        for function in functions:
            name = f"pool_{len(vectors)}"
            module.add_submodule(name, Pooling(function))
            with graph.inserting_after(after):
                after = graph.call_module(name, (outputs[layer],))
            vectors.append(after)
    old = next(node for node in reversed(graph.nodes) if node.op == "output")
    graph.erase_node(old)
    graph.output(tuple(vectors))
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))


def is_just(module: nn.Module, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether a module does what its kind does: no hook or method of the network's author changes it."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)  # noqa: SLF001 - torch has no other way to ask
    return type(module) is kind and not any(hooks) and "forward" not in vars(module)


def with_own_modules(model: nn.Module) -> nn.Module:
    """The same network in new modules around the same parameters: rewriting it leaves the original as it was."""
    memo = {id(value): value for value in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, memo)


def _without_idle(module: fx.GraphModule) -> None:
    """Modules that give back what they get stand between operations that could be one."""
    for node in list(module.graph.nodes):
        if node.op != "call_module" or len(node.args) != 1 or not isinstance(node.args[0], fx.Node):
            continue
        found = module.get_submodule(str(node.target))
        if any(is_just(found, kind) for kind in (nn.Identity, nn.Dropout, nn.Dropout2d)):
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)


# Operations that write into their first argument, and what gives the same in a new place.
_IN_NEW_PLACE: dict[Any, Any] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    torch.relu_: torch.relu,
    F.relu_: F.relu,
}


def _without_overwriting(module: fx.GraphModule) -> None:
    """No operation overwrites its input: a tap must see what its layer gave, and fusing must know what is alive."""
    modules = dict(module.named_modules())
    for node in module.graph.nodes:
        if node.op == "call_module" and getattr(modules[node.target], "inplace", False) is True:
            modules[node.target].inplace = False
        elif node.op == "call_function":
            node.target = _IN_NEW_PLACE.get(node.target, node.target)
            _say_not_in_place(node)
        elif node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target.removesuffix("_")


def _without_views(module: fx.GraphModule) -> None:
    """Nothing overwrites, so a copy is as good as a view, which channels last in memory do not always have."""
    for node in module.graph.nodes:
        is_view = node.op == "call_method" and node.target == "view" and not node.kwargs
        if is_view and not isinstance(node.args[1], torch.dtype):  # that one reads the same bits as other numbers
            node.target = "reshape"


def _check_overwriting(module: fx.GraphModule) -> None:
    """An operation in place can be given a new place only if nobody looks at the old one afterwards.

    Raises:
        Untraceable: somebody does, perhaps through a view.
    """
    order = {node: number for number, node in enumerate(module.graph.nodes)}
    for node in module.graph.nodes:
        if not _overwrites(module, node) or not isinstance(node.args[0], fx.Node):
            continue
        others = [user for user in node.args[0].users if user is not node]
        views = [reader for user in others if user.op != "call_module" for reader in user.users]
        if any(order[reader] > order[node] for reader in (*others, *views) if reader is not node):
            raise Untraceable(f"'{node.target}' overwrites what is read again")


def _overwrites(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return getattr(module.get_submodule(str(node.target)), "inplace", False) is True
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op != "call_function":
        return False
    return node.target in _IN_NEW_PLACE or bool(node.kwargs.get("inplace")) or _inplace_position(node) is not None


def _inplace_position(node: fx.Node) -> int | None:
    """Where among its positional arguments a function was told to work in place; None where it was not."""
    try:
        names = list(inspect.signature(node.target).parameters)  # type: ignore[arg-type] # a callable, for call_function
    except (TypeError, ValueError):  # built in, without a signature
        return None
    where = names.index("inplace") if "inplace" in names else len(node.args)
    return where if where < len(node.args) and bool(node.args[where]) else None


def _say_not_in_place(node: fx.Node) -> None:
    if node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
        return
    where = _inplace_position(node)
    if where is not None:
        node.args = (*node.args[:where], False, *node.args[where + 1 :])
