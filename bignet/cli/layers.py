"""``bignet layers``: the layers of a backbone and what they give."""

from __future__ import annotations

from typing import Annotated

import typer

from bignet.cli.console import grouped, say, say_json, table

NAME = "layers"
PANEL = "Embed"


def command(
    model: Annotated[str, typer.Argument(help="Backbone, see `bignet models`.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List a backbone's layers in the order they run, with the shape of their output.

    \b
    bignet layers resnet18
    bignet layers squeezenet1_1 --json
    """
    from bignet.extractor.backbones import find
    from bignet.extractor.taps import outline

    backbone = find(model)
    rows = outline(backbone.build().eval(), backbone.preprocess.crop)
    if json_output:
        say_json([{"layer": row.name, "kind": row.kind, "shape": row.shape} for row in rows])
        return
    lines = [(row.name, row.kind, " x ".join(map(grouped, row.shape)), grouped(row.shape[0])) for row in rows]
    for line in table(("layer", "kind", "output", "gap dims"), lines, right="lllr"):
        say(line)
