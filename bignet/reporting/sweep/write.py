"""A sweep -> a folder with its page, its record and its table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bignet.errors import UsageError, explain_os_error
from bignet.files import replace_all, whole
from bignet.reporting.folder import check_size, make_folder
from bignet.reporting.record import json_text
from bignet.reporting.sweep.page import render_sweep
from bignet.reporting.sweep.record import SCHEMA_VERSION, sweep_record
from bignet.reporting.sweep.settings import SweepPageSettings
from bignet.reporting.sweep.table import sweep_table
from bignet.reporting.tables import table_writer

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.evaluate.sweep.result import Sweep
    from bignet.reporting.sweep.source import SweepSource


@dataclass(frozen=True)
class SweepFiles:
    """Where everything was written."""

    folder: Path
    html: Path
    json: Path
    parquet: Path


def write_sweep(
    sweep: Sweep,
    source: SweepSource,
    out: Path,
    settings: SweepPageSettings = SweepPageSettings(),  # noqa: B008 - frozen
) -> SweepFiles:
    """Everything known about a sweep -> ``sweep.html``, ``sweep.json`` and ``sweep.parquet`` in ``out``, or none.

    Raises:
        UsageError: ids, paths and labels do not match, or the page would be too large to open.
        ResourceError: the disk refused.
    """
    _check(sweep)
    files = SweepFiles(out, out / "sweep.html", out / "sweep.json", out / "sweep.parquet")
    html = render_sweep(sweep, source, settings).encode("utf-8")
    check_size(files.html, len(html), settings.pictures, "sweep fewer choices, or show fewer strips or thumbnails")
    contents = {
        files.parquet: table_writer(lambda: sweep_table(sweep), "sweep", SCHEMA_VERSION),
        files.json: whole(json_text(sweep_record(sweep, source)).encode("ascii")),
        files.html: whole(html),
    }
    try:
        make_folder(out)
        replace_all(contents)
    except OSError as error:
        raise explain_os_error(error, f"write the sweep into {out}") from error
    return files


def with_earlier_times(sweep: Sweep, source: SweepSource, out: Path) -> Sweep:
    """The sweep with the times that ``out`` has of the same one, whose files are then written byte for byte again.

    A second call finds everything done: how long that took is not what a reader of the times asks for.
    """
    try:
        text = (out / "sweep.json").read_text("ascii")
        seconds = json.loads(text)["timings"]["seconds"]
        earlier = replace(sweep, seconds={name: seconds[name] for name in sweep.seconds})
    except (OSError, ValueError, KeyError, TypeError):
        return sweep
    return earlier if json_text(sweep_record(earlier, source)) == text else sweep


def _check(sweep: Sweep) -> None:
    n = len(sweep.ids)
    for what, found in (("paths", len(sweep.paths)), ("labels", len(sweep.labels))):
        if found != n:
            raise UsageError(f"the sweep got {found:,} {what} for {n:,} images; every image needs its own")
