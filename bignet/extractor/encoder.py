"""The encoder: a network with taps and pools, pixels in, named vectors out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bignet.errors import MismatchError, UsageError
from bignet.extractor import backbones, pools, taps, weights
from bignet.extractor.settings import DEFAULT_MODEL, DEFAULT_POOL
from bignet.spec import EmbeddingSpec, EncoderSpec, Preprocess, differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bignet.extractor.pools import Pool


@dataclass(frozen=True)
class Head:
    """One embedding: which layer, which pool, what it is called."""

    spec: EmbeddingSpec
    pool: Pool
    coverage: float


class Encoder:
    """A network ready to embed; ``specs`` say exactly what its vectors are."""

    def __init__(self, model: nn.Module, spec: EncoderSpec, heads: Sequence[Head], device: torch.device) -> None:
        self.spec = spec
        self.heads = tuple(heads)
        self.device = device
        self._model: nn.Module = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # left out of torch's stubs
        self._mean = torch.tensor(spec.preprocess.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(spec.preprocess.std, device=device).view(1, 3, 1, 1)
        sample = torch.zeros(1, 3, spec.preprocess.crop, spec.preprocess.crop, device=device)
        self._calls = taps.calls(self._model, self.layers, sample)

    @property
    def layers(self) -> tuple[str, ...]:
        """The tapped layers, each once."""
        return tuple(dict.fromkeys(head.spec.layer for head in self.heads))

    @property
    def specs(self) -> tuple[EmbeddingSpec, ...]:
        """The embeddings, in the order asked for."""
        return tuple(head.spec for head in self.heads)

    def encode(self, squares: Tensor) -> dict[str, NDArray[np.float32]]:
        """(N, 3, crop, crop) uint8 -> for each embedding (N, dims) float32, not normalised; one forward pass."""
        squares = squares.to(self.device, memory_format=torch.channels_last)  # convolutions run up to twice as fast
        batch = squares.to(torch.float32).div_(255).sub_(self._mean).div_(self._std)
        pooled: dict[str, Tensor] = {}

        def pool(layer: str) -> taps.OnOutput:
            wanted = [head for head in self.heads if head.spec.layer == layer]

            def on_output(output: Tensor) -> None:
                for head in wanted:
                    pooled[head.spec.name] = head.pool.apply(output)

            return on_output

        taps.run(self._model, batch, {layer: pool(layer) for layer in self.layers}, self._calls)
        return {name: value.to("cpu", torch.float32).numpy() for name, value in pooled.items()}


def build(
    model: str | None = None,
    weights_request: str | None = None,
    layers: Sequence[str] = (),
    pool_names: Sequence[str] = (),
    device: str = "auto",
) -> Encoder:
    """An encoder from what a person asked for; every layer is combined with every pool.

    Raises:
        UsageError: an unknown model, layer, pool or device, or weights that cannot be loaded.
    """
    target = find_device(device)
    backbone = backbones.find(model or DEFAULT_MODEL)
    network, loaded = weights.prepare(weights_request or "default", backbone)
    chosen = list(dict.fromkeys(layers)) or [backbone.usual_layer or backbones.last_map(network, backbone.preprocess)]
    wanted = list({pool.name: pool for pool in map(pools.find, pool_names or (DEFAULT_POOL,))}.values())
    spec = EncoderSpec(backbone.name, loaded.origin, loaded.sha256, backbone.preprocess)
    return Encoder(network, spec, _heads(network, spec, chosen, wanted), target)


def rebuild(specs: Sequence[EmbeddingSpec], weights_request: str | None = None, device: str = "auto") -> Encoder:
    """The encoder that made a store's embeddings, from what its manifest says.

    Args:
        specs: the store's embeddings.
        weights_request: where the weights are now, if they moved; their digest must be the same.
        device: see build.

    Raises:
        MismatchError: what can be built today is not what made the store; the message names the difference.
    """
    encoder = specs[0].encoder
    layers = list(dict.fromkeys(spec.layer for spec in specs))
    pool_names = list(dict.fromkeys(spec.pool for spec in specs))
    built = build(encoder.model, weights_request or encoder.weights, layers, pool_names, device)
    if built.spec.weights_sha256 != encoder.weights_sha256:
        found, wanted = built.spec.weights_sha256[:12], encoder.weights_sha256[:12]
        raise MismatchError(
            f"weights {built.spec.weights} have SHA-256 {found}..., the store was made with {wanted}... "
            f"(fingerprint {specs[0].fingerprint}); give the file it was made with: --weights FILE"
        )
    check_same(built.specs, specs)
    return built


def check_same(ours: Sequence[EmbeddingSpec], theirs: Sequence[EmbeddingSpec]) -> None:
    """Whether two lists of embeddings are the same ones, whatever their order.

    Raises:
        MismatchError: naming both fingerprints and the fields that differ.
    """
    recorded = {spec.name: spec for spec in theirs}
    built = {spec.name: spec for spec in ours}
    if set(recorded) != set(built):
        raise MismatchError(f"the store has {', '.join(recorded)}; asked for: {', '.join(built)}; {_ELSEWHERE}")
    for name, spec in built.items():
        if spec.fingerprint != recorded[name].fingerprint:
            fields = "; ".join(differences(recorded[name], spec)[:4])
            prints = f"{recorded[name].fingerprint} in the store, {spec.fingerprint} now"
            raise MismatchError(f"{name} has fingerprint {prints} ({fields}); {_ELSEWHERE}")


_ELSEWHERE = "use the store's own settings, or extract into another store"


def find_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` -> a device that is there.

    Raises:
        UsageError: it is not.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, colon, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise UsageError(f"device '{name}' is unknown; allowed: auto, cpu, cuda, cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(f"device '{name}' is not there ({found} CUDA devices found); use --device cpu or auto")
    return torch.device(name)


def _heads(network: nn.Module, spec: EncoderSpec, layers: Sequence[str], wanted: Sequence[Pool]) -> list[Head]:
    """Every layer with every pool, tried on one noise image so that a wrong choice fails before the first photo."""
    heads = []
    for layer, output in sample_outputs(network, layers, spec.preprocess).items():
        for pool in wanted:
            dims = pools.check(pool, layer, output)
            used = pools.coverage(pool, *output.shape[2:]) if output.ndim == 4 else 1.0
            heads.append(Head(EmbeddingSpec(spec, layer, pool.name, dims), pool, used))
    return heads


def sample_outputs(network: nn.Module, layers: Sequence[str], preprocess: Preprocess) -> dict[str, Tensor]:
    """Each layer's output for one noise image (fixed seed), in the order asked for."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, preprocess.crop, preprocess.crop, generator=generator)
    outputs: dict[str, Tensor] = {}

    def keep(layer: str) -> taps.OnOutput:
        def on_output(output: Tensor) -> None:
            outputs[layer] = output.clone()

        return on_output

    expected = taps.calls(network, layers, noise)
    taps.run(network, noise, {layer: keep(layer) for layer in layers}, expected)
    unusable = [layer for layer, output in outputs.items() if output.ndim < 2]
    if unusable:
        raise UsageError(f"layer '{unusable[0]}' gives one number for the whole batch; choose another")
    return {layer: outputs[layer] for layer in layers}
