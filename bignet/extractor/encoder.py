"""The encoder: a network with taps and pools, pixels in, named vectors out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bignet.errors import BigNetError, MismatchError, ResourceError, UsageError, is_out_of_memory
from bignet.extractor import backbones, machine, pools, sampled, tail, weights
from bignet.extractor.agreement import differences
from bignet.extractor.network import TYPES, Plain, prepare
from bignet.extractor.settings import DEFAULT_MODEL, DEFAULT_POOL, Form, Tap
from bignet.spec import EmbeddingSpec, EncoderSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bignet.extractor import int8
    from bignet.extractor.pools import Pool


@dataclass(frozen=True)
class Head:
    """One embedding: which layer, which pool, what it is called."""

    spec: EmbeddingSpec
    pool: Pool
    coverage: float


class Encoder:
    """A network ready to embed; ``specs`` say exactly what its vectors are. Threads may share it."""

    def __init__(self, plain: Plain, heads: Sequence[Head], device: torch.device) -> None:
        self.spec = heads[0].spec.computed_by
        self.heads = tuple(heads)
        self.device = device
        self._dtype = TYPES[self.spec.precision]
        self._network = prepare(plain, self.spec.precision, device, dict(self.spec.ranges))
        std = torch.tensor(self.spec.preprocess.std, device=device)
        mean = torch.tensor(self.spec.preprocess.mean, device=device)
        # For a whole row of pixels: three numbers repeated by broadcasting take three times as long.
        self._scale = (1 / (255 * std)).repeat(self.spec.preprocess.crop)
        self._shift = (-mean / std).repeat(self.spec.preprocess.crop)

    @property
    def specs(self) -> tuple[EmbeddingSpec, ...]:
        """The embeddings, in the order asked for."""
        return tuple(head.spec for head in self.heads)

    @property
    def batches_a_pass(self) -> int:
        """So many batches of the usual size are best given to ``encode`` together."""
        return tail.PARTS if isinstance(self._network, tail.Split) else 1

    @property
    def usual_batch(self) -> int:
        """Images a pass unless it is told otherwise."""
        preprocess = self.spec.preprocess
        return machine.batch_size_for(self.device, preprocess.crop**2 * preprocess.n_views) * self.batches_a_pass

    def encode(self, squares: Tensor) -> dict[str, NDArray[np.float32]]:
        """Pixels -> for each embedding (N, dims) float32, not normalised; one forward pass.

        Args:
            squares: (N, 3, crop, crop) uint8, or (N, views, 3, crop, crop), whose vectors are averaged.
        """
        n_views = squares.shape[1] if squares.ndim == 5 else 1  # (N, views, 3, H, W)
        with torch.inference_mode():
            pooled = self._network(self.normalised(squares.reshape(-1, *squares.shape[-3:])))
            vectors = [_averaged(values.float(), n_views) for values in pooled]
        return {spec.name: values.cpu().numpy() for spec, values in zip(self.specs, vectors, strict=True)}

    def normalised(self, squares: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> the network's input, its channels last: convolutions run up to twice as fast."""
        pixels = squares.to(self.device, non_blocking=True).permute(0, 2, 3, 1)
        rows = pixels.reshape(-1, self._scale.numel()).to(torch.float32)
        return torch.addcmul(self._shift, rows, self._scale).to(self._dtype).view(pixels.shape).permute(0, 3, 1, 2)


def _averaged(values: Tensor, n_views: int) -> Tensor:
    """(N * views, D) -> (N, D) means over the views of each picture."""
    return values if n_views == 1 else values.view(-1, n_views, values.shape[-1]).mean(dim=1)


@dataclass(frozen=True)
class Blueprint:
    """Everything that an encoder is made from but its precision and its device."""

    plain: Plain
    heads: tuple[Head, ...]

    @property
    def preprocess(self) -> Preprocess:
        """What the network is to see."""
        return self.heads[0].spec.computed_by.preprocess

    def encoder(
        self, device: torch.device, precision: str | None = None, decode: str | None = None, ranges: int8.Ranges = ()
    ) -> Encoder:
        """The encoder for a device; precision (int8: with ranges) and decoder other than the blueprint's if given."""
        spec = self.heads[0].spec.computed_by
        preprocess = replace(spec.preprocess, decode=decode or spec.preprocess.decode)
        changed = replace(spec, preprocess=preprocess)
        if precision is not None:
            changed = replace(changed, precision=precision, ranges=ranges)
        heads = [replace(head, spec=replace(head.spec, encoder=changed)) for head in self.heads]
        return Encoder(self.plain, heads, device)


@dataclass(frozen=True)
class Ready:
    """An encoder, and what it was made from, with the encoder's precision and decoder."""

    encoder: Encoder
    blueprint: Blueprint


def build(
    model: str | None = None,
    weights_request: str | None = None,
    layers: Sequence[str] = (),
    pool_names: Sequence[str] = (),
    device: str = "auto",
    form: Form | None = None,
) -> Encoder:
    """An encoder from what a person asked for; every layer is combined with every pool.

    Raises:
        UsageError: an unknown model, layer, pool or device, or weights that cannot be loaded.
    """
    target = machine.find_device(device)
    return draw(model, weights_request, layers, pool_names, form or Form()).encoder(target)


def draw(
    model: str | None, weights_request: str | None, layers: Sequence[str], pool_names: Sequence[str], form: Form
) -> Blueprint:
    """What a person asked for -> the network with its weights, and its embeddings; in fp32 unless ``form`` says else.

    Raises:
        UsageError: an unknown model, layer or pool, or weights that cannot be loaded.
    """

    def chosen(usual_layer: Callable[[], str]) -> list[Tap]:
        found = layers or [usual_layer()]
        return [Tap(layer, pool) for layer in found for pool in pool_names or (DEFAULT_POOL,)]

    return _drawn(model or DEFAULT_MODEL, weights_request or "default", form, chosen)


def draw_taps(
    model: str | None,
    weights_request: str | None,
    wanted: Sequence[Tap],
    form: Form,
    loaded: weights.Loaded | None = None,
) -> Blueprint:
    """As ``draw``, of these layers with these pools and no others; ``loaded`` = that network, if it is at hand.

    Raises:
        UsageError: see ``draw``.
    """
    return _drawn(model or DEFAULT_MODEL, weights_request or "default", form, lambda _usual_layer: wanted, loaded)


def _drawn(
    model: str,
    request: str,
    form: Form,
    choose: Callable[[Callable[[], str]], Sequence[Tap]],
    at_hand: weights.Loaded | None = None,
) -> Blueprint:
    backbone = backbones.as_published(backbones.find(model), request)
    network, loaded = at_hand or weights.prepare(request, backbone)
    preprocess = form.applied_to(backbone.preprocess)
    if preprocess.crop != backbone.preprocess.crop:
        sampled.check_size(network, backbone, preprocess)
    try:
        chosen = choose(lambda: backbone.usual_layer or backbones.last_map(network, preprocess))
        wanted = _by_layer(chosen)
        sampled.check_alone_and_together(network, list(wanted), sampled.noise_for(preprocess))
    except BigNetError:
        raise
    except Exception as error:  # whatever a network's own code raises
        if is_out_of_memory(error):
            raise ResourceError("out of memory for a single image; free some, or take a smaller --size") from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UsageError(
            f"model '{backbone.name}' fails on a {preprocess.crop} x {preprocess.crop} picture ({reason}); "
            "mend the model, or give another"
        ) from error
    spec = EncoderSpec(backbone.name, loaded.origin, loaded.sha256, preprocess, form.precision, form.ranges)
    return _blueprint(network, spec, wanted, form.storage)


def _by_layer(chosen: Sequence[Tap]) -> dict[str, list[Pool]]:
    """Layer -> its pools, each once, in the order asked for."""
    wanted: dict[str, dict[str, Pool]] = {}
    for tap in chosen:
        pool = pools.find(tap.pool)
        wanted.setdefault(tap.layer, {})[pool.name] = pool
    return {layer: list(found.values()) for layer, found in wanted.items()}


def rebuild(specs: Sequence[EmbeddingSpec], weights_request: str | None = None, device: str = "auto") -> Encoder:
    """The encoder that made a store's embeddings, from what its manifest says.

    Args:
        specs: the store's embeddings.
        weights_request: where the weights are now, if they moved; their digest must be the same.
        device: see build.

    Raises:
        MismatchError: what can be built today is not what made the store; the message names the difference.
    """
    target = machine.find_device(device)
    return redraw(specs, weights_request).encoder(target)


def redraw(specs: Sequence[EmbeddingSpec], weights_request: str | None = None) -> Blueprint:
    """The blueprint of a store's encoder; see rebuild.

    Raises:
        MismatchError: what can be built today is not what made the store.
    """
    encoder = specs[0].computed_by
    wanted = [Tap(spec.layer, spec.pool) for spec in specs]
    drawn = draw_taps(encoder.model, weights_request or encoder.weights, wanted, Form.of(specs[0]))
    found = drawn.heads[0].spec.computed_by
    if found.weights_sha256 != encoder.weights_sha256:
        raise MismatchError(
            f"weights {found.weights} have SHA-256 {found.weights_sha256[:12]}..., the store was made with "
            f"{encoder.weights_sha256[:12]}... (fingerprint {specs[0].fingerprint}); "
            "give the file it was made with: --weights FILE"
        )
    check_same([head.spec for head in drawn.heads], specs)
    return drawn


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


def _blueprint(network: nn.Module, spec: EncoderSpec, wanted: Mapping[str, Sequence[Pool]], storage: str) -> Blueprint:
    """Every layer with its pools, tried on one noise image so that a wrong choice fails before the first photo."""
    network.requires_grad_(False)
    noise = sampled.noise_for(spec.preprocess)
    heads, vectors = [], []
    for layer, output in sampled.outputs_of(network, list(wanted), noise).items():
        for pool in wanted[layer]:
            dims = pools.check(pool, layer, output)
            used = pools.coverage(pool, *output.shape[2:]) if output.ndim == 4 else 1.0
            heads.append(Head(EmbeddingSpec(spec, layer, pool.name, dims, storage), pool, used))
            vectors.append(pool.apply(output))
    by_layer = {layer: [pool.apply for pool in found] for layer, found in wanted.items()}
    return Blueprint(Plain(network, by_layer, noise, vectors), tuple(heads))
