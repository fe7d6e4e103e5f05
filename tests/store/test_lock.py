"""One writer a store; a dead one holds nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from bignet.errors import ExitCode, LockedError
from bignet.store import lock
from bignet.store.snapshot import Snapshot
from bignet.store.writer import writing
from tests import oracle

HOLDER = """
import sys, time
from bignet.store.writer import writing
with writing(sys.argv[1]):
    print("held", flush=True)
    time.sleep(120)
"""


@contextmanager
def holder(store):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(store)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_writer_is_told_who_holds_the_store(store):
    with holder(store) as process:
        start = time.monotonic()
        with pytest.raises(LockedError) as caught, writing(store):
            pass
        assert time.monotonic() - start < 2
    assert f"process {process.pid} on {socket.gethostname()}" in str(caught.value)
    assert caught.value.exit_code == ExitCode.LOCKED


def test_a_stopped_holder_still_holds(store):
    with holder(store) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(LockedError), writing(store):
            pass
        process.send_signal(signal.SIGCONT)


def test_the_lock_of_a_killed_holder_is_free_at_once(store):
    with holder(store) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with writing(store) as writer:
            assert writer.manifest.rows == 10
    assert oracle.leftovers(store) == []


def test_a_second_writer_in_the_same_process_is_refused_too(store):
    with writing(store), pytest.raises(LockedError, match=f"process {os.getpid()} "), writing(store):
        pass
    with writing(store):
        pass


def test_readers_do_not_wait_for_a_writer(store):
    with holder(store), Snapshot.open(store) as snapshot:
        assert snapshot.table().num_rows == 10


def test_a_lock_whose_file_was_removed_holds_nothing(store, monkeypatch):
    """A first run that failed removed its store between our opening the lock's file and locking it."""
    opening = os.open

    def open_then_lose(path, *arguments):
        descriptor = opening(path, *arguments)
        (store / ".lock").unlink()
        return descriptor

    monkeypatch.setattr(os, "open", open_then_lose)
    with pytest.raises(LockedError, match="run again"), lock.exclusive(store):
        pass


def test_a_reader_holds_its_manifest_until_it_closes(store):
    path = oracle.manifests(store)[0]
    with Snapshot.open(store), lock.unless_read(path) as unread:
        assert not unread
    with lock.unless_read(path) as unread:
        assert unread


def test_a_manifest_that_is_gone_cannot_be_held(tmp_path):
    assert lock.hold_for_reading(tmp_path / "00000001.json") is None
