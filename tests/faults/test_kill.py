"""kill -9 at many moments: what was committed stays, the same command goes on."""

import signal
import time

import pytest

from tests import oracle
from tests.faults import harness

FAST = [("link", 8)]
SWEEP = [(call, when) for call, last in (("link", 24), ("fsync", 60), ("unlink", 30)) for when in range(1, last + 1)]


@pytest.mark.parametrize(("call", "when"), SWEEP if harness.FULL else FAST)
def test_killed_at_a_system_call(photos, golden, tmp_path, call, when):
    store = tmp_path / "store"
    killing = harness.inject(call, "signal=KILL", when)
    outcome = harness.run([*killing, *harness.extract_command(photos, store)])
    if outcome.code in (0, 10):
        assert harness.FULL, "the fault was never injected"
        harness.injected(-1)
        harness.assert_golden(outcome, store, golden)
        return
    assert outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    harness.resume(photos, store, golden)


def test_killed_while_cleaning_up(photos, golden, golden_store, tmp_path):
    """The last manifest stands, the one before it is being removed."""
    store = tmp_path / "store"
    last = int(oracle.manifests(golden_store)[0].stem)
    killing = harness.inject("unlink", "signal=KILL", 1, path=store / "manifests" / f"{last - 1:08d}.json")
    outcome = harness.run([*killing, *harness.extract_command(photos, store)])
    assert outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert len(oracle.manifests(store)) > 1
    assert harness.resume(photos, store, golden).summary["decoded"] == 0


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep: most moments are before the first commit")
@pytest.mark.parametrize("seconds", [0.3 * step for step in range(1, 21)])
def test_killed_at_a_moment(photos, golden, tmp_path, seconds):
    store = tmp_path / "store"
    with harness.start(harness.extract_command(photos, store)) as process:
        time.sleep(seconds)
        harness.stop(process.pid)
    harness.resume(photos, store, golden)
