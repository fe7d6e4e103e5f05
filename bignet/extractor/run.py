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

    from bignet.extractor.encoder import Encoder
    from bignet.extractor.ledger import Tally
    from bignet.extractor.prove import Proof
    from bignet.extractor.settings import ExtractSettings
    from bignet.spec import EmbeddingSpec
    from bignet.store.manifest import Manifest


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


class _Silent(Listener):
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
    listener = listener or _Silent()
    _check_device(settings.device)
    _check_names(settings, Path(store))
    found = scan(images)
    if not found.entries:
        hidden = f" ({found.skipped['hidden']} hidden names passed over)" if found.skipped["hidden"] else ""
        raise UsageError(f"no files found in '{images}'{hidden}; give a folder with images in it")
    with writing(store) as writer:
        run = _Run(found, writer, settings, listener, start)
        return run.go()


def _check_device(device: str) -> None:
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


class _Run:
    """One run's state; the heavy parts are imported only if there is something to embed."""

    def __init__(
        self, found: Scan, writer: StoreWriter, settings: ExtractSettings, listener: Listener, start: float
    ) -> None:
        self.found = found
        self.writer = writer
        self.settings = settings
        self.listener = listener
        self.start = start
        self.seconds: dict[str, float] = {}

    def go(self) -> Summary:
        before = self.writer.manifest
        snapshot = Snapshot.open(self.writer.path) if before is not None else None
        if before is not None:
            check_not_derived(self.writer.path, before)
            check_request(self.settings, before.embeddings)
        work = plan(self.found, snapshot, self.settings)
        if before is not None:
            check_source(self.found, before, work)
        self.seconds["scan"] = time.perf_counter() - self.start
        self.listener.scanned(self.found, work)
        if before is not None and before.complete and work.nothing_to_do:
            self._note_where_images_are(before)
            journal.forget(self.writer.path)
            return self._summary(work, None)
        return self._embed(work, snapshot)

    def _note_where_images_are(self, before: Manifest) -> None:
        """The same images under another root: the store is told, and nothing else changes."""
        source = self.found.source(self.writer.path)
        if source.root != before.source.root:
            progress = Progress(len(self.found.entries), complete=True, source=source, timings=before.timings)
            self.writer.commit(Batch(), progress)

    def _embed(self, work: Plan, snapshot: Snapshot | None) -> Summary:
        start = time.perf_counter()
        from bignet.extractor.job import Job

        importing = time.perf_counter() - start
        job = Job(self.found, work, self.writer, self.settings)
        tally = job.run(snapshot, self.listener)
        self.seconds |= job.seconds
        self.seconds["load model"] += importing
        if snapshot is not None:
            snapshot.close()
        return self._summary(work, tally)

    def _summary(self, work: Plan, tally: Tally | None) -> Summary:
        newest = self.writer.manifest
        if newest is None:
            raise RuntimeError("a run ended without a manifest")
        self.seconds["total"] = time.perf_counter() - self.start
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
