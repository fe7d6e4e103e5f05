"""The grid of a sweep: which layers of which models with which pools, and which of them are left out, and why.

Layers of a model are taken to be its stages, the last layer of each before the map shrinks:

- Only what lies between blocks counts, up to the layer that is the model's default, and only maps and tokens.
- Layers before the first block are the stem and not offered; a network of single layers (AlexNet, VGG) has none.
- A stage ends where a layer computes a map of another size; a pooling or activation in between still belongs to it.
- Where maps keep their size throughout (transformers) the stages are quarters of the arithmetic.

AlexNet has ``features.2``, ``features.5`` and ``features`` then, SqueezeNet 1.1 ``features.5``, ``features.8`` and
``features``, a ResNet ``layer1`` to ``layer4``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bignet.errors import UsageError, nearest
from bignet.extractor import backbones, costs, grid_defaults, pools, sampled, weights
from bignet.extractor.settings import Form, Tap
from bignet.extractor.several import ModelRequest, store_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from bignet.extractor.backbones import Backbone
    from bignet.extractor.costs import LayerCost, Outline
    from bignet.extractor.pools import Pool
    from bignet.extractor.weights import Loaded

_SEQUENCE = "Sequential"
_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Combination:
    """A layer of a model with a pool, to be tried.

    Attributes:
        model: its name.
        weights: where they come from, as a store's manifest has it.
        trained: False for random ones.
        layer: tapped.
        pool: its canonical name.
        dims: numbers in a vector.
        coverage: share of the map that the pool looks at.
        shape: of the layer's output for one image.
        flops: floating-point operations of the forward pass up to the layer, for one image.
        store: folder of the store that holds it, below that of all.
        embedding: its column there.
    """

    model: str
    weights: str
    trained: bool
    layer: str
    pool: str
    dims: int
    coverage: float
    shape: tuple[int, ...]
    flops: int
    store: str
    embedding: str


@dataclass(frozen=True)
class LeftOut:
    """A layer of a model with a pool that is not tried. ``dims`` is None where the pair has none."""

    model: str
    layer: str
    pool: str
    dims: int | None
    reason: str


@dataclass(frozen=True)
class Grid:
    """What to try.

    Attributes:
        requests: one for each model with at least one choice.
        choices: what they hold, in the order of the models and of their layers.
        dropped: what is left out.
        loaded: model -> its network with its weights, for whoever embeds to take out.
    """

    requests: tuple[ModelRequest, ...]
    choices: tuple[Combination, ...]
    dropped: tuple[LeftOut, ...]
    loaded: dict[str, Loaded] = field(default_factory=dict, repr=False, compare=False)


def draw_grid(
    models: Sequence[str],
    layers: Sequence[str] = grid_defaults.AUTO,
    pool_names: Sequence[str] = grid_defaults.POOLS,
    weights_of: Mapping[str, str] | None = None,
    max_dims: int = grid_defaults.MAX_DIMS,
    size: int | None = None,
) -> Grid:
    """Every layer with every pool, of every model, less what cannot be or is too long.

    Args:
        models: names, each once.
        layers: ``auto`` = the stages of each model; or names, of which each model tries those that it has.
        pool_names: see ``bignet.extractor.pools``.
        weights_of: model -> its weights, see ``ExtractSettings.weights``; default where it has none.
        max_dims: numbers in a vector at most.
        size: side of the square the networks see, pixels; None = as in training.

    Raises:
        UsageError: an unknown model, layer or pool, weights that cannot be loaded, or nothing is left to try.
    """
    given = weights_of or {}
    _check_request(models, layers, pool_names, given, max_dims)
    wanted = list({pool.name: pool for pool in map(pools.find, pool_names)}.values())
    chosen: dict[str, list[Combination]] = {}
    dropped: list[LeftOut] = []
    loaded: dict[str, Loaded] = {}
    for model in dict.fromkeys(models):
        stage = _Model.load(model, given.get(model, "default"), size, layers)
        loaded[model] = stage.loaded
        for row in stage.layers:
            for pool in wanted:
                found = stage.combined(row, pool, max_dims)
                if isinstance(found, LeftOut):
                    dropped.append(found)
                else:
                    chosen.setdefault(model, []).append(found)
    _check_layers_used(layers, [*(item for each in chosen.values() for item in each), *dropped])
    if not chosen:
        raise UsageError(f"nothing is left to try: {dropped[0].reason}; take other pools, or a larger --max-dims")
    requests = [
        ModelRequest(model, given.get(model), tuple(Tap(item.layer, item.pool) for item in found))
        for model, found in chosen.items()
    ]
    loaded = {model: loaded[model] for model in chosen}
    return Grid(tuple(requests), tuple(item for found in chosen.values() for item in found), tuple(dropped), loaded)


@dataclass(frozen=True)
class _Model:
    """A network with its weights, and what its layers give for one noise image."""

    name: str
    loaded: Loaded
    layers: tuple[LayerCost, ...]
    outputs: Mapping[str, Tensor]

    @classmethod
    def load(cls, name: str, request: str, size: int | None, layers: Sequence[str]) -> _Model:
        backbone = backbones.as_published(backbones.find(name), request)
        preprocess = Form(size=size).applied_to(backbone.preprocess)
        outline = costs.outline(backbone, preprocess.crop)
        rows = stages(outline, backbone) if tuple(layers) == grid_defaults.AUTO else _named(name, outline, layers)
        loaded = weights.prepare(request, backbone)
        outputs = sampled.outputs_of(loaded[0], [row.name for row in rows], sampled.noise_for(preprocess))
        return cls(name, loaded, tuple(rows), outputs)

    def combined(self, row: LayerCost, pool: Pool, max_dims: int) -> Combination | LeftOut:
        output, origin = self.outputs[row.name], self.loaded[1].origin
        try:
            dims = pools.check(pool, row.name, output)
        except UsageError as error:
            return LeftOut(self.name, row.name, pool.name, None, str(error).partition(";")[0])
        if dims > max_dims:
            return LeftOut(self.name, row.name, pool.name, dims, f"{dims:,} numbers a vector, more than {max_dims:,}")
        return Combination(
            model=self.name,
            weights=origin,
            trained=not origin.startswith("random:"),
            layer=row.name,
            pool=pool.name,
            dims=dims,
            coverage=pools.coverage(pool, *output.shape[2:]) if output.ndim == pools.MAP else 1.0,
            shape=row.shape,
            flops=row.flops_so_far,
            store=store_name(self.name),
            embedding=f"{row.name}.{pool.name.replace(':', '')}",
        )


def stages(outline: Outline, backbone: Backbone) -> list[LayerCost]:
    """The ends of a network's stages, in order; see above.

    Raises:
        UsageError: none of its layers gives a map or tokens.
    """
    last = backbone.usual_layer or outline.last_map
    names = [row.name for row in outline.layers]
    if last not in names or not _is_readable(outline.layers[names.index(last)]):
        raise UsageError(
            f"no layer of model '{backbone.name}' gives a map or tokens that pools can read; name --layers"
        )
    rows = outline.layers[: names.index(last) + 1]
    kinds = {row.name: row.kind for row in rows}
    between = [row for row in rows if not row.inside and not _within_block(row.name, kinds)]
    found = _ends(between, _stem_flops(rows))
    return found if len(found) > 1 else _ends([row for row in rows if not row.inside], _stem_flops(rows))


def _ends(rows: Sequence[LayerCost], spent: int) -> list[LayerCost]:
    """The last layer of each stage among those that begin after so much was computed."""
    found: list[list[LayerCost]] = []
    for row in rows:
        computes = row.flops_so_far > spent
        if not _is_readable(row) or not (found or computes):
            continue
        if computes and not (found and _sides(found[-1][0]) == _sides(row)):
            found.append([])
        found[-1].append(row)
        spent = row.flops_so_far
    return [stage[-1] for stage in found] if len(found) > 1 else _quarters(found[0])


def _is_readable(row: LayerCost) -> bool:
    shape = (1, *row.shape)
    return pools.has_positions(shape) and not pools.channels_last(shape)


def _within_block(name: str, kinds: Mapping[str, str]) -> bool:
    """Whether a layer is a part of anything that runs itself and is no plain sequence."""
    parts = name.split(".")
    above = (".".join(parts[:end]) for end in range(1, len(parts)))
    return any(kinds.get(each, _SEQUENCE) != _SEQUENCE for each in above)


def _stem_flops(rows: Iterable[LayerCost]) -> int:
    """What has been computed when the first block begins; 0 in a network without blocks."""
    before = 0
    for row in rows:
        if row.inside and row.flops:
            return before
        before = row.flops_so_far
    return 0


def _sides(row: LayerCost) -> tuple[int, ...]:
    """Height and width of a map; nothing of tokens, whose number tells nothing."""
    return row.shape[1:] if len(row.shape) + 1 == pools.MAP else ()


def _quarters(rows: Sequence[LayerCost]) -> list[LayerCost]:
    """The layers at which each quarter of the arithmetic is done, and the last."""
    whole = rows[-1].flops_so_far
    ends = [next(row for row in rows if row.flops_so_far >= share * whole) for share in _QUARTERS]
    return list({row.flops_so_far: row for row in (*ends, rows[-1])}.values())


def _named(model: str, outline: Outline, layers: Sequence[str]) -> list[LayerCost]:
    rows = [row for row in outline.layers if row.name in set(layers)]
    if not rows:
        names = [row.name for row in outline.layers]
        near = nearest(layers[0], names)
        raise UsageError(
            f"model '{model}' has no layer '{layers[0]}'; nearest: {near}; all of them: bignet layers {model}"
        )
    return rows


def _check_layers_used(layers: Sequence[str], found: Iterable[Combination | LeftOut]) -> None:
    names = {item.layer for item in found}
    missing = [layer for layer in layers if layer not in names]
    if missing and tuple(layers) != grid_defaults.AUTO:
        raise UsageError(
            f"no model has a layer '{missing[0]}'; nearest among those taken: {nearest(missing[0], names)}"
        )


def _check_request(
    models: Sequence[str], layers: Sequence[str], pools: Sequence[str], given: Mapping[str, str], max_dims: int
) -> None:
    for name, asked in (("models", models), ("layers", layers), ("pools", pools)):
        if not asked:
            raise UsageError(f"{name}: none is named; name one, or leave it out for the usual ones")
    strangers = [model for model in given if model not in models]
    if strangers:
        raise UsageError(f"weights are given for '{strangers[0]}', which is not tried; allowed: {', '.join(models)}")
    if max_dims < 1:
        raise UsageError(f"max dims is {max_dims}; it must be at least 1")
