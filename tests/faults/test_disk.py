"""A disk that is full, read-only or broken, and bytes that rot."""

import random
import shlex
import shutil

import pytest

from bignet.errors import ExitCode
from tests import oracle
from tests.faults import harness


def test_a_full_disk_is_explained_and_after_growth_the_run_goes_on(photos, golden, tmp_path):
    """A small tmpfs; the store is copied out after each step, because the mount is the script's own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = shlex.join(harness.extract_command(photos, disk / "store"))
    script = f"""
        mount -t tmpfs -o size=36k tmpfs {disk}
        {command} > {tmp_path}/out1 2> {tmp_path}/err1; echo $? > {tmp_path}/code1
        cp -r {disk}/store {tmp_path}/full
        mount -o remount,size=64m {disk}
        {command} > {tmp_path}/out2 2> {tmp_path}/err2; echo $? > {tmp_path}/code2
        cp -r {disk}/store {tmp_path}/grown
    """
    harness.run(harness.namespace(script))
    full, grown = (_step(tmp_path, number) for number in (1, 2))
    assert full.code == ExitCode.ENVIRONMENT
    harness.assert_one_line(full, "environment")
    assert "the disk is full; free some space and run the same command again" in full.err
    before = oracle.check(tmp_path / "full")
    assert before.rows
    assert not before.complete
    assert not [name for name in oracle.leftovers(tmp_path / "full") if ".tmp-" in name]
    harness.assert_golden(grown, tmp_path / "grown", golden)
    assert grown.summary["decoded"] == len(golden.digests - before.digests)


def _step(folder, number):
    code, out, err = ((folder / f"{kind}{number}").read_text() for kind in ("code", "out", "err"))
    return harness.Outcome(int(code), out, err)


def test_a_limit_on_file_sizes_is_explained(photos, golden, golden_store, tmp_path):
    """For where there are no namespaces: the manifest grows beyond the limit first."""
    if shutil.which("prlimit") is None:
        harness.cannot_inject("prlimit is missing")
    store = tmp_path / "store"
    n_bytes = oracle.manifests(golden_store)[0].stat().st_size - 30
    harness.injected()
    outcome = harness.run(["prlimit", f"--fsize={n_bytes}", *harness.extract_command(photos, store)])
    assert outcome.code == ExitCode.ENVIRONMENT
    harness.assert_one_line(outcome, "environment")
    assert "a file-size limit was hit" in outcome.err
    if store.exists():
        assert not [name for name in oracle.leftovers(store) if ".tmp-" in name]
    harness.resume(photos, store, golden)


def test_a_read_only_disk_is_explained_before_any_work(photos, complete, tmp_path):
    before = harness.state(complete)
    bind = f"mount --bind {complete} {complete} && mount -o remount,ro,bind {complete}"
    script = f"{bind} && exec {shlex.join(harness.extract_command(photos, complete))}"
    outcome = harness.run(harness.namespace(script))
    assert outcome.code == ExitCode.ENVIRONMENT
    harness.assert_one_line(outcome, "environment")
    assert "read-only" in outcome.err
    assert harness.state(complete) == before


def test_a_store_on_a_read_only_disk_is_read(complete):
    bind = f"mount --bind {complete} {complete} && mount -o remount,ro,bind {complete}"
    for verb in ("verify", "info"):
        outcome = harness.run(harness.namespace(f"{bind} && exec {shlex.join([*harness.BIGNET, verb, str(complete)])}"))
        assert (outcome.code, outcome.err) == (0, "")


def test_an_output_below_a_file_is_explained(photos, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    harness.injected()
    outcome = harness.run(harness.extract_command(photos, tmp_path / "file" / "store"))
    assert outcome.code == ExitCode.ENVIRONMENT
    harness.assert_one_line(outcome, "environment")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_an_image_that_cannot_be_read_is_one_rejected_image(photos, golden, tmp_path):
    store = tmp_path / "store"
    bad = photos / "cats" / "03.png"
    failing = harness.inject("read", "error=EIO", "1+", path=bad)
    outcome = harness.run([*failing, *harness.extract_command(photos, store)])
    assert (outcome.code, outcome.err) == (10, "")
    content = oracle.check(store)
    assert content.complete
    assert content.rejected == golden.rejected | {b"cats/03.png": "unreadable"}
    assert content.rows.keys() == golden.rows.keys() - {b"cats/03.png"}
    outcome = harness.run(harness.extract_command(photos, store))
    harness.assert_golden(outcome, store, golden)
    assert outcome.summary["decoded"] == 1


@pytest.mark.parametrize("kind", ["shards", "rejected"] if harness.FULL else ["shards"])
def test_a_rotten_bit_is_named_dropped_and_embedded_anew(photos, golden, complete, kind):
    path = sorted((complete / kind).iterdir())[-1]
    data = bytearray(path.read_bytes())
    n_rows = len(oracle.pq.read_table(path))
    data[random.Random(5).randrange(len(data) // 2)] ^= 16
    path.write_bytes(data)
    harness.injected()
    name = f"{kind}/{path.name}"
    found = harness.run([*harness.BIGNET, "verify", str(complete)])
    assert found.code == ExitCode.INTEGRITY
    assert found.out.startswith(f"{name}: its bytes differ")
    repaired = harness.run([*harness.BIGNET, "verify", str(complete), "--repair"])
    assert repaired.code == ExitCode.INTEGRITY
    before = oracle.check(complete)
    assert len(before.rows) + len(before.rejected) == 32 - n_rows
    harness.resume(photos, complete, golden)
