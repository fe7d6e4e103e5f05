"""What an import is asked to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from bignet.errors import UsageError
from bignet.spec import DTYPES
from bignet.store import shards

if TYPE_CHECKING:
    import os

DEFAULT_NAME = "vectors"
_BESIDE = "a text file with one a line, or .npy, .parquet or .csv"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # it names a column and a folder


@dataclass(frozen=True)
class ImportSettings:
    """Settings of one import.

    Attributes:
        name: of the embedding: its column in the store.
        encoder: what made the vectors, in a person's words; part of the fingerprint.
        column: which column of a Parquet file holds the vectors; None = the only one of lists of floats.
        paths: file with a path a row; None = the column ``path`` beside the vectors, else the ids as text.
        ids: file with an id a row; None = the column ``id`` beside the vectors, else 0 to N - 1.
        labels: file with a label a row; None = the column ``label`` beside the vectors, else no labels.
        images: folder that the paths start from; its pictures give sha256, bytes, time and size. None = the folder of
            the file with the paths, and nothing is read from it.
        storage: ``float32`` or ``float16``.

    Raises:
        UsageError: a name that cannot be one, a storage, a file or a folder that there is not.
    """

    name: str = DEFAULT_NAME
    encoder: str = ""
    column: str | None = None
    paths: str | os.PathLike[str] | None = None
    ids: str | os.PathLike[str] | None = None
    labels: str | os.PathLike[str] | None = None
    images: str | os.PathLike[str] | None = None
    storage: str = "float32"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"name '{self.name}' cannot name an embedding; allowed: 1 to 100 letters, digits, '_', '.' and '-', "
                "not beginning with '.' or '-'"
            )
        if self.name in shards.METADATA_COLUMNS:
            raise UsageError(f"name '{self.name}' is another column of a store; give another, such as 'clip'")
        if self.storage not in DTYPES:
            raise UsageError(f"storage '{self.storage}' is unknown; allowed: {', '.join(DTYPES)}")
        if self.images is not None and not Path(self.images).is_dir():
            raise UsageError(f"'{self.images}' is not a folder; give the one that the paths start from")
        for kind, file in (("paths", self.paths), ("ids", self.ids), ("labels", self.labels)):
            if file is not None and not Path(file).is_file():
                raise UsageError(f"{kind} '{file}' are not a file; give {_BESIDE}")


class ImportOptions(TypedDict, total=False):
    """The keywords of ``bignet.import_vectors``; see ImportSettings, which has the defaults."""

    name: str
    encoder: str
    column: str | None
    paths: str | os.PathLike[str] | None
    ids: str | os.PathLike[str] | None
    labels: str | os.PathLike[str] | None
    images: str | os.PathLike[str] | None
    storage: str
