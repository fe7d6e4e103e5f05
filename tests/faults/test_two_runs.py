"""Two runs on one store: one works, the other is told who does."""

import signal
import time

from bignet.errors import ExitCode
from tests.faults import harness


def test_the_second_is_refused_at_once_and_the_first_is_not_disturbed(photos, golden, tmp_path):
    store = tmp_path / "store"
    command = harness.extract_command(photos, store)
    with harness.start(command) as first:
        pid = harness.wait_for(lambda: harness.lock_holder(store))
        assert pid == first.pid
        harness.stop(pid, signal.SIGSTOP)  # else a slow machine's second comes when the first has finished
        asked = time.monotonic()
        second = harness.run(command)
        assert time.monotonic() - asked < 5
        harness.stop(pid, signal.SIGCONT)
        outcome = harness.finish(first)
    assert second.code == ExitCode.LOCKED
    harness.assert_one_line(second, "locked")
    assert f"process {pid} on " in second.err
    harness.assert_golden(outcome, store, golden)
