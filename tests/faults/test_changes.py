"""Files come, change, move and go between two runs: only those are touched."""

import os

import numpy as np
from PIL import Image

from tests import oracle
from tests.faults import harness


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
