"""Shards: what is in the file, and that no flipped bit goes unseen."""

import dataclasses
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bignet.errors import IntegrityError
from bignet.store import shards
from bignet.store.snapshot import Snapshot
from bignet.store.verify import verify
from tests import oracle
from tests.store import rows

SCHEMA = shards.schema(rows.SPECS)


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "a.parquet"
    return path, shards.write(path, rows.table(range(50)))


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def split(data):
    """Number of bytes before the footer."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def test_vectors_are_fixed_size_lists_without_nulls(shard):
    stored = pq.read_schema(shard[0])
    for spec in rows.SPECS:
        found = stored.field(spec.name)
        assert pa.types.is_fixed_size_list(found.type)
        assert found.type.list_size == spec.dims
        assert found.type.value_type == pa.float32()
        assert not found.nullable
        assert not found.type.value_field.nullable
        assert found.metadata[b"bignet.fingerprint"] == spec.fingerprint.encode()
    assert [name for name in stored.names if stored.field(name).nullable] == ["label"]


def test_columns_have_neither_dictionary_nor_statistics(shard):
    described = pq.ParquetFile(shard[0]).metadata
    for group in range(described.num_row_groups):
        for number in range(described.num_columns):
            column = described.row_group(group).column(number)
            assert not column.has_dictionary_page
            assert not set(column.encodings) & {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
            assert not column.is_stats_set
            is_vector = column.path_in_schema.startswith(tuple(spec.name for spec in rows.SPECS))
            assert column.compression == ("UNCOMPRESSED" if is_vector else "ZSTD")


def test_pages_carry_checksums(shard):
    """Without them, a flipped bit in a vector reads as another number."""
    path, record = shard
    data = path.read_bytes()
    value = np.asarray(shards.read(path, record, SCHEMA)["head.gap"][7].as_py(), np.float32).tobytes()
    position = data.index(value) + 5
    path.write_bytes(flipped(data, 8 * position + 6))
    with pq.ParquetFile(path) as unchecked:
        assert unchecked.read().num_rows == 50
    with pytest.raises(OSError, match="CRC"), pq.ParquetFile(path, page_checksum_verification=True) as checked:
        checked.read()
    with pytest.raises(IntegrityError, match=r"a\.parquet is damaged.*--repair"):
        shards.read(path, record, SCHEMA)


def test_writing_the_same_rows_gives_the_same_bytes(tmp_path):
    first, second = (shards.write(tmp_path / name, rows.table(range(9))) for name in ("a.parquet", "b.parquet"))
    assert (first.sha256, first.n_bytes) == (second.sha256, second.n_bytes)


def test_reading_gives_what_was_written(shard):
    path, record = shard
    assert shards.read(path, record, SCHEMA).equals(rows.table(range(50)))
    some = shards.read(path, record, SCHEMA, ["head.gap", "id"])
    assert some.schema.names == ["head.gap", "id"]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_matrix_gives_the_numbers_back(dtype):
    spec = dataclasses.replace(rows.GAP, dtype=dtype)
    values = np.random.default_rng(0).standard_normal((5, spec.dims)).astype(dtype)
    column = pa.chunked_array([shards.vector_array(values[:2], spec), shards.vector_array(values[2:], spec)])
    out = np.zeros((5, spec.dims), np.float32)
    shards.matrix(column, out)
    np.testing.assert_array_equal(out, values.astype(np.float32))


@pytest.mark.parametrize("where", ["body", "footer"])
def test_every_single_flipped_bit_is_found(tmp_path, where):
    """Fifty of each: verify names the shard; reading refuses it or, the bit meaning nothing, gives the same rows."""
    store = rows.make(tmp_path / "store", n_rows=60, n_shards=2)
    with Snapshot.open(store) as snapshot:
        record = snapshot.manifest.shards[1]
        path = store / "shards" / record.name
        data = path.read_bytes()
        good = snapshot.table()
        first, last = (0, split(data)) if where == "body" else (split(data), len(data))
        n_refused = 0
        for bit in random.Random(where).sample(range(8 * first, 8 * last), 50):
            path.write_bytes(flipped(data, bit))
            verdict = verify(snapshot)
            assert [finding.file for finding in verdict.findings] == [f"shards/{record.name}"], bit
            try:
                assert snapshot.table().equals(good), bit
            except IntegrityError as error:
                assert record.name in str(error)  # noqa: PT017 - refusing is one of the two right outcomes
                n_refused += 1
    assert n_refused >= (45 if where == "body" else 25)


def test_a_flipped_bit_of_a_vector_is_never_read(tmp_path):
    """Plain reading alone: every bit of this row's vector, without the help of the digest."""
    path = tmp_path / "a.parquet"
    record = shards.write(path, rows.table(range(3)))
    data = path.read_bytes()
    value = np.asarray(shards.read(path, record, SCHEMA)["head.gap"][1].as_py(), np.float32).tobytes()
    position = data.index(value)
    for bit in range(8 * position, 8 * (position + len(value))):
        path.write_bytes(flipped(data, bit))
        with pytest.raises(IntegrityError):
            shards.read(path, record, SCHEMA, ["head.gap"])


@pytest.mark.parametrize("n_lost", [1, 8, 100, 10**9])
def test_a_shard_cut_short_is_refused_with_its_size(shard, n_lost):
    path, record = shard
    path.write_bytes(path.read_bytes()[:-n_lost])
    with pytest.raises(IntegrityError, match=f"{record.n_bytes:,} were written"):
        shards.read(path, record, SCHEMA)


def test_a_missing_shard_is_named(store):
    name = next(iter((store / "shards").iterdir())).name
    (store / "shards" / name).unlink()
    with Snapshot.open(store) as snapshot:
        assert [(item.file, item.problem) for item in verify(snapshot).findings] == [
            (f"shards/{name}", "the file is missing")
        ]
        with pytest.raises(IntegrityError, match=f"{name} is missing"):
            snapshot.vectors()


def test_swapped_shards_are_both_named(tmp_path):
    store = rows.make(tmp_path / "store", n_rows=10, n_shards=2)
    first, second = sorted((store / "shards").iterdir())
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    with Snapshot.open(store) as snapshot:
        found = {finding.file for finding in verify(snapshot).findings}
    assert found == {f"shards/{first.name}", f"shards/{second.name}"}


def test_a_shard_of_another_store_is_named(tmp_path):
    store = rows.make(tmp_path / "store", n_rows=10, n_shards=1)
    with Snapshot.open(store) as snapshot:
        record = snapshot.manifest.shards[0]
        shards.write(tmp_path / "foreign.parquet", rows.table(range(10), seed=99))
        (tmp_path / "foreign.parquet").replace(store / "shards" / record.name)
        assert [finding.file for finding in verify(snapshot).findings] == [f"shards/{record.name}"]


def test_a_shard_of_the_same_size_from_elsewhere_is_refused_when_it_is_read(tmp_path):
    """Its pages are sound, only it is not the one."""
    stores = [rows.make(tmp_path / name, n_rows=10, n_shards=1, names=()) for name in ("a", "b")]
    mine, foreign = (next((store / "shards").iterdir()) for store in stores)
    assert len(mine.read_bytes()) == len(foreign.read_bytes())
    mine.write_bytes(foreign.read_bytes())
    with Snapshot.open(stores[0]) as snapshot:
        with pytest.raises(IntegrityError, match=f"{mine.name} is another, .*/{foreign.name}, and this is store"):
            snapshot.vectors()
        assert [finding.file for finding in verify(snapshot).findings] == [f"shards/{mine.name}"]


def test_a_shard_in_the_place_of_another_of_its_store_is_refused(tmp_path):
    first, second = (tmp_path / name for name in ("a.parquet", "b.parquet"))
    record = shards.write(first, rows.table(range(5)), "store")
    shards.write(second, rows.table(range(5)), "store")
    second.replace(first)
    with pytest.raises(IntegrityError, match=r"a\.parquet is another, store/b\.parquet, and this is store store"):
        shards.read(first, record, SCHEMA, owner="store")


def test_a_shard_that_does_not_say_of_which_store_it_is_is_read(shard):
    path, record = shard
    assert shards.read(path, record, SCHEMA, owner="some store").num_rows == 50


def test_a_folder_in_place_of_a_shard_is_named(store):
    path = sorted((store / "shards").iterdir())[0]
    path.unlink()
    path.mkdir()
    with Snapshot.open(store) as snapshot:
        assert verify(snapshot).findings[0].file == f"shards/{path.name}"
        with pytest.raises(IntegrityError, match=path.name):
            snapshot.table()


def test_other_columns_than_the_manifest_says_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    record = shards.write(path, rows.table(range(3), specs=(rows.GAP,)))
    with pytest.raises(IntegrityError, match="other columns than were written"):
        shards.read(path, record, SCHEMA)
    with pytest.raises(IntegrityError, match="other columns than were written"):
        shards.read(path, record, SCHEMA, ["body.gem3"])
    shards.read(path, record, SCHEMA, ["head.gap"])


def test_verify_finds_nothing_wrong_with_a_good_store(store):
    with Snapshot.open(store) as snapshot:
        verdict = verify(snapshot)
    assert verdict.ok
    assert (verdict.embedded, verdict.rejected, verdict.n_files) == (10, 2, 3)
    assert verdict.n_bytes == sum(item.stat().st_size for item in store.rglob("*.parquet"))
    oracle.check(store)
