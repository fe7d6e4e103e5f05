"""``bignet verify``: is every byte of a store as it was written?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import counted, pasted, say, say_json, typed
from bignet.errors import ExitCode
from bignet.units import size

if TYPE_CHECKING:
    from bignet.store.verify import Verdict

NAME = "verify"
PANEL = "Store"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop damaged shards; extract, import or derive again to fill the gap.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Read every byte of a store and of its indexes, and compare it with what was written.

    \b
    bignet verify photos.bignet
    bignet verify photos.bignet --repair
    """
    from bignet import api

    verdict = api.verify(store, repair=repair)
    if json_output:
        say_json(asdict(verdict) | {"ok": verdict.ok})
    else:
        _print(store, verdict, repair=repair)
    if not verdict.ok:
        raise typer.Exit(ExitCode.INTEGRITY)


def _print(store: str, verdict: Verdict, *, repair: bool) -> None:
    from bignet.names import visible

    for finding in verdict.findings:
        say(f"{visible(finding.file)}: {finding.problem}")
    for note in verdict.notes:
        say(f"note: {visible(note.file)}: {note.problem}")
    outcome = "all as written" if verdict.ok else counted(len(verdict.findings), "problem")
    say(f"{store}: {outcome}; snapshot {verdict.snapshot}, {_checked(verdict)}")
    for line in _advice(store, verdict, repair=repair):
        say(line)


def _checked(verdict: Verdict) -> str:
    rows = f"{counted(verdict.embedded, 'row')}, {counted(verdict.rejected, 'rejected file')}"
    indexes = f" ({counted(verdict.n_indexes, 'index', 'indexes')})" if verdict.n_indexes else ""
    state = "" if verdict.complete else ", not complete"
    return f"{rows}, {counted(verdict.n_files, 'file')}{indexes}, {size(verdict.n_bytes)}{state}"


def _advice(store: str, verdict: Verdict, *, repair: bool) -> list[str]:
    """For shards, which hold what nothing else does, and for indexes, which can be built again at any time."""
    lines = []
    if not all(finding.mend for finding in verdict.findings):
        again = "the command that made the store, given again, fills the gap"
        drop = f"next: bignet verify {pasted(store)} --repair drops what is damaged; {again}"
        lines.append(f"damaged shards were dropped; next: {again}" if repair else drop)
    mends = [typed(item.mend) for item in (*verdict.findings, *verdict.notes) if item.mend]
    return [*lines, f"next: {' · '.join(mends)}"] if mends else lines
