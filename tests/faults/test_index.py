"""Index files that are not what they were, or not of this store; queries that are none; shards that were altered."""

import json
import shutil
import subprocess
import sys

import faiss
import numpy as np
import pytest

from bignet.errors import BigNetError, IntegrityError, MismatchError, UsageError
from bignet.index import disk, grow, identity
from bignet.index.build import IndexSettings
from bignet.index.search import Index
from bignet.index.tuning import Aim
from bignet.store import layout
from bignet.store.snapshot import Snapshot
from tests.faults.harness import ROOT, injected
from tests.index.conftest import quick_indexes as quick_indexes
from tests.index.stores import clustered, extend, index, make, vectors_of

AIM = Aim(0.8, 10)
KINDS = ("flat", "hnsw", "IVF16,Flat", "bits:itq:16", "IVF16,SQ8")
MUTATIONS = 60
QUERY = clustered(9, 1)[0]


@pytest.fixture(scope="module", params=KINDS)
def indexed(request, tmp_path_factory):
    """A store with an index of that kind, and where the index file and its record are."""
    snapshot = make(tmp_path_factory.mktemp("indexed") / "store", ids=range(1200), vectors_of=clustered)
    record = index(snapshot, kind=request.param, aim=AIM)
    folder = disk.folder_of(snapshot, "head.gap")
    return snapshot, folder / record.file, folder / identity.FILE_NAME


def mutated(data, number):
    """A flipped bit, a part cut off, zeros, noise, a header that claims far more than there is."""
    rng = np.random.default_rng(number)
    place = int(rng.integers(len(data) - 64))
    kind = number % 5
    if kind == 0:
        return data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + 1 :]
    if kind == 1:
        return data[:place]
    if kind == 2:
        return data[:place] + bytes(64) + data[place + 64 :] + b"\0"
    if kind == 3:
        return data[:place] + rng.bytes(64) + data[place + 64 :]
    return data[:4] + rng.integers(1 << 60, 1 << 62, 4).tobytes() + data[36:]


@pytest.fixture
def unread(monkeypatch):
    """FAISS is to see no byte."""
    for name in ("read_index", "deserialize_index", "read_index_binary"):
        monkeypatch.setattr(faiss, name, lambda *_: pytest.fail("FAISS was given unchecked bytes"))


@pytest.mark.usefixtures("unread")
def test_every_mutated_index_file_is_refused_before_faiss_reads_it(indexed):
    snapshot, path, _ = indexed
    whole = path.read_bytes()
    try:
        for number in range(MUTATIONS):
            path.write_bytes(mutated(whole, number))
            with pytest.raises(IntegrityError, match="was altered: its SHA-256 does not match"):
                disk.open_index(snapshot)
            injected()
    finally:
        path.write_bytes(whole)


def test_a_mutated_record_is_refused_or_says_the_same(indexed):
    _, _, path = indexed
    whole = path.read_bytes()
    record = identity.load(path.parent)
    try:
        for number in range(MUTATIONS):
            path.write_bytes(mutated(whole, number))
            try:
                found = identity.load(path.parent)
            except BigNetError:
                injected()
            else:
                assert found == record
    finally:
        path.write_bytes(whole)


@pytest.mark.usefixtures("unread")
def test_an_index_of_another_store_embedding_or_model_is_refused_with_both_sides(indexed, tmp_path):
    snapshot, path, _ = indexed
    record = identity.load(path.parent)
    other = make(tmp_path / "other", ids=range(1200), vectors_of=clustered)
    shutil.copytree(path.parent, disk.folder_of(other, "head.gap"))
    with pytest.raises(MismatchError) as caught:
        disk.open_index(other, stale_ok=True)
    assert snapshot.manifest.store_uuid in str(caught.value)
    assert other.manifest.store_uuid in str(caught.value)
    second = disk.folder_of(snapshot, "head.max")
    try:
        shutil.copytree(path.parent, second)
        with pytest.raises(MismatchError, match=record.fingerprint):
            disk.open_index(snapshot, "head.max", stale_ok=True)
    finally:
        shutil.rmtree(second)
    injected(2)


@pytest.mark.usefixtures("unread")
def test_an_index_file_of_another_embedding_under_this_ones_record_is_refused(indexed):
    snapshot, path, _ = indexed
    whole = path.read_bytes()
    record = identity.load(path.parent)
    index(snapshot, "head.max", kind=record.kind, aim=AIM)
    other = disk.folder_of(snapshot, "head.max")
    try:
        path.write_bytes((other / identity.load(other).file).read_bytes())
        with pytest.raises(IntegrityError, match="was altered"):
            disk.open_index(snapshot)
        injected()
    finally:
        path.write_bytes(whole)
        shutil.rmtree(other)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_an_older_snapshot_answers_only_when_told_to(tmp_path, kind):
    snapshot = make(tmp_path / "store", ids=range(1200), vectors_of=clustered)
    index(snapshot, kind=kind, aim=AIM)
    newer = extend(snapshot.path, range(1200, 1210), drop=range(10), vectors_of=clustered)
    with pytest.raises(MismatchError, match=r"of snapshot 1 \(1,200 rows\), the store is at snapshot 2"):
        disk.open_index(newer)
    found = disk.open_index(newer, stale_ok=True).search(QUERY, 2000).ids
    assert set(found.tolist()) == set(range(10, 1200))
    injected()


@pytest.mark.parametrize("place", range(0, 100, 2))
def test_a_shard_with_a_flipped_bit_is_never_indexed_or_searched(tmp_path, place):
    snapshot = make(tmp_path / "store", ids=range(60))
    path = snapshot.path / layout.SHARDS / snapshot.manifest.shards[0].name
    data = bytearray(path.read_bytes())
    data[len(data) * place // 100] ^= 1 << (place % 8)
    path.write_bytes(data)
    injected()
    with Snapshot.open(snapshot.path) as opened:
        refusal = refusal_of(lambda: grow.bring_up_to_date(opened, "head.gap", IndexSettings("flat")))
        if refusal is None:  # the bit is in a column that an index does not read
            found = disk.open_index(opened).search(QUERY, 60)
            assert found.ids.tolist() == Index.exact(vectors_of(0, 60), np.arange(60)).search(QUERY, 60).ids.tolist()
        else:
            assert path.name in refusal


def refusal_of(act):
    """What an IntegrityError says; None if there is none."""
    try:
        act()
    except IntegrityError as error:
        return str(error)
    return None


CODE = """
import sys
import numpy as np
from bignet.errors import BigNetError
from bignet.index import disk
from bignet.store.snapshot import Snapshot
index = disk.open_index(Snapshot.open(sys.argv[1]))
good = np.ones(16, np.float32)
bad = [(np.ones(15, np.float32), 1), (np.ones((1, 16), np.float32), 1), (good, 0), (good, -1)]
bad += [(np.full(16, value, np.float32), 1) for value in (np.nan, np.inf, 0)]
for query, k in bad:
    try:
        print("answered", index.search(query, k))
    except BigNetError as error:
        print("refused", error)
for k in (1, 1199, 1200, 1201, 10**6):
    found = index.search(good, k)
    ids = set(found.ids.tolist())
    print("all there" if len(found.ids) == len(ids) == min(k, 1200) and min(ids) >= 0 else "WRONG", k)
"""


def test_misuse_is_answered_alike_with_and_without_assertions(indexed):
    snapshot, *_ = indexed
    outputs = []
    for flags in ([], ["-O"]):
        command = [sys.executable, *flags, "-c", CODE, str(snapshot.path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("refused") == 7
    assert outputs[0].count("all there") == 5
    injected(14)


def test_a_store_without_rows_and_one_of_a_single_row_have_no_wrong_answer(tmp_path):
    empty = make(tmp_path / "empty", ids=())
    index(empty, kind="flat")
    assert len(disk.open_index(empty).search(QUERY, 5).ids) == 0
    assert disk.open_index(empty).search_many(QUERY[None], 5)[0].shape == (1, 0)
    single = make(tmp_path / "single", ids=[7])
    index(single, kind="flat")
    assert disk.open_index(single).search(QUERY, 5).ids.tolist() == [7]


@pytest.mark.parametrize("kind", ["hnsw", "bits:itq:16"])
def test_a_full_disk_leaves_the_old_index_answering(tmp_path, kind):
    snapshot = make(tmp_path / "store", ids=range(1200), vectors_of=clustered)
    record = index(snapshot, kind=kind, aim=AIM)
    before = disk.open_index(snapshot).search(QUERY, 10).ids.tolist()
    code = (
        "import faiss, resource, sys\n"
        "from bignet.index import cores, tune\n"
        "tune._SINGLE, cores.use_them = 4, lambda: faiss.omp_set_num_threads(1)\n"
        "from bignet.errors import ResourceError\n"
        "from bignet.store.snapshot import Snapshot\n"
        "from bignet.index.tuning import Aim\n"
        "from tests.index.stores import index\n"
        "snapshot = Snapshot.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))\n"
        "try:\n"
        "    index(snapshot, kind=sys.argv[2], aim=Aim(0.8, 10))\n"
        "except ResourceError as error:\n"
        "    print(error)\n"
    )
    for limit in (1000, record.n_bytes - 30):
        command = [sys.executable, "-c", code, str(snapshot.path), kind, str(limit)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        assert "cannot write the index" in done.stdout
        assert disk.open_index(snapshot).search(QUERY, 10).ids.tolist() == before
        assert len(list(disk.folder_of(snapshot, "head.gap").iterdir())) == 2
        injected()


def test_a_record_or_a_manifest_of_a_later_version_is_refused_and_says_what_to_do(tmp_path):
    snapshot = make(tmp_path / "store")
    index(snapshot, kind="flat")
    path = disk.folder_of(snapshot, "head.gap") / identity.FILE_NAME
    wrapper = json.loads(path.read_text())
    wrapper["index"]["format_version"] += 1
    path.write_text(json.dumps(wrapper))
    with pytest.raises(UsageError, match="newer than this BigNet; upgrade bignet"):
        disk.open_index(snapshot)
    injected()
