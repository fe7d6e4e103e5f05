"""``bignet layers``: the layers of a backbone, what they give and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bignet.cli.console import grouped, say, say_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.extractor.backbones import Backbone
    from bignet.extractor.costs import LayerCost, Outline
    from bignet.extractor.pools import Pool

NAME = "layers"
PANEL = "Embed"
DEFAULT_POOLS = ("gap", "avg:3", "grid:2")


def command(
    model: Annotated[str, typer.Argument(help="Backbone, see `bignet models`.")],
    size: Annotated[int | None, typer.Option(help="Side of the input, pixels.  [default: the weights' own]")] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option("--pool", "-p", help="A column with this pool's dims; repeat.  [default: gap, avg:3, grid:2]"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also the layers inside blocks.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List a backbone's layers in the order they run: what they give, and what a run costs that stops there.

    Costs are shares of the floating-point operations of the whole forward pass. Where a pool has no meaning there is
    a dash; gem and crow can also be refused for negative values, which only pictures show.

    \b
    bignet layers resnet50
    bignet layers squeezenet1_1 --size 320 --pool gap --pool avg:4
    bignet layers vit_b_16 --all --json
    """
    from bignet.extractor import backbones, costs, pools
    from bignet.extractor.settings import check_size

    backbone = backbones.find(model)
    if size is not None:
        check_size(size)
    wanted = [pools.find(name) for name in pool or DEFAULT_POOLS]
    pixels = size or backbone.preprocess.crop
    outline = costs.outline(backbone, pixels)
    shown = [layer for layer in outline.layers if every or not layer.inside]
    if json_output:
        say_json([_as_json(layer, wanted, outline.flops) for layer in shown])
        return
    _print(backbone, pixels, outline, shown, wanted)


def _print(
    backbone: Backbone, pixels: int, outline: Outline, shown: Sequence[LayerCost], wanted: Sequence[Pool]
) -> None:
    usual = backbone.usual_layer or outline.last_map or "none, give one with --layer"
    say(f"{backbone.name} · {pixels} px · {_operations(outline.flops)} an image · default layer: {usual}")
    header = ("layer", "kind", "output", *(pool.name for pool in wanted), "cost", "up to here")
    lines = [
        (
            layer.name,
            layer.kind,
            " x ".join(map(grouped, layer.shape)),
            *("-" if dims is None else grouped(dims) for dims in map(layer.dims, wanted)),
            _percent(layer.flops, outline.flops),
            _percent(layer.flops_so_far, outline.flops),
        )
        for layer in shown
    ]
    for line in table(header, lines, right="llr" + "r" * (len(wanted) + 2)):
        say(line)
    hidden = len(outline.layers) - len(shown)
    if hidden:
        say(f"{grouped(hidden)} more inside these blocks: bignet layers {backbone.name} --all")


def _operations(flops: int) -> str:
    """Floating-point operations in the unit that fits: ``8.18 GFLOP``."""
    value = float(flops)
    for unit in ("", "k", "M", "G"):
        if value < 1000:  # the unit's own step
            return f"{value:.3g} {unit}FLOP"
        value /= 1000
    return f"{value:.3g} TFLOP"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _as_json(layer: LayerCost, wanted: Sequence[Pool], flops: int) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "shape": layer.shape,
        "dims": {pool.name: layer.dims(pool) for pool in wanted},
        "flops": layer.flops,
        "cost": layer.flops / flops if flops else None,
        "cost_so_far": layer.flops_so_far / flops if flops else None,
    }
