import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from bignet.errors import BigNetError, IntegrityError, MismatchError, ResourceError, UsageError
from bignet.index import disk, identity
from bignet.index.search import Index
from bignet.store.snapshot import Snapshot
from tests.index.stores import SPECS, clustered, extend, index, make, vectors_of

ROOT = Path(__file__).parents[2]
QUERY = vectors_of(77, 1)[0]


@pytest.fixture
def store(tmp_path):
    """A snapshot of 40 rows with an index of its first embedding."""
    snapshot = make(tmp_path / "store", ids=range(100, 140))
    index(snapshot)
    return snapshot


@pytest.fixture
def faiss_reads_nothing(monkeypatch):
    def fail(*_):
        pytest.fail("FAISS was given unchecked bytes")

    monkeypatch.setattr(faiss, "read_index", fail)


def folder(snapshot, name="head.gap"):
    return disk.folder_of(snapshot, name)


def index_file(snapshot):
    return folder(snapshot) / identity.load(folder(snapshot)).file


def answers(index):
    found = index.search(QUERY, 10)
    return found.ids.tolist(), found.scores.tolist()


def test_an_index_answers_as_the_store_does(store):
    built = disk.open_index(store)
    exact = Index.exact(store.vectors(), store.ids())
    assert answers(built) == answers(exact)
    assert len(built) == 40
    assert built.dims == 16


def test_each_embedding_has_its_own(store):
    assert disk.exists(store)
    assert not disk.exists(store, "head.max")
    index(store, "head.max")
    assert answers(disk.open_index(store, "head.max")) == answers(Index.exact(store.vectors("head.max"), store.ids()))
    assert answers(disk.open_index(store)) != answers(disk.open_index(store, "head.max"))


def test_the_record_says_what_it_is_of(store):
    record = identity.load(folder(store))
    assert (record.store_uuid, record.snapshot) == (store.manifest.store_uuid, store.manifest.number)
    assert (record.embedding, record.fingerprint) == ("head.gap", SPECS[0].fingerprint)
    assert (record.rows, record.dims, record.metric, record.kind) == (40, 16, "cosine", "flat")
    assert record.n_bytes == index_file(store).stat().st_size


def test_the_folder_holds_the_index_and_its_record_and_no_more(store):
    first = index_file(store)
    record = index(store)
    assert {item.name for item in folder(store).iterdir()} == {record.file, identity.FILE_NAME}
    assert not first.exists()


def test_leftovers_of_a_crash_are_removed_by_the_next_build(store):
    (folder(store) / ".tmp-1-index-00.faiss").write_bytes(b"half")
    (folder(store) / "index-00.faiss").write_bytes(b"never published")
    index(store)
    assert len(list(folder(store).iterdir())) == 2


def mutations(data):
    rng = np.random.default_rng(0)
    for _ in range(30):
        place, bit = int(rng.integers(len(data))), int(rng.integers(8))
        yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
    for length in rng.integers(0, len(data), 10):
        yield data[:length]
    for _ in range(10):
        start = int(rng.integers(len(data) - 8))
        if any(data[start : start + 8]):
            yield data[:start] + bytes(8) + data[start + 8 :]
    for n_bytes in (1, 8, 500):
        yield data + bytes(n_bytes)
        yield rng.bytes(n_bytes)
    yield rng.bytes(len(data))
    yield b"IxM2" + rng.bytes(len(data))


@pytest.mark.usefixtures("faiss_reads_nothing")
def test_every_altered_file_is_refused_before_faiss_reads_it(store):
    path = index_file(store)
    whole = path.read_bytes()
    tried = list(mutations(whole))
    assert len(tried) >= 50
    for data in tried:
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match=r"was altered: its SHA-256 .* build it again with: bignet index"):
            disk.open_index(store)


@pytest.mark.usefixtures("faiss_reads_nothing")
def test_a_missing_file_is_refused(store):
    index_file(store).unlink()
    with pytest.raises(IntegrityError, match=r"cannot be read \(No such file or directory\); build it again"):
        disk.open_index(store)


def test_an_altered_record_is_refused_or_changes_no_answer(store):
    path = folder(store) / identity.FILE_NAME
    whole = path.read_bytes()
    right = answers(disk.open_index(store))
    refused = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = answers(disk.open_index(store))
        except BigNetError:
            refused += 1
        else:
            assert found == right
    assert refused > 100


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"format_version": 1}', b"\xff\xfe", b'{"format_version": "x"}']
)
def test_a_damaged_record_is_refused(store, content):
    (folder(store) / identity.FILE_NAME).write_bytes(content)
    with pytest.raises(IntegrityError, match=r"index record .* cannot be read"):
        disk.open_index(store)


def test_a_record_of_a_later_version_asks_for_an_upgrade(store):
    path = folder(store) / identity.FILE_NAME
    path.write_text(json.dumps({"sha256": "", "index": {"format_version": 3}}))
    with pytest.raises(UsageError, match="has format 3, newer than this BigNet; upgrade bignet"):
        disk.open_index(store)


def test_a_record_of_an_earlier_version_asks_for_another_build(store):
    path = folder(store) / identity.FILE_NAME
    path.write_text(json.dumps({"sha256": "", "index": {"format_version": 1}}))
    with pytest.raises(
        UsageError, match="has format 1, older than this BigNet reads; build it again with: bignet index"
    ):
        disk.open_index(store)


def test_unknown_fields_of_a_record_are_passed_over(tmp_path):
    snapshot = make(tmp_path / "store", ids=range(1200), vectors_of=clustered)
    record = index(snapshot, kind="IVF16,Flat")
    path = folder(snapshot) / identity.FILE_NAME
    data = json.loads(path.read_text())["index"]
    for part in (data, data["tuning"], data["tuning"]["chosen"], *data["tuning"]["points"]):
        part["of_a_later_version"] = 1
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "index": data}))

    assert identity.load(folder(snapshot)) == record


@pytest.mark.usefixtures("faiss_reads_nothing")
def test_the_index_of_another_store_is_refused_by_both_names(store, tmp_path):
    other = make(tmp_path / "other", ids=range(100, 140))
    shutil.copytree(folder(store), folder(other))
    with pytest.raises(MismatchError) as caught:
        disk.open_index(other, stale_ok=True)
    assert store.manifest.store_uuid in str(caught.value)
    assert other.manifest.store_uuid in str(caught.value)


@pytest.mark.usefixtures("faiss_reads_nothing")
def test_the_index_of_another_embedding_is_refused_by_both_fingerprints(store):
    shutil.copytree(folder(store), folder(store, "head.max"))
    with pytest.raises(MismatchError) as caught:
        disk.open_index(store, "head.max", stale_ok=True)
    assert SPECS[0].fingerprint in str(caught.value)
    assert SPECS[1].fingerprint in str(caught.value)


def test_an_index_older_than_the_store_is_refused_unless_allowed(store):
    before = answers(disk.open_index(store))
    newer = extend(store.path, range(140, 150))
    with pytest.raises(MismatchError, match=r"of snapshot 1 \(40 rows\), the store is at snapshot 2 \(50 rows\)"):
        disk.open_index(newer)
    assert answers(disk.open_index(newer, stale_ok=True)) == before
    index(newer)
    assert answers(disk.open_index(newer)) == answers(Index.exact(newer.vectors(), newer.ids()))


def test_an_index_with_rows_that_are_gone_is_older_too(store):
    newer = extend(store.path, (), drop=[100])
    with pytest.raises(MismatchError, match="--stale-ok"):
        disk.open_index(newer)


def test_a_snapshot_of_the_same_rows_needs_no_new_index(store):
    newer = extend(store.path, ())
    assert newer.manifest.number == 2
    assert len(disk.open_index(newer)) == 40


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_disk_that_fails_leaves_the_old_index_answering(store, monkeypatch, code, when):
    before = answers(disk.open_index(store))
    newer = extend(store.path, range(140, 150))
    true_fsync, calls = os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == when:
            raise OSError(code, os.strerror(code))
        true_fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(ResourceError, match="cannot write the index"):
            index(newer)
    assert answers(disk.open_index(newer, stale_ok=True)) == before
    assert len(list(folder(newer).iterdir())) == 2
    index(newer)
    assert len(disk.open_index(newer)) == 50


def test_a_disk_that_fails_at_the_very_last_leaves_an_index_that_answers(store, monkeypatch):
    newer = extend(store.path, range(140, 150))
    true_fsync, calls = os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.EIO, "Input/output error")
        true_fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(ResourceError, match="cannot write the index"):
            index(newer)
    assert len(disk.open_index(newer)) == 50
    index(newer)
    assert len(list(folder(newer).iterdir())) == 2


def test_a_full_disk_is_one_line_and_leaves_the_old_index_answering(store):
    before = answers(disk.open_index(store))
    code = (
        "import resource, sys\n"
        "from bignet.errors import ResourceError\n"
        "from tests.index.stores import index\n"
        "from bignet.store.snapshot import Snapshot\n"
        "snapshot = Snapshot.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    index(snapshot)\n"
        "except ResourceError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(store.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "cannot write the index" in done.stdout
    assert "raise the limit and run the same command again" in done.stdout
    assert answers(disk.open_index(store)) == before
    assert len(list(folder(store).iterdir())) == 2


def test_a_store_without_rows_has_an_index_without_answers(tmp_path):
    snapshot = make(tmp_path / "empty", ids=())
    assert index(snapshot).rows == 0
    assert answers(disk.open_index(snapshot)) == ([], [])


def test_an_unknown_embedding_is_refused(store):
    for act in (index, disk.open_index, disk.exists):
        with pytest.raises(UsageError, match=r"embedding 'head\.avg' is not in .*; it has: .*'head\.gap'"):
            act(store, "head.avg")


def test_opening_without_an_index_says_how_to_build_one(tmp_path):
    snapshot = make(tmp_path / "bare")
    with pytest.raises(IntegrityError, match=f"build it again with: bignet index {snapshot.path} --embedding head.gap"):
        disk.open_index(snapshot)


def test_building_needs_no_torch(store):
    code = (
        "import sys; from bignet.index import disk\n"
        "from tests.index.stores import index; from bignet.store.snapshot import Snapshot\n"
        "snapshot = Snapshot.open(sys.argv[1]); index(snapshot); disk.open_index(snapshot)\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(store.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
    assert len(Snapshot.open(store.path)) == 40
