"""A whole folder of queries: decoded and embedded as in an extraction, answered in batches, written as they come."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bignet import files
from bignet.errors import UsageError, explain_os_error
from bignet.extractor import machine
from bignet.extractor.defaults import IMAGE_TIMEOUT
from bignet.extractor.forward import Seat
from bignet.extractor.partition import Embedder
from bignet.extractor.sources import scan
from bignet.extractor.workers import Claims, DecodePool, Loader, StageSeconds
from bignet.images import Limits
from bignet.search import table
from bignet.search.results import Query

if TYPE_CHECKING:
    from collections.abc import Generator

    from bignet.extractor.partition import Partition
    from bignet.extractor.sources import Scan
    from bignet.search.searcher import Searcher
    from bignet.search.settings import SearchSettings

_QUERIES_A_PART = 512


class Listener(Protocol):
    """Told how far a folder is."""

    def advanced(self, n_done: int, n_total: int) -> None:
        """So many of the queries are done."""
        return


class _Silent(Listener):
    """Nobody listens."""


@dataclass
class FolderSummary:
    """What became of a folder: queries = answered + reasons; of these all but ``nothing_found`` were rejected.

    Attributes:
        out: the file of answers.
        n_queries: images found.
        n_answered: those with hits.
        n_hits: rows with a hit.
        reasons: queries without hits, counted by reason.
        searched: how they were found, and for how many.
        seconds: wall time.
    """

    out: Path
    n_queries: int
    n_answered: int = 0
    n_hits: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    searched: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def n_rejected(self) -> int:
        """Images that could not be queries."""
        return self.reasons.total() - self.reasons[table.NOTHING_FOUND]


def search_folder(
    searcher: Searcher,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: SearchSettings,
    listener: Listener | None = None,
) -> FolderSummary:
    """Answer every image of a folder (or of a list file) and write the answers: a bad image is a row with a reason.

    Args:
        searcher: the store, opened.
        folder: see ``bignet.extractor.sources.scan``.
        out: ``.parquet`` or ``.jsonl``; see table.AnswerRow. An older one stands until all is answered.
        settings: how queries are answered.
        listener: told about progress.

    Raises:
        UsageError: nothing to search with or in, or settings that do not fit the store.
        ResourceError: the disk refused.
    """
    start, target = time.perf_counter(), Path(out)
    table.check_ending(target)
    found = scan(folder)
    if not found.entries:
        raise UsageError(f"no files found in '{os.fspath(folder)}'; give a folder with images in it")
    searcher.prepare(settings)
    work = _Work(searcher, found, settings, listener or _Silent(), FolderSummary(target, len(found.entries)))
    try:
        files.replace(target, work.write)
    except OSError as error:
        raise explain_os_error(error, f"write the answers {target}") from error
    work.summary.seconds = time.perf_counter() - start
    return work.summary


@dataclass
class _Work:
    """One folder's state."""

    searcher: Searcher
    found: Scan
    settings: SearchSettings
    listener: Listener
    summary: FolderSummary
    done: int = 0

    def write(self, file: files.HashingFile) -> None:
        """All answers, in the order of the queries' paths."""
        with table.sink(self.summary.out, file) as sink, closing(self._embedded()) as partitions:
            for partition in partitions:
                sink.write(self._answered(partition))

    def _embedded(self) -> Generator[Partition]:
        entries = self.found.entries
        device = machine.find_device(self.searcher.opening.device)
        streams = machine.streams_for(device, machine.available_cores())
        with machine.freed_memory_kept(), machine.threads_of_torch(streams.threads):
            encoder = self.searcher.reader.encoder
            loader = Loader(self.found.root, encoder.spec.preprocess, Limits(), StageSeconds())
            seats = [Seat(encoder, streams.threads) for _ in range(streams.number)]
            self.listener.advanced(0, self.summary.n_queries)
            with DecodePool(loader, machine.available_cores(), IMAGE_TIMEOUT) as pool:
                embedder = Embedder(seats, pool, encoder.usual_batch, self._advance)
                parts = [entries[at : at + _QUERIES_A_PART] for at in range(0, len(entries), _QUERIES_A_PART)]
                yield from embedder.embed(parts, _Stored(self._is_stored))

    def _advance(self, n_files: int) -> None:
        self.done += n_files
        self.listener.advanced(self.done, self.summary.n_queries)

    def _is_stored(self, sha256: bytes) -> bool:
        return len(self.searcher.rows.with_bytes(sha256)) > 0

    def _answered(self, partition: Partition) -> list[table.AnswerRow]:
        queries = self._queries(partition)
        answers = self.searcher.answer_all(list(queries.values()), self.settings)
        rows = {path: table.rows_of(path, answer) for path, answer in zip(queries, answers, strict=True)}
        rows |= {item.entry.path: [table.refused(item.entry.path, item.reason)] for item in partition.refused}
        self.summary.searched.update(str(answer.searched) for answer in answers)
        self._count(rows)
        return [row for path in sorted(rows) for row in rows[path]]

    def _queries(self, partition: Partition) -> dict[bytes, Query]:
        """Each image with its vector; where the store has the very bytes, with the store's."""
        searcher, name = self.searcher, self.searcher.spec.name
        vectors = searcher.reader.steps.apply(partition.vectors[searcher.spec.before.name])
        made = zip(partition.decoded, vectors, strict=True)
        queries = {item.entry.path: Query(os.fsdecode(item.entry.path), vector) for item, vector in made}
        stored = [int(searcher.rows.with_bytes(item.sha256)[0]) for item in partition.same_bytes]
        known = searcher.snapshot.vectors_at(stored, name)
        for item, vector in zip(partition.same_bytes, known, strict=True):
            own = searcher.rows.of_file(os.path.join(self.found.root, os.fsdecode(item.entry.path)), item.sha256)
            ids = frozenset(int(searcher.rows.ids[row]) for row in own)
            queries[item.entry.path] = Query(os.fsdecode(item.entry.path), vector, ids)
        return queries

    def _count(self, rows: dict[bytes, list[table.AnswerRow]]) -> None:
        for answer in rows.values():
            if answer[0].reason is None:
                self.summary.n_answered += 1
                self.summary.n_hits += len(answer)
            else:
                self.summary.reasons[str(answer[0].reason)] += 1


class _Stored(Claims):
    """Only what the store has needs no decoding: of two equal queries each is embedded."""

    def take(self, sha256: bytes) -> bool:
        return not self._is_known(sha256)
