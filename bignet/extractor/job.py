"""The work of an extraction: files decoded once for all stores, each network's partitions embedded and committed."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.extractor import journal, machine
from bignet.extractor.outcomes import Decoded
from bignet.extractor.partition import Convoy
from bignet.extractor.shared import SharedLoader, SharedPool, Wish
from bignet.extractor.workers import Claims, DecodePool, Loader, StageSeconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from bignet.extractor.journal import Journal
    from bignet.extractor.partition import Partition
    from bignet.extractor.run import Listener
    from bignet.extractor.settings import ExtractSettings
    from bignet.extractor.sources import Entry, Scan
    from bignet.extractor.strand import Strand
    from bignet.spec import Preprocess
    from bignet.store.snapshot import Snapshot

_SPARE = 3
# Vectors of one shard: in memory until it is committed, and while it is written the next is under way.
_SHARD_BYTES = 64 << 20


class Job:
    """One run's work for one store or several, in the order of its methods; ``seconds`` says where the time went."""

    def __init__(self, found: Scan, strands: Sequence[Strand], settings: ExtractSettings) -> None:
        self.found = found
        self.strands = strands
        self.settings = settings
        self.seconds: dict[str, float] = {}
        self._place = machine.workplace(settings.device)
        self._stages = StageSeconds()
        self._samples: dict[Preprocess, dict[bytes, Tensor]] = {}

    def run(self, folder: Path, snapshots: Sequence[Snapshot | None], listener: Listener) -> None:
        """Embed what is pending and commit it.

        Args:
            folder: where the journal is kept; held by this process.
            snapshots: of each strand's store; None for a new one.
            listener: told what goes on.
        """
        start = time.perf_counter()
        for strand in self.strands:
            strand.draw()
        loader = self._loader(self.strands[0].blueprint.preprocess)
        with (
            machine.freed_memory_kept(),
            machine.threads_of_torch(self._place.streams.threads),
            journal.keep(folder, loader, self.settings.image_timeout) as kept,
        ):
            for strand in self.strands:
                strand.prepare(self._place, lambda *wanted: self._sample(kept, *wanted), listener)
            self._samples.clear()
            self._note({"load model": time.perf_counter() - start})
            start = time.perf_counter()
            self._embed(kept, snapshots, listener)
            for strand in self.strands:
                strand.finish()
            self._account(time.perf_counter() - start)

    def _loader(self, preprocess: Preprocess) -> Loader:
        return Loader(self.found.root, preprocess, self.settings.limits, self._stages)

    def _sample(
        self, kept: Journal, preprocess: Preprocess, pending: Sequence[Entry], n_images: int
    ) -> dict[bytes, Tensor]:
        """Squares of images from all over the input, which all new stores have pending."""
        if preprocess in self._samples:
            return self._samples[preprocess]
        entries = _all_over(pending, n_images)
        loader = replace(self._loader(preprocess), seconds=StageSeconds())
        with DecodePool(loader, self.settings.n_workers, self.settings.image_timeout, kept) as pool:
            outcomes = pool.outcomes(entries, Claims(lambda _sha256: False), ahead=n_images)
            good = (item for item in outcomes if isinstance(item, Decoded))
            found = {item.entry.path: item.square for item in itertools.islice(good, n_images)}
        if len(self.strands) > 1:
            self._samples[preprocess] = found
        return found

    def _embed(self, kept: Journal, snapshots: Sequence[Snapshot | None], listener: Listener) -> None:
        total, done = sum(len(strand.work.pending) for strand in self.strands), 0

        def advance(n_files: int) -> None:
            nonlocal done
            done += n_files
            listener.advanced(done, total)

        with ExitStack() as stack:
            work = self._several(kept, advance) if len(self.strands) > 1 else self._one(kept, advance)
            stack.callback(work.close)
            pairs = zip(self.strands, snapshots, strict=True)
            commits = [stack.enter_context(strand.committing(snapshot)) for strand, snapshot in pairs]
            for number, partition in work:
                self._note({"read": self._stages.read, "decode": self._stages.decode})
                commits[number].take(partition)
        self._note({"read": self._stages.read, "decode": self._stages.decode})

    def _one(self, kept: Journal, advance: Callable[[int], None]) -> Generator[tuple[int, Partition]]:
        (strand,) = self.strands
        lane = strand.lane(self._place)
        loader = self._loader(strand.encoder.spec.preprocess)
        with DecodePool(loader, self.settings.n_workers, self.settings.image_timeout, kept) as pool:
            partitions = _in_runs(strand.work.pending, self._shard_rows())
            yield from Convoy([lane], pool, advance).embed(partitions, strand.claims)

    def _several(self, kept: Journal, advance: Callable[[int], None]) -> Generator[tuple[int, Partition]]:
        """Files that some store lacks, each decoded once for all that lack it."""
        entries, wanted = _together([strand.work.pending for strand in self.strands])
        lanes = [strand.lane(self._place, wants) for strand, wants in zip(self.strands, wanted, strict=True)]
        wishes = [
            Wish(strand.encoder.spec.preprocess, strand.claims, wants or _everything)
            for strand, wants in zip(self.strands, wanted, strict=True)
        ]
        loader = SharedLoader(self.found.root, self.settings.limits, self._stages)
        with SharedPool(loader, self.settings.n_workers, self.settings.image_timeout, kept) as pool:
            yield from Convoy(lanes, pool, advance).embed(_in_runs(entries, self._shard_rows()), wishes)

    def _shard_rows(self) -> int:
        """As many as asked for, fewer where their vectors are long."""
        n_numbers = max(sum(spec.dims for spec in strand.specs) for strand in self.strands)
        return min(self.settings.shard_rows, max(_SHARD_BYTES // (n_numbers * np.dtype(np.float32).itemsize), 1))

    def _note(self, seconds: Mapping[str, float]) -> None:
        """Time of stages that the stores share."""
        self.seconds |= seconds
        for strand in self.strands:
            strand.seconds |= seconds

    def _account(self, wall: float) -> None:
        """Core time that no stage had is waiting."""
        for stage in ("forward", "write"):
            self.seconds[stage] = sum(strand.seconds.get(stage, 0.0) for strand in self.strands)
        on_gpu = self._place.device.type == "cuda"
        stages = ("read", "decode", "write") if on_gpu else ("read", "decode", "forward", "write")
        busy = sum(self.seconds.get(name, 0.0) for name in stages)
        self._note({"wait": max(wall * self._place.cores - busy, 0.0)})


def _all_over(entries: Sequence[Entry], number: int) -> list[Entry]:
    """So many of them from all over, and after them others, in case that some cannot be decoded."""
    wanted = _SPARE * number
    spread = [entries[at * len(entries) // wanted] for at in range(wanted)] if wanted < len(entries) else entries
    return [entry for first in range(_SPARE) for entry in spread[first::_SPARE]]


def _in_runs(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    """The files in runs of ``size``."""
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _everything(_entry: Entry) -> bool:
    return True


def _together(pending: Sequence[list[Entry]]) -> tuple[list[Entry], list[Callable[[Entry], bool] | None]]:
    """What stores lack -> all of it in path order, and for each store whether it lacks a file; None if all lack all."""
    if all(each == pending[0] for each in pending[1:]):
        return pending[0], [None for _ in pending]
    sets = [frozenset(each) for each in pending]
    return sorted(frozenset().union(*sets)), [each.__contains__ for each in sets]
