"""Derived stores: what they hold, that they are stores like any other, and when they are refused."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bignet
from bignet.derive.fit import fit
from bignet.derive.parameters import fitted_of
from bignet.derive.run import derive
from bignet.derive.settings import DeriveSettings
from bignet.derive.steps import parse_steps
from bignet.errors import IntegrityError, MismatchError, ResourceError, UsageError
from bignet.search.searcher import Searcher
from bignet.store import shards
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, writing
from tests import oracle
from tests.store import rows

STEPS = "center,pca:8"


@pytest.fixture
def parent(tmp_path):
    return rows.make(tmp_path / "parent", n_rows=40, n_shards=3)


def derived(parent, steps=STEPS, name="out", **settings):
    out = Path(parent).parent / name
    with Snapshot.open(parent) as snapshot:
        outcome = derive(snapshot, out, DeriveSettings(steps, **settings))
    assert oracle.leftovers(out) == []
    assert bignet.verify(out).ok
    return out, outcome


def bytes_of(store):
    files = [item for item in Path(store).rglob("*") if item.is_file() and item.name != ".lock"]
    return {str(item): (item.stat().st_mtime_ns, hashlib.sha256(item.read_bytes()).hexdigest()) for item in files}


def grow(store, numbers, seed=9):
    with writing(store) as writer:
        before = writer.manifest
        found = rows.progress(before.rows + len(list(numbers)), before.counts.rejected)
        writer.commit(Batch(rows=rows.table(numbers, seed=seed)), found)


def test_a_derived_store_keeps_everything_but_the_vectors(parent):
    out, outcome = derived(parent)
    before, after = bignet.open(parent), bignet.open(out)
    names = list(shards.METADATA_COLUMNS)
    assert after.table().select(names).equals(before.table().select(names))
    assert sorted(after.rejected().to_pylist(), key=str) == sorted(before.rejected().to_pylist(), key=str)
    fitted = fit(parse_steps(STEPS), before.vectors())
    np.testing.assert_array_equal(after.vectors(), fitted.apply(before.vectors()))
    assert (outcome.rows, outcome.rejected, outcome.done, outcome.updated) == (40, 2, True, False)
    oracle.check(out)


def test_its_manifest_names_parent_steps_and_what_was_fitted(parent):
    out, _ = derived(parent, embedding="body.gem3", steps="center,whiten:3:.25")
    held, origin = bignet.open(out).snapshot.manifest, bignet.open(parent).snapshot
    (spec,) = held.embeddings
    assert spec.name == "body.gem3.center.whiten3-0.25"
    assert (spec.dims, spec.derived.dims, spec.derived.steps) == (3, 6, "center,whiten:3:0.25")
    assert spec.before == origin.embedding("body.gem3")
    assert spec.fingerprint != spec.before.fingerprint
    assert (held.parent.store_uuid, held.parent.number) == (origin.manifest.store_uuid, origin.manifest.number)
    assert (held.parent.embedding, held.parent.fingerprint) == ("body.gem3", spec.before.fingerprint)
    assert spec.derived.sha256 == fitted_of(bignet.open(out).snapshot).sha256


def test_stores_that_are_not_derived_say_nothing_of_it(parent):
    text = oracle.manifests(parent)[0].read_text()
    assert not any(word in text for word in ('"parent"', '"fitted"', '"derived"'))
    assert json.loads(text)["manifest"]["format_version"] == 1


def test_the_same_again_changes_no_byte(parent):
    out, _ = derived(parent)
    before = bytes_of(out)
    _, again = derived(parent)
    assert not again.done
    assert bytes_of(out) == before


def test_other_steps_or_parents_are_refused(parent, tmp_path):
    out, _ = derived(parent)
    with pytest.raises(UsageError, match=r"exists already: center,pca:8 of head.gap of .*another folder"):
        derived(parent, steps="center")
    with pytest.raises(UsageError, match=r"exists already: center,pca:8 of head\.gap"):
        derived(parent, embedding="body.gem3")
    rows.make(tmp_path / "other")
    with pytest.raises(UsageError, match="exists already, and is not derived"):
        derived(parent, name="other")
    with pytest.raises(UsageError, match="is the store itself"):
        derived(parent, name="parent")
    with pytest.raises(UsageError, match=r"is derived itself; derive from '.*parent' with --steps center,pca:8,\.\.\."):
        derived(out, steps="l2", name="third")
    assert not (tmp_path / "third").exists()


def test_a_parent_that_moved_on_is_said_and_its_new_rows_get_the_steps_as_fitted(parent):
    out, _ = derived(parent)
    before = bignet.open(out).vectors()
    fitted = fitted_of(bignet.open(out).snapshot)
    grow(parent, range(100, 110))
    with pytest.raises(MismatchError, match=r"from snapshot 3 .* is at 4 now \(50 rows\); .* --update; or fit anew"):
        derived(parent)
    np.testing.assert_array_equal(bignet.open(out).vectors(), before)
    _, outcome = derived(parent, update=True)
    assert (outcome.rows, outcome.updated) == (50, True)
    after = bignet.open(out)
    np.testing.assert_array_equal(after.vectors(), fitted.apply(bignet.open(parent).vectors()))
    assert after.embeddings == bignet.open(out).embeddings
    assert not derived(parent, update=True)[1].done


def test_rows_mixed_with_neighbours_cannot_be_brought_up_to_date(parent):
    derived(parent, "center,dba:3:1")
    grow(parent, [100])
    with pytest.raises(UsageError, match="dba:3:1 mixes rows with their neighbours, so that all change"):
        derived(parent, "center,dba:3:1", update=True)


def test_a_row_of_which_nothing_is_left_is_rejected_with_the_reason(tmp_path):
    vectors = np.vstack([np.eye(4, dtype=np.float32), -np.eye(4, dtype=np.float32), np.ones((0, 4), np.float32)])
    np.save(tmp_path / "v.npy", np.vstack([vectors, [[1, 0, 0, 0]]]).astype(np.float32)[:8])
    bignet.import_vectors(tmp_path / "v.npy", tmp_path / "parent")
    out, outcome = derived(tmp_path / "parent", "pca:1")
    assert outcome.rows + outcome.rejected == 8
    content = oracle.check(out)
    assert set(content.rejected.values()) <= {"non_finite_vector"}
    assert outcome.rejected == len(content.rejected) > 0
    assert "all numbers are 0 after pca:1" in bignet.open(out).rejected()["detail"].to_pylist()


def test_damaged_parameters_are_found_and_fitted_again_by_the_same_derivation(parent):
    out, _ = derived(parent)
    with Snapshot.open(out) as snapshot:
        fingerprint = snapshot.embedding().fingerprint
    (file,) = (out / "shards").glob("fitted-*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert [finding.file for finding in bignet.verify(out).findings] == [f"shards/{file.name}"]
    with Snapshot.open(out) as snapshot, pytest.raises(IntegrityError, match="fitted"):
        Searcher(snapshot).reader.read(np.ones(16, np.float32))
    with Snapshot.open(parent) as snapshot, pytest.raises(IntegrityError, match="fitted"):
        derive(snapshot, out, DeriveSettings(STEPS))
    bignet.verify(out, repair=True)
    with Snapshot.open(out) as snapshot, pytest.raises(IntegrityError, match="lacks what was fitted"):
        fitted_of(snapshot)
    _, outcome = derived(parent)
    assert outcome.done
    assert bignet.open(out).embeddings[0].fingerprint == fingerprint


def test_a_damaged_shard_is_filled_again(parent):
    out, _ = derived(parent)
    before = bignet.open(out).vectors()
    record = bignet.open(out).snapshot.manifest.shards[1]
    (out / "shards" / record.name).write_bytes(b"nothing")
    bignet.verify(out, repair=True)
    assert len(bignet.open(out)) < 40
    derived(parent)
    np.testing.assert_array_equal(bignet.open(out).vectors(), before)


def test_a_disk_that_refuses_leaves_no_store(parent, monkeypatch):
    def refuse(*_args, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "write", refuse)
    with pytest.raises(ResourceError, match="the disk is full"), Snapshot.open(parent) as snapshot:
        derive(snapshot, parent.parent / "out", DeriveSettings(STEPS))
    assert not (parent.parent / "out").exists()


def test_an_update_that_fails_leaves_what_was_there(parent, monkeypatch):
    out, _ = derived(parent)
    before, write, calls = bytes_of(out), shards.write, []

    def refuse_the_third(*given):
        calls.append(given)
        if len(calls) == 3:
            raise OSError(5, "Input/output error")
        return write(*given)

    grow(parent, range(100, 110))
    monkeypatch.setattr(shards, "write", refuse_the_third)
    with pytest.raises(ResourceError, match="Input/output error"):
        derived(parent, update=True)
    monkeypatch.undo()
    with writing(out):
        pass
    assert {name: found[1] for name, found in bytes_of(out).items()} == {name: f[1] for name, f in before.items()}
    assert derived(parent, update=True)[1].rows == 50


@pytest.mark.parametrize("when", [1, 3, 6])
def test_killed_it_leaves_no_store_or_the_whole_of_it(parent, when):
    code = (
        "import os, signal, sys\n"
        "from bignet import files\n"
        "import bignet\n"
        "publish, calls = files.publish_new, []\n"
        "def dying(*given):\n"
        "    calls.append(1)\n"
        f"    if len(calls) == {when}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return publish(*given)\n"
        "files.publish_new = dying\n"
        "bignet.derive_store(sys.argv[1], sys.argv[2], 'center,pca:8')\n"
    )
    out = parent.parent / "out"
    done = subprocess.run([sys.executable, "-c", code, str(parent), str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert oracle.manifests(out) == []
    with pytest.raises(UsageError, match="is not a BigNet store"):
        Snapshot.open(out)
    derived(parent)
    assert len(bignet.open(out)) == 40


def test_nothing_can_be_derived_from_nothing(tmp_path):
    rows.make(tmp_path / "parent", n_rows=2, n_shards=1)
    with writing(tmp_path / "parent") as writer:
        writer.commit(Batch(drop_ids=[0, 1]), rows.progress(0, 2))
    with pytest.raises(UsageError, match="no embedded images"):
        derived(tmp_path / "parent")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_numbers_are_stored_as_the_parent_stores_them(tmp_path, storage):
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((30, 6)))
    bignet.import_vectors(tmp_path / "v.npy", tmp_path / "parent", storage=storage)
    out, _ = derived(tmp_path / "parent", "center,pca:3")
    assert bignet.open(out).embeddings[0].dtype == storage
    assert len(bignet.open(out).search(7, k=3)) == 3
    with pytest.raises(UsageError, match="exists already"):
        bignet.import_vectors(tmp_path / "v.npy", out, storage=storage)


def test_steps_that_leave_nothing_of_any_row_make_no_store(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((5, 6)))
    bignet.import_vectors(tmp_path / "v.npy", tmp_path / "parent")
    with pytest.raises(UsageError, match="leave nothing of any of the 5 vectors"):
        derived(tmp_path / "parent", "center")
    assert not (tmp_path / "out").exists()
