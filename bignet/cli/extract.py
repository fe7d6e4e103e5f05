"""``bignet extract``: images in, a store of embeddings out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, counted, duration, grouped, pasted, say, say_json, search_hint, table
from bignet.cli.screen import LEFT, Screen
from bignet.errors import ExitCode, UsageError
from bignet.extractor.defaults import IMAGE_TIMEOUT, SHARD_ROWS
from bignet.units import size as in_units

if TYPE_CHECKING:
    from bignet.extractor.run import Summary
    from bignet.opened import Store

NAME = "extract"
PANEL = "Embed"


def command(
    images: Annotated[str, typer.Argument(help="Folder (searched recursively) or text file with a path on each line.")],
    store: Annotated[str, typer.Argument(help="Folder of the store; made, or brought up to date.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Backbone, see `bignet models`.  [default: resnet50]")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            "-w",
            help="default, random:SEED, a .safetensors or .pth file; factory: the model's own.",
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="Layer, see `bignet layers`; repeat for several."),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            "--pool",
            "-p",
            help="gap, max, gem:p, rmac:L, crow, avg:k, avgc:k, grid:n, flat, cls; repeat.  [default: gap]",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the square the network sees.  [default: as in training]", rich_help_panel="Picture"),
    ] = None,
    resize_mode: Annotated[
        str | None,
        typer.Option(help="crop, squash (no cropping) or pad.  [default: as in training]", rich_help_panel="Picture"),
    ] = None,
    views: Annotated[
        str | None,
        typer.Option(
            help="centre, flip, five or ten: crops whose vectors are averaged.  [default: centre]",
            rich_help_panel="Picture",
        ),
    ] = None,
    decode: Annotated[
        str | None,
        typer.Option(
            help="exact; fast: large JPEGs at a smaller scale; auto: fast if a sample proves it.  [default: exact]",
            rich_help_panel="Speed",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, bf16, fp16, int8; auto: the fastest that a sample proves.  [default: auto]",
            rich_help_panel="Speed",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="float32 or float16 (half the bytes).  [default: float32]", rich_help_panel="Speed"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel="Machine")] = "auto",
    batch_size: Annotated[
        str, typer.Option(help="Images a pass, or auto: the same memory for any size.", rich_help_panel="Machine")
    ] = "auto",
    workers: Annotated[
        int, typer.Option(min=0, help="Decoding threads; 0 = one a core.", rich_help_panel="Machine")
    ] = 0,
    image_timeout: Annotated[
        float, typer.Option(help="Seconds one image may take.", rich_help_panel="Machine")
    ] = IMAGE_TIMEOUT,
    limit: Annotated[
        int, typer.Option(min=0, help="At most so many files this time; 0 = all.", rich_help_panel="Re-runs")
    ] = 0,
    shard_rows: Annotated[
        int,
        typer.Option(
            min=1,
            help="At most so many images between two commits; fewer where vectors are long.",
            rich_help_panel="Re-runs",
        ),
    ] = SHARD_ROWS,
    rehash: Annotated[
        bool,
        typer.Option("--rehash", help="Compare contents, not only size and time.", rich_help_panel="Re-runs"),
    ] = False,
    retry_rejected: Annotated[
        bool, typer.Option("--retry-rejected", help="Try rejected images again.", rich_help_panel="Re-runs")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel="Output")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notices.", rich_help_panel="Output")] = False,
) -> None:
    """Embed a folder of images into a store; run again to bring it up to date.

    \b
    bignet extract photos photos.bignet
    bignet extract photos photos.bignet -m resnet18 -l layer3 -l layer4 -p gap -p gem:3
    bignet extract camera camera.bignet --decode auto --views flip --storage float16
    """
    from bignet import api

    notices = Notices(quiet=quiet or json_output)
    with notices.only_ours():
        listener = Screen(notices)
        result = api.extract(
            images,
            store,
            model=model,
            weights=weights,
            layers=layer or (),
            pools=pool or (),
            size=size,
            resize_mode=resize_mode,
            views=views,
            decode=decode,
            precision=precision,
            storage=storage,
            device=device,
            batch_size=_batch_size(batch_size),
            workers=workers,
            image_timeout=image_timeout,
            limit=limit,
            shard_rows=shard_rows,
            rehash=rehash,
            retry_rejected=retry_rejected,
            listener=listener,
        )
        listener.close()
    summary = result.summary
    if summary is None:
        raise RuntimeError("an extraction ended without a summary")
    if json_output:
        say_json(_as_json(summary, result))
    else:
        describe(summary, result)
    if summary.total_rejected:
        raise typer.Exit(ExitCode.SOME_REJECTED)


def _batch_size(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"batch size '{text}' cannot be; allowed: auto, or 1 and more")
    return int(text)


def describe(summary: Summary, store: Store) -> None:
    """What came of it, where the time went, where the result is, what to do next."""
    say(_outcome_line(summary, store))
    if summary.decoded:
        for line in _time_lines(summary):
            say(line)
    n_embeddings = counted(len(summary.embeddings), "embedding")
    say(f"{summary.store}: {counted(summary.total_rows, 'row')}, {n_embeddings}, {in_units(summary.n_bytes)}")
    say(f"next: {search_hint(summary.store)} · bignet report {pasted(summary.store)} -o report")


def _outcome_line(summary: Summary, store: Store) -> str:
    parts = [f"{grouped(summary.decoded)} embedded"]
    if summary.copied:
        renamed = f" ({grouped(summary.renamed)} renamed)" if summary.renamed else ""
        parts.append(f"{grouped(summary.copied)} with bytes embedded before{renamed}")
    if summary.removed:
        parts.append(f"{grouped(summary.removed)} removed")
    parts.append(f"{grouped(summary.unchanged - summary.still_rejected)} unchanged")
    if summary.left:
        parts.append(f"{grouped(summary.left)} {LEFT}")
    if summary.total_rejected:
        parts.append(_rejections(summary, store))
    return ", ".join(parts)


def _rejections(summary: Summary, store: Store) -> str:
    """Files that are rejected now; the store lists more while files rejected earlier are gone or left."""
    number = summary.rejected + summary.still_rejected
    reasons = Counter(store.rejected()["reason"].to_pylist()).most_common()
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
    stored = "" if number == summary.total_rejected else f"{grouped(summary.total_rejected)} in the store: "
    return f"{grouped(number)} rejected ({stored}{listed}; list: bignet info {pasted(summary.store)} --rejected)"


_STAGES = ("read", "decode", "forward", "write", "wait")
_TELLING = 2.0  # core seconds: what took most of less says nothing about a longer run
_MENDS = {
    "read": "the disk: a faster one, or images closer by",
    "decode": "decoding: --decode auto for large JPEGs, or smaller files",
    "forward": "the network: a smaller --model, an earlier --layer, a smaller --size, or a GPU",
    "write": "writing: --storage float16, fewer or smaller embeddings",
    "wait": "waiting: for the disk, for other programs, or there was too little to do for all cores",
}


def _time_lines(summary: Summary) -> list[str]:
    """How fast it was, then a table of core time by stage."""
    seconds = summary.seconds
    working = max(seconds["total"] - seconds.get("scan", 0) - seconds.get("load model", 0), 1e-9)
    whole = max(sum(seconds.get(stage, 0.0) for stage in _STAGES), 1e-9)
    rows = [(stage, duration(seconds.get(stage, 0.0)), f"{seconds.get(stage, 0.0) / whole:.0%}") for stage in _STAGES]
    bottleneck = max(_STAGES[:-1], key=lambda stage: seconds.get(stage, 0.0))
    if seconds.get("wait", 0.0) > whole / 2:  # most of the time nobody worked
        bottleneck = "wait"
    rate = f"{summary.decoded / working:,.0f} img/s"
    lines = [
        f"{duration(seconds['total'])}, of it start-up {duration(seconds['total'] - working)} · {rate}",
        *(f"  {line}" for line in table(("stage", "core time", "share"), rows, right="lrr")),
    ]
    return [*lines, f"most time goes into {_MENDS[bottleneck]}"] if whole > _TELLING else lines


def _as_json(summary: Summary, store: Store) -> dict[str, object]:
    return {
        "store": str(summary.store),
        "snapshot": summary.snapshot,
        "discovered": summary.discovered,
        "unchanged": summary.unchanged,
        "decoded": summary.decoded,
        "copied": summary.copied,
        "renamed": summary.renamed,
        "removed": summary.removed,
        "rejected": summary.rejected,
        "left": summary.left,
        "total_rows": summary.total_rows,
        "total_rejected": summary.total_rejected,
        "reasons": dict(Counter(store.rejected()["reason"].to_pylist())),
        "bytes": summary.n_bytes,
        **_made_with(store),
        "seconds": {name: round(value, 3) for name, value in summary.seconds.items()},
        "embeddings": [
            {"name": spec.name, "dims": spec.dims, "fingerprint": spec.fingerprint} for spec in summary.embeddings
        ],
    }


def _made_with(store: Store) -> dict[str, object]:
    encoder, environment = store.embeddings[0].computed_by, store.snapshot.manifest.environment
    return {
        "model": encoder.model,
        "weights": encoder.weights,
        "precision": encoder.precision,
        "device": environment.get("device"),
        "proof": environment.get("proof"),
    }
