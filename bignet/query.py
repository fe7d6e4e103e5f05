"""Queries: an image file, a stored path or an id -> a vector -> the most similar rows of a store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bignet.errors import UsageError
from bignet.images import ImageFile, Limits, RejectedImage, read_image_file
from bignet.index import disk
from bignet.index.neighbors import normalise
from bignet.index.search import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.extractor.encoder import Encoder
    from bignet.spec import EmbeddingSpec
    from bignet.store.snapshot import Snapshot

QueryInput = str | os.PathLike[str] | int | NDArray[np.float32]


@dataclass(frozen=True)
class SearchSettings:
    """How a search is done.

    Attributes:
        k: neighbours wanted; fewer come back only if the store has fewer.
        embedding: which vector column; the store's first if None.
        exclude_self: leave out the query's own row (for a file from elsewhere: rows with the very same bytes).
        exact: compare with the stored vectors themselves, whatever index there is.
        stale_ok: answer from an index older than the store.
        weights: where the network's weights are now, if they moved.
        device: where the network runs, if it has to.
    """

    k: int = 10
    embedding: str | None = None
    exclude_self: bool = False
    exact: bool = False
    stale_ok: bool = False
    weights: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is {self.k}; ask for at least 1 neighbour")


class SearchOptions(TypedDict, total=False):
    """The keywords of ``Store.search`` besides k; see SearchSettings, which has the defaults."""

    embedding: str | None
    exclude_self: bool
    exact: bool
    stale_ok: bool
    weights: str | None
    device: str


@dataclass(frozen=True)
class Hit:
    """One neighbour: which image, how similar (cosine, higher = more similar), what it is called."""

    id: int
    path: str
    score: float
    label: str | None


@dataclass(frozen=True)
class Query:
    """A query ready to be answered.

    Attributes:
        text: as it was given.
        vector: (D,) float32.
        own_ids: rows that are the query itself.
        image: the picture's file, for showing it; None for a vector.
    """

    text: str
    vector: NDArray[np.float32]
    own_ids: frozenset[int]
    image: Path | None


class Searcher:
    """A store opened for searching: vectors or an index in memory, names at hand, the network only if needed."""

    def __init__(self, snapshot: Snapshot, settings: SearchSettings) -> None:
        self._snapshot = snapshot
        self._settings = settings
        self._spec = snapshot.embedding(settings.embedding)

    @cached_property
    def _names(self) -> pa.Table:
        return self._snapshot.metadata(["id", "path", "sha256", "label"])

    @cached_property
    def _ids(self) -> NDArray[np.int64]:
        ids: NDArray[np.int64] = self._names["id"].to_numpy()
        return ids

    @cached_property
    def _row_of(self) -> dict[int, int]:
        return {row_id: row for row, row_id in enumerate(self._ids.tolist())}

    @cached_property
    def _index(self) -> Index:
        settings = self._settings
        if not settings.exact and disk.exists(self._snapshot, self._spec.name):
            return disk.open_index(self._snapshot, self._spec.name, stale_ok=settings.stale_ok)
        return Index.of_units(normalise(self._snapshot.vectors(self._spec.name)), self._ids)

    @cached_property
    def _encoder(self) -> Encoder:
        from bignet.extractor import encoder

        return encoder.rebuild(self._snapshot.embeddings, self._settings.weights, self._settings.device)

    def read(self, query: QueryInput) -> Query:
        """A query as given -> ready to be answered.

        An integer is an id; a text is a file here, else a path in the store, else an id; ``id:12`` and
        ``path:cat/1.jpg`` say which is meant; an array is a vector.

        Raises:
            UsageError: none of these, or a file that is no readable image.
        """
        if isinstance(query, np.ndarray):
            return Query("vector", np.asarray(query, dtype=np.float32), frozenset(), None)
        if isinstance(query, int):
            return self._stored(str(query), self._row_with_id(str(query)))
        text = os.fspath(query)
        kind, colon, rest = text.partition(":")
        if colon and kind == "id":
            return self._stored(text, self._row_with_id(rest))
        if colon and kind == "path":
            return self._stored(text, self._row_with_path(rest))
        if Path(text).exists():
            return self._from_file(text)
        return self._stored(text, self._row_with_path(text) if self._has(text) else self._row_with_id(text))

    def answer(self, query: Query) -> list[Hit]:
        """The most similar rows, best first.

        Raises:
            UsageError: the query's vector does not fit.
            MismatchError, IntegrityError: the index does not belong to the store, or is damaged.
        """
        if not len(self._snapshot):
            raise UsageError(f"store {self._snapshot.path} has no embedded images; there is nothing to search")
        exclude = query.own_ids if self._settings.exclude_self else frozenset()
        found = self._index.search(query.vector, self._settings.k, exclude)
        pairs = zip(found.ids.tolist(), found.scores.tolist(), strict=True)
        return [self._hit(row_id, score) for row_id, score in pairs]

    def _hit(self, row_id: int, score: float) -> Hit:
        row = self._row_of[row_id]
        return Hit(row_id, os.fsdecode(self._names["path"][row].as_py()), score, self._names["label"][row].as_py())

    def _has(self, text: str) -> bool:
        return self._find("path", os.fsencode(text)) >= 0

    def _find(self, column: str, value: bytes) -> int:
        """First row with that value, -1 if there is none."""
        kind = self._names.schema.field(column).type
        return int(pc.index(self._names[column], pa.scalar(value, kind)).as_py())

    def _row_with_path(self, text: str) -> int:
        row = self._find("path", os.fsencode(text))
        if row < 0:
            raise UsageError(f"path '{text}' is not in {self._snapshot.path}; paths are relative to its image folder")
        return row

    def _row_with_id(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            where = f"a file here, nor a path or an id in {self._snapshot.path}"
            raise UsageError(f"query '{text}' is neither {where}; give an image file, id:N or path:P")
        row = self._row_of.get(int(text), -1)
        if row < 0:
            span = f"{self._ids.min()} to {self._ids.max()}" if len(self._ids) else "none"
            raise UsageError(f"id {text} is not in {self._snapshot.path} (ids there: {span})")
        return row

    def _stored(self, text: str, row: int) -> Query:
        vector = self._snapshot.vectors_at([row], self._spec.name)[0]
        image = self._snapshot.image_root() / os.fsdecode(self._names["path"][row].as_py())
        return Query(text, vector, frozenset({int(self._ids[row])}), image)

    def _from_file(self, text: str) -> Query:
        try:
            file = read_image_file(text)
            row = self._find("sha256", file.sha256)
            # The very bytes are in the store: so is their vector, and the network need not run.
            vector = self._embed(file) if row < 0 else self._snapshot.vectors_at([row], self._spec.name)[0]
        except RejectedImage as refusal:
            raise UsageError(f"query '{text}' cannot be used ({refusal.reason}): {refusal.detail}") from None
        return Query(text, vector, self._own_ids(text, file.sha256), Path(text))

    def _own_ids(self, text: str, sha256: bytes) -> frozenset[int]:
        """The row of this very file; for a file from elsewhere every row with its bytes."""
        same = np.flatnonzero(pc.equal(self._names["sha256"], pa.scalar(sha256, pa.binary(32))).to_numpy())
        rows = {row: self._names["path"][int(row)].as_py() for row in same}
        root = os.fsencode(self._snapshot.image_root().resolve())
        here = os.path.realpath(os.fsencode(text))
        exactly = [row for row, path in rows.items() if os.path.realpath(os.path.join(root, path)) == here]
        return frozenset(int(self._ids[row]) for row in (exactly or rows))

    def _embed(self, file: ImageFile) -> NDArray[np.float32]:
        preprocess = self._spec.computed_by.preprocess  # refuses imported vectors before torch is loaded
        from bignet.extractor import decode

        square, _, _ = decode.decode(file.data, preprocess, Limits())
        vector: NDArray[np.float32] = self._encoder.encode(square[None])[self._spec.name][0]
        return vector


def search_all(
    snapshot: Snapshot, queries: Sequence[QueryInput], settings: SearchSettings
) -> list[tuple[Query, list[Hit]]]:
    """Each query with its answer, in the order given; every query is read before the first is answered.

    Raises:
        UsageError: see Searcher.read and Searcher.answer.
    """
    searcher = Searcher(snapshot, settings)
    ready = [searcher.read(query) for query in queries]
    return [(query, searcher.answer(query)) for query in ready]


def spec_sentence(spec: EmbeddingSpec) -> str:
    """``resnet50 · layer4.gap · 2,048 dims``."""
    return f"{spec.encoder.model} · {spec.name} · {spec.dims:,} dims"
