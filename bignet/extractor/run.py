"""An extraction from beginning to end: scan, plan, embed partition by partition, commit each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bignet.errors import UsageError
from bignet.extractor import journal
from bignet.extractor.agreement import check_request, check_source
from bignet.extractor.plan import Plan, plan
from bignet.extractor.sources import Scan, scan
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, Progress, StoreWriter, writing

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from bignet.extractor.encoder import Encoder
    from bignet.extractor.ledger import Ledger, Tally
    from bignet.extractor.settings import ExtractSettings
    from bignet.spec import EmbeddingSpec
    from bignet.store.manifest import Manifest


class Listener(Protocol):
    """Told what an extraction does, while it does it."""

    def scanned(self, found: Scan, work: Plan) -> None:
        """The source was read and held against the store."""
        return

    def encoder_ready(self, encoder: Encoder) -> None:
        """The network is loaded."""
        return

    def advanced(self, n_done: int, n_total: int) -> None:
        """So many of the pending files are done."""
        return


class _Silent(Listener):
    """Nobody listens."""


@dataclass(frozen=True)
class Summary:
    """What an extraction did.

    Attributes:
        store: the store's folder.
        snapshot: number of the newest manifest.
        discovered: files found.
        unchanged: files that were in the store already, embedded or rejected.
        decoded: pictures decoded and embedded.
        copied: rows whose vectors came from identical bytes.
        renamed: of those, files that moved.
        removed: rows of files that are gone.
        rejected: files rejected in this run.
        total_rows: rows in the store now.
        total_rejected: rejected files in the store now.
        n_bytes: size of the store's shards.
        seconds: wall time of each stage; ``total`` is the run's.
        embeddings: the store's embeddings.
    """

    store: Path
    snapshot: int
    discovered: int
    unchanged: int
    decoded: int
    copied: int
    renamed: int
    removed: int
    rejected: int
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
        from bignet.extractor.encoder import find_device

        find_device(device)


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
            check_request(self.settings, before.embeddings)
        work = plan(self.found, snapshot, self.settings)
        if before is not None:
            check_source(self.found, before, work)
        self._lap("scan")
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
        from bignet.extractor.ledger import Ledger

        encoder = self._encoder()
        if self.writer.manifest is None:
            self.writer.create(encoder.specs, self.found.source(self.writer.path))
        base = self.writer.manifest
        if base is None:
            raise RuntimeError("a store has no manifest after it was created")
        ledger = Ledger(work, base.embeddings, base)
        self.listener.encoder_ready(encoder)
        self._lap("load model")
        reader = snapshot or Snapshot(self.writer.path, base)
        self._loop(work, ledger, encoder, reader)
        self._finish(ledger, encoder)
        if snapshot is not None:
            snapshot.close()
        return self._summary(work, ledger.tally)

    def _encoder(self) -> Encoder:
        from bignet.extractor import encoder

        existing = self.writer.manifest
        settings = self.settings
        if existing is not None:
            return encoder.rebuild(existing.embeddings, settings.weights, settings.device)
        return encoder.build(settings.model, settings.weights, settings.layers, settings.pools, settings.device)

    def _loop(self, work: Plan, ledger: Ledger, encoder: Encoder, reader: Snapshot) -> None:
        from bignet.extractor.partition import Embedder
        from bignet.extractor.workers import Claims, DecodePool, Loader, StageSeconds

        stages = StageSeconds()
        loader = Loader(self.found.root, encoder.spec.preprocess, self.settings.limits, stages)
        total = len(work.pending)
        done = 0
        seconds = self.settings.image_timeout
        with (
            journal.keep(self.writer.path, loader, seconds) as kept,
            DecodePool(loader, self.settings.n_workers, seconds, kept) as pool,
        ):
            embedder = Embedder(encoder, pool, self.settings.batch_size)
            for entries in work.partitions(self.settings.shard_rows):
                for partition in embedder.embed(entries, Claims(ledger.is_known)):
                    self.listener.advanced(done + len(partition), total)
                done += len(entries)
                self._add("forward", partition.forward_seconds)
                self._add("wait", partition.wait_seconds)
                self.seconds |= {"read": stages.read, "decode": stages.decode}
                self._commit(ledger, ledger.batch(partition, reader), encoder)
                self.listener.advanced(done, total)

    def _commit(self, ledger: Ledger, batch: Batch, encoder: Encoder, *, complete: bool = False) -> None:
        if batch.changes_nothing and not complete:
            return
        start = time.perf_counter()
        timings = {name: round(value, 3) for name, value in self.seconds.items()}
        source = self.found.source(self.writer.path)
        progress = Progress(len(self.found.entries), complete, source, timings, _environment(encoder))
        ledger.committed(self.writer.commit(batch, progress), batch)
        self._add("write", time.perf_counter() - start)

    def _finish(self, ledger: Ledger, encoder: Encoder) -> None:
        """The last commit drops what is gone and says that the run is complete."""
        batch = ledger.last_batch()
        manifest = self.writer.manifest
        if manifest is not None and manifest.complete and batch.changes_nothing:
            return  # any commit of this run would have left it incomplete
        self._commit(ledger, batch, encoder, complete=True)

    def _summary(self, work: Plan, tally: Tally | None) -> Summary:
        manifest = self.writer.manifest
        if manifest is None:
            raise RuntimeError("a run ended without a manifest")
        self.seconds["total"] = time.perf_counter() - self.start
        return Summary(
            store=self.writer.path,
            snapshot=manifest.number,
            discovered=len(self.found.entries),
            unchanged=work.unchanged,
            decoded=tally.embedded if tally else 0,
            copied=tally.copied if tally else 0,
            renamed=tally.renamed if tally else 0,
            removed=tally.removed if tally else 0,
            rejected=tally.rejected if tally else 0,
            total_rows=manifest.rows,
            total_rejected=manifest.counts.rejected,
            n_bytes=sum(item.n_bytes for item in (*manifest.shards, *manifest.rejected)),
            seconds=self.seconds,
            embeddings=manifest.embeddings,
        )

    def _lap(self, stage: str) -> None:
        self.seconds[stage] = time.perf_counter() - self.start - sum(self.seconds.values())

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def _environment(encoder: Encoder) -> dict[str, str]:
    import platform
    from importlib.metadata import version

    packages = ("bignet", "torch", "torchvision", "pillow", "pyarrow", "numpy")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "device": str(encoder.device),
        "machine": platform.machine(),
    }
