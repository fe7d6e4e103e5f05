"""Where pages go: a folder, and how large a page in it may be."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bignet.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from bignet.reporting.settings import ReportSettings


def check_size(page: Path, n_bytes: int, settings: ReportSettings, advice: str) -> None:
    """Refuse a page that does not open well.

    Raises:
        UsageError: it is larger than ``hard_max_bytes``; ``advice`` says how to make it smaller.
    """
    if n_bytes > settings.hard_max_bytes:
        size, most = n_bytes / 1e6, settings.hard_max_bytes / 1e6
        raise UsageError(
            f"{page.name} would be {size:.3g} MB; more than {most:.3g} MB does not open well in a browser; {advice}"
        )


def make_folder(out: Path) -> None:
    """Make the folder if it is not there.

    Raises:
        NotADirectoryError: the name is taken by a file.
        OSError: the disk refused.
    """
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(out))
    out.mkdir(parents=True, exist_ok=True)
