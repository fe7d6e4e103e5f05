"""What ``bignet report`` prints: figures, worst classes, checks, where everything is, what to do next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bignet.cli.console import counted, duration, pasted, table, typed
from bignet.names import shorten, visible
from bignet.reporting.atlas import COMMAND
from bignet.reporting.measures import class_details
from bignet.units import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.evaluate.result import Evaluation, Metric
    from bignet.reporting.baseline import Comparison
    from bignet.reporting.gate import Outcome
    from bignet.reporting.measures import ClassDetails
    from bignet.reporting.write import ReportFiles

HEADLINE = (
    "map@r.macro",
    "map@r.macro.nogroups",
    "map@r",
    "p@1",
    "p@1/tie-mean",
    "p@{k}",
    "p@{k}/tie-mean",
    "r_precision",
    "mrr",
    "knn_acc",
    "pair_auroc",
    "human_plausible",
)
LABEL_FREE = ("rankme_centered", "rankme", "hub_skew", "twonn")
WORST = 5
_CONFUSED = 2
_NAME_WIDTH = 32
_OTHERS = {"group": "groups", "class": "classes"}
_STAGES = 3


def headline(evaluation: Evaluation) -> list[str]:
    """The figures to quote, aligned: value, interval, chance, queries; those that need no labels if there are none."""
    by_id = {metric.id: metric for metric in evaluation.metrics}
    wanted = [by_id[name] for item in HEADLINE if (name := item.format(k=evaluation.k)) in by_id]
    if all(metric.value is None for metric in wanted):
        wanted = [by_id[name] for name in LABEL_FREE if name in by_id] or wanted
    rows = [
        (metric.id, number(metric.value), _interval(metric), number(metric.chance), _count(metric.n_queries))
        for metric in wanted
    ]
    header = ("metric", "value", _coverage(wanted), "chance", "queries")
    others = next((metric.cluster_unit for metric in wanted if metric.cluster_unit), None)
    if others is None:
        return table(header, rows, "lrrrr")
    wider = [(*row[:3], _ends_of(metric), *row[3:]) for row, metric in zip(rows, wanted, strict=True)]
    return table((*header[:3], f"with other {_OTHERS[others]}", *header[3:]), wider, "lrrrrr")


def _ends_of(metric: Metric) -> str:
    """How far the figure would move with other groups or classes."""
    lo, hi = metric.cluster_lo, metric.cluster_hi
    return "-" if lo is None or hi is None else f"{number(lo)}-{number(hi)}"


def _coverage(metrics: Sequence[Metric]) -> str:
    """``95 % interval``: all have it in common."""
    return f"{100 * metrics[0].level:g} % interval" if metrics else "interval"


def about(evaluation: Evaluation, store: str, embedding: str, labels: str | None) -> str:
    """What was measured."""
    n_labelled = sum(label is not None for label in evaluation.labels)
    of = "the store's own" if labels is None else pasted(labels)
    classes = counted(len(evaluation.classes), "class", "classes")
    known = f"{n_labelled:,} labelled in {classes} ({of})" if n_labelled else "no labels"
    return f"{visible(store)} · {visible(embedding)} · {counted(len(evaluation.ids), 'image')}, {known}"


def worst_classes(evaluation: Evaluation) -> list[str]:
    """The classes with the lowest scores, and what their images are taken for; nothing for fewer than two."""
    scored = [item for item in class_details(evaluation) if item.row.map_r.value is not None]
    if len(scored) < 2:
        return []
    worst = sorted(scored, key=lambda item: (item.row.map_r.value or 0.0, item.row.label))[:WORST]
    rows = [
        (
            shorten(visible(item.row.label), _NAME_WIDTH),
            number(item.row.map_r.value),
            _interval(item.row.map_r),
            f"{item.row.n_queries:,}",
            _taken_for(item),
        )
        for item in worst
    ]
    coverage = _coverage([item.row.map_r for item in worst])
    return table(("worst class", "map@r", coverage, "queries", "taken for"), rows, "lrrrl")


def _taken_for(item: ClassDetails) -> str:
    pairs = [pair for pair in item.confusion.top if pair.lift > 1] if item.confusion else []
    if pairs:
        return ", ".join(
            f"{shorten(visible(pair.other), _NAME_WIDTH)} {100 * pair.share:.0f} % (lift {pair.lift:.1f})"
            for pair in pairs[:_CONFUSED]
        )
    near = item.row.nearest_class
    return "-" if near is None else f"nearest: {shorten(visible(near), _NAME_WIDTH)}"


def number(value: float | None) -> str:
    """Three decimals, or four digits where the number is large."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def _count(queries: int) -> str:
    """A figure of pairs or of vectors has none."""
    return f"{queries:,}" if queries else "-"


def _interval(metric: Metric) -> str:
    return "-" if metric.lo is None or metric.hi is None else f"{number(metric.lo)}-{number(metric.hi)}"


def checked(outcomes: Sequence[Outcome]) -> list[str]:
    """Each condition with the value it met and the verdict."""
    rows = [
        (str(item.condition), "undefined" if item.value is None else f"{item.value:.6g}", _outcome(item))
        for item in outcomes
    ]
    return table(("check", "value", ""), rows, "lrl")


def _outcome(item: Outcome) -> str:
    return "holds" if item.passed else f"fails: {visible(item.reason)}" if item.reason else "fails"


def compared(found: Comparison) -> str:
    """How far the headline moved."""
    moved = f"{found.metric} {number(found.before.value)} before, {number(found.now.value)} now"
    if found.unlike is not None:
        return f"baseline: {moved}: {found.verdict}"
    if found.change is None:
        ends = f"intervals {_ends(found.before.lo, found.before.hi)} and {_ends(found.now.lo, found.now.hi)}"
        return f"baseline: {moved}; {ends}, not paired: {found.unpaired}: {found.verdict}"
    change = found.change
    paired = f"interval {_ends(change.lo, change.hi)}, paired over {counted(change.n_queries, 'query', 'queries')}"
    note = "" if found.note is None else f"; {found.note}"
    return f"baseline: {moved}: {change.value:+.4f} ({paired}): {found.verdict}{note}"


def _ends(lo: float | None, hi: float | None) -> str:
    return "unknown" if lo is None or hi is None else f"{lo:.4f} to {hi:.4f}"


def time_line(stages: Mapping[str, float], seconds: float) -> str:
    """How long it took, and what took longest."""
    slowest = sorted(stages.items(), key=lambda item: -item[1])[:_STAGES]
    parts = ", ".join(f"{name} {duration(spent)}" for name, spent in slowest)
    return f"{duration(seconds)}{f' · {parts}' if parts else ''}"


def written(files: ReportFiles) -> str:
    """Where everything is."""
    page, tables = size(files.html.stat().st_size), counted(len(files.tables), "table")
    return f"report: {pasted(files.html)} ({page}; beside it report.json and {tables})"


def next_commands(evaluation: Evaluation, files: ReportFiles, store: str, embedding: str | None) -> list[str]:
    """What to type next, each as typed; ``embedding`` as it was asked for."""
    if not len(evaluation.ids):
        return [typed(["bignet", "info", store, "--rejected"])]
    found = []
    if files.atlas is not None:
        found.append(COMMAND.format(file=pasted(files.atlas)))
    head = evaluation.metrics[0] if evaluation.metrics else None
    condition = None if head is None else _condition(head)
    if condition is not None:
        found.append(typed(["bignet", "report", str(files.json), "--check", condition]))
    elif head is not None and head.value is None:
        which = [] if embedding is None else ["-e", embedding]
        found.append(typed(["bignet", "report", store, *which, "-o", str(files.folder), "--labels", "LABELS.csv"]))
    return found


def _condition(metric: Metric) -> str | None:
    """What later reports should reach; None where there is no interval, or a blind order would reach it too."""
    if metric.lo is None:
        return None
    bound = math.floor(100 * metric.lo) / 100
    return f"{metric.id}>={bound:.2f}" if bound > max(0.0, metric.chance or 0.0) else None
