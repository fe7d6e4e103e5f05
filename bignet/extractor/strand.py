"""One store's part of a run: its network made ready, its partitions committed one after the other."""

from __future__ import annotations

import platform
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from bignet.extractor import encoder as encoders
from bignet.extractor import machine, prove
from bignet.extractor.forward import Seat
from bignet.extractor.ledger import Ledger
from bignet.extractor.partition import Lane
from bignet.extractor.workers import Claims
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from bignet.extractor.encoder import Blueprint, Encoder
    from bignet.extractor.machine import Workplace
    from bignet.extractor.partition import Partition
    from bignet.extractor.plan import Plan
    from bignet.extractor.prove import Proof
    from bignet.extractor.run import Listener
    from bignet.extractor.settings import ExtractSettings
    from bignet.extractor.sources import Entry, Scan
    from bignet.extractor.weights import Loaded
    from bignet.spec import EmbeddingSpec, Preprocess
    from bignet.store.manifest import Manifest
    from bignet.store.writer import Batch, StoreWriter

    # (preprocessing, files to choose from, how many) -> squares by path
    Sampler = Callable[[Preprocess, Sequence[Entry], int], dict[bytes, Tensor]]

_PROOF = "proof"


class Strand:
    """What is done for one store, in the order of the methods.

    Attributes:
        seconds: where the time went; stages that stores share are in the record of each.
        blueprint: of its network, once it is drawn.
        encoder: once it is prepared.
        ledger: of what is committed, likewise; its tally says what was done.
        claims: which contents it has or is about to have.
    """

    blueprint: Blueprint
    encoder: Encoder
    ledger: Ledger
    claims: Claims

    def __init__(
        self, found: Scan, work: Plan, writer: StoreWriter, settings: ExtractSettings, loaded: Loaded | None = None
    ) -> None:
        self._loaded = loaded
        self.work = work
        self.writer = writer
        self.settings = settings
        self.seconds: dict[str, float] = {}
        self._found = found
        self._environment: Mapping[str, str] = {}

    @property
    def specs(self) -> tuple[EmbeddingSpec, ...]:
        """Its embeddings."""
        return self.encoder.specs

    @property
    def network(self) -> encoders.Ready:
        """Its network as it embeds."""
        return encoders.Ready(self.encoder, encoders.Blueprint(self.blueprint.plain, self.encoder.heads))

    def draw(self) -> None:
        """Load the network with its weights, unless it is at hand.

        Raises:
            UsageError: it cannot be.
            MismatchError: it is not what made the store.
        """
        existing, settings = self.writer.manifest, self.settings
        loaded, self._loaded = self._loaded, None
        if existing is not None:
            self.blueprint = encoders.redraw(existing.embeddings, settings.weights)
        elif settings.taps:
            self.blueprint = encoders.draw_taps(settings.model, settings.weights, settings.taps, settings.form, loaded)
        else:
            layers, pools = settings.layers, settings.pools
            self.blueprint = encoders.draw(settings.model, settings.weights, layers, pools, settings.form)

    def prepare(self, place: Workplace, sample: Sampler, listener: Listener) -> None:
        """Settle how vectors are made, for a store that is there as before, and open its books."""
        self.encoder, proofs = self._chosen(place, sample, listener)
        base = self._base()
        self._environment = _environment(self.encoder) | _proved(proofs, base)
        listener.encoder_ready(self.encoder, proofs, self._environment.get(_PROOF))
        self.ledger = Ledger(self.work, base.embeddings, base)
        self.claims = Claims(self.ledger.is_known)

    def _chosen(self, place: Workplace, sample: Sampler, listener: Listener) -> tuple[Encoder, list[Proof]]:
        blueprint, first, pending = self.blueprint, place.devices[0], self.work.pending
        if self.writer.manifest is not None:
            return blueprint.encoder(first), []

        def decoded(decoder: str, n_images: int) -> dict[bytes, Tensor]:
            if decoder == "exact":  # the first to be asked for
                listener.trying(min(n_images, len(pending)))
            return sample(replace(blueprint.preprocess, decode=decoder), pending, n_images)

        with machine.threads_of_torch(place.cores):  # nothing else runs yet
            spec, proofs = prove.choose(blueprint, first, self.settings, len(pending), decoded)
        # Made outside: how filters are laid out depends on the threads, and other layouts are mended in every pass.
        return blueprint.encoder(first, spec.precision, spec.preprocess.decode, spec.ranges), proofs

    def _base(self) -> Manifest:
        if self.writer.manifest is None:
            self.writer.create(self.encoder.specs, self._found.source(self.writer.path))
        if self.writer.manifest is None:
            raise RuntimeError("a store has no manifest after it was created")
        return self.writer.manifest

    def lane(self, place: Workplace, wants: Callable[[Entry], bool] | None = None) -> Lane:
        """Its network on every device, with a seat for each stream."""
        spec = self.encoder.spec
        others = place.devices[1:]
        copies = [self.blueprint.encoder(each, spec.precision, spec.preprocess.decode, spec.ranges) for each in others]
        streams = place.streams
        seats = [Seat(each, streams.threads) for each in (self.encoder, *copies) for _ in range(streams.number)]
        return Lane(seats, self.settings.batch_size or self.encoder.usual_batch, wants)

    def committing(self, snapshot: Snapshot | None) -> Committing:
        """Takes its partitions, within a ``with`` block."""
        reader = snapshot or Snapshot(self.writer.path, self._base())
        return Committing(self, reader)

    def finish(self) -> None:
        """The last commit drops what is gone and says that the run is complete."""
        if self.work.left:
            return
        batch = self.ledger.last_batch()
        manifest = self.writer.manifest
        if manifest is not None and manifest.complete and batch.changes_nothing:
            return  # any commit of this run would have left it incomplete
        self.commit(batch, complete=True)

    def commit(self, batch: Batch, *, complete: bool = False) -> None:
        """Publish a batch, and remember it."""
        if batch.changes_nothing and not complete:
            return
        start = time.perf_counter()
        timings = {name: round(value, 3) for name, value in self.seconds.items()}
        source = self._found.source(self.writer.path)
        progress = Progress(len(self._found.entries), complete, source, timings, self._environment)
        self.ledger.committed(self.writer.commit(batch, progress), batch)
        self.add("write", time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Count time."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


class Committing:
    """One commit at a time, in order, in a thread of its own."""

    def __init__(self, strand: Strand, reader: Snapshot) -> None:
        self._strand = strand
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, "bignet-commit")
        self._last: Future[None] | None = None

    def __enter__(self) -> Committing:
        self._thread.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._thread.shutdown(wait=True)
        if kind is None:
            self._settle()

    def take(self, partition: Partition) -> None:
        """Commit a partition once the one before is committed.

        Raises:
            ResourceError: that one could not be.
        """
        self._strand.add("forward", partition.forward_seconds)
        self._settle()
        self._last = self._thread.submit(self._commit, partition)

    def _settle(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def _commit(self, partition: Partition) -> None:
        strand = self._strand
        strand.commit(strand.ledger.batch(partition, self._reader))
        strand.claims.settle(item.sha256 for item in partition.decoded)
        strand.claims.settle(item.sha256 for item in partition.refused if item.sha256 is not None)


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
