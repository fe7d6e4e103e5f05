"""Decoding a file where it can do no harm: alone, in a child process that may die or be killed.

The child is started anew, never forked: a fork of a process with threads can hang. ``python -m bignet.extractor.trial``
is its side; it ends when its parent does, because its input does.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bignet.extractor.clock import RunningClock
from bignet.images import Limits, Reason

if TYPE_CHECKING:
    from bignet.extractor.outcomes import Outcome
    from bignet.extractor.sources import Entry
    from bignet.extractor.workers import Claims, Loader

DEATHS = 2  # so many in as many tries are the file's fault
_SECONDS_TO_START = 120.0
_ASKED_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READY = b"r"
_LENGTH_BYTES = 8  # of an answer's length, which goes before it


class Trials:
    """Tries files one by one; the child is started when first needed, and again when it died."""

    def __init__(self, loader: Loader, seconds: float) -> None:
        self._loader = loader
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child; a later trial starts another."""
        self._stop()

    def verdict(self, path: bytes) -> tuple[Reason, str] | None:
        """Why a file is to be refused; None if it can be decoded, or refused, without harm."""
        answer = self._tried(path)
        return answer if isinstance(answer, tuple) else None

    def load(self, entry: Entry, claims: Claims) -> Outcome:
        """What ``Loader.load`` gives, but read and decoded by the child; by this process only if none can be had."""
        from bignet.extractor.outcomes import Decoded, Refused, SameBytes
        from bignet.extractor.parcel import unpacked

        answer = self._tried(entry.path)
        if answer is None:
            return self._loader.load(entry, claims)
        outcome = Refused(entry, *answer) if isinstance(answer, tuple) else unpacked(entry, answer)
        if isinstance(outcome, Decoded) and not claims.take(outcome.sha256):
            return SameBytes(entry, outcome.sha256, outcome.n_bytes, outcome.mtime_ns)
        return outcome

    def _tried(self, path: bytes) -> bytes | tuple[Reason, str] | None:
        """What the child answers, or why the file is to be refused; None if nothing can be found out."""
        for _try in range(DEATHS):
            answer, code = self._decoded(path)
            if answer is None:
                return Reason.TIMEOUT, f"reading and decoding it alone took longer than {self._seconds:g} s"
            if answer:
                return answer
            if code == 0 or -code in _ASKED_TO_STOP:
                return None
        how = f"exit code {code}" if code > 0 else f"signal {-code} ({signal.strsignal(-code)})"
        return Reason.WORKER_CRASH, f"decoding it alone ended with {how}, {DEATHS} times out of {DEATHS}"

    def _decoded(self, path: bytes) -> tuple[bytes | None, int]:
        """The child's answer (None: out of time; empty: none, it died) and, where there is none, its exit code."""
        try:
            child = self._child or self._started()
            _say(child, path + b"\0")
        except OSError:  # no process to be had, or it ended by itself: nothing is known about the file
            self._stop()
            return b"", 0
        length = _heard(child, self._seconds, _LENGTH_BYTES)
        answer = _heard(child, self._seconds, int.from_bytes(length, "big")) if length else length
        return (answer, 0) if answer else (answer, self._stop())

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", __name__]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(item or os.curdir for item in sys.path)}
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
        )
        _say(self._child, json.dumps(_described(self._loader)).encode() + b"\0")
        if _heard(self._child, _SECONDS_TO_START) != _READY:
            raise ChildProcessError("a child process did not start")
        return self._child

    def _stop(self) -> int:
        """End the child -> its exit code; one that ended before keeps its own."""
        child, self._child = self._child, None
        if child is None:
            return 0
        with child:  # closes the pipes and waits
            if _heard(child, 0) != b"":
                child.kill()
        return child.returncode


def _say(child: subprocess.Popen[bytes], data: bytes) -> None:
    if child.stdin is None:
        raise ChildProcessError("a child process has no input")
    child.stdin.write(data)


def _heard(child: subprocess.Popen[bytes], seconds: float, n_bytes: int = 1) -> bytes | None:
    """The next bytes; empty if the output ends before them, None when time is up."""
    if child.stdout is None:
        raise ChildProcessError("a child process has no output")
    poll = select.poll()
    poll.register(child.stdout, select.POLLIN)
    clock = RunningClock(seconds)
    deadline = clock.now() + seconds
    data = bytearray()
    while len(data) < n_bytes:
        while not poll.poll(1000 * clock.step):
            if clock.now() >= deadline:
                return None
        part = child.stdout.read(n_bytes - len(data))
        if not part:
            return b""
        data += part
    return bytes(data)


def _described(loader: Loader) -> dict[str, Any]:
    root = os.fsencode(loader.root).hex()
    return {"root": root, "preprocess": asdict(loader.preprocess), "limits": asdict(loader.limits)}


def _loader(data: dict[str, Any]) -> Loader:
    from bignet.extractor.workers import Loader, StageSeconds
    from bignet.spec import Preprocess

    values: dict[str, Any] = data["preprocess"]
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    root = Path(os.fsdecode(bytes.fromhex(data["root"])))
    return Loader(root, Preprocess(**values), Limits(**data["limits"]), StageSeconds())


def _listen(messages: queue.SimpleQueue[bytes]) -> None:
    """Pass on what the parent says; when it is gone, so is this process, whatever it is stuck in."""
    pending = b""
    while data := os.read(0, 1 << 16):
        *whole, pending = (pending + data).split(b"\0")
        for message in whole:
            messages.put(message)
    os._exit(0)


def main() -> None:
    """The child's side: read and decode what is asked for, answer each with what came of it, tell nothing else."""
    from bignet.extractor.parcel import packed
    from bignet.extractor.sources import Entry
    from bignet.extractor.workers import Claims

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent too, which ends this process
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(messages,), daemon=True).start()
    loader = _loader(json.loads(messages.get()))
    os.write(1, _READY)
    while True:
        data = packed(loader.load(Entry(messages.get(), -1, -1), Claims(lambda _: False)))
        sys.stdout.buffer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
