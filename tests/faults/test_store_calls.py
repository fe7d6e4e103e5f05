"""The store alone, killed at its system calls one after the other: no network, so a try costs little."""

import signal
import sys

import pytest

from tests import oracle
from tests.faults import harness, order

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
FEWEST = {"link": 9, "fsync": 20, "unlink": 9, "mkdir": 4, "ftruncate": 2, "write": 9}


@pytest.mark.parametrize("call", [call for call in FEWEST if call != "write"])
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
            harness.injected(-1)
            break
        assert outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL), outcome
        assert harness.committed(store).number in range(4)
        outcome = harness.run([*COMMAND, str(store)])
        assert (outcome.code, outcome.err) == (0, ""), (call, when)
        oracle.assert_same_content(oracle.check(store), expected)
        assert oracle.leftovers(store) == []
    assert when > FEWEST[call]


REFUSALS = [
    ("fsync", "EIO", "Input/output error", 7),
    ("link", "EIO", "Input/output error", 7),
    ("write", "ENOSPC", "the disk is full", 80),
]


@pytest.mark.parametrize(("call", "error", "said", "stride"), REFUSALS)
def test_an_error_of_the_disk_ends_the_run_and_is_not_tried_again(tmp_path, call, error, said, stride):
    """Trying a failed fsync again would report success for bytes that are gone."""
    step = 1 if harness.FULL else stride
    for when in range(1, 1000, step):
        store = tmp_path / f"{call}{when}"
        outcome = harness.run([*harness.inject(call, f"error={error}", when), *COMMAND, str(store)])
        if outcome.code == 0:
            harness.injected(-1)
            break
        assert "bignet.errors.ResourceError: cannot write to store" in outcome.err
        assert said in outcome.err
        before = harness.committed(store)
        assert before.number in range(4)
        assert not before.number or not [name for name in oracle.leftovers(store) if ".tmp-" in name]
        assert harness.run([*COMMAND, str(store)]).code == 0
        assert len(oracle.check(store).rows) == 11
        assert oracle.leftovers(store) == []
    assert when > FEWEST[call]


def test_every_file_is_synced_before_it_is_named_and_its_folder_after(tmp_path):
    """What a power cut may not turn around, in the order of the system calls themselves."""
    store = tmp_path / "store"
    links = order.links(tmp_path / "trace", [*COMMAND, str(store)])
    assert len(links) >= FEWEST["link"]
    assert sum("/manifests/" in link.final for link in links) == 3
