"""``bignet derive``: a store's vectors after some steps of post-processing, and what those steps did."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Bar, Notices, counted, duration, grouped, pasted, say, say_json, search_hint
from bignet.units import size

if TYPE_CHECKING:
    from bignet.derive.run import Outcome
    from bignet.derive_job import Derived
    from bignet.evaluate.derived import Judgement

NAME = "derive"
PANEL = "Measure"


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store to derive from.")],
    out: Annotated[str, typer.Argument(help="Folder of the store to make.")],
    steps: Annotated[
        str,
        typer.Option(
            help="In order, with commas: center; power:.5 (signed); l2; pca:D; whiten:D, or whiten:D:.25 for half of "
            "it; then dba:N:A (each row with its N nearest, weighed by similarity to the power A) and qe:N:A (the same "
            "for queries)."
        ),
    ],
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="CSV or Parquet: id or path, and label.  [default: folder names]")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="The store has moved on: apply the steps, as fitted, to its new rows.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel="Output")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel="Output")] = False,
) -> None:
    """Make a store of another's vectors after centring, PCA, whitening, ..., and say what that changed.

    The steps are fitted to the store once, kept in the new one, and done to its queries too.

    \b
    bignet derive photos.bignet small.bignet --steps center,pca:256
    bignet derive photos.bignet white.bignet --steps whiten:128:.25 --labels labels.csv
    bignet derive photos.bignet wide.bignet --steps qe:5:3
    """
    from bignet import api

    notices = Notices(quiet=quiet or json_output)
    with notices.only_ours():
        bar = Bar(notices, "deriving", "rows")
        try:
            done = api.derive_store(store, out, steps, embedding=embedding, labels=labels, update=update, listener=bar)
        finally:
            bar.close()
    if json_output:
        say_json(_as_json(out, done))
    else:
        _describe(out, done)


def _describe(out: str, done: Derived) -> None:
    name, outcome = pasted(out), done.outcome
    spec = outcome.embedding
    if not outcome.done:
        say(f"nothing to do: {name} is up to date with its parent")
    else:
        what = "brought up to date" if outcome.updated else "derived"
        say(f"{grouped(outcome.rows)} {what} as '{spec.name}'{_rejections(outcome)} in {duration(outcome.seconds)}")
    kept = f"{counted(spec.before.dims, 'dim')} before, {grouped(spec.dims)} now, {spec.dtype}"
    say(f"{name}: {counted(outcome.rows, 'row')}, {size(outcome.n_bytes)}, {kept}, fingerprint {spec.fingerprint}")
    say("too few images to say what that changed" if done.judgement is None else sentence(done.judgement))
    say(f"next: {search_hint(out)} · bignet report {name} -o report")


def _rejections(outcome: Outcome) -> str:
    return f", {grouped(outcome.rejected)} rejected" if outcome.rejected else ""


def sentence(found: Judgement) -> str:
    """``MAP@R by class: 0.540 before, 0.565 now: +0.025 (95 %: +0.022 to +0.027), better ...``."""
    asked = f"{counted(found.n_queries, 'query', 'queries')}, {_HOW[found.mode]}, {found.estimator}"
    if found.before is None or found.after is None:
        interval = "" if found.lo is None else f" (95 %: {found.lo:.3f} to {found.hi:.3f})"
        return (
            f"of the ten nearest stay {found.value:.3f}{interval}; no labels, so nothing says which are right ({asked})"
        )
    interval = "" if found.lo is None else f" (95 %: {found.lo:+.3f} to {found.hi:+.3f})"
    change = f"{found.value:+.3f}{interval}"
    return f"MAP@R by class: {found.before:.3f} before, {found.after:.3f} now: {change}, {found.verdict} ({asked})"


_HOW = {"loo": "each against all others", "split": "half against the other half, to which the steps were fitted"}


def _as_json(out: str, done: Derived) -> dict[str, object]:
    outcome = done.outcome
    spec, judged = outcome.embedding, done.judgement
    return {
        "store": out,
        "done": outcome.done,
        "updated": outcome.updated,
        "rows": outcome.rows,
        "rejected": outcome.rejected,
        "bytes": outcome.n_bytes,
        "seconds": round(outcome.seconds, 3),
        "embedding": spec.as_json() | {"name": spec.name, "fingerprint": spec.fingerprint},
        "parent": asdict(outcome.parent),
        "judgement": None if judged is None else asdict(judged) | {"verdict": judged.verdict},
    }
