"""Files tried in child processes. The child's decoder is a stand-in that does to it what the file's name says."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from bignet.extractor import trial
from bignet.extractor.workers import Loader, StageSeconds
from bignet.images import Limits, Reason
from tests.tiny import build

STAND_IN = """
import os, signal, sys, time, types
class Loader:
    def __init__(self, root, preprocess, limits, seconds):
        assert (preprocess.resize, limits.max_bytes) == (36, 1000)
        self.root = root
    def load(self, entry, claims):
        kind = entry.path.partition(b".")[0]
        with open(self.root / "seen", "ab") as file:
            file.write(b"%d %s\\n" % (os.getpid(), entry.path))
        if kind == b"slow":
            time.sleep(60)
        if kind.isdigit():
            os.kill(os.getpid(), int(kind))
        if kind == b"leaves":
            os._exit(1)
workers = types.ModuleType("bignet.extractor.workers")
workers.Loader, workers.StageSeconds, workers.Claims = Loader, lambda: None, lambda known: None
sys.modules[workers.__name__] = workers
parcel = types.ModuleType("bignet.extractor.parcel")
parcel.packed = lambda outcome: b"done"
sys.modules[parcel.__name__] = parcel
"""


@pytest.fixture
def trials(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    loader = Loader(tmp_path, build.preprocess, Limits(max_bytes=1000), StageSeconds())
    with trial.Trials(loader, 1.0) as opened:
        yield opened


def seen(folder):
    return [tuple(line.split(b" ", 1)) for line in (folder / "seen").read_bytes().splitlines()]


def test_harmless_files_share_a_child(trials, tmp_path):
    assert [trials.verdict(path) for path in (b"a.jpg", b"\xff.png", b"c.jpg")] == [None] * 3
    assert len({pid for pid, _ in seen(tmp_path)}) == 1


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGBUS, signal.SIGABRT])
def test_a_file_that_kills_twice_is_a_crash(trials, tmp_path, number):
    reason, detail = trials.verdict(b"%d.jpg" % number)
    assert reason == Reason.WORKER_CRASH
    assert detail == f"decoding it alone ended with signal {number:d} ({signal.strsignal(number)}), 2 times out of 2"
    assert len({pid for pid, _ in seen(tmp_path)}) == 2
    assert trials.verdict(b"a.jpg") is None


def test_a_file_that_takes_too_long_is_a_timeout_and_its_child_is_ended(trials, tmp_path):
    start = time.monotonic()
    reason, detail = trials.verdict(b"slow.jpg")
    assert time.monotonic() - start < 10
    assert (reason, detail) == (Reason.TIMEOUT, "reading and decoding it alone took longer than 1 s")
    ((pid, _),) = seen(tmp_path)
    assert not Path(f"/proc/{int(pid)}").exists()


def test_a_file_that_makes_its_decoder_leave_is_a_crash(trials):
    detail = "decoding it alone ended with exit code 1, 2 times out of 2"
    assert trials.verdict(b"leaves.jpg") == (Reason.WORKER_CRASH, detail)
    assert trials.verdict(b"a.jpg") is None


@pytest.mark.parametrize("name", [b"%d.jpg" % signal.SIGTERM, b"%d.jpg" % signal.SIGHUP])
def test_a_child_that_was_asked_to_stop_says_nothing_about_the_file(trials, name):
    assert trials.verdict(name) is None
    assert trials.verdict(b"a.jpg") is None


def test_where_no_child_can_be_started_nothing_is_known(trials, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert trials.verdict(b"a.jpg") is None


def test_the_child_goes_when_its_parent_does(trials, tmp_path):
    trials.verdict(b"a.jpg")
    ((pid, _),) = seen(tmp_path)
    child = trials._child
    child.stdin.close()
    assert child.wait(10) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_no_child_is_left_behind(trials, tmp_path):
    trials.verdict(b"a.jpg")
    trials.__exit__()
    ((pid, _),) = seen(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
