"""Running the command, and getting in its way: real signals, a real full disk, real failing system calls."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import bignet
from tests import oracle

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("BIGNET_FAULTS") == "full"
BIGNET = [sys.executable, "-m", "bignet.cli.main"]
# Byte code that Python keeps would be files that appear without our doing.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
SHARD_ROWS = 5
SECONDS = 120


@dataclass
class Count:
    """Faults of this session: those that were injected, and those that could not be."""

    injected: int = 0
    impossible: int = 0


COUNT = Count()


def injected(n=1):
    """Count faults; what this module injects itself is counted already."""
    COUNT.injected += n


def cannot_inject(why):
    COUNT.impossible += 1
    pytest.skip(f"CANNOT INJECT: {why}")


@dataclass(frozen=True)
class Outcome:
    """What a finished command left: its exit code (negative: a signal), its output."""

    code: int
    out: str
    err: str

    @property
    def summary(self):
        return json.loads(self.out)


def extract_command(images, store, *options):
    settings = ["--model", "tests.tiny:build", "--weights", "random:0", "--shard-rows", str(SHARD_ROWS)]
    machine = ["--device", "cpu", "--workers", "2", "--batch-size", "4", "--json"]
    return [*BIGNET, "extract", str(images), str(store), *settings, *machine, *options]


def run(command, env=None):
    done = subprocess.run(
        command,
        env=env or ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def start(command, env=None):
    """In a process group of its own, whose number is the process's."""
    return subprocess.Popen(
        command,
        env=env or ENVIRONMENT,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def group_is_empty(pid):
    """Whether nothing is left of a process group that ``start`` made."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def sabotaged(folder, code):
    """An environment whose Python processes run this code first: faults inside a process, and guards taken out."""
    injected()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return ENVIRONMENT | {"PYTHONPATH": os.pathsep.join((str(folder), ENVIRONMENT["PYTHONPATH"]))}


def finish(process):
    out, err = process.communicate(timeout=SECONDS)
    return Outcome(process.returncode, out, err)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("waited too long")


def lock_holder(store):
    """The process that the store's lock names, None before it is taken."""
    try:
        found = re.match(r"process (\d+) on ", (Path(store) / ".lock").read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


@functools.cache
def _can(*command):
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def strace(*options):
    """A prefix that traces a command; skips the test where tracing is not allowed."""
    # Stopping only at the calls asked for is twice as fast, but then signals are not injected.
    quick = [] if any("signal=" in option for option in options) else ["--seccomp-bpf"]
    if not _can("strace", "-f", "-o", "/dev/null", "true"):
        cannot_inject("strace is missing or may not trace here")
    if quick and not _can("strace", "-f", *quick, "-o", "/dev/null", "true"):
        quick = []
    return ["strace", "-f", *quick, *(["-o", "/dev/null"] if "-o" not in options else []), *options]


def inject(call, action, when="1+", *, path=None):
    """The ``when``-th such system call of the main thread gets ``action``, on this very path only if given."""
    where = ["-P", os.fsdecode(path)] if path is not None else []
    prefix = strace(*where, "-e", f"trace={call}", "-e", f"inject={call}:{action}:when={when}")
    injected()
    return prefix


def namespace(script):
    """A shell script in its own mount namespace; skips the test where there are none."""
    if not _can("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"):
        cannot_inject("user and mount namespaces are not allowed here")
    injected()
    return ["unshare", "-rm", "sh", "-c", script]


def committed(store):
    """The content of the newest snapshot, checked; empty where nothing was committed yet."""
    return oracle.check(store) if Path(store).is_dir() and oracle.manifests(store) else oracle.Content()


def assert_golden(outcome, store, golden):
    """A run went through and its store is as if nothing had ever happened."""
    assert (outcome.code, outcome.err) == (10, "")
    content = oracle.check(store)
    assert content.complete
    oracle.assert_same_content(content, golden)
    assert oracle.leftovers(store) == []
    assert bignet.verify(store).ok


def assert_one_line(outcome, kind):
    """Exactly one line of explanation, no traceback."""
    assert outcome.out == ""
    assert outcome.err.startswith(f"bignet: error[{kind}]: "), outcome.err
    assert outcome.err.count("\n") == 1, outcome.err


def resume(images, store, golden):
    """The oracle passes on what a fault left; the same command again decodes only what is missing."""
    before = committed(store)
    outcome = run(extract_command(images, store))
    assert_golden(outcome, store, golden)
    assert outcome.summary["decoded"] == len(golden.digests - before.digests)
    after = oracle.check(store)
    assert {path: after.ids[path] for path in before.ids} == before.ids
    return outcome


def state(store):
    """Every file's bytes and time of change."""
    return {
        str(item.relative_to(store)): (item.read_bytes(), item.stat().st_mtime_ns)
        for item in sorted(Path(store).rglob("*"))
        if item.is_file()
    }


def stop(pid, how=signal.SIGKILL):
    injected()
    os.kill(pid, how)
