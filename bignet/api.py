"""The verbs, each short, plain data out: what ``import bignet`` gives and what the command line calls."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from bignet.errors import UsageError
from bignet.opened import Store
from bignet.store.layout import is_store
from bignet.store.snapshot import Snapshot
from bignet.store.verify import Verdict
from bignet.store.verify import verify as verify_snapshot
from bignet.store.writer import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bignet.derive.run import Listener as DeriveListener
    from bignet.derive_job import Derived
    from bignet.evaluate.result import Evaluation
    from bignet.extractor.run import Listener
    from bignet.extractor.settings import ExtractOptions
    from bignet.importer.run import Listener as ImportListener
    from bignet.importer.settings import ImportOptions
    from bignet.index.grow import Outcome
    from bignet.report_job import ReportOptions
    from bignet.reporting.write import ReportFiles
    from bignet.reporting.write_clusters import StoreClusters
    from bignet.sweep_job import Listener as SweepListener
    from bignet.sweep_job import SweepDone, SweepOptions

    StorePath = str | os.PathLike[str]


def open(store: StorePath, *, allow_partial: bool = False) -> Store:  # noqa: A001 - bignet.open reads as what it does
    """Open a store for reading.

    Args:
        store: its folder.
        allow_partial: read every shard first and leave out those that are not as written; ``snapshot.left_out`` says
            which, None if all are.

    Raises:
        UsageError: there is no store.
        IntegrityError: its manifest is damaged.
    """
    return Store(Snapshot.open(_fixed(store), allow_partial=allow_partial))


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

    asked: dict[str, Any] = dict(settings)
    if asked.get("weights") is not None:
        asked["weights"] = os.fspath(asked["weights"])
    wanted = ExtractSettings(layers=_several(layers), pools=_several(pools), **asked)
    summary = run(images, store, wanted, listener)
    return Store(Snapshot.open(_fixed(store)), summary)


def _fixed(store: StorePath) -> Path:
    """Where it stays when the working folder changes."""
    return Path(store).absolute()


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
    return Store(Snapshot.open(_fixed(store)))


def derive_store(  # noqa: PLR0913 - one argument for each choice
    store: StorePath,
    out: StorePath,
    steps: str,
    *,
    embedding: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    update: bool = False,
    listener: DeriveListener | None = None,
) -> Derived:
    """Make a store of another's vectors after post-processing, which is done to its queries too, and judge it.

    Args:
        store: folder of the store to derive from.
        out: folder of the new store; the same again changes nothing.
        steps: ``"center,pca:256"``; see ``bignet.derive.steps.ALLOWED``.
        embedding: which vector column; the first if None.
        labels: CSV or Parquet with ``label`` and ``id`` or ``path``; the store's own (folder names) if None.
        update: apply the steps, as they were fitted, to a store that has moved on since.
        listener: told about progress.

    Raises:
        UsageError, MismatchError, LockedError, ResourceError: see ``bignet.derive.run.derive``.
    """
    from bignet.derive.settings import DeriveSettings
    from bignet.derive_job import run

    with Snapshot.open(store) as snapshot:
        return run(snapshot, out, DeriveSettings(steps, embedding, update), labels, listener)


def build_index(
    store: StorePath,
    embedding: str | None = None,
    *,
    kind: str | None = None,
    recall: float | None = None,
    k: int | None = None,
    memory: int | None = None,
) -> Outcome:
    """Build the search index of one embedding, or bring it up to date with the store.

    What is left out stays as the index that is there was asked for; without one it is ``auto``, 0.95 and 10.

    Args:
        store: its folder.
        embedding: which vector column; the first if None.
        kind: ``auto``, ``flat``, ``hnsw``, ``ivf``, ``bits:sign``, ``bits:lsh:N``, ``bits:itq:N``, ``bits:rabitq``, or
            a FAISS factory string; all but ``flat`` need 500 rows, for some are held out to show the recall.
        recall: what the lower bound of recall@k is to reach on queries that were held out.
        k: see recall.
        memory: bytes that the index may fill when it is loaded; None: half of what is free for ``auto``, else no limit.

    Raises:
        UsageError: no such store, embedding or kind, or it does not fit.
        ResourceError: the disk refused; the older index still answers.
    """
    from bignet.index.grow import bring_up_to_date
    from bignet.index.request import Request

    with Snapshot.open(store) as snapshot:
        settings = Request(kind, recall, k, memory).settled(snapshot, embedding)
        return bring_up_to_date(snapshot, embedding, settings)


def verify(store: StorePath, *, repair: bool = False) -> Verdict:
    """Read every byte of a store and of its indexes and compare it with what was recorded of it.

    Args:
        store: its folder.
        repair: publish a snapshot without the damaged shards; the same extraction, import or derivation again
            fills the gap.

    Raises:
        UsageError: there is no store.
        IntegrityError: its newest manifest is damaged.
    """
    from bignet.index.verify import with_indexes

    with Snapshot.open(store) as snapshot:
        verdict = with_indexes(verify_snapshot(snapshot), snapshot)
        damaged = {finding.file for finding in verdict.findings} & snapshot.manifest.file_names()
    if repair and damaged:
        with writing(store) as writer:
            writer.drop_shards(damaged)
    return verdict


def report(
    store: StorePath | Store,
    out: str | os.PathLike[str],
    *,
    progress: Callable[[str, int, int], None] | None = None,
    **settings: Unpack[ReportOptions],
) -> tuple[Evaluation, ReportFiles]:
    """Measure an embedding and write the page, the record and the tables into the folder ``out``.

    Args:
        store: its folder, or what ``open`` gave.
        out: made if it does not exist; files of an earlier report are replaced.
        progress: called with a stage, how much of it is done, and how much there is.
        **settings: fields of ``bignet.report_job.ReportRequest``: labels, embedding, images, k, mode, unlabelled, ...

    Raises:
        UsageError: no such store or embedding, labels or marks that do not fit.
        ResourceError: the disk refused.
    """
    from bignet.report_job import ReportRequest, run

    _check_folder(out, "a report")
    with nullcontext(store.snapshot) if isinstance(store, Store) else Snapshot.open(store) as snapshot:
        return run(snapshot, Path(out), ReportRequest(**settings), progress)


def sweep(
    images: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    listener: SweepListener | None = None,
    **settings: Unpack[SweepOptions],
) -> SweepDone:
    """Embed images by many models, layers and pools, judge each, and write a page that says which to take.

    Args:
        images: a folder, searched recursively, or a text file with a path on each line.
        out: made if it does not exist; its stores are kept and gone on with, the files of an earlier sweep replaced.
        listener: told about progress.
        **settings: fields of ``bignet.sweep_job.SweepRequest``: models, layers, pools, weights, steps, labels, ...

    Raises:
        UsageError, MismatchError, LockedError, ResourceError: see ``bignet.sweep_job.run``.
    """
    from bignet.sweep_job import SweepRequest, run

    _check_folder(out, "a sweep")
    asked: dict[str, Any] = dict(settings)
    asked |= {name: _several(asked[name]) for name in ("models", "layers", "pools", "steps") if name in asked}
    asked["weights"] = {model: os.fspath(given) for model, given in asked.get("weights", {}).items()}
    return run(images, Path(out), SweepRequest(**asked), listener)


def clusters(
    store: StorePath | Store,
    out: str | os.PathLike[str] | None = None,
    *,
    k: str | Sequence[int] = "auto",
    method: str = "kmeans",
    labels: str | os.PathLike[str] | None = None,
    embedding: str | None = None,
) -> StoreClusters:
    """Divide an embedding into clusters and, if ``out`` is given, write them as two tables into that folder.

    Args:
        store: its folder, or what ``open`` gave.
        out: made if it does not exist; tables of an earlier call are replaced.
        k: ``"auto"`` or the numbers of clusters to try; what is written is the suggested one.
        method: ``"kmeans"``, or ``"hdbscan"`` (needs scikit-learn).
        labels: CSV or Parquet with ``label`` and ``id`` or ``path``; the store's own (folder names) if None.
        embedding: which vector column; the first if None.

    Raises:
        UsageError: no such store, embedding or method, labels that do not fit, or under 4 images.
        ResourceError: the disk refused.
    """
    from bignet.clusters_job import run
    from bignet.evaluate.clusters.settings import ClusterSettings

    settings = ClusterSettings(method=method, k=k)
    _check_folder(out, "clusters")
    with nullcontext(store.snapshot) if isinstance(store, Store) else Snapshot.open(store) as snapshot:
        return run(snapshot, None if out is None else Path(out), settings, labels, embedding)


def _check_folder(out: str | os.PathLike[str] | None, what: str) -> None:
    if out is None:
        return
    inside = Path(out).absolute()
    if not os.fspath(out) or any(is_store(folder) for folder in (inside, *inside.parents)):
        raise UsageError(f"'{os.fspath(out)}' cannot hold {what}: it is a store, in one, or no name; give a new folder")
    file = next((path for path in (inside, *inside.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise UsageError(f"'{os.fspath(out)}' cannot hold {what}: '{file}' is a file; give a folder, old or new")
