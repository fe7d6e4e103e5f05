"""``bignet sweep``: many models, layers and pools on the same images, judged, with a page that says which to take."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, say, say_json
from bignet.cli.sweep_screen import SweepScreen
from bignet.errors import ExitCode, UsageError
from bignet.evaluate.sweep.settings import SweepSettings
from bignet.extractor import grid_defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.sweep_job import SweepDone

NAME = "sweep"
PANEL = "Measure"
_GRID, _JUDGING, _MACHINE, _OUTPUT = "What is tried", "Images and labels", "Machine", "Output"
_MODELS, _LAYERS, _POOLS = (
    [",".join(names)] for names in (grid_defaults.MODELS, grid_defaults.AUTO, grid_defaults.POOLS)
)


def command(
    images: Annotated[str, typer.Argument(help="Folder (searched recursively) or text file with a path on each line.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the page and the stores.")] = "sweep",
    models: Annotated[
        list[str],
        typer.Option("--models", "-m", metavar="NAMES", help="Backbones, see `bignet models`.", rich_help_panel=_GRID),
    ] = _MODELS,
    layers: Annotated[
        list[str],
        typer.Option(
            "--layers",
            "-l",
            metavar="NAMES",
            help="auto: where each stage of a model ends; or names, of which each model tries those that it has.",
            rich_help_panel=_GRID,
        ),
    ] = _LAYERS,
    pools: Annotated[
        list[str],
        typer.Option(
            "--pools",
            "-p",
            metavar="NAMES",
            help="Each layer gets each of them; see `bignet extract --help`.",
            rich_help_panel=_GRID,
        ),
    ] = _POOLS,
    pca: Annotated[
        int | None,
        typer.Option(min=1, help="Try each embedding brought down to so many numbers, too.", rich_help_panel=_GRID),
    ] = None,
    max_dims: Annotated[
        int, typer.Option(min=1, help="Embeddings with more numbers a vector are not tried.", rich_help_panel=_GRID)
    ] = grid_defaults.MAX_DIMS,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="MODEL=WEIGHTS",
            help="A model's weights: a file, random:SEED; repeat.  [default: published ones]",
            rich_help_panel=_GRID,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the square the networks see.  [default: as each was trained]", rich_help_panel=_GRID
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="CSV or Parquet: path, and label, group.  [default: folder names]", rich_help_panel=_JUDGING),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="At most so many images, from all over the folder; 0 = all.", rich_help_panel=_JUDGING
        ),
    ] = 0,
    k: Annotated[
        int, typer.Option("-k", min=1, help="Neighbours in a strip.", rich_help_panel=_JUDGING)
    ] = SweepSettings.k,
    seed: Annotated[
        int, typer.Option(min=0, help="Fixes every random choice.", rich_help_panel=_JUDGING)
    ] = SweepSettings.seed,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, bf16, fp16, int8; auto: the fastest that a sample proves.  [default: auto]",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)] = "auto",
    workers: Annotated[
        int, typer.Option(min=0, help="Decoding threads; 0 = one a core.", rich_help_panel=_MACHINE)
    ] = 0,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Measure speeds again that an earlier run measured here.", rich_help_panel=_MACHINE
        ),
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_OUTPUT)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notices.", rich_help_panel=_OUTPUT)] = False,
) -> None:
    """Try many models, layers and pools on the same images, and write a page that says which to take.

    Each image is decoded once for all models. A sweep that was cut off goes on where it was.

    \b
    bignet sweep photos -o sweep
    bignet sweep photos -o sweep -m resnet18,resnet50 -p gap,gem:3 --pca 256 --limit 2000
    bignet sweep photos -o sweep -m resnet18 -w resnet18=mine.safetensors --labels labels.csv
    """
    start = time.monotonic()
    from bignet import api

    notices = Notices(quiet=quiet or json_output)
    with notices.only_ours():
        screen = SweepScreen(notices)
        try:
            done = api.sweep(
                images,
                out,
                models=_listed("models", models),
                layers=_listed("layers", layers),
                pools=_listed("pools", pools),
                weights=_weights(weights or []),
                steps=() if pca is None else (f"pca:{pca}",),
                max_dims=max_dims,
                size=size,
                labels=labels,
                limit=limit,
                k=k,
                seed=seed,
                precision=precision,
                device=device,
                workers=workers,
                again=again,
                listener=screen,
            )
        finally:
            screen.close()
    if json_output:
        say_json(_as_json(done))
    else:
        _describe(done, images, time.monotonic() - start, screen)
    if any(item.summary.total_rejected for item in done.stores):
        raise typer.Exit(ExitCode.SOME_REJECTED)


def _listed(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    found = tuple(part.strip() for text in texts for part in text.split(",") if part.strip())
    if not found:
        raise UsageError(f"--{name} names nothing; give names with commas between them")
    return found


def _weights(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        model, equals, weights = text.partition("=")
        if not (model and equals and weights):
            raise UsageError(f"weights '{text}' name no model; write them as in resnet18=mine.safetensors")
        found[model] = weights
    return found


def _describe(done: SweepDone, images: str, seconds: float, screen: SweepScreen) -> None:
    """What was found, which to take, where everything is, what to do next."""
    from bignet.cli import sweep_lines as lines

    sweep = done.sweep
    for warning in sweep.warnings:
        say(f"warning: {warning}")
    for line in lines.front(sweep):
        say(line)
    say()
    for line in lines.recommended(sweep):
        say(line)
    for line in lines.dropped(sweep):
        say(line)
    say(lines.time_line(screen.seconds, seconds))
    say(lines.written(done))
    say(f"next: {lines.next_command(done, images)}")


def _as_json(done: SweepDone) -> dict[str, object]:
    sweep = done.sweep
    return {
        "ranking": sweep.ranking,
        "images": len(sweep.ids),
        "left_out": sweep.n_left_out,
        "recommendations": [asdict(item) for item in sweep.recommendations],
        "choices": [
            {
                "name": item.choice.name,
                "dims": item.choice.dims,
                "trained": item.choice.trained,
                "score": item.reported.value,
                "lo": item.reported.lo,
                "hi": item.reported.hi,
                "tied": item.tied,
                "on_front": item.on_front,
                "images_s": item.cost.images_s_end2end,
                "images_s_lo": item.cost.images_s_end2end_lo,
                "images_s_hi": item.cost.images_s_end2end_hi,
                "bytes_per_vector": item.cost.bytes_per_vector,
                "store": item.choice.store,
                "embedding": item.choice.embedding,
            }
            for item in sweep.scored
        ],
        "dropped": [asdict(item) for item in sweep.dropped],
        "stores": [
            {
                "model": item.model,
                "path": str(item.path),
                "rows": item.summary.total_rows,
                "decoded": item.summary.decoded,
            }
            for item in done.stores
        ],
        "rejected": dict(Counter({item.model: item.summary.total_rejected for item in done.stores})),
        "files": {"html": str(done.files.html), "json": str(done.files.json), "parquet": str(done.files.parquet)},
        "warnings": list(sweep.warnings),
    }
