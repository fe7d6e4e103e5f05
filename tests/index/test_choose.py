import re

import faiss
import numpy as np
import pytest

from bignet.errors import UsageError
from bignet.index import build, choose, disk, footprint, kinds, recall, tune
from bignet.index.neighbors import normalised
from bignet.index.tuning import Aim
from tests.index.stores import clustered, index, make, vectors_of

UNIT = normalised(vectors_of(1, 2000, 64))
NAMED = ("flat", "hnsw", "ivf", "bits:itq:16", "bits:rabitq", "IVF16,SQ8", "PCA8,HNSW16", "IVF16,PQ8x4fs")
ROOM = 10**9


@pytest.fixture
def slow(monkeypatch):
    """A machine on which comparing with all rows is never fast enough."""
    monkeypatch.setattr(choose, "FAST_ENOUGH_MS", 0.0)


@pytest.fixture
def untrained(monkeypatch):
    """Nothing is to be trained."""
    monkeypatch.setattr(build, "fill", lambda *_: pytest.fail("it was trained"))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return make(tmp_path_factory.mktemp("choose") / "store", ids=range(2000), vectors_of=clustered)


def allowed_by(text):
    """The amount that an error asks for, as a person would type it."""
    number, unit = re.search(r"fills? ([\d.]+) (\w+)", text).groups()
    return int(float(number) * {"kB": 10**3, "MB": 10**6}[unit])


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("kind", NAMED)
def test_a_kind_that_fills_more_than_the_memory_is_refused_before_it_is_trained(snapshot, kind):
    with pytest.raises(
        UsageError, match=r"2,000 rows x 16 fill .*B as .*, --memory allows 10 kB; raise it, or take --kind"
    ):
        index(snapshot, kind=kind, memory=10_000)


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_asked_for_as_memory_is_enough(snapshot, kind):
    with pytest.raises(UsageError) as caught:
        index(snapshot, kind=kind, memory=1)
    needed = allowed_by(str(caught.value))
    assert choose.choose(kind, snapshot.vectors(), needed, 0.9).reason == "asked for"
    with pytest.raises(UsageError, match="--memory allows"):
        choose.choose(kind, snapshot.vectors(), needed * 98 // 100, 0.9)


@pytest.mark.parametrize("kind", NAMED)
def test_what_an_index_will_fill_is_known_beforehand(snapshot, kind):
    unit = normalised(snapshot.vectors())
    inner = faiss.IndexFlatIP(16) if kind == "flat" else kinds.find(kind, 16, 2000).make(16)
    told = footprint.of_flat(2000, 16) if kind == "flat" else footprint.of_index(inner, 2000)
    inner.train(unit)
    filled = faiss.IndexIDMap2(inner)
    filled.add_with_ids(unit, snapshot.ids())
    assert told == pytest.approx(len(faiss.serialize_index(filled)), rel=0.05)


def test_a_named_kind_has_all_the_memory_there_is_unless_told(snapshot, monkeypatch):
    monkeypatch.setattr(choose, "free_memory", lambda: 1)
    assert index(snapshot, kind="flat").kind == "flat"


@pytest.mark.usefixtures("slow")
def test_what_fits_is_taken_and_the_sizes_are_said_as_people_read_them():
    flat = footprint.of_flat(*UNIT.shape)
    assert choose.choose("auto", UNIT, ROOM, 0.9).kind.name == "hnsw"
    codes = choose.choose("auto", UNIT, flat // 2, 0.9)
    assert codes.kind.name == "IVF46,SQ8"
    assert re.search(r"floats in a graph are 944 kB, more than 264 kB; these codes fit", codes.reason)
    assert choose.choose("auto", UNIT, 90_000, 0.9).kind.name == "IVF46,RaBitQ"


@pytest.mark.usefixtures("slow")
def test_where_nothing_fits_what_is_asked_for_is_enough():
    with pytest.raises(UsageError, match=r"no index of 2,000 rows x 64 fits into 10 kB; the smallest fills") as caught:
        choose.choose("auto", UNIT, 10_000, 0.9)
    assert choose.choose("auto", UNIT, allowed_by(str(caught.value)), 0.9).kind.name == "IVF46,RaBitQ"


@pytest.mark.usefixtures("slow", "untrained")
def test_a_recall_that_so_few_queries_cannot_show_makes_auto_flat_and_says_why(snapshot):
    record = index(snapshot, aim=Aim(0.99, 10))
    assert record.kind == "flat"
    assert "100 queries can show 0.967 at most, not 0.99, which takes 6,640 rows" in record.reason


@pytest.mark.usefixtures("slow")
def test_a_recall_that_is_missed_makes_auto_flat_only_where_that_fits(snapshot, monkeypatch):
    monkeypatch.setattr(recall, "lower_bound", lambda recalls: 0.5 if len(np.unique(recalls)) else 0.0)
    monkeypatch.setattr(tune, "too_few_to_show", lambda *_: "")
    flat = index(snapshot, memory=ROOM)
    assert (flat.kind, "hnsw reaches 0.500 at most: that misses 0.95" in flat.reason) == ("flat", True)
    codes = index(snapshot, memory=footprint.of_flat(2000, 16) - 1)
    assert (codes.kind, codes.tuning.met) == ("IVF46,SQ8", False)


def test_an_explicit_kind_is_built_though_its_recall_cannot_be_shown(snapshot):
    tuning = index(snapshot, kind="hnsw", aim=Aim(0.999, 10)).tuning
    assert not tuning.met
    said = "100 queries can show 0.967 at most, not 0.999, nor can the 1,000 that are asked at most"
    assert tune.shortfall(tuning) == said


def test_a_recall_of_more_neighbours_than_there_are_is_refused_with_how_many_there_are(snapshot):
    message = r"recall@1,801 cannot be shown on 2,000 rows, of which 200 are held out .*allowed: -k from 1 to 1800"
    with pytest.raises(UsageError, match=message):
        index(snapshot, kind="hnsw", aim=Aim(0.9, 1801))
    record = index(snapshot, kind="hnsw", aim=Aim(0.9, 1800))
    assert record.tuning.k == 1800
    assert len(disk.open_index(snapshot).search(clustered(3, 1)[0], 1800).ids) == 1800
