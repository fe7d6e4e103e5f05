"""An extraction from beginning to end: scan, plan, embed partition by partition, commit each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bignet.errors import UsageError
from bignet.extractor import journal
from bignet.extractor.agreement import check_not_derived, check_request, check_source
from bignet.extractor.plan import Plan, plan
from bignet.extractor.sources import Scan, scan
from bignet.spec import parse_pool
from bignet.store import layout, manifest
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, Progress, StoreWriter, writing

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from bignet.extractor.encoder import Encoder, Ready
    from bignet.extractor.ledger import Tally
    from bignet.extractor.prove import Proof
    from bignet.extractor.settings import ExtractSettings
    from bignet.extractor.weights import Loaded
    from bignet.spec import EmbeddingSpec


class Listener(Protocol):
    """Told what an extraction does, while it does it."""

    def scanned(self, found: Scan, work: Plan) -> None:
        """The source was read and held against the store."""
        return

    def trying(self, n_images: int) -> None:
        """Faster arithmetic or decoding is about to be tried on so many images."""
        return

    def encoder_ready(self, encoder: Encoder, proofs: Sequence[Proof], on_record: str | None) -> None:
        """The network is loaded: what was tried on a sample now, and what the store has on record about that."""
        return

    def advanced(self, n_done: int, n_total: int) -> None:
        """So many of the pending files are done."""
        return


class Silent(Listener):
    """Nobody listens."""


@dataclass(frozen=True)
class Summary:
    """What an extraction did: discovered = decoded + copied + rejected + unchanged + left.

    Attributes:
        store: the store's folder.
        snapshot: number of the newest manifest.
        discovered: files found.
        unchanged: files that are as the store had them already, embedded or rejected.
        still_rejected: of those, the rejected ones.
        decoded: pictures decoded and embedded.
        copied: rows whose vectors came from identical bytes.
        renamed: of those, files that moved.
        removed: rows of files that are gone.
        rejected: files rejected in this run.
        left: files that ``limit`` left for a later run.
        total_rows: rows in the store now.
        total_rejected: rejected files in the store now.
        n_bytes: size of the store's shards.
        seconds: wall time of ``total``, ``scan`` (with the checks before it) and ``load model``; core time of ``read``,
            ``decode``, ``forward`` (wall time on a GPU) and ``write``; ``wait`` is the core time that none of them had.
        embeddings: the store's embeddings.
    """

    store: Path
    snapshot: int
    discovered: int
    unchanged: int
    still_rejected: int
    decoded: int
    copied: int
    renamed: int
    removed: int
    rejected: int
    left: int
    total_rows: int
    total_rejected: int
    n_bytes: int
    seconds: Mapping[str, float]
    embeddings: tuple[EmbeddingSpec, ...]


def extract(
    images: str | os.PathLike[str],
    store: str | os.PathLike[str],
    settings: ExtractSettings,
    listener: Listener | None = None,
) -> Summary:
    """Bring a store up to date with its images: embed what is new or changed, drop what is gone.

    Raises:
        UsageError: nothing to embed, or a request that cannot be met.
        MismatchError: the store was made with other settings, or of other images.
        LockedError: another run holds the store.
        ResourceError: disk full, read-only, ...; what was committed stays, and the same command goes on.
    """
    start = time.perf_counter()
    listener = listener or Silent()
    check_device(settings.device)
    _check_names(settings, Path(store))
    found = scan_for_work(images)
    with writing(store) as writer:
        run = StoreRun(found, writer, settings)
        run.seconds["scan"] = time.perf_counter() - start
        listener.scanned(found, run.work)
        if run.is_up_to_date:
            run.leave()
        else:
            embed([run], writer.path, listener)
        run.seconds["total"] = time.perf_counter() - start
        return run.summary()


def embed(runs: Sequence[StoreRun], folder: Path, listener: Listener) -> None:
    """Do what there is to do in stores of the same images, each file decoded once; heavy imports wait until here.

    Args:
        runs: at least one, whose settings differ in network, weights, layers and pools at most.
        folder: for the journal; held by this process.
        listener: told what goes on.
    """
    start = time.perf_counter()
    from bignet.extractor.job import Job
    from bignet.extractor.strand import Strand

    importing = time.perf_counter() - start
    strands = [Strand(run.found, run.work, run.writer, run.settings, run.take_loaded()) for run in runs]
    Job(runs[0].found, strands, runs[0].settings).run(folder, [run.snapshot for run in runs], listener)
    for run, strand in zip(runs, strands, strict=True):
        run.network = strand.network
        run.finished(strand.ledger.tally, strand.seconds | {"load model": strand.seconds["load model"] + importing})


def scan_for_work(images: str | os.PathLike[str]) -> Scan:
    """The files of a source.

    Raises:
        UsageError: there are none.
    """
    found = scan(images)
    if not found.entries:
        hidden = f" ({found.skipped['hidden']} hidden names passed over)" if found.skipped["hidden"] else ""
        raise UsageError(f"no files found in '{images}'{hidden}; give a folder with images in it")
    return found


def check_device(device: str) -> None:
    """A GPU that was asked for and is not there is an error before anything is scanned."""
    if device not in ("auto", "cpu"):
        from bignet.extractor.machine import find_device

        find_device(device)


def _check_names(settings: ExtractSettings, store: Path) -> None:
    """A pool or model that does not exist is an error before anything is scanned; torch is imported only in doubt.

    Factories must wait: their modules may take long to import, and another run may hold the store.
    """
    for pool in settings.pools:
        parse_pool(pool)
    name = settings.model
    if name is None or ":" in name or name == _model_of(store):
        return
    from bignet.extractor import catalogue

    if name not in catalogue.known():
        from bignet.extractor import backbones

        backbones.find(name)


def _model_of(store: Path) -> str | None:
    if not layout.manifest_numbers(store):
        return None
    return manifest.newest(store).embeddings[0].encoder.model


class StoreRun:
    """One run's state of one store: what is asked of it, held against what it has.

    Attributes:
        loaded: the network that is asked for, where it is at hand before anything is done; whoever uses it takes it.
        network: what embedded, once that is done; None where there was nothing to embed.

    Raises:
        MismatchError: the store was made with other settings, or of other images.
    """

    def __init__(
        self, found: Scan, writer: StoreWriter, settings: ExtractSettings, loaded: Loaded | None = None
    ) -> None:
        self.loaded = loaded
        self.found = found
        self.writer = writer
        self.settings = settings
        self.seconds: dict[str, float] = {}
        self.tally: Tally | None = None
        self.network: Ready | None = None
        before = writer.manifest
        self.snapshot = Snapshot.open(writer.path) if before is not None else None
        if before is not None:
            check_not_derived(writer.path, before)
            check_request(settings, before.embeddings)
        self.work = plan(found, self.snapshot, settings)
        if before is not None:
            check_source(found, before, self.work)

    def take_loaded(self) -> Loaded | None:
        """``loaded``, which is held here no longer: the network made ready from it is all that is needed."""
        loaded, self.loaded = self.loaded, None
        return loaded

    @property
    def is_up_to_date(self) -> bool:
        """Whether the store says already what is on disk, and that it is all."""
        before = self.writer.manifest
        return before is not None and before.complete and self.work.nothing_to_do

    def leave(self) -> None:
        """Change nothing, but where the same images are found under another root: that the store is told."""
        before = self.writer.manifest
        source = self.found.source(self.writer.path)
        if before is not None and source.root != before.source.root:
            progress = Progress(len(self.found.entries), complete=True, source=source, timings=before.timings)
            self.writer.commit(Batch(), progress)
        journal.forget(self.writer.path)
        self._close()

    def finished(self, tally: Tally, seconds: Mapping[str, float]) -> None:
        """What was done, and how long it took."""
        self.tally = tally
        self.seconds |= seconds
        self._close()

    def _close(self) -> None:
        if self.snapshot is not None:
            self.snapshot.close()

    def summary(self) -> Summary:
        """What came of it."""
        newest, work, tally = self.writer.manifest, self.work, self.tally
        if newest is None:
            raise RuntimeError("a run ended without a manifest")
        return Summary(
            store=self.writer.path,
            snapshot=newest.number,
            discovered=len(self.found.entries),
            unchanged=work.unchanged + (tally.unchanged if tally else 0),
            still_rejected=work.still_rejected,
            decoded=tally.embedded if tally else 0,
            copied=tally.copied if tally else 0,
            renamed=tally.renamed if tally else 0,
            removed=tally.removed if tally else 0,
            rejected=tally.rejected if tally else 0,
            left=work.left,
            total_rows=newest.rows,
            total_rejected=newest.counts.rejected,
            n_bytes=sum(item.n_bytes for item in (*newest.shards, *newest.rejected)),
            seconds=self.seconds,
            embeddings=newest.embeddings,
        )
