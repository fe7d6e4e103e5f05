"""Files come, change, move and go between two runs: only those are touched."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import bignet
from bignet.errors import MismatchError
from bignet.store.snapshot import Snapshot
from tests import oracle
from tests.faults import harness

SETTINGS = {"model": "tests.tiny:build", "weights": "random:0", "device": "cpu", "shard_rows": 5}


def picture(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (44, 44, 3), dtype=np.uint8)).save(path)


def test_only_what_changed_is_decoded_and_ids_stay(images, complete, tmp_path):
    store = complete
    command = harness.extract_command(images, store)
    before = oracle.check(store)
    picture(images / "added.png", 1)
    picture(images / "cats" / "03.png", 2)
    (images / "cats" / "06.jpg").rename(images / "moved.jpg")
    (images / "dogs" / "05.png").unlink()
    os.utime(images / "dogs" / "08.jpg", ns=(10**18, 10**18))
    (images / "empty.jpg").unlink()

    outcome = harness.run(command)
    summary = outcome.summary
    assert (outcome.code, summary["decoded"], summary["renamed"], summary["rejected"]) == (10, 2, 1, 0)
    after = oracle.check(store)
    assert oracle.leftovers(store) == []
    moved = {b"cats/06.jpg": b"moved.jpg"}
    expected = {moved.get(path, path): number for path, number in before.ids.items() if path != b"dogs/05.png"}
    new = {b"added.png", b"cats/03.png"}
    assert after.rows.keys() == expected.keys() | new
    assert {path: number for path, number in after.ids.items() if path not in new} == {
        path: number for path, number in expected.items() if path not in new
    }
    assert min(after.ids[path] for path in new) > max(before.ids.values())
    assert after.rows[b"moved.jpg"][0] == before.rows[b"cats/06.jpg"][0]
    assert after.rejected == {path: reason for path, reason in before.rejected.items() if path != b"empty.jpg"}

    fresh = tmp_path / "fresh"
    assert harness.run(harness.extract_command(images, fresh)).code == 10
    oracle.assert_same_content(after, oracle.check(fresh))


def test_a_second_identical_run_decodes_nothing_and_changes_no_byte(photos, complete):
    before = harness.state(complete)
    outcome = harness.run(harness.extract_command(photos, complete))
    assert (outcome.code, outcome.summary["decoded"], outcome.summary["unchanged"]) == (10, 0, 32)
    after = harness.state(complete)
    assert {name: data for name, (data, _) in after.items()} == {name: data for name, (data, _) in before.items()}
    del before[".lock"], after[".lock"]  # taken and let go: empty as before
    assert after == before


def test_new_bytes_of_the_same_size_and_time_are_found_when_asked_for(images, complete):
    changed = images / "cats" / "03.png"
    status, before = changed.stat(), changed.read_bytes()
    changed.write_bytes(before[:-5] + bytes([before[-5] ^ 1]) + before[-4:])
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    harness.injected()
    assert bignet.extract(images, complete, **SETTINGS).summary.unchanged == 32
    found = bignet.extract(images, complete, **SETTINGS, rehash=True).summary
    assert (found.decoded, found.unchanged) == (1, 31 - found.rejected)
    content = oracle.check(complete)
    assert content.rows[b"cats/03.png"][0] == oracle.hashlib.sha256(changed.read_bytes()).digest()


def test_a_reader_keeps_its_snapshot_while_rows_go(images, complete, golden):
    with Snapshot.open(complete) as reader:
        shutil.rmtree(images / "dogs")
        harness.injected()
        bignet.extract(images, complete, **SETTINGS)
        assert len(reader.table()) == len(golden.rows)
    assert len(oracle.check(complete).rows) < len(golden.rows)


OTHERS = [
    {"model": "resnet18"},
    {"weights": "random:1"},
    {"layers": ["stem"]},
    {"pools": ["max"]},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
def test_other_settings_are_refused_and_nothing_is_written(photos, complete, other):
    before = harness.state(complete)
    harness.injected()
    with pytest.raises(MismatchError) as refusal:
        bignet.extract(photos, complete, **SETTINGS | other)
    (name, value), fingerprint = next(iter(other.items())), Snapshot.open(complete).embeddings[0].fingerprint
    asked = value if isinstance(value, str) else value[0]
    assert f"made with {name}" in str(refusal.value)
    assert f"(fingerprint {fingerprint}), not {asked}" in str(refusal.value)
    after = harness.state(complete)
    assert {key: data for key, (data, _) in after.items()} == {key: data for key, (data, _) in before.items()}
