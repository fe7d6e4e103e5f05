"""Ctrl-C, kill and a closed terminal: the run ends at once, says how to go on, and leaves nothing running."""

import signal
import time

import pytest

from tests import oracle
from tests.faults import harness

STUCK = """
import time
from bignet import images
true_read = images.read_image_file
def read_image_file(path, limits=None):
    if b"05" in path:
        time.sleep(60)
    return true_read(path, limits)
images.read_image_file = read_image_file
"""
CASES = [(signal.SIGINT, "while embedding"), (signal.SIGHUP, "while loading")]
ALL_CASES = [
    (number, moment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for moment in ("while loading", "while embedding")
]


@pytest.mark.parametrize(("number", "moment"), ALL_CASES if harness.FULL else CASES)
def test_asked_to_stop(photos, golden, tmp_path, number, moment):
    store = tmp_path / "store"
    slow = harness.strace("-e", "trace=fsync", "-e", "inject=fsync:delay_enter=100000")
    with harness.start([*slow, *harness.extract_command(photos, store)]) as process:
        if moment == "while embedding":
            harness.wait_for(lambda: store.is_dir() and oracle.manifests(store))
        pid = harness.wait_for(lambda: harness.lock_holder(store))
        asked = time.monotonic()
        harness.stop(pid, number)
        outcome = harness.finish(process)
        assert time.monotonic() - asked < 5
    assert outcome.code == 128 + number
    assert outcome.err == "bignet: stopped; what was committed is kept, the same command goes on from there\n"
    assert harness.group_is_empty(process.pid)
    assert not list(tmp_path.rglob(".decoding"))
    if moment == "while embedding":
        assert harness.committed(store).rows
        assert not harness.committed(store).complete
    if harness.FULL or number == signal.SIGINT:
        harness.resume(photos, store, golden)


def test_the_second_signal_ends_it_at_once(photos, golden, tmp_path):
    """The first one waits a moment for a decoder that is stuck."""
    store = tmp_path / "store"
    env = harness.sabotaged(tmp_path / "code", STUCK)
    with harness.start(harness.extract_command(photos, store, "--precision", "fp32"), env) as process:
        harness.wait_for(lambda: store.is_dir() and oracle.manifests(store))
        time.sleep(0.3)
        harness.stop(process.pid, signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        asked = time.monotonic()
        harness.stop(process.pid, signal.SIGINT)
        outcome = harness.finish(process)
        assert time.monotonic() - asked < 1
    assert outcome.code == -signal.SIGINT
    assert harness.group_is_empty(process.pid)
    if harness.FULL:
        harness.resume(photos, store, golden)
