import shutil
from dataclasses import replace

import numpy as np
import pytest

from bignet.errors import LockedError, UsageError
from bignet.index import choose, disk, grow, identity, tune
from bignet.index.build import IndexSettings
from bignet.index.request import Request
from bignet.index.search import Index
from bignet.index.tuning import Aim
from bignet.store import layout, lock
from bignet.store.snapshot import Snapshot
from tests.index.stores import clustered, extend, index, make, vectors_of

SETTINGS = IndexSettings("hnsw", Aim(0.9, 10))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A store with an index of it; copy it before touching it."""
    snapshot = make(tmp_path_factory.mktemp("grow") / "store", ids=range(2000), vectors_of=clustered)
    grow.bring_up_to_date(snapshot, None, SETTINGS)
    return snapshot.path


@pytest.fixture
def snapshot(built, tmp_path):
    return Snapshot.open(shutil.copytree(built, tmp_path / "store"))


def recall_of(snapshot, queries):
    _, scores = disk.open_index(snapshot).search_many(queries, 10)
    _, wanted = Index.exact(snapshot.vectors(), snapshot.ids()).search_many(queries, 10)
    return (scores >= wanted[:, -1:] - 1e-6).mean()


def test_nothing_new_leaves_every_byte_as_it_was(snapshot):
    folder = disk.folder_of(snapshot, "head.gap")
    before = {item.name: item.read_bytes() for item in folder.iterdir()}
    outcome = grow.bring_up_to_date(snapshot, None, SETTINGS)
    assert outcome.done == "unchanged"
    assert {item.name: item.read_bytes() for item in folder.iterdir()} == before


@pytest.mark.parametrize("kind", ["hnsw", "ivf", "bits:itq:16", "IVF32,SQ8"])
def test_new_rows_are_added_and_found(tmp_path, kind):
    settings = IndexSettings(kind, Aim(0.9, 10))
    first = make(tmp_path / "store", ids=range(2000), vectors_of=clustered)
    built = grow.bring_up_to_date(first, None, settings).record
    newer = extend(first.path, range(2000, 2400), vectors_of=clustered)
    outcome = grow.bring_up_to_date(newer, None, settings)
    assert (outcome.done, outcome.why) == ("grown", "400 rows added, 0 hidden")
    assert (outcome.record.rows, outcome.record.rows_built) == (2400, 2000)
    assert outcome.record.tuning != built.tuning  # shown again on the new rows
    opened = disk.open_index(newer)
    for row in range(2000, 2400, 40):
        assert opened.search(newer.vectors_at([row])[0], 1).ids.tolist() == [int(newer.ids()[row])]
    assert recall_of(newer, clustered(50, 200)) >= outcome.record.tuning.recall_low


def test_a_few_new_rows_are_added_without_showing_the_recall_again(snapshot):
    newer = extend(snapshot.path, range(2000, 2020), vectors_of=clustered)
    before = identity.load(disk.folder_of(snapshot, "head.gap")).tuning
    outcome = grow.bring_up_to_date(newer, None, SETTINGS)
    assert (outcome.done, outcome.record.tuning) == ("grown", before)


def test_removed_rows_never_come_back(snapshot):
    query = clustered(60, 1)[0]
    gone = disk.open_index(snapshot).search(query, 50).ids.tolist()
    newer = extend(snapshot.path, (), drop=gone)
    outcome = grow.bring_up_to_date(newer, None, SETTINGS)
    assert (outcome.done, outcome.why) == ("grown", "0 rows added, 50 hidden")
    opened = disk.open_index(newer)
    assert not set(opened.search(query, 1950).ids.tolist()) & set(gone)
    assert len(opened.search(query, 5000).ids) == 1950
    assert (opened.search_many(query[None], 5000)[0] >= 0).all()
    again = extend(snapshot.path, range(3000, 3200), vectors_of=clustered)
    assert grow.bring_up_to_date(again, None, SETTINGS).done == "grown"
    assert not set(disk.open_index(again).search(query, 2150).ids.tolist()) & set(gone)
    assert recall_of(again, clustered(61, 200)) >= 0.9


def test_a_stale_index_names_no_removed_row(snapshot):
    query = clustered(62, 1)[0]
    gone = disk.open_index(snapshot).search(query, 5).ids.tolist()
    newer = extend(snapshot.path, range(5000, 5100), drop=gone, vectors_of=clustered)
    found = disk.open_index(newer, stale_ok=True).search(query, 100).ids.tolist()
    assert len(found) == 100
    assert not set(found) & set(gone)
    assert max(found) < 2000


def test_another_shape_is_built_again_and_says_why(snapshot):
    twice = extend(snapshot.path, range(2000, 4000), vectors_of=clustered)
    outcome = grow.bring_up_to_date(twice, None, SETTINGS)
    assert (outcome.done, outcome.record.rows_built) == ("built", 4000)
    assert outcome.why == "2,000 rows more than the 2,000 it was shaped for"
    fewer = extend(snapshot.path, (), drop=range(1000))
    outcome = grow.bring_up_to_date(fewer, None, SETTINGS)
    assert outcome.done == "built"
    assert outcome.why == "1,000 of its 4,000 rows are gone"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (IndexSettings("ivf", Aim(0.9, 10)), "ivf was asked for, the index was hnsw"),
        (IndexSettings("hnsw", Aim(0.95, 10)), "recall@10 0.95 was asked for, the index was made for recall@10 0.9"),
        (IndexSettings("hnsw", Aim(0.9, 5)), "recall@5 0.9 was asked for, the index was made for recall@10 0.9"),
    ],
)
def test_another_request_is_built_again_and_says_why(snapshot, settings, why):
    outcome = grow.bring_up_to_date(snapshot, None, settings)
    assert (outcome.done, outcome.why) == ("built", why)


def test_what_is_not_said_stays_as_the_index_was_asked_for(snapshot):
    unsaid = Request().settled(snapshot, None)
    assert unsaid == SETTINGS
    assert grow.bring_up_to_date(snapshot, None, unsaid).done == "unchanged"
    newer = extend(snapshot.path, range(2000, 2020), vectors_of=clustered)
    assert grow.bring_up_to_date(newer, None, Request().settled(newer, None)).record.kind == "hnsw"
    assert Request(k=5).settled(newer, None) == IndexSettings("hnsw", Aim(0.9, 5))
    assert Request(kind="auto", recall=0.8).settled(newer, None) == IndexSettings("auto", Aim(0.8, 10))


def test_a_recall_that_made_auto_flat_stays_until_another_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "FAST_ENOUGH_MS", 0.0)
    snapshot = make(tmp_path / "store", ids=range(2000), vectors_of=clustered)
    assert grow.bring_up_to_date(snapshot, None, IndexSettings(aim=Aim(0.99, 10))).record.kind == "flat"
    unsaid = Request().settled(snapshot, None)
    assert (unsaid.aim.recall, grow.bring_up_to_date(snapshot, None, unsaid).done) == (0.99, "unchanged")
    outcome = grow.bring_up_to_date(snapshot, None, Request(recall=0.8).settled(snapshot, None))
    assert (outcome.record.kind, outcome.why.partition(" was asked")[0]) == ("hnsw", "recall@10 0.8")


def test_a_kind_that_auto_took_stays_once_it_is_asked_for_by_name(tmp_path):
    snapshot = make(tmp_path / "store", ids=range(600))
    auto = grow.bring_up_to_date(snapshot, None, IndexSettings()).record
    named = grow.bring_up_to_date(snapshot, None, IndexSettings("flat"))
    assert (auto.kind, named.done, named.record.file) == ("flat", "unchanged", auto.file)
    assert Request().settled(snapshot, None).kind == "flat"
    assert len(disk.open_index(snapshot)) == 600


def test_what_is_not_said_is_the_usual_without_an_index_or_where_it_cannot_be_read(snapshot):
    assert Request().settled(snapshot, "head.max") == IndexSettings()
    (disk.folder_of(snapshot, "head.gap") / identity.FILE_NAME).write_bytes(b"{")
    assert Request(kind="ivf", memory=7).settled(snapshot, None) == IndexSettings("ivf", memory=7)


def test_the_kind_of_a_damaged_index_stays(snapshot):
    folder = disk.folder_of(snapshot, "head.gap")
    (folder / identity.load(folder).file).write_bytes(b"")
    outcome = grow.bring_up_to_date(snapshot, None, Request().settled(snapshot, None))
    assert (outcome.done, outcome.record.kind) == ("built", "hnsw")


def test_an_index_that_fills_more_than_the_memory_is_not_kept(snapshot):
    n_bytes = identity.load(disk.folder_of(snapshot, "head.gap")).n_bytes
    with pytest.raises(UsageError, match="--memory allows"):
        grow.bring_up_to_date(snapshot, None, replace(SETTINGS, memory=n_bytes // 2))
    assert grow.bring_up_to_date(snapshot, None, replace(SETTINGS, memory=n_bytes)).done == "unchanged"
    newer = extend(snapshot.path, range(2000, 2400), vectors_of=clustered)
    with pytest.raises(UsageError, match="--memory allows"):
        grow.bring_up_to_date(newer, None, replace(SETTINGS, memory=n_bytes))


def test_a_recall_of_more_neighbours_than_are_left_is_not_shown_as_one_of_fewer(tmp_path):
    settings = IndexSettings("ivf", Aim(0.9, 540))
    first = make(tmp_path / "store", ids=range(600), vectors_of=clustered)
    grow.bring_up_to_date(first, None, settings)
    fewer = extend(first.path, range(600, 700), drop=range(100), vectors_of=clustered)
    outcome = grow.bring_up_to_date(fewer, None, settings)
    assert (outcome.done, outcome.why) == ("built", "recall@540 cannot be shown on the 500 rows left of it")


def test_a_damaged_index_is_built_again_and_says_why(snapshot):
    folder = disk.folder_of(snapshot, "head.gap")
    path = folder / identity.load(folder).file
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    outcome = grow.bring_up_to_date(snapshot, None, SETTINGS)
    assert outcome.done == "built"
    assert "was altered: its SHA-256 does not match" in outcome.why
    assert disk.open_index(snapshot).search(clustered(1, 1)[0], 3).ids.shape == (3,)


def test_two_at_once_are_one_and_a_refusal(snapshot):
    folder = snapshot.path / layout.INDEX
    with lock.exclusive(folder, "index"), pytest.raises(LockedError, match=r"index '.*' is being written by"):
        grow.bring_up_to_date(snapshot, None, SETTINGS)
    assert grow.bring_up_to_date(snapshot, None, SETTINGS).done == "unchanged"


def test_an_index_replaced_between_record_and_file_is_opened_all_the_same(snapshot, monkeypatch):
    folder = disk.folder_of(snapshot, "head.gap")
    old = identity.load(folder)
    index(snapshot, kind="flat")
    records = iter([old])
    true_load = identity.load
    monkeypatch.setattr(identity, "load", lambda folder: next(records, None) or true_load(folder))
    assert len(disk.open_index(snapshot)) == 2000


def test_images_of_another_kind_that_lower_the_recall_make_it_build_again(tmp_path):
    settings = IndexSettings("IVF40,Flat", Aim(0.95, 10))
    first = make(tmp_path / "store", ids=range(2000), vectors_of=clustered)
    grow.bring_up_to_date(first, None, settings)
    newer = extend(first.path, range(2000, 2900), vectors_of=vectors_of)
    outcome = grow.bring_up_to_date(newer, None, settings)
    queries = np.concatenate([clustered(70, 100), vectors_of(71, 100)])
    assert recall_of(newer, queries) >= 0.95
    assert outcome.record.tuning.met


def test_a_few_images_of_another_sort_make_it_build_again(tmp_path):
    def tight(seed, n):
        centres = np.random.default_rng(1).standard_normal((40, 16))
        rng = np.random.default_rng(seed)
        return (centres[rng.integers(40, size=n)] + 0.1 * rng.standard_normal((n, 16))).astype(np.float32)

    settings = IndexSettings("IVF40,Flat", Aim(0.9, 10))
    snapshot = make(tmp_path / "s", ids=range(2000), vectors_of=tight)
    before = grow.bring_up_to_date(snapshot, None, settings).record
    newer = extend(tmp_path / "s", range(2000, 2040), vectors_of=vectors_of)
    outcome = grow.bring_up_to_date(newer, None, settings)
    assert before.tuning.met
    assert (outcome.done, outcome.why[:35]) == ("built", "of the neighbours of its new images")


def test_many_new_images_on_which_the_recall_is_missed_make_it_build_again(snapshot, monkeypatch):
    newer, real, found = extend(snapshot.path, range(2000, 2400), vectors_of=clustered), tune.tune, []

    def missed_at_first(*given):
        tuning = real(*given)
        found.append(tuning)
        return tuning if len(found) > 1 else replace(tuning, met=False, recall_low=0.5)

    monkeypatch.setattr(tune, "tune", missed_at_first)
    outcome = grow.bring_up_to_date(newer, None, SETTINGS)
    assert (outcome.done, outcome.why) == ("built", "with the new images its recall is 0.500, less than 0.9")


def test_too_few_new_images_to_show_a_recall_on_are_said_to_be(tmp_path):
    snapshot = make(tmp_path / "s", ids=range(2000), vectors_of=clustered)
    index(snapshot, kind="hnsw", aim=Aim(0.9, 10))
    newer = extend(tmp_path / "s", range(2000, 2020), vectors_of=clustered)
    outcome = grow.bring_up_to_date(newer, None, IndexSettings(kind="hnsw", aim=Aim(0.9, 10)))
    assert outcome.why == "20 rows added, 0 hidden, too few to show the recall on: it is of before"
