"""A store's rows by what people call them: ids, paths, contents; read once, when first asked for."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bignet.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot

_DIGEST_BYTES = 32


class Rows:
    """The rows of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(N,) in row order."""
        ids: NDArray[np.int64] = self._names["id"].to_numpy()
        return ids

    def of_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ids that are there -> their rows."""
        order, rising = self._by_id
        found: NDArray[np.int64] = order[np.searchsorted(rising, ids)]
        return found

    def path(self, row: int) -> str:
        """As the operating system's functions take it."""
        return os.fsdecode(self._names["path"][row].as_py())

    def label(self, row: int) -> str | None:
        """None where there is none."""
        label: str | None = self._names["label"][row].as_py()
        return label

    def with_id(self, text: str) -> int | None:
        """The row with that id."""
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            return None
        place = np.searchsorted(self._by_id[1], int(text))
        return None if place == len(self.ids) or self._by_id[1][place] != int(text) else int(self._by_id[0][place])

    def with_path(self, text: str) -> int | None:
        """The row with that path."""
        row = int(pc.index(self._names["path"], pa.scalar(os.fsencode(text), pa.binary())).as_py())
        return None if row < 0 else row

    def with_bytes(self, sha256: bytes) -> NDArray[np.int64]:
        """Rows of that content, rising."""
        whole, order, rising = self._digests
        key = np.frombuffer(sha256[:8], np.uint64)[0]
        rows = order[np.searchsorted(rising, key) : np.searchsorted(rising, key, "right")]
        same = (whole[rows] == np.frombuffer(sha256, np.uint8)).all(axis=1)
        return np.sort(rows[same])

    def of_file(self, path: str, sha256: bytes) -> list[int]:
        """The row of this very file; for a file from elsewhere every row with its bytes."""
        rows: list[int] = self.with_bytes(sha256).tolist()
        if not rows:
            return rows
        root = self.snapshot.image_root().resolve()
        here = os.path.realpath(path)
        exactly = [row for row in rows if os.path.realpath(os.path.join(root, self.path(row))) == here]
        return exactly or rows

    def id_span(self) -> str:
        """For a message."""
        return f"{self.ids.min()} to {self.ids.max()}" if len(self.ids) else "none"

    def require_path(self, text: str) -> int:
        """The row with that path.

        Raises:
            UsageError: there is none.
        """
        row = self.with_path(text)
        if row is None:
            where = f"{self.snapshot.path}; paths are relative to its image folder"
            raise UsageError(f"path '{text}' is not in {where}")
        return row

    def require_id(self, text: str) -> int:
        """The row with that id.

        Raises:
            UsageError: there is none.
        """
        row = self.with_id(text)
        if row is None and not (text.isascii() and text.isdigit()):
            where = f"a file here, nor a path or an id in {self.snapshot.path}"
            raise UsageError(f"query '{text}' is neither {where}; give an image file, id:N or path:P")
        if row is None:
            raise UsageError(f"id {text} is not in {self.snapshot.path} (ids there: {self.id_span()})")
        return row

    @cached_property
    def _names(self) -> pa.Table:
        return self.snapshot.metadata(["id", "path", "label"]).combine_chunks()

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.ids, kind="stable")
        return order, self.ids[order]

    @cached_property
    def _digests(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint64]]:
        """(N, 32) all of them, and their rows and first eight bytes, sorted by those."""
        column = self.snapshot.metadata(["sha256"])["sha256"]
        parts = [chunk.cast(pa.binary(_DIGEST_BYTES)) for chunk in column.chunks]
        whole = np.concatenate([np.empty((0, _DIGEST_BYTES), np.uint8), *map(_as_matrix, parts)])
        keys = np.ascontiguousarray(whole[:, :8]).view(np.uint64).ravel()
        order = np.argsort(keys, kind="stable")
        return whole, order, keys[order]


def _as_matrix(digests: pa.FixedSizeBinaryArray) -> NDArray[np.uint8]:
    data = np.frombuffer(digests.buffers()[1], np.uint8).reshape(-1, _DIGEST_BYTES)
    return data[digests.offset : digests.offset + len(digests)]
