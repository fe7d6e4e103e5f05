"""A file that kills, stops or outlasts its decoder costs itself, not the run."""

import os
import signal
import time
from pathlib import Path

import pytest

from bignet.extractor import journal
from bignet.store import layout
from tests import oracle
from tests.faults import harness

BAD = b"cats/03.png"
# What a broken decoder does, in the process that really decodes: read from address 0.
NATIVE_CRASH = """
import ctypes
from bignet import images
true_read = images.read_image_file
def read_image_file(path, limits=None):
    if path.endswith(b"cats/03.png"):
        ctypes.string_at(0)
    return true_read(path, limits)
images.read_image_file = read_image_file
"""


def assert_found_out(photos, golden, tmp_path, prefix, env, number):
    """It dies; the same command refuses the culprit, keeps the rest and ends; then there is nothing left to do."""
    store = tmp_path / "store"
    command = [*prefix, *harness.extract_command(photos, store)]
    outcome = harness.run(command, env)
    assert outcome.code in (-number, 128 + number), outcome
    assert BAD in journal.in_flight(store)
    assert_rejected(harness.run(command, env), store, golden, "worker_crash")
    assert oracle.leftovers(store) == []
    last = harness.run(harness.extract_command(photos, store))
    assert (last.code, last.summary["unchanged"], last.summary["rejected"]) == (10, 32, 0)


def assert_rejected(outcome, store, golden, reason):
    assert (outcome.code, outcome.err) == (10, "")
    content = oracle.check(store)
    assert content.complete
    assert content.rejected == golden.rejected | {BAD: reason}
    assert content.rows.keys() == golden.rows.keys() - {BAD}
    kept = oracle.Content(rows={path: row for path, row in golden.rows.items() if path != BAD})
    oracle.assert_same_content(oracle.Content(rows=content.rows), kept)


def test_a_crash_in_native_code_is_laid_at_its_files_door(photos, golden, tmp_path):
    env = harness.sabotaged(tmp_path / "code", NATIVE_CRASH)
    assert_found_out(photos, golden, tmp_path, [], env, signal.SIGSEGV)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_whenever_one_file_is_read(photos, golden, tmp_path, number):
    prefix = harness.inject("read", f"signal={number.name.removeprefix('SIG')}", path=photos / BAD.decode())
    assert_found_out(photos, golden, tmp_path, prefix, None, number)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_a_crash_with_harmless_files_in_work_changes_nothing(photos, golden, tmp_path):
    """kill -9 while files are read slowly: they are tried alone, come through, and are embedded."""
    store = tmp_path / "store"
    slow = NATIVE_CRASH.replace("ctypes.string_at(0)", "import time; time.sleep(1.5)")
    env = harness.sabotaged(tmp_path / "code", slow)
    with harness.start(harness.extract_command(photos, store), env) as process:
        harness.wait_for(lambda: store.is_dir() and BAD in journal.in_flight(store))
        harness.stop(process.pid)
    harness.resume(photos, store, golden)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_a_harmless_file_that_is_in_work_whenever_a_run_is_killed_is_embedded(photos, golden, tmp_path):
    """kill -9, again and again, while one file is read slowly: the runs' deaths are not laid at its door."""
    store = tmp_path / "store"
    slow = NATIVE_CRASH.replace("ctypes.string_at(0)", "import time; time.sleep(1.5)")
    env = harness.sabotaged(tmp_path / "code", slow)
    for _ in range(3):
        asked = time.time_ns()
        with harness.start(harness.extract_command(photos, store), env) as process:
            harness.wait_for(lambda asked=asked: written_since(store / layout.JOURNAL, asked))
            harness.wait_for(lambda: BAD in journal.in_flight(store))
            harness.stop(process.pid)
    harness.resume(photos, store, golden)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_a_file_that_kills_runs_but_no_child_is_embedded_by_a_child(photos, golden, tmp_path):
    store = tmp_path / "store"
    deadly = NATIVE_CRASH.replace('if path.endswith(b"cats/03.png")', "if path.endswith(b'cats/03.png') and is_run")
    env = harness.sabotaged(tmp_path / "code", "import sys\nis_run = 'extract' in sys.orig_argv\n" + deadly)
    codes = [harness.run(harness.extract_command(photos, store), env).code for _ in range(3)]
    assert codes == [-signal.SIGSEGV] * 3
    harness.assert_golden(harness.run(harness.extract_command(photos, store), env), store, golden)


def written_since(path, moment):
    return path.exists() and path.stat().st_mtime_ns > moment


def test_a_file_that_outlasts_its_time_is_refused(photos, golden, tmp_path):
    """Its read hangs for a minute. So does strace, which is why the exit code is asked of the kernel."""
    store = tmp_path / "store"
    hanging = harness.inject("read", "delay_enter=60000000", path=photos / BAD.decode())
    asked = time.monotonic()
    with harness.start([*hanging, *harness.extract_command(photos, store, "--image-timeout", "2")]) as process:
        pid = harness.wait_for(lambda: harness.lock_holder(store))
        code = harness.wait_for(lambda: exit_code(pid))
        assert time.monotonic() - asked < 30
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    ours = "".join(line for line in err.splitlines(keepends=True) if not line.startswith("strace: "))
    assert_rejected(harness.Outcome(code, out, ours), store, golden, "timeout")
    assert harness.lock_holder(store) is None


def exit_code(pid):
    """Of a process that has ended and was not asked for it yet; 0 while it runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[-1]) >> 8 if fields[0] == "Z" else 0


def test_a_run_that_was_suspended_refuses_nothing(photos, golden, tmp_path):
    """Ctrl-Z for longer than a file may take, while one is being read, which takes a second and a half without it."""
    store = tmp_path / "store"
    slow = NATIVE_CRASH.replace("ctypes.string_at(0)", "import time; [time.sleep(0.1) for _ in range(15)]")
    env = harness.sabotaged(tmp_path / "code", slow)
    with harness.start(harness.extract_command(photos, store, "--image-timeout", "2.5"), env) as process:
        harness.wait_for(lambda: store.is_dir() and BAD in journal.in_flight(store))
        harness.stop(process.pid, signal.SIGSTOP)
        time.sleep(3)
        harness.stop(process.pid, signal.SIGCONT)
        outcome = harness.finish(process)
    assert "timeout" not in outcome.summary["reasons"]
    harness.assert_golden(outcome, store, golden)
