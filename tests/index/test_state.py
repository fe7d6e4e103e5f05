"""How an index stands to its store, without FAISS."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bignet.index import identity, state
from bignet.index.state import Standing
from bignet.index.tuning import Aim, OperatingPoint, Tuning
from tests.index.stores import extend, index, make

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path):
    """A snapshot of 40 rows with an index of its first embedding."""
    snapshot = make(tmp_path / "store")
    index(snapshot)
    return snapshot


def folder(snapshot, name="head.gap"):
    return snapshot.path / "index" / name


def index_file(snapshot):
    return folder(snapshot) / identity.load(folder(snapshot)).file


def standing(snapshot, name="head.gap", **how):
    return state.look_at(snapshot, name, **how).standing


def rewritten(snapshot, **changes):
    """The record with other values and a digest that fits."""
    (folder(snapshot) / identity.FILE_NAME).write_bytes(replace(identity.load(folder(snapshot)), **changes).dump())


def flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


def test_an_index_of_the_store_s_rows_is_current_and_needs_no_mending(store):
    found = state.look_at(store, "head.gap", every_byte=True)

    assert (found.standing, found.why, found.record.kind) == (Standing.CURRENT, "", "flat")
    assert state.mend(store, found) == ()
    assert state.look_at(store, "head.max") is None


def test_an_index_file_that_is_gone_or_of_another_size_is_damaged(store):
    path = index_file(store)
    path.write_bytes(path.read_bytes()[:-1])
    shorter = state.look_at(store, "head.gap")
    path.unlink()
    gone = state.look_at(store, "head.gap")

    assert (shorter.standing, shorter.file) == (Standing.DAMAGED, f"index/head.gap/{path.name}")
    assert "were written" in shorter.why
    assert (gone.standing, gone.why) == (Standing.DAMAGED, "the file is missing")


def test_a_changed_byte_is_found_when_every_byte_is_read(store):
    flip(index_file(store))

    assert standing(store) is Standing.CURRENT
    assert standing(store, every_byte=True) is Standing.DAMAGED


def test_an_altered_record_is_damage(store):
    flip(folder(store) / identity.FILE_NAME)
    found = state.look_at(store, "head.gap")

    assert (found.standing, found.record) == (Standing.DAMAGED, None)
    assert found.file == "index/head.gap/index.json"


def test_an_index_of_fewer_rows_is_older_than_the_store(store):
    found = state.look_at(extend(store.path, range(40, 50)), "head.gap")

    assert found.standing is Standing.OLDER
    assert found.why == "it has the 40 rows of snapshot 1, the store the 50 rows of snapshot 2"


def test_an_index_of_another_store_or_embedding_is_known_as_such(store, tmp_path):
    other = make(tmp_path / "other")
    shutil.copytree(folder(store), folder(other))
    shutil.copytree(folder(store), folder(store, "head.max"))

    foreign = state.look_at(other, "head.gap")

    assert foreign.standing is Standing.FOREIGN
    assert store.manifest.store_uuid in foreign.why
    assert standing(store, "head.max") is Standing.MISPLACED


@pytest.mark.parametrize("number", [identity.FORMAT_VERSION - 1, identity.FORMAT_VERSION + 1])
def test_a_record_of_another_format_is_no_damage(store, number):
    path = folder(store) / identity.FILE_NAME
    wrapper = json.loads(path.read_text())
    wrapper["index"]["format_version"] = number
    path.write_text(json.dumps(wrapper))
    found = state.look_at(store, "head.gap")

    assert found.standing is Standing.UNREAD
    assert found.why.startswith(f"the record has format {number}, ")
    assert state.mend(store, found) == ("bignet", "index", str(store.path))


def test_a_store_that_cannot_be_read_leaves_its_index_undecided(store):
    next((store.path / "shards").iterdir()).unlink()

    found = state.look_at(store, "head.gap")
    assert found.standing is Standing.UNKNOWN
    assert state.mend(store, found) == ("bignet", "verify", str(store.path))


def test_an_index_published_while_it_is_looked_at_is_no_damage(store, monkeypatch):
    newest = identity.load(folder(store))
    before = iter([replace(newest, file="index-00000000.faiss")])
    monkeypatch.setattr(identity, "load", lambda _: next(before, newest))

    assert standing(store) is Standing.CURRENT


def test_the_mending_command_asks_for_the_same_index_again(store):
    point = OperatingPoint(1, 1, 1.0, 1.0, 1.0, 1.0)
    tuning = Tuning(0.9, 5, True, 1.0, 1.0, 10, point, (point,), 1.0, 1.0)
    index(store, "head.max")
    older = extend(store.path, range(40, 50))
    rewritten(older, asked="hnsw", aim=Aim(0.9, 5), tuning=tuning)

    assert state.mend(older, state.look_at(older, "head.gap"))[3:] == ("--kind", "hnsw", "--recall", "0.9", "-k", "5")
    assert state.mend(older, state.look_at(older, "head.max"))[3:] == ("--embedding", "head.max")


def test_looking_needs_neither_faiss_nor_torch():
    code = (
        "import sys\nimport bignet.index.state, bignet.index.verify\n"
        "print([name for name in ('faiss', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
