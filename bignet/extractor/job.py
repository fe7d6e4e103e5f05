"""The work of an extraction: a network made ready, partitions embedded, each committed while the next is under way."""

from __future__ import annotations

import itertools
import platform
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from bignet.extractor import encoder as encoders
from bignet.extractor import journal, machine, prove
from bignet.extractor.forward import Seat
from bignet.extractor.ledger import Ledger, Tally
from bignet.extractor.partition import Embedder, Partition
from bignet.extractor.workers import Claims, Decoded, DecodePool, Loader, StageSeconds
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bignet.extractor.encoder import Blueprint, Encoder
    from bignet.extractor.journal import Journal
    from bignet.extractor.plan import Plan
    from bignet.extractor.prove import Proof
    from bignet.extractor.run import Listener
    from bignet.extractor.settings import ExtractSettings
    from bignet.extractor.sources import Scan
    from bignet.spec import EmbeddingSpec, Preprocess
    from bignet.store.manifest import Manifest
    from bignet.store.writer import StoreWriter

_PROOF = "proof"
_SPARE = 3
# Vectors of one shard: in memory until it is committed, and while it is written the next is under way.
_SHARD_BYTES = 64 << 20


class Job:
    """One run's work, in the order of its methods; ``seconds`` says where the time went."""

    def __init__(self, found: Scan, work: Plan, writer: StoreWriter, settings: ExtractSettings) -> None:
        self.found = found
        self.work = work
        self.writer = writer
        self.settings = settings
        self.seconds: dict[str, float] = {}
        self._device = machine.find_device(settings.device)
        self._cores = machine.available_cores()
        self._streams = machine.streams_for(self._device, self._cores)
        self._stages = StageSeconds()
        self._environment: dict[str, str] = {}

    def run(self, snapshot: Snapshot | None, listener: Listener) -> Tally:
        """Embed what is pending and commit it -> what was done, counted."""
        start = time.perf_counter()
        blueprint = self._blueprint()
        seconds = self.settings.image_timeout
        with (
            machine.freed_memory_kept(),
            machine.threads_of_torch(self._streams.threads),
            journal.keep(self.writer.path, self._loader(blueprint.preprocess), seconds) as kept,
        ):
            encoder, proofs = self._encoder(blueprint, kept, listener)
            base = self._base(encoder)
            self._environment = _environment(encoder) | _proved(proofs, base)
            listener.encoder_ready(encoder, proofs, self._environment.get(_PROOF))
            ledger = Ledger(self.work, base.embeddings, base)
            reader = snapshot or Snapshot(self.writer.path, base)
            self.seconds["load model"] = time.perf_counter() - start
            start = time.perf_counter()
            self._embed(self._seats(blueprint, encoder), kept, _Committing(self, ledger, reader), listener)
            self._finish(ledger)
            self._account(time.perf_counter() - start)
        return ledger.tally

    def _blueprint(self) -> Blueprint:
        existing, settings = self.writer.manifest, self.settings
        if existing is not None:
            return encoders.redraw(existing.embeddings, settings.weights)
        return encoders.draw(settings.model, settings.weights, settings.layers, settings.pools, settings.form)

    def _loader(self, preprocess: Preprocess) -> Loader:
        return Loader(self.found.root, preprocess, self.settings.limits, self._stages)

    def _encoder(self, blueprint: Blueprint, kept: Journal, listener: Listener) -> tuple[Encoder, list[Proof]]:
        """For a store that is there its own; for a new one what a sample of the images proves."""
        first, n_pending = machine.devices_for(self._device)[0], len(self.work.pending)
        if self.writer.manifest is not None:
            return blueprint.encoder(first), []

        def decoded(decoder: str, n_images: int) -> dict[bytes, Tensor]:
            if decoder == "exact":  # the first to be asked for
                listener.trying(min(n_images, n_pending))
            return self._sample(replace(blueprint.preprocess, decode=decoder), kept, n_images)

        with machine.threads_of_torch(self._cores):  # nothing else runs yet
            spec, proofs = prove.choose(blueprint, first, self.settings, n_pending, decoded)
        # Made outside: how filters are laid out depends on the threads, and other layouts are mended in every pass.
        return blueprint.encoder(first, spec.precision, spec.preprocess.decode, spec.ranges), proofs

    def _sample(self, preprocess: Preprocess, kept: Journal, n_images: int) -> dict[bytes, Tensor]:
        """Squares of images from all over the input."""
        pending, wanted = self.work.pending, _SPARE * n_images  # some may not be decodable
        entries = pending[:: max(len(pending) // wanted, 1)][:wanted]
        loader = replace(self._loader(preprocess), seconds=StageSeconds())
        with DecodePool(loader, self.settings.n_workers, self.settings.image_timeout, kept) as pool:
            outcomes = pool.outcomes(entries, Claims(lambda _sha256: False), ahead=n_images)
            good = (item for item in outcomes if isinstance(item, Decoded))
            return {item.entry.path: item.square for item in itertools.islice(good, n_images)}

    def _base(self, encoder: Encoder) -> Manifest:
        if self.writer.manifest is None:
            self.writer.create(encoder.specs, self.found.source(self.writer.path))
        if self.writer.manifest is None:
            raise RuntimeError("a store has no manifest after it was created")
        return self.writer.manifest

    def _seats(self, blueprint: Blueprint, encoder: Encoder) -> list[Seat]:
        """The encoder on every device, with a seat for each stream."""
        spec = encoder.spec
        others = machine.devices_for(self._device)[1:]
        copies = [blueprint.encoder(each, spec.precision, spec.preprocess.decode, spec.ranges) for each in others]
        streams = self._streams
        return [Seat(each, streams.threads) for each in (encoder, *copies) for _ in range(streams.number)]

    def _embed(self, seats: Sequence[Seat], kept: Journal, committing: _Committing, listener: Listener) -> None:
        preprocess = seats[0].encoder.spec.preprocess
        n_pixels = preprocess.crop**2 * preprocess.n_views
        usual = machine.batch_size_for(self._device, n_pixels) * seats[0].encoder.batches_a_pass
        batch_size = self.settings.batch_size or usual
        total, done = len(self.work.pending), 0

        def advance(n_files: int) -> None:
            nonlocal done
            done += n_files
            listener.advanced(done, total)

        loader = self._loader(preprocess)
        claims = Claims(committing.ledger.is_known)
        with DecodePool(loader, self.settings.n_workers, self.settings.image_timeout, kept) as pool, committing:
            embedder = Embedder(seats, pool, batch_size, advance)
            partitions = self.work.partitions(self._shard_rows(seats[0].encoder.specs))
            for partition in embedder.embed(partitions, claims):
                self._add("forward", partition.forward_seconds)
                committing.take(partition, claims)

    def _shard_rows(self, specs: Sequence[EmbeddingSpec]) -> int:
        """As many as asked for, fewer where their vectors are long."""
        n_bytes = sum(spec.dims for spec in specs) * np.dtype(np.float32).itemsize
        return min(self.settings.shard_rows, max(_SHARD_BYTES // n_bytes, 1))

    def _finish(self, ledger: Ledger) -> None:
        """The last commit drops what is gone and says that the run is complete."""
        if self.work.left:
            return
        batch = ledger.last_batch()
        manifest = self.writer.manifest
        if manifest is not None and manifest.complete and batch.changes_nothing:
            return  # any commit of this run would have left it incomplete
        self.commit(ledger, batch, complete=True)

    def commit(self, ledger: Ledger, batch: Batch, *, complete: bool = False) -> None:
        """Publish a batch, and remember it."""
        if batch.changes_nothing and not complete:
            return
        start = time.perf_counter()
        self.seconds |= {"read": self._stages.read, "decode": self._stages.decode}
        timings = {name: round(value, 3) for name, value in self.seconds.items()}
        source = self.found.source(self.writer.path)
        progress = Progress(len(self.found.entries), complete, source, timings, self._environment)
        ledger.committed(self.writer.commit(batch, progress), batch)
        self._add("write", time.perf_counter() - start)

    def _account(self, wall: float) -> None:
        """Core time that no stage had is waiting."""
        self.seconds |= {"read": self._stages.read, "decode": self._stages.decode}
        stages = ("read", "decode", "write") if self._device.type == "cuda" else ("read", "decode", "forward", "write")
        busy = sum(self.seconds.get(name, 0.0) for name in stages)
        self.seconds["wait"] = max(wall * self._cores - busy, 0.0)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


class _Committing:
    """One commit at a time, in order, in a thread of its own."""

    def __init__(self, job: Job, ledger: Ledger, reader: Snapshot) -> None:
        self.ledger = ledger
        self._job = job
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, "bignet-commit")
        self._last: Future[None] | None = None

    def __enter__(self) -> None:
        self._thread.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._thread.shutdown(wait=True)
        if kind is None:
            self._settle()

    def take(self, partition: Partition, claims: Claims) -> None:
        """Commit a partition once the one before is committed.

        Raises:
            ResourceError: that one could not be.
        """
        self._settle()
        self._last = self._thread.submit(self._commit, partition, claims)

    def _settle(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def _commit(self, partition: Partition, claims: Claims) -> None:
        self._job.commit(self.ledger, self.ledger.batch(partition, self._reader))
        claims.settle(item.sha256 for item in partition.decoded)
        claims.settle(item.sha256 for item in partition.refused if item.sha256 is not None)


def _proved(proofs: Sequence[Proof], base: Manifest) -> dict[str, str]:
    """What was proved when the store was made stays on record."""
    used = [str(proof) for proof in proofs if proof.used][-1:] or [base.environment.get(_PROOF, "")]
    return {_PROOF: used[0]} if used[0] else {}  # the last one includes those before it


def _environment(encoder: Encoder) -> dict[str, str]:
    packages = ("bignet", "torch", "torchvision", "pillow", "pyarrow", "numpy")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "device": str(encoder.device),
        "machine": platform.machine(),
    }
