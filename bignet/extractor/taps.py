"""Taps: the outputs of named layers, several in one forward pass, which ends after the last one needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from bignet.errors import UsageError, nearest

OnOutput = Callable[[Tensor], None]


class _EnoughSeen(Exception):  # noqa: N818 - a way out of a forward pass, not an error
    """Every tapped layer has answered: the rest of the network need not run."""


def find(model: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """The modules of those names.

    Raises:
        UsageError: a name the network does not have; the message gives the nearest ones.
    """
    modules = dict(model.named_modules())
    del modules[""]
    for layer in layers:
        if layer not in modules:
            message = f"layer '{layer}' is not in the model; nearest: {nearest(layer, modules)}"
            raise UsageError(f"{message}; all of them: bignet layers MODEL")
    return {layer: modules[layer] for layer in layers}


def outermost(model: nn.Module) -> list[str]:
    """The network's direct parts; of a mere list of modules, which never runs itself, its members."""
    names = []
    for name, module in model.named_children():
        inner = outermost(module) if only_holds(module) else []
        names += [f"{name}.{part}" for part in inner] or [name]
    return names


def only_holds(module: nn.Module) -> bool:
    """Whether a module cannot be called: a ModuleList or ModuleDict, whose members the network calls itself."""
    return type(module).forward is nn.Module.forward


def calls(model: nn.Module, layers: Sequence[str], batch: Tensor) -> dict[str, int]:
    """How often each layer runs in one forward pass: blocks that share a ReLU call it several times.

    Raises:
        UsageError: a layer that never runs, or gives no single tensor.
    """
    counted = dict.fromkeys(layers, 0)

    def count(layer: str) -> OnOutput:
        def add(_: Tensor) -> None:
            counted[layer] += 1

        return add

    with _hooked(find(model, layers), {layer: count(layer) for layer in layers}), torch.inference_mode():
        model(batch)
    for layer, times in counted.items():
        if times == 0:
            raise UsageError(f"layer '{layer}' does not run in a forward pass of this model; choose another")
    return counted


def run(model: nn.Module, batch: Tensor, watch: Mapping[str, OnOutput], expected: Mapping[str, int]) -> None:
    """One forward pass in which each watched layer hands over its output, at once, before anything overwrites it.

    Args:
        model: in eval mode.
        batch: (N, 3, H, W).
        watch: what to do with a layer's output; called for every call of that layer, the last one counts.
        expected: calls of each layer, from ``calls``; after the last the pass ends.
    """
    left = sum(expected[layer] for layer in watch)

    def counting(on_output: OnOutput) -> OnOutput:
        def hand_over(output: Tensor) -> None:
            nonlocal left
            on_output(output)
            left -= 1
            if left == 0:
                raise _EnoughSeen

        return hand_over

    wrapped = {layer: counting(on_output) for layer, on_output in watch.items()}
    with _hooked(find(model, list(watch)), wrapped), torch.inference_mode():
        try:
            model(batch)
        except _EnoughSeen:
            return


def _hooked(modules: Mapping[str, nn.Module], on_output: Mapping[str, OnOutput]) -> ExitStack:
    """Hooks on the modules, removed when the block ends, whatever happens in it."""
    stack = ExitStack()
    for layer, module in modules.items():
        handle = module.register_forward_hook(_hook(layer, on_output[layer]))
        stack.callback(handle.remove)
    return stack


def _hook(layer: str, on_output: OnOutput) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            kind = type(output).__name__
            raise UsageError(f"layer '{layer}' gives a {kind}, not a tensor; tap a layer inside it")
        on_output(output)

    return hook
