"""``bignet index``: build the search index of an embedding, or bring it up to date."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import counted, duration, say, say_json, search_hint, table
from bignet.errors import UsageError
from bignet.index.tuning import ASKED_FOR
from bignet.units import size

if TYPE_CHECKING:
    from bignet.index.grow import Outcome
    from bignet.index.identity import IndexIdentity
    from bignet.index.tuning import OperatingPoint, Tuning

NAME = "index"
PANEL = "Search"
_SHOWN = 11  # operating points, and the one that was chosen
_KEPT = "as the index there was asked for, else"
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="auto, flat, hnsw, ivf, bits:sign, bits:lsh:N, bits:itq:N, bits:rabitq, or a FAISS factory string "
            f"such as IVF64,SQ8; all but auto and flat need 500 rows.  [default: {_KEPT} auto]",
            show_default=False,
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            help="What recall@k is to reach on held-out queries, at its lower bound; 0.95 can be shown from 1,320 rows "
            f"on, 0.99 from 6,640.  [default: {_KEPT} 0.95]",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help=f"Neighbours that recall is about.  [default: {_KEPT} 10]", show_default=False),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What the loaded index may fill: 2GB, 500MB.  [default: for auto half of what is free, else no limit]",
            show_default=False,
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the index's record as JSON.")] = False,
) -> None:
    """Build a search index whose recall is proved, or bring it up to date with its store.

    \b
    bignet index photos.bignet
    bignet index photos.bignet --kind hnsw --recall 0.99 -k 10

    Options left out stay as they were asked for before; --kind auto gives the choice back.
    """
    from bignet import api

    outcome = api.build_index(store, embedding, kind=kind, recall=recall, k=k, memory=_bytes(memory))
    if json_output:
        say_json({"done": outcome.done, "why": outcome.why, **asdict(outcome.record)})
        return
    for line in _lines(outcome):
        say(line)
    say(f"next: {search_hint(store, embedding)}")


def _bytes(text: str | None) -> int | None:
    """``2GB`` -> 2,000,000,000; nothing said -> None."""
    if text is None:
        return None
    number, unit = text[:-2], text[-2:].upper()
    try:
        n_bytes = int(float(number) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        n_bytes = 0
    if n_bytes < 1:
        allowed = "a number above 0 and its unit, KB, MB, GB or TB: 500MB, 2GB"
        raise UsageError(f"--memory '{text}' is no amount of memory; allowed: {allowed}")
    return n_bytes


def _lines(outcome: Outcome) -> list[str]:
    record = outcome.record
    what = f"{counted(record.rows, 'vector')} x {record.dims:,} dims, {record.metric}"
    each = f"{record.n_bytes / max(record.rows_in_file, 1):,.0f} bytes a vector"
    lines = [
        _headline(outcome),
        f"{what}, {size(record.n_bytes)} ({each}), built in {duration(record.build_seconds)}",
    ]
    return lines + (_tuned(record.tuning) if record.tuning else []) + _codes(record)


_DONE = {"built": "built", "grown": "grown", "unchanged": "is up to date"}


def _headline(outcome: Outcome) -> str:
    record, done = outcome.record, _DONE[outcome.done]
    if outcome.done == "built" and outcome.why:
        done = "built again"
    asked = record.reason == ASKED_FOR
    because = "; ".join(text for text in (outcome.why, "" if asked else record.reason) if text)
    head = f"{record.embedding}: {record.kind} index {done}{f' ({ASKED_FOR})' if asked else ''}"
    return f"{head}: {because}" if because else head


def _tuned(tuning: Tuning) -> list[str]:
    from bignet.index import tune

    of = f"recall@{tuning.k} {tuning.recall:.3f}, at least {tuning.recall_low:.3f}"
    shown = f"on {tuning.n_queries:,} queries that had no part in the choice"
    verdict = "" if tuning.met else f"; {tune.shortfall(tuning)}; take --kind flat, or a lower --recall"
    rows = [_row(point, "*" if point == tuning.chosen else "") for point in _best(tuning)]
    header = ("", "search", "shortlist", "recall", "at least", "queries/s", "one query")
    exact = ("", "", "all", "1.0000", "1.0000", f"{tuning.exact_qps:,.0f}", f"{tuning.exact_ms:.2f} ms")
    lines = table(header, [*rows, exact], right="lrrrrrr")
    return [f"{of}, {shown}{verdict}", *(f"  {line}" for line in lines)]


def _best(tuning: Tuning) -> list[OperatingPoint]:
    """A dozen of those than which none is both faster and better; all are in the record."""
    points = tuning.points
    beaten = [any(o.recall >= p.recall and o.batch_qps > p.batch_qps for o in points) for p in points]
    kept = [point for point, is_beaten in zip(points, beaten, strict=True) if not is_beaten or point == tuning.chosen]
    rising = sorted(kept, key=lambda point: point.recall)
    step = -(-len(rising) // _SHOWN)
    return [point for number, point in enumerate(rising) if number % step == 0 or point == tuning.chosen]


def _row(point: OperatingPoint, mark: str) -> tuple[str, ...]:
    return (
        mark,
        str(point.search or "-"),
        f"x{point.shortlist}",
        f"{point.recall:.4f}",
        f"{point.recall_low:.4f}",
        f"{point.batch_qps:,.0f}",
        f"{point.single_ms:.2f} ms",
    )


def _codes(record: IndexIdentity) -> list[str]:
    if record.codes is None:
        return []
    found = record.codes
    spread = f"imbalance {found['imbalance']:.3f}, correlation {found['correlation']:.3f}"
    alike = f"{found['distinct']:.1%} distinct, ties at the 10th {found['ties']:.1%}"
    return [f"codes of {found['bits']:.0f} bits: {spread}, {alike}"]
