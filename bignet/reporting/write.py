"""An evaluation and a store's names -> a folder with the page, the record and the tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

from bignet.errors import UsageError, explain_os_error
from bignet.files import replace_all, whole
from bignet.reporting.atlas import atlas_table, has_map
from bignet.reporting.class_tables import class_pairs_table, per_class_table
from bignet.reporting.cluster_tables import cluster_members_table, clusters_table
from bignet.reporting.facts import Facts
from bignet.reporting.folder import check_size, make_folder
from bignet.reporting.page import render_page
from bignet.reporting.record import json_text, report_record
from bignet.reporting.settings import ReportSettings
from bignet.reporting.tables import ladder_table, neighbours_table, per_query_table, spectrum_table, table_writer
from bignet.reporting.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pyarrow as pa

    from bignet.evaluate.result import Evaluation
    from bignet.reporting.source import ReportSource


@dataclass(frozen=True)
class ReportFiles:
    """Where everything was written; None = there was nothing for that file."""

    folder: Path
    html: Path
    json: Path
    per_query: Path
    neighbours: Path
    per_class: Path
    class_pairs: Path
    spectrum: Path | None = None
    atlas: Path | None = None
    clusters: Path | None = None
    cluster_members: Path | None = None
    ladder: Path | None = None

    @property
    def tables(self) -> tuple[Path, ...]:
        """The Parquet files."""
        written = (getattr(self, item.name) for item in fields(self))
        return tuple(path for path in written if path is not None and path.suffix == ".parquet")


# Those of an older report are taken away if this one has none.
_SOMETIMES = ("spectrum", "atlas", "clusters", "cluster_members", "ladder")


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
    verdict = judge(Facts(evaluation, source))
    html = render_page(evaluation, source, verdict, settings).encode("utf-8")
    check_size(
        out / "report.html", len(html), settings, f"show fewer than {settings.strips} strips or fewer thumbnails"
    )
    record = json_text(report_record(evaluation, source, verdict)).encode("ascii")
    tables = _tables(evaluation, source, settings)
    contents = {out / f"{name}.parquet": table_writer(make, name) for name, make in tables.items()}
    contents |= {out / "report.json": whole(record), out / "report.html": whole(html)}
    try:
        make_folder(out)
        replace_all(contents)
        for name in set(_SOMETIMES) - set(tables):
            (out / f"{name}.parquet").unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(error, f"write the report into {out}") from error
    return _files(out, tables)


def _files(out: Path, tables: Iterable[str]) -> ReportFiles:
    paths = {name: out / f"{name}.parquet" for name in tables}
    return ReportFiles(folder=out, html=out / "report.html", json=out / "report.json", **paths)


def _tables(
    evaluation: Evaluation, source: ReportSource, settings: ReportSettings
) -> dict[str, Callable[[], pa.Table]]:
    """What makes each table that there is something for; the names are those of ``ReportFiles``."""
    ranks = max(settings.neighbours, evaluation.k)
    tables: dict[str, Callable[[], pa.Table]] = {
        "per_query": lambda: per_query_table(evaluation, source),
        "neighbours": lambda: neighbours_table(evaluation, ranks),
        "per_class": lambda: per_class_table(evaluation),
        "class_pairs": lambda: class_pairs_table(evaluation),
    }
    geometry = evaluation.geometry
    if geometry and geometry.spectrum:
        tables["spectrum"] = partial(spectrum_table, geometry.spectrum)
    if evaluation.clusters:
        chosen = evaluation.clusters.chosen
        tables["clusters"] = lambda: clusters_table(chosen, evaluation.ids, source.paths)
        tables["cluster_members"] = lambda: cluster_members_table(chosen, evaluation.ids, source.paths)
    if evaluation.ladder:
        tables["ladder"] = partial(ladder_table, evaluation.ladder)
    if has_map(evaluation):
        tables["atlas"] = lambda: atlas_table(evaluation, source, ranks)
    return tables


def _check(evaluation: Evaluation, source: ReportSource) -> None:
    if len(source.paths) != len(evaluation.ids):
        raise UsageError(
            f"the report got {len(source.paths):,} paths for {len(evaluation.ids):,} evaluated rows; "
            "every row needs its own path"
        )
