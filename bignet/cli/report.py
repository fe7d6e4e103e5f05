"""``bignet report``: how good an embedding is, as a page and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, missing_images, partial_warning, say, say_json, table

if TYPE_CHECKING:
    from bignet.evaluate.result import Evaluation, Metric

NAME = "report"
PANEL = "Measure"
HEADLINE = ("map@r.macro", "map@r", "p@1", "r_precision", "mrr")


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the report.")] = "report",
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="CSV or Parquet with label and id or path.  [default: folder names]"),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Depth of precision@k and of the strips.")] = 10,
    images: Annotated[str | None, typer.Option("--images", help="Where the pictures are now, if they moved.")] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Leave damaged shards out, measure all other rows.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the headline figures as JSON.")] = False,
) -> None:
    """Measure an embedding and write a page about it.

    \b
    bignet report photos.bignet -o report
    bignet report photos.bignet -o report --labels labels.csv --embedding layer4.gap
    """
    from bignet import api
    from bignet.names import visible

    with Notices(quiet=json_output).only_ours():
        opened = api.open(store, allow_partial=allow_partial)
        evaluation, files = api.report(opened, out, labels=labels, embedding=embedding, images=images, k=k)
    if json_output:
        metrics = [_as_json(metric) for metric in evaluation.metrics]
        say_json({"report": str(files.html), "metrics": metrics, "warnings": list(evaluation.warnings)})
        return
    for line in headline(evaluation):
        say(line)
    root = opened.snapshot.image_root(images)
    if not root.is_dir():
        say(missing_images(root))
    left_out = opened.snapshot.left_out
    if left_out is not None:
        say(partial_warning(store, left_out))
    for warning in evaluation.warnings[left_out is not None :]:
        say(f"note: {visible(warning)}")
    say(f"report: {files.html}")


def headline(evaluation: Evaluation) -> list[str]:
    """The figures to quote, aligned: value, interval, chance, queries."""
    wanted = (*HEADLINE[:3], f"p@{evaluation.k}", *HEADLINE[3:])
    shown = [metric for name in wanted for metric in evaluation.metrics if metric.id == name]
    rows = [
        (metric.id, _number(metric.value), _interval(metric), _number(metric.chance), f"{metric.n_queries:,}")
        for metric in shown
    ]
    return table(("metric", "value", "95 % interval", "chance", "queries"), rows, right="lrrrr")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(metric: Metric) -> str:
    return "-" if metric.lo is None or metric.hi is None else f"{metric.lo:.3f}-{metric.hi:.3f}"


def _as_json(metric: Metric) -> dict[str, object]:
    names = ("id", "value", "lo", "hi", "level", "chance", "n_queries", "gallery_size", "estimator", "reason")
    return {name: getattr(metric, name) for name in names}
