"""A store opened for reading: its rows, its vectors, and searches that share what was opened for the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, Unpack

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from bignet.extractor.run import Summary
    from bignet.search.folder import FolderSummary
    from bignet.search.folder import Listener as FolderListener
    from bignet.search.queries import QueryInput, WeightedInput
    from bignet.search.results import Answer, Hit
    from bignet.search.searcher import Searcher
    from bignet.search.settings import Opening, SearchOptions
    from bignet.spec import EmbeddingSpec
    from bignet.store.snapshot import Snapshot


class Store:
    """A store of embeddings, opened for reading at its newest snapshot.

    Made by ``bignet.open``, ``bignet.extract`` and ``bignet.import_vectors``. ``summary`` says what an extraction did,
    None otherwise.
    """

    def __init__(self, snapshot: Snapshot, summary: Summary | None = None) -> None:
        self.snapshot = snapshot
        self.summary = summary
        self._searchers: dict[Opening, Searcher] = {}

    def close(self) -> None:
        """Let later runs remove the snapshot that this one reads."""
        self._searchers.clear()
        self.snapshot.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.snapshot)

    def __repr__(self) -> str:
        names = ", ".join(spec.name for spec in self.embeddings)
        return f"<bignet.Store '{self.path}': {len(self):,} images, {names}>"

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self.snapshot.path

    @property
    def embeddings(self) -> tuple[EmbeddingSpec, ...]:
        """What each vector column is."""
        return self.snapshot.embeddings

    def table(self) -> pa.Table:
        """Every row: id, path, sha256, bytes, width, height, mtime_ns, label, and the vectors."""
        return self.snapshot.table()

    def vectors(self, embedding: str | None = None) -> NDArray[np.float32]:
        """(N, D) float32 as stored, not normalised, rows as in ``table()``."""
        return self.snapshot.vectors(embedding)

    def rejected(self) -> pa.Table:
        """The files that could not be embedded: path, reason, detail, bytes, mtime_ns."""
        return self.snapshot.rejected()

    def search(
        self, query: QueryInput | list[WeightedInput], k: int | None = None, **settings: Unpack[SearchOptions]
    ) -> list[Hit]:
        """The k images most similar to an image file, a stored path, an id or a (D,) vector, best first.

        What the first search opens, the index or the vectors, the names, the network, is there for the next one.

        Args:
            query: an int is an id; a text is a file, else a stored path, else an id. A list is one query of several:
                each alone, in a pair with its weight, or a text that ends in one: ``["a.jpg", "b.jpg:-0.5", (7, 2)]``.
            k: how many; fewer only if there are fewer. None: 10, or with a threshold all that reach it.
            **settings: ``threshold``, ``where``, ``group_by``, ``expand``, ``exclude_self``: see
                ``bignet.search.settings.SearchSettings``; ``embedding``, ``exact``, ``stale_ok``, ``weights``,
                ``device``: see ``Opening`` there.

        Raises:
            UsageError: nothing by that name, no readable image, or a condition that cannot be used.
            MismatchError: the store's index is out of date; see ``stale_ok``.
        """
        from bignet.search.settings import sorted_out

        opening, wanted = sorted_out(k, settings)
        searcher = self._searcher(opening)
        reader = searcher.reader
        asked = reader.read_combined(query) if isinstance(query, list) else reader.read(query)
        return list(searcher.answer(asked, wanted).hits)

    def search_many(
        self, queries: Iterable[QueryInput], k: int | None = None, **settings: Unpack[SearchOptions]
    ) -> list[Answer]:
        """Several queries answered one by one: each with its hits, and how they were found; see search."""
        from bignet.search.settings import sorted_out

        opening, wanted = sorted_out(k, settings)
        searcher = self._searcher(opening)
        return searcher.answer_all([searcher.reader.read(query) for query in queries], wanted)

    def search_folder(
        self,
        folder: str | os.PathLike[str],
        out: str | os.PathLike[str],
        k: int | None = None,
        *,
        listener: FolderListener | None = None,
        **settings: Unpack[SearchOptions],
    ) -> FolderSummary:
        """Every image of a folder as a query, the answers written to a .parquet or .jsonl file.

        Args:
            folder: searched recursively, or a text file with a path on each line.
            out: one row a hit: query, rank, id, path, score, label, group, reason; an image that cannot be a query, or
                has no hits, is a row with the reason.
            k: see search.
            listener: told about progress.
            **settings: see search.

        Raises:
            UsageError, MismatchError, ResourceError: see ``bignet.search.folder.search_folder``.
        """
        from bignet.search import folder as folders
        from bignet.search.settings import sorted_out

        opening, wanted = sorted_out(k, settings)
        return folders.search_folder(self._searcher(opening), folder, out, wanted, listener)

    def _searcher(self, opening: Opening) -> Searcher:
        from bignet.search.searcher import Searcher

        if opening not in self._searchers:
            self._searchers[opening] = Searcher(self.snapshot, opening)
        return self._searchers[opening]
