"""The store alone, killed at its system calls one after the other: no network, so a try costs little."""

import re
import signal
import subprocess
import sys

import pytest

from tests import oracle
from tests.faults import harness

WRITER = """
import sys
from bignet.store.writer import Batch, writing
from tests.store import rows
with writing(sys.argv[1]) as writer:
    if writer.manifest is None:
        writer.create(rows.SPECS, rows.SOURCE)
        writer.commit(Batch(rows.table(range(5)), rows.refusals(["x"])), rows.Progress(12, complete=False))
    if writer.manifest.number == 1:
        writer.commit(Batch(rows.table(range(5, 10), seed=1)), rows.Progress(12, complete=False))
    if writer.manifest.number == 2:
        batch = Batch(rows.table([4, 10], ids=[10, 11], seed=5), rows.refusals(["z"]), [4], [b"x"])
        writer.commit(batch, rows.progress(11, 1))
"""
COMMAND = [sys.executable, "-c", WRITER]
FEWEST = {"link": 9, "fsync": 20, "unlink": 9, "mkdir": 4, "ftruncate": 2}


@pytest.mark.parametrize("call", FEWEST)
def test_killed_at_any_system_call_it_holds_one_of_its_snapshots(tmp_path, call):
    """Every call in the full sweep, every fifth otherwise; then the oracle, then the same again."""
    clean = tmp_path / "clean"
    assert harness.run([*COMMAND, str(clean)]).code == 0
    expected = oracle.check(clean)
    assert (expected.number, len(expected.rows), len(expected.rejected)) == (3, 11, 1)
    step = 1 if harness.FULL else 5
    for when in range(1, 1000, step):
        store = tmp_path / f"{call}{when}"
        outcome = harness.run([*harness.inject(call, "signal=KILL", when), *COMMAND, str(store)])
        if outcome.code == 0:
            break
        assert outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL), outcome
        assert harness.committed(store).number in range(4)
        outcome = harness.run([*COMMAND, str(store)])
        assert (outcome.code, outcome.err) == (0, ""), (call, when)
        oracle.assert_same_content(oracle.check(store), expected)
        assert oracle.leftovers(store) == []
    assert when > FEWEST[call]


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_an_error_of_the_disk_ends_the_run_and_is_not_tried_again(tmp_path, call):
    """Trying a failed fsync again would report success for bytes that are gone."""
    step = 1 if harness.FULL else 7
    for when in range(1, 1000, step):
        store = tmp_path / f"{call}{when}"
        outcome = harness.run([*harness.inject(call, "error=EIO", when), *COMMAND, str(store)])
        if outcome.code == 0:
            break
        assert "bignet.errors.ResourceError: cannot write to store" in outcome.err
        assert "Input/output error" in outcome.err
        before = harness.committed(store)
        assert before.number in range(4)
        assert not before.number or not [name for name in oracle.leftovers(store) if ".tmp-" in name]
        assert harness.run([*COMMAND, str(store)]).code == 0
        assert len(oracle.check(store).rows) == 11
        assert oracle.leftovers(store) == []
    assert when > FEWEST[call]


def test_every_file_is_synced_before_it_is_named_and_its_folder_after(tmp_path):
    """What a power cut may not turn around, in the order of the system calls themselves."""
    trace, store = tmp_path / "trace", tmp_path / "store"
    watching = harness.strace("-y", "-o", str(trace), "-e", "trace=write,fsync,link")
    subprocess.run([*watching, *COMMAND, str(store)], env=harness.ENVIRONMENT, cwd=harness.ROOT, check=True)
    calls = re.findall(r" (write|fsync|link)\((.*)", trace.read_text())
    links = [(at, *re.findall(r'"([^"]*)"', rest)) for at, (name, rest) in enumerate(calls) if name == "link"]
    assert len(links) >= FEWEST["link"]
    manifests = [at for at, _, final in links if "/manifests/" in final]
    assert len(manifests) == 3
    for at, temporary, final in links:
        touching = [name for name, rest in calls[:at] if f"<{temporary}>" in rest]
        assert touching[-1] == "fsync"
        assert touching.count("fsync") == 1
        until = next((other for other in manifests if other > at), len(calls))
        folder = final.rpartition("/")[0]
        assert any(name == "fsync" and f"<{folder}>" in rest for name, rest in calls[at:until]), final
