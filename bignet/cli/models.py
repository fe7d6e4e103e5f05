"""``bignet models``: the backbones that can be asked for by name."""

from __future__ import annotations

from typing import Annotated

import typer

from bignet.cli.console import say, say_json

NAME = "models"
PANEL = "Embed"


def command(
    pattern: Annotated[str, typer.Argument(help="Only names that contain this.")] = "",
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the backbones that can be asked for by name.

    \b
    bignet models
    bignet models resnet
    """
    from bignet.extractor import backbones

    names = [name for name in backbones.names() if pattern in name]
    if json_output:
        say_json(names)
        return
    for name in names:
        say(name)
