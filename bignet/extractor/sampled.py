"""A network tried on noise before the first photo: whether it takes such pictures, and what its layers give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bignet.errors import UsageError, is_out_of_memory
from bignet.extractor import backbones, taps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.extractor.backbones import Backbone
    from bignet.spec import Preprocess

_ROUNDING = 1e-3  # what batches of other sizes may differ by


def check_size(network: nn.Module, backbone: Backbone, preprocess: Preprocess) -> None:
    """Whether a network takes pictures of another size than in training.

    Raises:
        UsageError: it takes only those.
        ResourceError: one of that size does not fit the memory.
    """
    error = _refusal(network, preprocess)
    if error is not None and (is_out_of_memory(error) or _refusal(network, backbone.preprocess) is None):
        raise backbones.wrong_size(backbone, preprocess.crop, error)


def _refusal(network: nn.Module, preprocess: Preprocess) -> Exception | None:
    """What a network says to a picture of that size if it does not take it."""
    try:
        with torch.inference_mode():
            network(noise_for(preprocess))
    except (AssertionError, MemoryError, RuntimeError, ValueError) as error:
        return error
    return None


def check_alone_and_together(network: nn.Module, layers: Sequence[str], noise: Tensor) -> None:
    """Whether a picture's vector is its own: the same whatever else is in the batch.

    Raises:
        UsageError: it is not.
    """
    alone = outputs_of(network, layers, noise)
    try:
        together = outputs_of(network, layers, torch.cat([noise, noise.flip(-1)]))
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            return  # one at a time it may still go
        raise
    for layer, output in together.items():
        if len(output) != 2:  # two pictures went in
            raise UsageError(f"layer '{layer}' gives {len(output)} outputs for two pictures; tap one that gives two")
        room = _ROUNDING * float(output.abs().max())
        if float((output[:1] - alone[layer]).abs().max()) > room:
            raise UsageError(
                f"layer '{layer}' gives a picture another output in other company or at another time; "
                "look for batch norms without fixed statistics and dropout that is left on"
            )


def noise_for(preprocess: Preprocess) -> Tensor:
    """(1, 3, crop, crop), always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, preprocess.crop, preprocess.crop, generator=generator)


def outputs_of(network: nn.Module, layers: Sequence[str], batch: Tensor) -> dict[str, Tensor]:
    """Each layer's output for a batch, in the order asked for.

    Raises:
        UsageError: a layer that is not there, never runs, or gives no tensor with an image's own numbers.
    """
    outputs: dict[str, Tensor] = {}

    def keep(layer: str) -> taps.OnOutput:
        def on_output(output: Tensor) -> None:
            outputs[layer] = output.clone()

        return on_output

    expected = taps.calls(network, layers, batch)
    taps.run(network, batch, {layer: keep(layer) for layer in layers}, expected)
    unusable = [layer for layer, output in outputs.items() if output.ndim < 2]
    if unusable:
        raise UsageError(f"layer '{unusable[0]}' gives one number for the whole batch; choose another")
    return {layer: outputs[layer] for layer in layers}
