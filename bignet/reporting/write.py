"""An evaluation and a store's names -> a folder with the page, the record and the tables."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.errors import UsageError, explain_os_error
from bignet.files import replace_all
from bignet.reporting.facts import Facts
from bignet.reporting.page import render_page
from bignet.reporting.record import json_text, report_record
from bignet.reporting.settings import ReportSettings
from bignet.reporting.tables import (
    class_pairs_table,
    neighbours_table,
    parquet_bytes,
    per_class_table,
    per_query_table,
)
from bignet.reporting.verdict import judge

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.evaluate.result import Evaluation
    from bignet.reporting.source import ReportSource


@dataclass(frozen=True)
class ReportFiles:
    """Where everything was written."""

    folder: Path
    html: Path
    json: Path
    per_query: Path
    neighbours: Path
    per_class: Path
    class_pairs: Path


def write_report(
    evaluation: Evaluation,
    source: ReportSource,
    out: Path,
    settings: ReportSettings = ReportSettings(),  # noqa: B008 - frozen
) -> ReportFiles:
    """Everything known about one embedding -> files in the folder ``out``, all of them or none.

    Raises:
        UsageError: names and rows do not match, or the page would be too large to open.
        ResourceError: the disk refused.
    """
    _check(evaluation, source)
    files = _files(out)
    contents = _contents(evaluation, source, files, settings)
    try:
        _make_folder(out)
        replace_all(contents)
    except OSError as error:
        raise explain_os_error(error, f"write the report into {out}") from error
    return files


def _files(out: Path) -> ReportFiles:
    names = ("per_query", "neighbours", "per_class", "class_pairs")
    tables = {name: out / f"{name}.parquet" for name in names}
    return ReportFiles(folder=out, html=out / "report.html", json=out / "report.json", **tables)


def _contents(
    evaluation: Evaluation, source: ReportSource, files: ReportFiles, settings: ReportSettings
) -> dict[Path, bytes]:
    verdict = judge(Facts(evaluation, source))
    ranks = max(settings.neighbours, evaluation.k)
    tables = {
        files.per_query: per_query_table(evaluation, source),
        files.neighbours: neighbours_table(evaluation, ranks),
        files.per_class: per_class_table(evaluation.classes),
        files.class_pairs: class_pairs_table(evaluation),
    }
    html = render_page(evaluation, source, verdict, settings).encode("utf-8")
    _check_size(len(html), settings)
    contents = {path: parquet_bytes(table, path.stem) for path, table in tables.items()}
    contents[files.json] = json_text(report_record(evaluation, source, verdict)).encode("ascii")
    return contents | {files.html: html}


def _check(evaluation: Evaluation, source: ReportSource) -> None:
    if len(source.paths) != len(evaluation.ids):
        raise UsageError(
            f"the report got {len(source.paths):,} paths for {len(evaluation.ids):,} evaluated rows; "
            "every row needs its own path"
        )


def _check_size(n_bytes: int, settings: ReportSettings) -> None:
    if n_bytes > settings.hard_max_bytes:
        size, most = n_bytes / 1e6, settings.hard_max_bytes / 1e6
        raise UsageError(
            f"report.html would be {size:.3g} MB; more than {most:.3g} MB does not open well in a browser; "
            f"show fewer than {settings.strips} strips or fewer thumbnails"
        )


def _make_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(out))
    out.mkdir(parents=True, exist_ok=True)
