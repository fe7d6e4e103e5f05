"""What a person sees: results on stdout, notices and progress on stderr, errors in one line."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from bignet.imported import ImportedEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.progress import Progress, TaskID

    from bignet.store.snapshot import Snapshot
    from bignet.store.verify import LeftOut


def say(text: str = "") -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")


def say_json(data: Any) -> None:
    """The result for machines: one JSON document, nothing else on stdout."""
    say(json.dumps(data, indent=1, allow_nan=False))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> list[str]:
    """Aligned lines; columns whose letter in ``right`` is ``r`` are set flush right."""
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
    sides = [">" if right[column : column + 1] == "r" else "<" for column in range(len(header))]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in [header, *rows]
    ]


def grouped(number: int) -> str:
    """12480 -> ``12,480``."""
    return f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def pasted(path: object) -> str:
    """A path as one word of a command line."""
    from bignet.names import shell_word

    return shell_word(str(path))


def typed(words: Sequence[str]) -> str:
    """The words of a command as they are typed."""
    return " ".join(map(pasted, words))


def search_hint(store: str | os.PathLike[str], embedding: str | None = None) -> str:
    """The search to try next on a store, as typed: by a picture, or where no encoder is at hand by an id it has."""
    from bignet.store.snapshot import Snapshot

    with Snapshot.open(store) as snapshot:
        query = _an_id(snapshot) if isinstance(snapshot.embeddings[0].encoder, ImportedEncoder) else "QUERY.jpg"
        which = "" if embedding in (None, snapshot.embeddings[0].name) else f" -e {pasted(embedding)}"
    return f"bignet search {pasted(store)} {query}{which}"


def partial_warning(store: object, left_out: LeftOut) -> str:
    """What an answer lacks that was given with --allow-partial."""
    mend = f"bignet verify {pasted(store)} --repair, then the same extraction, import or derivation, brings them back"
    return f"warning: {left_out}; {mend}"


def _an_id(snapshot: Snapshot) -> str:
    shards = [shard for shard in snapshot.manifest.shards if shard.rows]
    return f"id:{snapshot.read_shard(shards[0], ['id'])['id'][0].as_py()}" if shards else "id:N"


def duration(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``1m 11s``, ``2h 05m``."""
    if seconds < 10:  # tenths matter below ten seconds
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest} s"


def missing_images(root: Path) -> str:
    """What to say when the pictures are not where they were."""
    return f"note: the images are not at '{root}'; if they moved, say where with --images FOLDER"


class Notices:
    """Our own lines on stderr, also while the libraries' are silenced."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._stream: TextIO = sys.stderr

    def note(self, text: str) -> None:
        """A line about what is going on."""
        if not self._quiet:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def progress(self) -> Progress | None:
        """A progress bar with rate and time left; None when nobody watches."""
        if self._quiet or not self._stream.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        return Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=40),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[rate]}"),
            console=Console(file=self._stream),
            transient=True,
        )

    @contextmanager
    def only_ours(self) -> Iterator[Notices]:
        """Send what libraries write on file descriptor 2 nowhere: libtiff and libjpeg pass Python by."""
        sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        before = self._stream
        try:
            os.dup2(nowhere, 2)
            with os.fdopen(os.dup(kept), "w", errors="backslashreplace") as stream, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._stream = stream
                yield self
        finally:
            self._stream = before
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


class Bar:
    """How far something is, with its rate and the time left; nothing when nobody watches."""

    def __init__(self, notices: Notices, doing: str, unit: str) -> None:
        self._notices = notices
        self._doing = doing
        self._unit = unit
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._start = time.monotonic()

    def begin(self) -> None:
        """What went before does not count into the rate."""
        self._start = time.monotonic()

    def advanced(self, n_done: int, n_total: int | None) -> None:
        """So many are done, of None as long as nobody knows; with the first call that says none, the time begins."""
        if n_done == 0:
            self.begin()
        if self._bar is None:
            self._bar = self._notices.progress()
            if self._bar is None:
                return
            self._bar.start()
            self._task = self._bar.add_task(self._doing, total=n_total, count="", rate="")
        if self._task is not None:
            rate = n_done / max(time.monotonic() - self._start, 1e-9)
            left = ((n_total or 0) - n_done) / max(rate, 1e-9)
            text = f"{rate:,.0f} {self._unit}/s  {int(left) // 60}:{int(left) % 60:02d} left" if n_done else ""
            count = "" if n_total is None else f"{n_done:,}/{n_total:,}"
            self._bar.update(self._task, completed=n_done, total=n_total, count=count, rate=text)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
