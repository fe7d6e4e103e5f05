"""``bignet report``: how good an embedding is, as a page and as data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bignet.cli.console import Notices, missing_images, partial_warning
from bignet.cli.report_look import Look
from bignet.errors import UsageError
from bignet.evaluate.settings import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.evaluate.result import Evaluation
    from bignet.opened import Store
    from bignet.reporting.write import ReportFiles

NAME = "report"
PANEL = "Measure"
_LABELS, _COMPARE, _PAGE = "Labels and queries", "Checks and comparisons", "Page and output"


def command(
    store: Annotated[
        str, typer.Argument(help="Folder of the store; or a report.json, to look at it again with --check, --baseline.")
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the report.")] = "report",
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Depth of precision@k and of the strips.")] = EvaluateSettings.k,
    labels: Annotated[
        str | None,
        typer.Option(
            help="CSV or Parquet: id or path, and label, group, split.  [default: folder names]",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            help="loo: each image against all others; split: test, query or val against train or gallery; folds: each "
            "fold against the others, groups kept whole.",
            rich_help_panel=_LABELS,
        ),
    ] = EvaluateSettings.mode,
    unlabelled: Annotated[
        str,
        typer.Option(
            help="drop: such images are in no label score; distractor: they can be found and count as wrong.",
            rich_help_panel=_LABELS,
        ),
    ] = EvaluateSettings.unlabelled,
    seed: Annotated[
        int, typer.Option(min=0, help="Fixes every random choice: resamples, samples.", rich_help_panel=_LABELS)
    ] = EvaluateSettings.seed,
    clusters: Annotated[
        str,
        typer.Option(
            help="auto: several numbers of clusters are tried; none; or those to try: 10,20,40.",
            rich_help_panel=_LABELS,
        ),
    ] = "auto",
    ladder: Annotated[
        bool,
        typer.Option(
            "--ladder",
            help="Compare storages and indexes too: float16, 8 bits, signs, PQ, IVF, HNSW.",
            rich_help_panel=_LABELS,
        ),
    ] = False,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITIONS",
            help='Figures that must hold, "map@r>=0.60,p@1>0.9"; exit code 3 if one does not.',
            rich_help_panel=_COMPARE,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="REPORT",
            help="An earlier report.json: how far the headline moved, query by query where both have the same.",
            rich_help_panel=_COMPARE,
        ),
    ] = None,
    marks: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The marks.json that the page exported: the share you found plausible.",
            rich_help_panel=_COMPARE,
        ),
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Where the pictures are now, if they moved.", rich_help_panel=_PAGE)
    ] = None,
    thumbs: Annotated[
        str | None,
        typer.Option(metavar="none|N", help="Pictures on the page, at most.  [default: 1500]", rich_help_panel=_PAGE),
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial", help="Leave damaged shards out, measure all other rows.", rich_help_panel=_PAGE
        ),
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print report.json, checks and comparison as JSON.", rich_help_panel=_PAGE)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_PAGE)] = False,
) -> None:
    """Measure an embedding and write a page about it.

    \b
    bignet report photos.bignet -o report
    bignet report photos.bignet -o report --labels labels.csv --embedding layer4.gap
    bignet report photos.bignet -o report --check "map@r.macro>=0.60,p@1>0.9" --baseline old/report.json
    bignet report photos.bignet -o report --ladder
    bignet report report/report.json --check "map@r.macro>=0.60"
    """
    look = Look.asked_for(check, baseline, json_output=json_output)
    if is_report(Path(store)):
        look.again(Path(store))
        return
    settings = {
        "labels": labels,
        "embedding": embedding,
        "images": images,
        "k": k,
        "mode": mode,
        "unlabelled": unlabelled,
        "seed": seed,
        "thumbs": thumbs_of(thumbs),
        "clusters": clusters_of(clusters),
        "marks": marks,
        "ladder": ladder,
    }
    done = _measure(store, out, settings, allow_partial=allow_partial, notices=Notices(quiet=quiet or json_output))
    look.at(done.files, () if json_output else done.lines(), done.following())


def is_report(path: Path) -> bool:
    """Whether a path is that of a report.json or of the folder of one."""
    from bignet.store.layout import is_store

    return (path.is_file() and path.suffix == ".json") or ((path / "report.json").is_file() and not is_store(path))


def thumbs_of(text: str | None) -> int | None:
    """``none`` -> 0, ``200`` -> 200; None if nothing was said.

    Raises:
        UsageError: neither a number nor ``none``.
    """
    if text is None or text == "none":
        return None if text is None else 0
    if not text.isdecimal():
        raise UsageError(f"--thumbs '{text}' is neither a number nor none; give how many pictures the page may hold")
    return int(text)


def clusters_of(text: str) -> tuple[int, ...] | None:
    """``auto`` -> (), ``none`` -> None, ``10,20`` -> (10, 20).

    Raises:
        UsageError: anything else, or a number below 2.
    """
    if text in ("auto", "none"):
        return () if text == "auto" else None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 1 for part in parts):
        raise UsageError(f"--clusters '{text}' is no list of numbers of clusters; give auto, none, or such as 10,20,40")
    return tuple(sorted({int(part) for part in parts}))


@dataclass(frozen=True)
class _Done:
    """A report that was written; ``named`` is the store as it was typed."""

    store: Store
    named: str
    evaluation: Evaluation
    files: ReportFiles
    settings: dict[str, Any]
    stages: Mapping[str, float]
    seconds: float

    def lines(self) -> list[str]:
        """What was found, and where it is."""
        from bignet.cli import report_lines as lines
        from bignet.names import visible

        spec = self.store.snapshot.embedding(self.settings["embedding"])
        about = lines.about(self.evaluation, self.store.path.resolve().name, spec.name, self.settings["labels"])
        worst = lines.worst_classes(self.evaluation)
        left_out = self.store.snapshot.left_out
        found = [about, *lines.headline(self.evaluation), *(["", *worst] if worst else [])]
        root = self.store.snapshot.image_root(self.settings["images"])
        found += [] if root.is_dir() else [missing_images(root)]
        found += [] if left_out is None else [partial_warning(self.named, left_out)]
        found += [f"note: {visible(text)}" for text in self.evaluation.warnings[left_out is not None :]]
        return [*found, lines.time_line(self.stages, self.seconds), lines.written(self.files)]

    def following(self) -> list[str]:
        """What to do next."""
        from bignet.cli.report_lines import next_commands

        commands = next_commands(self.evaluation, self.files, self.named, self.settings["embedding"])
        return [f"{'      ' if number else 'next: '}{text}" for number, text in enumerate(commands)]


def _measure(store: str, out: str, settings: dict[str, Any], *, allow_partial: bool, notices: Notices) -> _Done:
    from bignet import api
    from bignet.cli.stages import Stages

    start = time.monotonic()
    with notices.only_ours():
        stages = Stages(notices)
        opened = api.open(store, allow_partial=allow_partial)
        try:
            evaluation, files = api.report(opened, out, progress=stages, **settings)
        finally:
            stages.close()
    return _Done(opened, store, evaluation, files, settings, stages.seconds, time.monotonic() - start)
