"""The verbs, each short, plain data out: what ``import bignet`` gives and what the command line calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from bignet.errors import UsageError
from bignet.imported import ImportedEncoder
from bignet.index.tuning import USUAL, Aim
from bignet.store.layout import is_store
from bignet.store.snapshot import Snapshot
from bignet.store.verify import Verdict
from bignet.store.verify import verify as verify_snapshot
from bignet.store.writer import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from bignet.evaluate.result import Evaluation
    from bignet.extractor.run import Listener, Summary
    from bignet.extractor.settings import ExtractOptions
    from bignet.importer.run import Listener as ImportListener
    from bignet.importer.settings import ImportOptions
    from bignet.index.grow import Outcome
    from bignet.reporting.write import ReportFiles
    from bignet.search.folder import FolderSummary
    from bignet.search.folder import Listener as FolderListener
    from bignet.search.queries import QueryInput, WeightedInput
    from bignet.search.results import Answer, Hit
    from bignet.search.searcher import Searcher
    from bignet.search.settings import Opening, SearchOptions
    from bignet.spec import EmbeddingSpec

    StorePath = str | os.PathLike[str]


class Store:
    """A store of embeddings, opened for reading at its newest snapshot.

    Made by ``bignet.open``, ``bignet.extract`` and ``bignet.import_vectors``. ``summary`` says what an extraction did,
    None otherwise.
    """

    def __init__(self, snapshot: Snapshot, summary: Summary | None = None) -> None:
        self.snapshot = snapshot
        self.summary = summary
        self._searchers: dict[Opening, Searcher] = {}

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
        folder: StorePath,
        out: StorePath,
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


def open(store: StorePath) -> Store:  # noqa: A001 - bignet.open reads as what it does
    """Open a store for reading.

    Raises:
        UsageError: there is no store.
        IntegrityError: its manifest is damaged.
    """
    return Store(Snapshot.open(store))


def extract(
    images: str | os.PathLike[str],
    store: StorePath,
    *,
    layers: Sequence[str] = (),
    pools: Sequence[str] = (),
    listener: Listener | None = None,
    **settings: Unpack[ExtractOptions],
) -> Store:
    """Embed a folder (or a list) of images into a store, or bring the store up to date.

    Args:
        images: a folder, searched recursively, or a text file with a path on each line.
        store: folder of the store, made if it does not exist.
        layers: names of layers; none = the model's last feature map.
        pools: see ``bignet.extractor.pools``; none = gap. Each layer gets each pool.
        listener: told about progress.
        **settings: further fields of ``bignet.extractor.settings.ExtractSettings``: model, weights, device, ...

    Raises:
        UsageError, MismatchError, LockedError, ResourceError: see ``bignet.extractor.run.extract``.
    """
    from bignet.extractor.run import extract as run
    from bignet.extractor.settings import ExtractSettings

    wanted = ExtractSettings(layers=_several(layers), pools=_several(pools), **settings)
    summary = run(images, store, wanted, listener)
    return Store(Snapshot.open(store), summary)


def _several(names: Sequence[str]) -> tuple[str, ...]:
    """A single name is meant as one, not as its letters."""
    return (names,) if isinstance(names, str) else tuple(names)


def import_vectors(
    vectors: str | os.PathLike[str],
    store: StorePath,
    *,
    listener: ImportListener | None = None,
    **settings: Unpack[ImportOptions],
) -> Store:
    """Make a store of vectors that another encoder made: index, search and report work on it, without a model.

    Args:
        vectors: an .npy file of shape (N, D), or a Parquet file with a column of lists, both of floats; a Parquet
            file's columns id, path, label, sha256, width and height are taken too.
        store: folder of the store, which must be new; the same import again changes nothing.
        listener: told about progress.
        **settings: fields of ``bignet.importer.settings.ImportSettings``: name, encoder, paths, ids, labels, ...

    Raises:
        UsageError, LockedError, ResourceError: see ``bignet.importer.run.import_vectors``.
    """
    from bignet.importer.run import import_vectors as run
    from bignet.importer.settings import ImportSettings

    run(vectors, store, ImportSettings(**settings), listener)
    return Store(Snapshot.open(store))


def build_index(
    store: StorePath,
    embedding: str | None = None,
    *,
    kind: str = "auto",
    recall: float = USUAL.recall,
    k: int = USUAL.k,
    memory: int = 0,
) -> Outcome:
    """Build the search index of one embedding, or bring it up to date with the store.

    Args:
        store: its folder.
        embedding: which vector column; the first if None.
        kind: ``auto``, ``flat``, ``hnsw``, ``ivf``, ``bits:sign``, ``bits:lsh:N``, ``bits:itq:N``, ``bits:rabitq``, or
            a FAISS factory string.
        recall: what the lower bound of recall@k is to reach on queries that were held out.
        k: see recall.
        memory: bytes that the index may fill when it is loaded; 0 = half of what is free.

    Raises:
        UsageError: no such store, embedding or kind.
        ResourceError: the disk refused; the older index still answers.
    """
    from bignet.index.build import IndexSettings
    from bignet.index.grow import bring_up_to_date

    with Snapshot.open(store) as snapshot:
        return bring_up_to_date(snapshot, embedding, IndexSettings(kind, Aim(recall, k), memory))


def verify(store: StorePath, *, repair: bool = False) -> Verdict:
    """Read every byte of a store and compare it with its manifest.

    Args:
        store: its folder.
        repair: publish a snapshot without the damaged shards; the same extraction or import again fills the gap.

    Raises:
        UsageError: there is no store.
        IntegrityError: its newest manifest is damaged.
    """
    with Snapshot.open(store) as snapshot:
        verdict = verify_snapshot(snapshot)
        damaged = {finding.file for finding in verdict.findings} & snapshot.manifest.file_names()
    if repair and damaged:
        with writing(store) as writer:
            writer.drop_shards(damaged)
    return verdict


def report(
    store: StorePath,
    out: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    embedding: str | None = None,
    images: str | os.PathLike[str] | None = None,
    k: int = 10,
) -> tuple[Evaluation, ReportFiles]:
    """Measure an embedding and write the page, the record and the tables into the folder ``out``.

    Args:
        store: its folder.
        out: made if it does not exist; files of an earlier report are replaced.
        labels: CSV or Parquet with ``label`` and ``id`` or ``path``; the store's own (folder names) if None.
        embedding: which vector column; the first if None.
        images: where the pictures are now, if they moved.
        k: depth of precision@k and of the strips.

    Raises:
        UsageError: no such store or embedding, labels that do not fit.
        ResourceError: the disk refused.
    """
    from bignet.evaluate.evaluate import EvaluateSettings, evaluate
    from bignet.evaluate.label_file import read_labels
    from bignet.reporting.settings import ReportSettings
    from bignet.reporting.write import write_report

    if not os.fspath(out) or is_store(Path(out)):
        raise UsageError(f"'{os.fspath(out)}' cannot hold a report: it is a store or no name; give a new folder")
    with Snapshot.open(store) as snapshot:
        names = snapshot.metadata(["id", "path", "label"])
        ids = names["id"].to_numpy()
        paths = names["path"].to_pylist()
        known = names["label"].to_pylist() if labels is None else read_labels(Path(labels), ids, paths)
        spec = snapshot.embedding(embedding)
        evaluation = evaluate(snapshot.vectors(spec.name), ids, known, EvaluateSettings(k=k))
        source = _report_source(snapshot, spec, dict(zip(ids.tolist(), paths, strict=True)), evaluation, images)
        return evaluation, write_report(evaluation, source, Path(out), ReportSettings(neighbours=k))


def _report_source(
    snapshot: Snapshot,
    spec: EmbeddingSpec,
    path_of: dict[int, bytes],
    evaluation: Evaluation,
    images: str | os.PathLike[str] | None,
) -> Any:
    from collections import Counter

    from bignet.reporting.origin import origin_of
    from bignet.reporting.source import ReportSource

    return ReportSource(
        store_name=snapshot.path.resolve().name,
        embedding=spec.name,
        dims=spec.dims,
        paths=tuple(path_of[row_id] for row_id in evaluation.ids.tolist()),
        image_root=snapshot.image_root(images),
        provenance=origin_of(snapshot.manifest, spec),
        imported=isinstance(spec.encoder, ImportedEncoder),
        n_discovered=snapshot.manifest.counts.discovered,
        rejected=Counter(snapshot.rejected()["reason"].to_pylist()),
    )
