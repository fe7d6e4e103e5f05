"""``bignet clusters``: what groups of images an embedding makes, and how firm they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bignet.cli.console import Notices, counted, grouped, partial_warning, say, say_json, table
from bignet.errors import UsageError

if TYPE_CHECKING:
    from bignet.evaluate.clusters.result import Cluster, Clusters, KPoint
    from bignet.evaluate.result import Metric
    from bignet.reporting.write_clusters import StoreClusters

NAME = "clusters"
PANEL = "Measure"
SHOWN = 40
_LABEL_WIDTH = 32


def command(
    store: Annotated[str, typer.Argument(help="Folder of the store.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the tables.")] = "clusters",
    k: Annotated[str, typer.Option("-k", help="How many clusters: auto, or those to try, such as 10,20,40.")] = "auto",
    method: Annotated[
        str,
        typer.Option(help="kmeans: every image in a cluster; hdbscan: dense groups, and noise."),
    ] = "kmeans",
    embedding: Annotated[
        str | None, typer.Option("--embedding", "-e", help="Which embedding.  [default: the store's first]")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="CSV or Parquet with label and id or path.  [default: folder names]"),
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Leave damaged shards out, cluster all other rows.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Divide the images into clusters, say how many are stable, and write who is in which.

    Stability: how well clusters of two halves of the images agree on others; 1 = the same, 0 = as by chance.
    V-measure: how well clusters and labels agree; labels have no part in finding the clusters.

    \b
    bignet clusters photos.bignet -o clusters
    bignet clusters photos.bignet -k 20,50,100 --labels labels.csv
    bignet clusters photos.bignet --method hdbscan --json
    """
    from bignet import api

    wanted = _numbers(k)
    with Notices(quiet=json_output).only_ours():
        opened = api.open(store, allow_partial=allow_partial)
        done = api.clusters(opened, out, k=wanted, method=method, labels=labels, embedding=embedding)
    left_out = opened.snapshot.left_out
    if json_output:
        say_json(_as_json(done) | ({} if left_out is None else {"left_out": str(left_out)}))
        return
    for line in (*_curve(done.found), "", *_table(done), "", *_agreement(done.found)):
        say(line)
    if left_out is not None:
        say(partial_warning(store, left_out))
    for warning in done.found.chosen.warnings:
        say(f"note: {warning}")
    if done.files is not None:
        say(f"tables: {done.files.clusters} · {done.files.members}")


def _numbers(text: str) -> str | tuple[int, ...]:
    """``auto``, or ``10,20`` -> (10, 20)."""
    if text.strip() == "auto":
        return "auto"
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"-k: found '{text}'; allowed are auto, a number, and numbers such as 10,20,40") from None


def _curve(found: Clusters) -> list[str]:
    """Every k that was tried, and which is suggested."""
    suggestion = f"{counted(found.chosen.k, 'cluster')}: {found.reason}"
    if len(found.curve) < 2:
        return [suggestion]
    lines = [
        (f"{point.k}", _number(point.silhouette), _stability(point), _number(point.v_measure), _mark(point, found))
        for point in found.curve
    ]
    return [*table(("k", "silhouette", "stability", "v-measure", ""), lines, right="rrrrl"), "", suggestion]


def _mark(point: KPoint, found: Clusters) -> str:
    return "<- suggested" if point.k == found.suggested else ""


def _stability(point: KPoint) -> str:
    if point.stability is None or point.stability_se is None:
        return "-"
    return f"{point.stability:.3f} ± {point.stability_se:.3f}"


def _agreement(found: Clusters) -> list[str]:
    """How the suggested clusters and the labels agree, beside what shuffled labels would."""
    known = {metric.id: metric for metric in found.metrics}
    parts = [
        f"{text} {_number(known[name].value)} (chance {_number(known[name].chance)})"
        for name, text in (("v_measure", "v-measure"), ("ari", "ARI"), ("purity", "purity"))
        if known[name].value is not None
    ]
    noise = found.chosen.noise_share
    left_out = ", noise left out" if noise else ""
    lines = [f"agreement with the labels{left_out}: {' · '.join(parts)}"] if parts else []
    return [*lines, *([f"noise: {100 * noise:.1f} % of the images are in no cluster"] if noise else [])]


def _table(done: StoreClusters) -> list[str]:
    """The largest clusters."""
    from bignet.names import visible

    found = done.found.chosen
    shown = found.clusters[:SHOWN]
    labelled = any(cluster.label is not None for cluster in found.clusters)
    header = ("cluster", "size", *(("label", "share", "lift") if labelled else ()), "cohesion", "medoid")
    lines = [
        (
            f"{cluster.number}",
            grouped(cluster.size),
            *(_label(cluster) if labelled else ()),
            _number(cluster.cohesion),
            visible(done.paths[cluster.medoid]),
        )
        for cluster in shown
    ]
    rest = len(found.clusters) - len(shown)
    more = [f"{counted(rest, 'smaller cluster')} more in clusters.parquet"] if rest else []
    return [*table(header, lines, right="rrlrrrl" if labelled else "rrrl"), *more] if lines else []


def _label(cluster: Cluster) -> tuple[str, str, str]:
    from bignet.names import shorten, visible

    if cluster.label is None or cluster.label_share is None or cluster.label_lift is None:
        return "-", "-", "-"
    share = f"{100 * cluster.label_share:.0f} %"
    return shorten(visible(cluster.label), _LABEL_WIDTH), share, f"{cluster.label_lift:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _as_json(done: StoreClusters) -> dict[str, Any]:
    found = done.found
    return {
        "method": found.chosen.method,
        "suggested": found.suggested,
        "reason": found.reason,
        "curve": [vars(point) for point in found.curve],
        "noise_share": found.chosen.noise_share,
        "metrics": [_metric(metric) for metric in found.metrics],
        "clusters": [_cluster(cluster, done) for cluster in found.chosen.clusters],
        "warnings": list(found.chosen.warnings),
        "files": None if done.files is None else {name: str(path) for name, path in vars(done.files).items()},
    }


def _metric(metric: Metric) -> dict[str, object]:
    names = ("id", "value", "chance", "k", "n_queries", "estimator", "reason")
    return {name: getattr(metric, name) for name in names}


def _cluster(cluster: Cluster, done: StoreClusters) -> dict[str, Any]:
    """Rows become the store's ids."""
    from bignet.names import storable

    fields = {name: value for name, value in vars(cluster).items() if not name.endswith("_rows") and name != "medoid"}
    rows = {name: value for name, value in vars(cluster).items() if name.endswith("_rows")}
    return (
        fields
        | {"medoid_id": int(done.ids[cluster.medoid]), "medoid_path": storable(done.paths[cluster.medoid])}
        | {name.replace("_rows", "_ids"): done.ids[list(value)].tolist() for name, value in rows.items()}
    )
