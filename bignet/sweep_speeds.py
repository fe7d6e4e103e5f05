"""Speeds measured for a sweep, kept in its folder with all they depend on: a second run takes them as they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from bignet import files
from bignet.errors import explain_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Found = TypeVar("Found")

NAME = "speeds.json"
_VERSION = 3  # of the file, and of how things are measured


class Speeds:
    """What was measured, by name.

    Args:
        folder: of the sweep, which is there.
        again: whether what is kept is measured again.
    """

    def __init__(self, folder: Path, *, again: bool) -> None:
        self._path = folder / NAME
        self._again = again
        self._entries = _read(self._path)
        self._n_asked = 0
        self._days: list[str] = []

    def of(
        self, name: str, depends_on: Mapping[str, Any], measure: Callable[[], Any], read: Callable[[Any], Found]
    ) -> Found:
        """What is kept under that name if it depended on the same, else what is measured now, which is then kept.

        Args:
            name: of what is measured.
            depends_on: plain values; machine, versions, settings, digests.
            measure: gives plain values.
            read: plain values -> what they mean; KeyError, TypeError or ValueError if they mean nothing.

        Raises:
            ResourceError: the disk refused.
        """
        kept = self.kept(name, depends_on, read)
        return self.keep(name, depends_on, measure(), read) if kept is None else kept

    def kept(self, name: str, depends_on: Mapping[str, Any], read: Callable[[Any], Found]) -> Found | None:
        """What is kept under that name if it depended on the same; None = it has to be measured. See ``of``."""
        self._n_asked += 1
        kept = self._entries.get(name)
        if self._again or not isinstance(kept, dict) or kept.get("depends_on") != _plain(depends_on):
            return None
        try:
            found, day = read(kept["found"]), str(kept["measured_on"])
        except (KeyError, TypeError, ValueError):
            return None  # not of our making
        self._days.append(day)
        return found

    def keep(self, name: str, depends_on: Mapping[str, Any], measured: Any, read: Callable[[Any], Found]) -> Found:
        """What was measured, kept and read as it will be from now on. See ``of``.

        Raises:
            ResourceError: the disk refused.
        """
        day = datetime.now(UTC).date().isoformat()
        found = _plain(measured)
        self._entries[name] = {"depends_on": _plain(depends_on), "measured_on": day, "found": found}
        self._write()
        return read(found)

    @property
    def taken(self) -> str:
        """``all speeds measured on 2026-11-23``: what was not measured now; empty if nothing."""
        if not self._days:
            return ""
        share = "all" if len(self._days) == self._n_asked else f"{len(self._days)} of {self._n_asked}"
        return f"{share} speeds as measured here on {' and '.join(sorted(set(self._days)))}"

    def _write(self) -> None:
        text = json.dumps({"schema_version": _VERSION, "measured": self._entries}, indent=1, sort_keys=True)
        try:
            files.replace(self._path, files.whole(text.encode("ascii") + b"\n"))
        except OSError as error:
            raise explain_os_error(error, f"write '{self._path}'") from error


def _plain(values: Any) -> Any:
    """As JSON gives them back."""
    return json.loads(json.dumps(values))


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing if there is none, or it is damaged or of another version."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(record, dict) and record.get("schema_version") == _VERSION
    measured = record.get("measured") if known else None
    return dict(measured) if isinstance(measured, dict) else {}
