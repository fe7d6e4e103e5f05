"""Writing a store: shards first, then the manifest that makes them exist."""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bignet import files
from bignet.errors import IntegrityError, LockedError, UsageError, explain_os_error
from bignet.store import folders, layout, lock, manifest, shards
from bignet.store.manifest import Counts, Manifest, Parent, ShardRecord, Source

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator, Mapping

    from bignet.spec import EmbeddingSpec


@dataclass(frozen=True)
class Batch:
    """What one commit adds and takes away.

    Attributes:
        rows: new rows in the store's schema, ids included; None for none.
        rejected: new rejected rows; None for none.
        drop_ids: ids whose rows go: removed files, and rows that ``rows`` replaces.
        drop_rejected: paths whose rejected rows go.
    """

    rows: pa.Table | None = None
    rejected: pa.Table | None = None
    drop_ids: Collection[int] = ()
    drop_rejected: Collection[bytes] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether the store would be as it was."""
        return self.rows is None and self.rejected is None and not (self.drop_ids or self.drop_rejected)


@dataclass(frozen=True)
class Progress:
    """What a commit says of the run it belongs to; see Manifest."""

    discovered: int
    complete: bool
    source: Source | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    parent: Parent | None = None


_KEPT_MANIFESTS = 2  # of a run under way: the newest, and the one to go back to; the last one alone stays


class StoreWriter:
    """The only way rows get into a store. Made by ``writing``, which holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        numbers = layout.manifest_numbers(path)
        self.manifest: Manifest | None = manifest.newest(path) if numbers else None
        self._staged: Manifest | None = None

    def create(self, embeddings: tuple[EmbeddingSpec, ...], source: Source) -> None:
        """Give a new store its identity; nothing is on disk before the first commit."""
        if self.manifest is not None:
            raise UsageError(f"store '{self.path}' exists already")
        self.manifest = Manifest(
            number=0,
            store_uuid=str(uuid.uuid4()),
            embeddings=embeddings,
            source=source,
            shards=(),
            rejected=(),
            counts=Counts(0, 0, 0, 0),
            next_id=0,
            complete=False,
        )

    def start_over(self) -> None:
        """Leave every row of the snapshot that is there out of the next one."""
        self._staged = replace(self._current(), shards=(), rejected=())

    def stage(self, batch: Batch) -> None:
        """Write a batch's shards; they exist once the next commit publishes them, all that were staged in one step.

        Raises:
            ResourceError: the disk refused.
        """
        try:
            self._staged = self._written(self._staged or self._current(), batch)
        except OSError as error:
            raise explain_os_error(error, f"write to store '{self.path}'") from error

    def stage_fitted(self, table: pa.Table) -> None:
        """Write what was fitted for a derived store's steps; it is there once the next commit publishes it.

        Raises:
            ResourceError: the disk refused.
        """
        before = self._staged or self._current()
        try:
            path = self.path / layout.SHARDS / f"fitted-{next(_names(before.number + 1))}"
            self._staged = replace(before, fitted=shards.write(path, table, before.store_uuid))
        except OSError as error:
            raise explain_os_error(error, f"write to store '{self.path}'") from error

    def commit(self, batch: Batch, progress: Progress) -> Manifest:
        """Publish a new snapshot: the old one without what is dropped, with what was staged and what is new.

        Raises:
            ResourceError: the disk refused; the old snapshot stands.
            LockedError: another writer published meanwhile (a file system without working locks).
        """
        before = self._staged or self._current()
        try:
            after = self._numbered(self._written(before, batch), progress)
            manifest.publish(self.path, after)
            for number in layout.manifest_numbers(self.path)[_KEPT_MANIFESTS:]:
                self._remove_snapshot(number)
        except FileExistsError:
            raise LockedError(f"another process published snapshot {before.number + 1} of '{self.path}'") from None
        except OSError as error:
            raise explain_os_error(error, f"write to store '{self.path}'") from error
        self.manifest, self._staged = after, None
        return after

    def drop_shards(self, names: Collection[str]) -> Manifest:
        """Publish a snapshot without these shards (``shards/x`` or ``rejected/x``); another run fills the gap."""
        before = self._current()
        kept = tuple(item for item in before.shards if f"{layout.SHARDS}/{item.name}" not in names)
        kept_rejected = tuple(item for item in before.rejected if f"{layout.REJECTED}/{item.name}" not in names)
        fitted = before.fitted if before.fitted and f"{layout.SHARDS}/{before.fitted.name}" not in names else None
        after = replace(before, shards=kept, rejected=kept_rejected, fitted=fitted)
        after = self._numbered(after, Progress(before.counts.discovered, complete=False))
        manifest.publish(self.path, after)
        self.manifest = after
        return after

    def clean(self) -> None:
        """Remove what no snapshot needs: temporary files, shards never published, snapshots nobody reads."""
        newest = self.manifest.number if self.manifest else 0
        needed = self.manifest.file_names() if self.manifest else set()
        for number in layout.manifest_numbers(self.path):
            if number != newest:
                needed |= self._remove_snapshot(number)
        for folder in (*folders.OF_SHARDS, layout.MANIFESTS):
            self._remove_unneeded(folder, needed)

    def _remove_snapshot(self, number: int) -> set[str]:
        """Remove an old manifest -> the files that must stay because somebody reads it."""
        path = layout.manifest_path(self.path, number)
        with lock.unless_read(path) as unread:
            if unread:
                path.unlink()
                return set()
        try:
            return manifest.load(self.path, number).file_names()
        except IntegrityError:  # read by somebody and damaged since: what it needs is unknown, so everything stays
            return {f"{folder}/{item.name}" for folder in folders.OF_SHARDS for item in (self.path / folder).iterdir()}

    def _remove_unneeded(self, folder: str, needed: set[str]) -> None:
        for item in (self.path / folder).iterdir():
            leftover = item.name.startswith(files.TEMPORARY_PREFIX)
            unlisted = folder != layout.MANIFESTS and f"{folder}/{item.name}" not in needed
            if leftover or unlisted:
                item.unlink()

    def _current(self) -> Manifest:
        if self.manifest is None:
            raise UsageError(f"store '{self.path}' was not created yet")
        return self.manifest

    def _written(self, before: Manifest, batch: Batch) -> Manifest:
        """The snapshot with the batch's shards on disk, not numbered and not published yet."""
        names = _names(before.number + 1)
        kept = self._without(before.shards, layout.SHARDS, names, _id_filter(batch.drop_ids))
        kept_rejected = self._without(before.rejected, layout.REJECTED, names, _path_filter(batch.drop_rejected))
        after = replace(
            before,
            shards=kept + self._added(layout.SHARDS, names, batch.rows),
            rejected=kept_rejected + self._added(layout.REJECTED, names, batch.rejected),
            next_id=_next_id(before.next_id, batch.rows),
        )
        for folder in folders.OF_SHARDS:
            files.sync_folder(self.path / folder)
        return after

    def _numbered(self, described: Manifest, progress: Progress) -> Manifest:
        embedded = described.rows
        rejected = sum(item.rows for item in described.rejected)
        pending = 0 if progress.complete else max(progress.discovered - embedded - rejected, 0)
        return replace(
            described,
            number=described.number + 1,
            counts=Counts(progress.discovered, embedded, rejected, pending),
            complete=progress.complete,
            source=progress.source or described.source,
            parent=progress.parent or described.parent,
            timings=dict(progress.timings),
            environment=dict(progress.environment) or described.environment,
        )

    def _added(self, folder: str, names: Iterator[str], table: pa.Table | None) -> tuple[ShardRecord, ...]:
        if table is None or table.num_rows == 0:
            return ()
        return (shards.write(self.path / folder / next(names), table, self._current().store_uuid),)

    def _without(
        self,
        records: tuple[ShardRecord, ...],
        folder: str,
        names: Iterator[str],
        keep: Callable[[pa.Table], pa.Array] | None,
    ) -> tuple[ShardRecord, ...]:
        """The shards less the dropped rows; only those that hold such a row are written anew."""
        if keep is None:
            return records
        owner, embeddings = self._current().store_uuid, self._current().embeddings
        expected = {layout.SHARDS: shards.schema(embeddings), layout.REJECTED: shards.REJECTED_SCHEMA}
        result: list[ShardRecord] = []
        for record in records:
            table = shards.read(self.path / folder / record.name, record, expected[folder], owner=owner)
            kept = table.filter(keep(table))
            result += [record] if kept.num_rows == table.num_rows else self._added(folder, names, kept)
        return tuple(result)


def _names(number: int) -> Iterator[str]:
    """Shard names of one commit; the random part keeps them unlike those of a run that was cut off."""
    salt = uuid.uuid4().hex[:8]
    count = 0
    while True:
        yield f"{number:08d}-{count:03d}-{salt}.parquet"
        count += 1


def _next_id(before: int, rows: pa.Table | None) -> int:
    if rows is None or rows.num_rows == 0:
        return before
    return max(before, int(pc.max(rows["id"]).as_py()) + 1)


def _id_filter(ids: Collection[int]) -> Callable[[pa.Table], pa.Array] | None:
    if not ids:
        return None
    dropped = pa.array(sorted(ids), type=pa.int64())
    return lambda table: pc.invert(pc.is_in(table["id"], value_set=dropped))


def _path_filter(paths: Collection[bytes]) -> Callable[[pa.Table], pa.Array] | None:
    if not paths:
        return None
    dropped = pa.array(sorted(paths), type=pa.binary())
    return lambda table: pc.invert(pc.is_in(table["path"], value_set=dropped))


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[StoreWriter]:
    """Hold a store for writing, making its folders if needed; what an earlier crash left is cleaned up.

    Raises:
        LockedError: another process is writing.
        ResourceError: the folder cannot be made or written to.
        UsageError: the folder exists and holds something else.
    """
    store = Path(path)
    try:
        made = folders.prepare(store)
        with lock.exclusive(store):
            writer = StoreWriter(store)
            writer.clean()
            try:
                yield writer
                writer.clean()
            finally:
                _remove_if_unused(writer, made)
    except OSError as error:
        raise explain_os_error(error, f"write to store '{store}'") from error


def _remove_if_unused(writer: StoreWriter, made: list[Path]) -> None:
    """A run that failed before its first commit leaves no shards behind, nor an empty store that it made."""
    if layout.manifest_numbers(writer.path):
        return
    with suppress(OSError):
        writer.clean()
        if writer.path not in made:
            return
        (writer.path / layout.LOCK).unlink()
        for folder in reversed(made):
            folder.rmdir()
