"""``bignet models``: the backbones that can be asked for by name."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import counted, say, say_json, table

if TYPE_CHECKING:
    from bignet.extractor.catalogue import Listed

NAME = "models"
PANEL = "Embed"


def command(
    pattern: Annotated[str, typer.Argument(help="Only names that contain this.")] = "",
    timm: Annotated[
        bool, typer.Option("--timm", help="timm's models too; a pattern that begins with timm/ shows them anyway.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the backbones that can be asked for by name: size, default layer, published weights, and if they are here.

    \b
    bignet models
    bignet models resnet
    bignet models timm/convnext
    """
    from bignet.extractor import catalogue

    found = catalogue.find(pattern, timm=timm)
    if json_output:
        say_json([asdict(item) for item in found])
        return
    header = ("model", "parameters", "default layer", "weights", "cached")
    for line in table(header, [_line(item) for item in found], right="lr"):
        say(line)
    say(
        f"{counted(len(found), 'model')}, {sum(item.cached for item in found):,} with published weights on this machine"
    )


def _line(item: Listed) -> tuple[str, ...]:
    parameters = f"{item.parameters / 1e6:,.1f} M" if item.parameters else "-"
    return (item.name, parameters, item.layer or "last map", item.weights or "-", "yes" if item.cached else "no")
