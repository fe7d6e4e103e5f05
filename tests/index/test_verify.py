"""Indexes as `bignet verify` sees them: what is damage, what is a note, what is neither."""

import shutil

import pytest

from bignet.index import identity
from bignet.index.verify import with_indexes
from bignet.store.verify import verify
from tests.index.stores import extend, index, make


@pytest.fixture
def store(tmp_path):
    """A snapshot of 40 rows with an index of each of its embeddings."""
    snapshot = make(tmp_path / "store")
    index(snapshot)
    index(snapshot, "head.max")
    return snapshot


def checked(snapshot):
    return with_indexes(verify(snapshot), snapshot)


def folder(snapshot, name="head.gap"):
    return snapshot.path / "index" / name


def said(found):
    return [(item.file, item.problem) for item in found]


def test_sound_indexes_are_counted_and_nothing_is_said(store):
    plain, found = verify(store), checked(store)
    files = [folder(store, name) / identity.load(folder(store, name)).file for name in ("head.gap", "head.max")]

    assert (found.ok, found.notes, found.n_indexes) == (True, (), 2)
    assert found.n_files == plain.n_files + 2
    assert found.n_bytes == plain.n_bytes + sum(path.stat().st_size for path in files)


def test_a_store_without_indexes_is_as_it_was(tmp_path):
    snapshot = make(tmp_path / "bare")

    assert checked(snapshot) == verify(snapshot)


def test_one_changed_byte_of_an_index_is_a_finding_with_its_mend(store):
    path = folder(store, "head.max") / identity.load(folder(store, "head.max")).file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    (finding,) = checked(store).findings

    assert (finding.file, finding.problem) == (
        f"index/head.max/{path.name}",
        "its bytes differ from what was written (SHA-256)",
    )
    assert finding.mend == ("bignet", "index", str(store.path), "--embedding", "head.max")


def test_a_record_that_names_a_missing_file_is_a_finding(store):
    path = folder(store) / identity.load(folder(store)).file
    path.unlink()

    assert said(checked(store).findings) == [(f"index/head.gap/{path.name}", "the file is missing")]


def test_an_altered_record_is_a_finding_and_its_file_no_leftover(store):
    path = folder(store) / identity.FILE_NAME
    path.write_text(path.read_text().replace('"rows": 40', '"rows": 41'))
    found = checked(store)

    assert said(found.findings) == [("index/head.gap/index.json", "the record is not as written")]
    assert found.notes == ()


def test_an_index_of_another_store_is_a_finding(store, tmp_path):
    other = make(tmp_path / "other")
    shutil.copytree(folder(store), folder(other))
    ((file, problem),) = said(checked(other).findings)

    assert file == "index/head.gap"
    assert problem.startswith(f"of another store: it belongs to store {store.manifest.store_uuid}, ")


def test_an_index_older_than_the_store_is_a_note(store):
    newer = extend(store.path, range(40, 50))
    index(newer, "head.max")
    found = checked(newer)

    assert found.ok
    assert [note.file for note in found.notes] == ["index/head.gap"]
    assert found.notes[0].problem.startswith("older than the store: it has the 40 rows of snapshot 1, ")
    assert found.notes[0].mend == ("bignet", "index", str(store.path))


def test_what_nobody_reads_is_a_note(store):
    (folder(store) / ".tmp-1-index-00.faiss").write_bytes(b"half")
    shutil.copytree(folder(store), folder(store, "head.gone"))
    (folder(store, "head.max") / identity.FILE_NAME).unlink()
    stray = identity.load(folder(store)).file
    found = checked(store)

    assert found.ok
    assert found.notes[0].file == "index/head.gap/.tmp-1-index-00.faiss"
    assert found.notes[1].file == "index/head.gone"
    assert "no such embedding" in found.notes[1].problem
    assert [note.file.rpartition("/")[0] for note in found.notes[2:]] == ["index/head.max"]
    assert stray not in {note.file for note in found.notes}


def test_where_the_store_itself_is_damaged_its_indexes_are_not_blamed(store):
    shard = next((store.path / "shards").iterdir())
    shard.unlink()
    found = checked(store)

    assert [finding.file for finding in found.findings] == [f"shards/{shard.name}"]
    assert {note.problem for note in found.notes} == {"not compared with the store: the store itself is damaged"}
