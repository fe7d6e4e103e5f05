"""What a sweep's choices scored, one file each in its folder: what was scored once is not scored again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bignet import files
from bignet.errors import explain_os_error

if TYPE_CHECKING:
    from pathlib import Path

SCORES = "scores"
_SUFFIX = ".npz"


class ScoreFiles:
    """Files in ``scores`` of a sweep's folder, named by digests of the choices' names, which may be any text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / SCORES

    def load(self, name: str) -> bytes | None:
        """What was saved last; None = nothing."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def save(self, name: str, data: bytes) -> None:
        """Keep something in place of what was there.

        Raises:
            ResourceError: the disk refused.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            files.replace(self._path(name), files.whole(data))
        except OSError as error:
            raise explain_os_error(error, f"write into '{self._folder}'") from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}{_SUFFIX}"
