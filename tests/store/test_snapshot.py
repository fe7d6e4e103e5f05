"""Reading a store."""

import gc
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bignet.errors import IntegrityError, UsageError
from bignet.store import shards
from bignet.store.snapshot import Snapshot
from bignet.store.verify import verify
from bignet.store.writer import Batch, writing
from tests import oracle
from tests.store import rows


def test_vectors_are_those_written_in_row_order(store):
    written = pa.concat_tables([rows.table(range(5), seed=0), rows.table(range(5, 10), seed=1)])
    with Snapshot.open(store) as snapshot:
        for spec in rows.SPECS:
            expected = np.array(written[spec.name].to_pylist(), np.float32)
            found = snapshot.vectors(spec.name)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(snapshot.vectors(), snapshot.vectors("head.gap"))
        assert snapshot.table().equals(written)
        assert len(snapshot) == 10


@pytest.mark.parametrize("wanted", [[], [0], [9, 0, 9], [4, 5], [7, 2, 6, 1]])
def test_vectors_at_rows_are_those_rows(store, wanted):
    with Snapshot.open(store) as snapshot:
        for spec in rows.SPECS:
            np.testing.assert_array_equal(snapshot.vectors_at(wanted, spec.name), snapshot.vectors(spec.name)[wanted])


def test_vectors_at_reads_only_the_shards_they_are_in(store):
    with Snapshot.open(store) as snapshot:
        (store / "shards" / snapshot.manifest.shards[0].name).unlink()
        assert snapshot.vectors_at([7]).shape == (1, 16)
        with pytest.raises(IntegrityError):
            snapshot.vectors_at([7, 2])


def test_metadata_gives_the_columns_asked_for_in_that_order(store):
    with Snapshot.open(store) as snapshot:
        assert snapshot.metadata().schema.names == list(shards.METADATA_COLUMNS)
        some = snapshot.metadata(["path", "id"])
        assert some.schema.names == ["path", "id"]
        assert some["path"].to_pylist()[:2] == [b"000.png", b"001.png"]
        np.testing.assert_array_equal(snapshot.ids(), np.arange(10))


def test_an_unknown_column_or_embedding_is_named_with_those_there_are(store):
    with Snapshot.open(store) as snapshot:
        with pytest.raises(UsageError, match=r"column 'size' is not in .*; it has: id, path"):
            snapshot.metadata(["id", "size"])
        with pytest.raises(UsageError, match=r"embedding 'head.gpa' is not in .*head\.gap"):
            snapshot.vectors("head.gpa")


def test_a_part_of_a_store_is_read_where_that_is_allowed(store):
    with Snapshot.open(store) as snapshot:
        first, second = snapshot.manifest.shards
        (listed,) = snapshot.manifest.rejected
        expected = snapshot.table().slice(first.rows)
    path = store / "shards" / first.name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    (store / "rejected" / listed.name).unlink()
    with Snapshot.open(store, allow_partial=True) as partial:
        assert partial.table().equals(expected)
        assert len(partial) == second.rows
        assert partial.rejected().num_rows == 0
        assert (partial.left_out.rows, partial.left_out.of_rows) == (5, 10)
        assert [item.file for item in partial.left_out.files] == [f"shards/{first.name}", f"rejected/{listed.name}"]
        assert str(partial.left_out).startswith("5 of 10 rows are left out (shards/")


def test_a_whole_store_is_read_as_ever_where_a_part_would_be_allowed(store):
    with Snapshot.open(store, allow_partial=True) as snapshot:
        assert snapshot.left_out is None
        assert len(snapshot) == 10


def test_a_store_of_which_nothing_is_left_is_empty_and_says_what_is_missing(store):
    for path in (store / "shards").iterdir():
        path.unlink()
    with Snapshot.open(store, allow_partial=True) as partial:
        assert (len(partial), partial.left_out.rows) == (0, 10)


def test_rejected_files_are_a_table_of_their_own(store):
    with Snapshot.open(store) as snapshot:
        assert snapshot.rejected().equals(rows.refusals(["x.gif", "y.gif"]))


def test_a_store_without_rows_reads_as_empty(tmp_path):
    with writing(tmp_path / "store") as writer:
        writer.create(rows.SPECS, rows.SOURCE)
        writer.commit(Batch(rejected=rows.refusals(["a"])), rows.progress(0, 1))
    with Snapshot.open(tmp_path / "store") as snapshot:
        assert len(snapshot) == 0
        assert snapshot.vectors().shape == (0, 16)
        assert snapshot.vectors_at([]).shape == (0, 16)
        assert snapshot.table().schema.equals(shards.schema(rows.SPECS))
        assert snapshot.table().num_rows == 0
        assert snapshot.ids().dtype == np.int64
        assert verify(snapshot).ok
    assert oracle.check(tmp_path / "store").rejected == {b"a": "corrupt"}


def test_a_store_of_one_row_reads_as_one(tmp_path):
    store = rows.make(tmp_path / "store", n_rows=1, n_shards=1, names=())
    with Snapshot.open(store) as snapshot:
        assert snapshot.vectors().shape == (1, 16)
        assert snapshot.rejected().num_rows == 0
        assert verify(snapshot).ok


def test_any_parquet_reader_reads_the_folder_of_shards(store):
    """After a complete run the folder holds what the snapshot holds, no more."""
    raw = pq.read_table(store / "shards").sort_by("id")
    with Snapshot.open(store) as snapshot:
        expected = snapshot.table().sort_by("id")
    assert raw.schema.names == expected.schema.names
    assert raw.equals(expected)


def test_any_parquet_reader_reads_the_folder_after_rows_were_replaced(store):
    with writing(store) as writer:
        writer.commit(Batch(rows=rows.table([3, 8], ids=[20, 21], seed=7), drop_ids=[3, 8, 9]), rows.progress(9, 2))
    raw = pq.read_table(store / "shards").sort_by("id")
    with Snapshot.open(store) as snapshot:
        assert raw.equals(snapshot.table().sort_by("id"))
        assert sorted(raw["id"].to_pylist()) == [0, 1, 2, 4, 5, 6, 7, 20, 21]


def test_a_closed_snapshot_holds_nothing_open(store):
    gc.collect()  # what other tests left
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names suffice
    with Snapshot.open(store) as snapshot:
        snapshot.table()
    left_to_the_collector = Snapshot.open(store)
    del left_to_the_collector
    gc.collect()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_images_are_looked_for_where_they_were_or_beside_the_store(tmp_path):
    store = rows.make(tmp_path / "store", n_shards=1)
    with Snapshot.open(store) as snapshot:
        assert str(snapshot.image_root()) == "/nowhere/images"
        (tmp_path / "images").mkdir()
        assert snapshot.image_root() == tmp_path / "images"
        (tmp_path / "elsewhere").mkdir()
        assert snapshot.image_root(tmp_path / "elsewhere") == tmp_path / "elsewhere"
        with pytest.raises(UsageError, match="is not a folder"):
            snapshot.image_root(tmp_path / "nowhere")


def test_reading_writes_nothing(store):
    before = {name: ((store / name).stat().st_mtime_ns, (store / name).read_bytes()) for name in rows.names_in(store)}
    with Snapshot.open(store) as snapshot:
        snapshot.table()
        verify(snapshot)
    after = {name: ((store / name).stat().st_mtime_ns, (store / name).read_bytes()) for name in rows.names_in(store)}
    assert after == before
