"""Writing a store: what a commit leaves, and what a commit that fails leaves."""

import errno
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bignet.errors import ExitCode, LockedError, ResourceError, UsageError
from bignet.store import layout, manifest
from bignet.store.snapshot import Snapshot
from bignet.store.verify import verify
from bignet.store.writer import Batch, Progress, writing
from tests import oracle
from tests.store import rows


def committed(store, batch, progress):
    with writing(store) as writer:
        writer.commit(batch, progress)
    assert oracle.leftovers(store) == []
    return oracle.check(store)


def test_a_commit_adds_rows(store):
    content = committed(store, Batch(rows=rows.table([10, 11], seed=3)), rows.progress(12, 2))
    assert len(content.rows) == 12
    assert content.rejected == {b"x.gif": "corrupt", b"y.gif": "corrupt"}


def test_a_commit_drops_rows_and_writes_anew_only_the_shard_they_were_in(store):
    first, second = (item.name for item in manifest.newest(store).shards)
    content = committed(store, Batch(drop_ids=[1, 3]), rows.progress(8, 2))
    assert set(content.ids.values()) == {0, 2, 4, 5, 6, 7, 8, 9}
    kept = [item.name for item in manifest.newest(store).shards]
    assert second in kept
    assert first not in kept


def test_dropping_every_row_of_a_shard_leaves_no_empty_shard(store):
    content = committed(store, Batch(drop_ids=range(5)), rows.progress(5, 2))
    assert set(content.ids.values()) == set(range(5, 10))
    assert len(manifest.newest(store).shards) == 1


def test_dropping_an_id_that_is_not_there_changes_nothing(store):
    before = manifest.newest(store).shards
    committed(store, Batch(drop_ids=[500]), rows.progress(10, 2))
    assert manifest.newest(store).shards == before


def test_a_replaced_row_keeps_its_path_and_gets_the_new_vector(store):
    before = oracle.check(store)
    content = committed(store, Batch(rows=rows.table([4], ids=[10], seed=42), drop_ids=[4]), rows.progress(10, 2))
    assert content.ids[b"004.png"] == 10
    assert content.rows[b"004.png"][0] != before.rows[b"004.png"][0]
    assert {path: row[0] for path, row in content.rows.items() if path != b"004.png"} == {
        path: row[0] for path, row in before.rows.items() if path != b"004.png"
    }


def test_refusals_come_and_go(store):
    batch = Batch(rejected=rows.refusals(["z.gif"]), drop_rejected=[b"x.gif"])
    assert set(committed(store, batch, rows.progress(10, 2)).rejected) == {b"y.gif", b"z.gif"}


def test_ids_are_never_given_out_again(store):
    committed(store, Batch(drop_ids=[8, 9]), rows.progress(8, 2))
    assert manifest.newest(store).next_id == 10


def test_a_cut_off_run_counts_what_is_pending(tmp_path):
    with writing(tmp_path / "store") as writer:
        writer.create(rows.SPECS, rows.SOURCE)
        counts = writer.commit(Batch(rows=rows.table(range(3))), Progress(10, complete=False)).counts
    assert (counts.discovered, counts.embedded, counts.rejected, counts.pending) == (10, 3, 0, 7)
    oracle.check(tmp_path / "store")


def test_a_store_is_created_once(store):
    with writing(store) as writer, pytest.raises(UsageError, match="exists already"):
        writer.create(rows.SPECS, rows.SOURCE)


def test_a_commit_before_creation_is_refused(tmp_path):
    with writing(tmp_path / "store") as writer, pytest.raises(UsageError, match="was not created yet"):
        writer.commit(Batch(), rows.progress(0))


def test_what_a_killed_run_left_is_removed_by_the_next(store):
    litter = ["shards/.tmp-1-a.parquet", "shards/orphan.parquet", "rejected/.tmp-2-b", "manifests/.tmp-3-00000009.json"]
    for name in litter:
        (store / name).write_bytes(b"half")
    before = oracle.check(store)
    assert oracle.leftovers(store) == sorted(litter)
    with writing(store):
        pass
    assert oracle.leftovers(store) == []
    oracle.assert_same_content(oracle.check(store), before)


def test_superseded_shards_stay_while_they_are_read_and_go_afterwards(store):
    with Snapshot.open(store) as old:
        before = old.table()
        committed_while_read = Batch(rows=rows.table([10], seed=8), drop_ids=[0, 5])
        with writing(store) as writer:
            writer.commit(committed_while_read, rows.progress(9, 2))
        with writing(store) as writer:
            writer.commit(Batch(drop_ids=[10]), rows.progress(8, 2))
        assert old.table().equals(before)
        assert verify(old).ok
        assert len(oracle.leftovers(store)) == 3  # the old manifest and its two shards, none of the one in between
    with writing(store):
        pass
    assert oracle.leftovers(store) == []
    assert set(oracle.check(store).ids.values()) == {1, 2, 3, 4, 6, 7, 8, 9}


WRITER = """
import sys
from bignet.store.writer import Batch, writing
from tests.store import rows
for generation in range(1, 41):
    with writing(sys.argv[1]) as writer:
        ids = range(1000 * generation, 1000 * generation + 10 + generation)
        table = rows.table(range(10 + generation), ids=ids, n_bytes=generation, seed=generation)
        writer.commit(Batch(rows=table, drop_ids=range(1000 * generation)), rows.progress(10 + generation))
"""


def test_a_reader_sees_whole_snapshots_while_a_writer_commits(tmp_path):
    """Every commit replaces all rows: rows of two generations in one table would be a mix of two snapshots."""
    store = rows.make(tmp_path / "store", names=())
    with subprocess.Popen([sys.executable, "-c", WRITER, str(store)], cwd=Path(__file__).parents[2]) as writer:
        seen = []
        while writer.poll() is None:
            with Snapshot.open(store) as snapshot:
                table = snapshot.table()
                assert snapshot.vectors().shape == (table.num_rows, 16)
            generations = set(table["bytes"].to_pylist())
            assert len(generations) == 1
            generation = generations.pop()
            assert table.num_rows == (10 if generation == 100 else 10 + generation)
            seen.append(0 if generation == 100 else generation)
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert len(oracle.check(store).rows) == 50


@dataclass
class FailingDisk:
    """The n-th call of one operating-system function fails, and so do all after it."""

    name: str
    when: int
    number: int
    calls: int = 0

    def install(self, monkeypatch):
        real = getattr(os, self.name)

        def failing(*arguments, **options):
            self.calls += 1
            if self.calls >= self.when:
                raise OSError(self.number, os.strerror(self.number))
            return real(*arguments, **options)

        monkeypatch.setattr(os, self.name, failing)


def commit_on_failing_disk(store, batch, disk):
    with pytest.MonkeyPatch.context() as patch, writing(store) as writer:
        disk.install(patch)
        writer.commit(batch, rows.progress(11, 2))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(("name", "when"), [*(("fsync", n) for n in range(1, 9)), *(("link", n) for n in (1, 2, 3))])
def test_a_failing_disk_leaves_the_old_snapshot(store, name, when, number):
    """A commit that replaces rows: two shards, one file of refusals and a manifest are written."""
    before = oracle.check(store)
    batch = Batch(rows.table([4, 10], ids=[10, 11], seed=5), rows.refusals(["z"]), [4], [b"x.gif"])
    with pytest.raises(ResourceError) as caught:
        commit_on_failing_disk(store, batch, FailingDisk(name, when, number))
    assert os.strerror(number) in str(caught.value)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert not [item for item in oracle.leftovers(store) if ".tmp-" in item]
    after = oracle.check(store)
    assert after.number == before.number
    oracle.assert_same_content(after, before)
    content = committed(store, batch, rows.progress(11, 2))
    assert content.ids[b"004.png"] == 10
    assert set(content.rejected) == {b"y.gif", b"z"}


def test_a_disk_that_fails_after_the_manifest_is_linked_has_committed(store):
    """The last fsync of a commit: the manifest is there, so the rows are; nothing is lost or doubled."""
    with pytest.raises(ResourceError):
        commit_on_failing_disk(store, Batch(rows=rows.table([10], seed=5)), FailingDisk("fsync", 6, errno.EIO))
    assert len(oracle.check(store).rows) == 11


def test_a_number_published_by_somebody_else_is_a_conflict(store):
    """A file system whose locks do not work: create-if-absent still keeps two writers apart."""
    with writing(store) as writer:
        taken = layout.manifest_path(store, writer.manifest.number + 1)
        taken.write_bytes(b"somebody else's")
        with pytest.raises(LockedError, match="another process published snapshot 3"):
            writer.commit(Batch(drop_ids=[1]), rows.progress(9, 2))
        assert taken.read_bytes() == b"somebody else's"
        taken.unlink()


def test_a_run_that_fails_before_its_first_commit_leaves_nothing(tmp_path):
    path = tmp_path / "store"
    with pytest.raises(RuntimeError), writing(path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_before_stays(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    with pytest.raises(RuntimeError), writing(path):
        raise RuntimeError
    with writing(path) as writer:
        writer.create(rows.SPECS, rows.SOURCE)
        writer.commit(Batch(rows=rows.table([0])), rows.progress(1))
    assert len(oracle.check(path).rows) == 1


def test_a_store_is_known_as_one_before_its_first_commit(tmp_path):
    """Inside the folder of images it must not be taken for images, even if its first run was cut off."""
    path = tmp_path / "store"
    with writing(path) as writer:
        assert layout.is_store(path)
        writer.create(rows.SPECS, rows.SOURCE)
        writer.commit(Batch(rows=rows.table([0])), rows.progress(1))
    assert layout.is_store(path)
    (path / ".lock").unlink()
    assert layout.is_store(path)
    assert not layout.is_store(tmp_path)
    assert not layout.is_store(tmp_path / "none")


@pytest.mark.parametrize("when", [1, 2, 3, 4])
def test_a_run_killed_while_making_the_folders_can_be_repeated(tmp_path, monkeypatch, when):
    path = tmp_path / "store"
    real = Path.mkdir
    calls = []

    def dying(folder, *arguments, **options):
        calls.append(folder)
        if len(calls) == when:
            raise KeyboardInterrupt
        real(folder, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", dying)
    with pytest.raises(KeyboardInterrupt), writing(path):
        pass
    monkeypatch.undo()
    assert oracle.check(rows.make(path)).complete


def test_a_folder_with_something_else_in_it_is_not_taken_over(tmp_path):
    path = tmp_path / "photos"
    path.mkdir()
    (path / "a.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists and is not a BigNet store"), writing(path):
        pass
    assert rows.names_in(path) == ["a.jpg"]


def test_a_file_is_not_a_store(tmp_path):
    path = tmp_path / "store"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is a file; choose"), writing(path):
        pass
    assert path.read_bytes() == b"mine"


def test_a_path_below_a_file_is_explained(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(ResourceError, match="part of the path is a file"), writing(tmp_path / "file" / "store"):
        pass


def test_dropped_shards_leave_a_gap_to_be_filled(store):
    name = manifest.newest(store).shards[0].name
    with writing(store) as writer:
        writer.drop_shards([f"shards/{name}"])
    content = oracle.check(store)
    assert not content.complete
    assert set(content.ids.values()) == set(range(5, 10))
    assert manifest.newest(store).counts.pending == 5
    assert manifest.newest(store).next_id == 10
    assert oracle.leftovers(store) == []


def test_nothing_done_leaves_every_byte(store):
    before = {name: (store / name).read_bytes() for name in rows.names_in(store)}
    with writing(store):
        pass
    assert {name: (store / name).read_bytes() for name in rows.names_in(store)} == before


def test_staged_shards_exist_once_a_commit_publishes_them_all(tmp_path):
    path = tmp_path / "store"
    with writing(path) as writer:
        writer.create(rows.SPECS, rows.SOURCE)
        for numbers, names in (([0, 1], ["x"]), ([2], []), ([3, 4], ["y"])):
            writer.stage(Batch(rows.table(numbers), rows.refusals(names) if names else None))
        assert oracle.manifests(path) == []
        writer.commit(Batch(), rows.progress(5, 2))
    content = oracle.check(path)
    assert set(content.ids.values()) == set(range(5))
    assert set(content.rejected) == {b"x", b"y"}
    assert content.number == 1
    assert (len(manifest.newest(path).shards), manifest.newest(path).next_id) == (3, 5)


def stage_on_failing_disk(path, disk):
    with pytest.MonkeyPatch.context() as patch, writing(path) as writer:
        writer.create(rows.SPECS, rows.SOURCE)
        disk.install(patch)
        for number in range(9):
            writer.stage(Batch(rows.table([number])))


@pytest.mark.parametrize("there", [True, False])
def test_shards_that_were_staged_and_never_published_are_removed(tmp_path, there):
    path = tmp_path / "store"
    if there:
        path.mkdir()
    with pytest.raises(ResourceError, match="the disk is full"):
        stage_on_failing_disk(path, FailingDisk("fsync", 12, errno.ENOSPC))
    assert [name for name in rows.names_in(path) if name.endswith(".parquet")] == []
    assert path.exists() == there


def test_starting_over_replaces_every_row_in_one_step(store):
    before = oracle.check(store)
    with writing(store) as writer:
        writer.start_over()
        writer.stage(Batch(rows.table([3, 20], seed=7)))
        oracle.assert_same_content(oracle.check(store), before)
        writer.commit(Batch(), rows.progress(2))
    content = oracle.check(store)
    assert set(content.ids.values()) == {3, 20}
    assert content.rejected == {}
    assert oracle.leftovers(store) == []
