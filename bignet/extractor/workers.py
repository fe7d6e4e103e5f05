"""What a decoding thread does with a file for one encoder."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bignet.extractor import decode
from bignet.extractor.ahead import Ahead
from bignet.extractor.outcomes import Decoded, Outcome, Refused, SameBytes
from bignet.extractor.trial import Trials
from bignet.images import Limits, read_image_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from bignet.extractor.journal import Journal
    from bignet.extractor.sources import Entry
    from bignet.spec import Preprocess


@dataclass
class StageSeconds:
    """Seconds spent in each stage, summed over threads: all of a read, a core's time of decoding."""

    read: float = 0.0
    decode: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, read: float, decode: float) -> None:
        """Count one file."""
        with self._lock:
            self.read += read
            self.decode += decode


class Claims:
    """Which contents are already someone's to decode: the first to claim a digest decodes it."""

    def __init__(self, is_known: Callable[[bytes], bool]) -> None:
        self._is_known = is_known
        self._claimed: set[bytes] = set()
        self._lock = threading.Lock()

    def take(self, sha256: bytes) -> bool:
        """Whether the caller is the first with these bytes."""
        with self._lock:
            if sha256 in self._claimed or self._is_known(sha256):
                return False
            self._claimed.add(sha256)
            return True

    def settle(self, digests: Iterable[bytes]) -> None:
        """Forget claims that came to something: what is embedded is known by now."""
        with self._lock:
            self._claimed.difference_update(digests)


@dataclass(frozen=True)
class Loader:
    """What a thread does with one file: read, hash, and decode unless its bytes were met before."""

    root: Path
    preprocess: Preprocess
    limits: Limits
    seconds: StageSeconds

    def load(self, entry: Entry, claims: Claims) -> Outcome:
        """One file -> its outcome; never raises for what a file can hold."""
        start = time.perf_counter()
        try:
            file = read_image_file(os.path.join(os.fsencode(self.root), entry.path), self.limits)
        except Exception as error:  # memory may run out, too
            return Refused.because(error, entry)
        read, decoding = time.perf_counter(), time.thread_time()
        if not claims.take(file.sha256):
            return SameBytes(entry, file.sha256, file.n_bytes, file.mtime_ns)
        try:
            square, width, height = decode.decode(file.data, self.preprocess, self.limits)
        except Exception as error:
            return Refused.because(error, entry, file.sha256)
        finally:
            self.seconds.add(read - start, time.thread_time() - decoding)
        return Decoded(entry, file.sha256, file.n_bytes, file.mtime_ns, width, height, square)


class DecodePool(Ahead[Claims, Outcome]):
    """Threads that decode files for one encoder."""

    def __init__(self, loader: Loader, n_workers: int, timeout: float, journal: Journal | None = None) -> None:
        super().__init__(loader, Trials(loader, timeout), n_workers, timeout, journal)
