"""``bignet verify``: is every byte of a store as it was written?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bignet.cli.console import counted, pasted, say, say_json
from bignet.errors import ExitCode
from bignet.units import size

NAME = "verify"
PANEL = "Store"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop damaged shards; extract or import again to fill the gap.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Read every byte of a store and compare it with what was written.

    \b
    bignet verify photos.bignet
    bignet verify photos.bignet --repair
    """
    from bignet import api

    verdict = api.verify(store, repair=repair)
    if json_output:
        say_json(asdict(verdict) | {"ok": verdict.ok})
    else:
        for finding in verdict.findings:
            say(f"{finding.file}: {finding.problem}")
        rows = f"{counted(verdict.embedded, 'row')}, {counted(verdict.rejected, 'rejected file')}"
        state = "" if verdict.complete else ", not complete"
        checked = f"{rows}, {counted(verdict.n_files, 'file')}, {size(verdict.n_bytes)}{state}"
        outcome = "all as written" if verdict.ok else counted(len(verdict.findings), "problem")
        say(f"{store}: {outcome}; snapshot {verdict.snapshot}, {checked}")
        if not verdict.ok:
            say(_advice(store, repair=repair))
    if not verdict.ok:
        raise typer.Exit(ExitCode.INTEGRITY)


def _advice(store: str, *, repair: bool) -> str:
    if repair:
        return "damaged shards were dropped; next: the same bignet extract or bignet import again fills the gap"
    return f"next: bignet verify {pasted(store)} --repair drops what is damaged; the same run again fills the gap"
