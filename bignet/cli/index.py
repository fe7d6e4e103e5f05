"""``bignet index``: build the search index of an embedding."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bignet.cli.console import counted, duration, pasted, say, say_json, size

NAME = "index"
PANEL = "Search"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the index's record as JSON.")] = False,
) -> None:
    """Build an exact search index, which opens faster than the store's own vectors.

    \b
    bignet index photos.bignet
    bignet index photos.bignet --embedding layer4.gap
    """
    from bignet import api

    record = api.build_index(store, embedding)
    if json_output:
        say_json(asdict(record))
        return
    built = f"{counted(record.rows, 'vector')} x {record.dims:,} dims, {record.metric}"
    say(f"{record.embedding}: {record.kind} index of {built}, {size(record.n_bytes)}, {duration(record.build_seconds)}")
    say(f"next: bignet search {pasted(store)} QUERY.jpg")
