import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bignet.errors import UsageError
from bignet.index import disk, identity, kinds, tune
from bignet.index.search import Index
from bignet.index.tuning import Aim
from tests.index.stores import clustered, index, make

KINDS = (
    "hnsw",
    "ivf",
    "bits:sign",
    "bits:lsh:16",
    "bits:itq:16",
    "bits:rabitq",
    "IVF32,SQ8",
    "IVF32,SQ8,RFlat",
    "IVF8,PQ8x4",
    "IVF8,PQ8x4fs",
    "PCA8,Flat",
    "HNSW16",
    "LSH",
    "SQfp16",
)
AIM = Aim(0.9, 10)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return make(tmp_path_factory.mktemp("kinds") / "store", ids=range(500, 3500), vectors_of=clustered)


@pytest.fixture(scope="module")
def exact(snapshot):
    return Index.exact(snapshot.vectors(), snapshot.ids())


@pytest.fixture(scope="module", params=KINDS)
def built(request, snapshot):
    record = index(snapshot, kind=request.param, aim=AIM)
    return record, disk.open_index(snapshot)


def recalls(found, exact, queries, k=10):
    _, scores = found.search_many(queries, k)
    _, wanted = exact.search_many(queries, k)
    return (scores >= wanted[:, -1:] - 1e-6).mean(axis=1)


def test_fresh_queries_find_what_the_record_promises(built, exact):
    record, found = built
    assert record.tuning.met
    assert record.tuning.recall_low >= AIM.recall
    assert recalls(found, exact, clustered(77, 400)).mean() >= record.tuning.recall_low


def test_scores_are_exact_and_ids_are_those_of_the_store(built, snapshot):
    _, found = built
    queries = clustered(78, 20)
    ids, scores = found.search_many(queries, 10)
    rows = dict(zip(snapshot.ids().tolist(), snapshot.vectors(), strict=True))
    for query, some_ids, some_scores in zip(queries.astype(np.float64), ids, scores, strict=True):
        vectors = np.array([rows[number] for number in some_ids.tolist()], np.float64)
        cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
        np.testing.assert_allclose(some_scores, cosines, atol=1e-6)
        assert (np.diff(some_scores) <= 0).all()
        assert len(set(some_ids.tolist())) == 10


def test_one_query_is_answered_as_many_are(built):
    _, found = built
    queries = clustered(79, 5)
    ids, scores = found.search_many(queries, 7)
    for number, query in enumerate(queries):
        one = found.search(query, 7)
        np.testing.assert_allclose(one.scores, scores[number], atol=1e-7)
        assert set(one.ids.tolist()) == set(ids[number].tolist())


@pytest.mark.parametrize("k", [1, 3000, 5000])
def test_no_answer_is_missing_however_many_are_wanted(built, exact, k):
    _, found = built
    query = clustered(80, 1)[0]
    answer = found.search(query, k)
    assert len(answer.ids) == min(k, 3000)
    assert (answer.ids >= 500).all()
    if k >= 3000:
        assert answer.ids.tolist() == exact.search(query, k).ids.tolist()


@pytest.mark.parametrize("share", [0.5, 0.05, 0.002, 0.0])
def test_of_some_rows_as_many_are_found_as_there_are(built, exact, share):
    _, found = built
    allowed = np.random.default_rng(5).random(3000) < share
    ids_allowed = set(np.arange(500, 3500)[allowed].tolist())
    # Held-out rows were added last, so that rows of the index are in another order than the store's.
    only = np.isin(found.ids, list(ids_allowed))
    for query in clustered(81, 5):
        answer = found.search(query, 10, only=only)
        wanted = exact.search(query, 10, only=allowed)
        assert len(answer.ids) == min(10, len(ids_allowed))
        assert set(answer.ids.tolist()) <= ids_allowed
        if share < 0.05:
            assert answer.ids.tolist() == wanted.ids.tolist()


def test_excluded_ids_are_left_out(built):
    _, found = built
    query = clustered(82, 1)[0]
    best = found.search(query, 5).ids.tolist()
    assert not set(found.search(query, 5, exclude=best).ids.tolist()) & set(best)
    assert len(found.search(query, 5, exclude=best).ids) == 5


def test_the_record_says_how_it_was_tuned(built, snapshot):
    record, _ = built
    tuning = record.tuning
    assert identity.load(disk.folder_of(snapshot, record.embedding)) == record
    assert (tuning.target, tuning.k) == (0.9, 10)
    assert tuning.n_queries >= 140
    assert tuning.chosen in tuning.points
    assert all(0 <= point.recall_low <= point.recall <= 1 for point in tuning.points)
    assert (record.codes is not None) == (record.kind.startswith("bits:") and record.kind != "bits:rabitq")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hsnw", "allowed: auto, flat, hnsw"),
        ("IVF0,Flat", "allowed: auto, flat, hnsw"),
        ("bits:foo", "bits:itq:N"),
        ("bits:itq:0", "N from 1 to 16"),
        ("bits:itq:17", "N from 1 to 16"),
        ("bits:lsh:", "N from 1 to 16"),
        ("bits:lsh:x", "N from 1 to 16"),
        ("bits:sign:4", "bits:sign, bits:rabitq"),
        ("", "allowed: auto, flat, hnsw"),
        ("IVF5000,Flat", "cannot be trained on 2,700 rows, fewer than its 5,000 .*allowed: IVF1 to IVF2700, or ivf"),
        ("IVF99M,Flat", "cannot be trained on 2,700 rows"),
        ("nonsense", "'nonsense' is unknown, to FAISS too; allowed: .* such as IVF64,SQ8"),
        ("PCA999", "allowed: auto, flat, hnsw"),
        ("PCA999,Flat", "FAISS says: PCA matrix cannot output 999 dimensions from 16; allowed"),
        ("OPQ5,Flat", "of 16 dims: FAISS says: The dimension of the vector .* should be a multiple"),
        ("PQ99999999999999", "is unknown, to FAISS too"),
        ("IVF16,LSQ2x4", "cannot be searched with --where"),
        ("IVF16,FlatPanorama", "cannot be searched with --where"),
        ("PQ5", "of 16 dims"),
        ("IVF99999999999999999999,Flat", "cannot be trained on 2,700 rows"),
        ("IVF16,PQ8x12", "cannot be trained on 2,700 rows: FAISS says: .*4096"),
        ("PQ8", "cannot be searched with --where; of FAISS's these can: Flat, SQ"),
        ("NSG16", "cannot be searched with --where; of FAISS's these can: Flat, SQ"),
        ("LSQ4x4", "cannot be searched with --where; of FAISS's these can: Flat, SQ"),
        ("RQ2x4", "cannot be searched with --where; of FAISS's these can: Flat, SQ"),
        ("PQ8x4fs", "cannot be searched with --where; of FAISS's these can: Flat, SQ"),
        ("IVF16,Flat,Refine(SQ8)", "leave Refine out"),
        ("IDMap,Flat", "leave IDMap out"),
        ("IDMap2,HNSW16", "leave IDMap2 out"),
        ("Residual2x4", "allowed: auto, flat, hnsw"),
    ],
)
def test_a_kind_that_cannot_be_is_refused_with_those_that_can(snapshot, name, message):
    with pytest.raises(UsageError, match=message) as caught:
        index(snapshot, kind=name, aim=AIM)
    assert not re.search(r"::|\.cpp|Error|failed|\n", str(caught.value))


@pytest.mark.parametrize("kind", ["ivf", "IVF100,PQ8x4", "PCA8,IVF50_HNSW8,SQ8", "OPQ1_8,IVF16,SQ8"])
def test_few_rows_for_each_centre_write_nothing_on_the_terminal(tmp_path, capfd, kind):
    index(make(tmp_path / "store", ids=range(600), vectors_of=clustered), kind=kind, aim=AIM)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_bits", [7, 8, 9])
def test_as_many_bits_are_said_as_there_are(tmp_path, n_bits):
    record = index(make(tmp_path / "store", ids=range(600), vectors_of=clustered), kind=f"bits:itq:{n_bits}", aim=AIM)
    assert record.codes["bits"] == n_bits
    assert record.codes["imbalance"] < 0.1  # filling bits are always zero


def test_lists_can_be_trained():
    for rows in (500, 5_000, 50_000, 10**6):
        assert 1 <= kinds.lists_for(rows) <= (rows - tune.n_held_out(rows)) // 39
    assert kinds.lists_for(10**6) == 4000


def test_too_few_rows_to_tune_on_are_told_so(tmp_path):
    with pytest.raises(UsageError, match=r"40 rows are too few .* takes 500; take --kind flat"):
        index(make(tmp_path / "small"), kind="hnsw", aim=AIM)


def test_packages_that_replace_what_faiss_offers_do_no_harm(snapshot):
    code = (
        "import sys; import faiss.contrib.torch_utils; from tests.index.test_kinds import AIM\n"
        "from bignet.index import cores, disk, tune; from bignet.store.snapshot import Snapshot\n"
        "tune._SINGLE, cores.use_them = 4, lambda: faiss.omp_set_num_threads(1)\n"
        "from tests.index.stores import clustered, index\n"
        "snapshot = Snapshot.open(sys.argv[1])\n"
        "for kind in ('flat', 'hnsw', 'ivf', 'bits:itq:16', 'IVF32,SQ8'):\n"
        "    index(snapshot, 'head.max', kind=kind, aim=AIM)\n"
        "    print(len(disk.open_index(snapshot, 'head.max').search(clustered(1, 1)[0], 5).ids))\n"
    )
    command = [sys.executable, "-c", code, str(snapshot.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["5"] * 5
