"""Several models over the same images: each file decoded once, each model's vectors in an ordinary store of its own."""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bignet import files
from bignet.errors import MismatchError, UsageError, explain_os_error
from bignet.extractor import journal
from bignet.extractor.run import Silent, StoreRun, Summary, check_device, embed, scan_for_work
from bignet.store import layout, lock
from bignet.store.snapshot import Snapshot
from bignet.store.writer import writing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from bignet.extractor.encoder import Ready
    from bignet.extractor.run import Listener
    from bignet.extractor.settings import ExtractSettings, Tap
    from bignet.extractor.sources import Scan
    from bignet.extractor.weights import Loaded
    from bignet.store.writer import StoreWriter

_SUFFIX = ".bignet"
_NO_NAME = re.compile(r"[^\w.+-]+", re.ASCII)


@dataclass(frozen=True)
class ModelRequest:
    """What is wanted of one model.

    Attributes:
        model: its name.
        weights: see ``ExtractSettings.weights``; None = default.
        taps: its layers, each with a pool; at least one.
    """

    model: str
    weights: str | None
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class ModelStore:
    """The store of one model, and what this run did to it.

    Attributes:
        model: its name.
        path: of the store.
        summary: of this run.
        network: what embedded; None where nothing was left to embed.
    """

    model: str
    path: Path
    summary: Summary
    network: Ready | None = field(default=None, repr=False, compare=False)


def store_name(model: str) -> str:
    """Where a model's store is below the folder of all: ``stores/resnet18.bignet``."""
    return f"{layout.STORES}/{_NO_NAME.sub('-', model)}{_SUFFIX}"


def extract_several(
    images: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    requests: Sequence[ModelRequest],
    settings: ExtractSettings,
    listener: Listener | None = None,
    loaded: dict[str, Loaded] | None = None,
) -> tuple[ModelStore, ...]:
    """Bring the stores of several models up to date with their images.

    A file is read, hashed and decoded once if any store lacks it, and goes to those that do. A run that is cut off
    leaves stores that differ in how far they are; the same call goes on with each. Every store is one that a plain
    extraction could have made, and can go on with.

    Args:
        images: a folder, or a list file.
        folder: the stores are made in ``folder/stores``.
        requests: the models, each once.
        settings: of all of them; model, weights, layers, pools and taps are those of the requests. ``limit`` takes so
            many of the files from all over the input, and what a store of these has already stays.
        listener: told what goes on; of each store what was found, over all of them how far it is.
        loaded: model -> its network with the weights asked for, where that is at hand; they are taken out.

    Returns:
        The stores in the order of the requests.

    Raises:
        UsageError: nothing to embed, or a request that cannot be met.
        MismatchError: a store was made with other settings, or of other images.
        LockedError: another run holds a store, or all of them.
        ResourceError: disk full, read-only, ...; what was committed stays, and the same call goes on.
    """
    start = time.perf_counter()
    listener = listener or Silent()
    check_device(settings.device)
    _check_requests(requests)
    found = scan_for_work(images)
    at_hand = {} if loaded is None else loaded
    with _held(Path(folder) / layout.STORES) as place, ExitStack() as stack:
        writers = [stack.enter_context(writing(Path(folder) / store_name(request.model))) for request in requests]
        if settings.limit:
            found, settings = _limited(found, settings.limit, writers), replace(settings, limit=0)
        pairs = zip(writers, requests, strict=True)
        runs = [
            _run(found, writer, _own(settings, request), at_hand.pop(request.model, None)) for writer, request in pairs
        ]
        scanned = time.perf_counter() - start
        for run in runs:
            run.seconds["scan"] = scanned
            listener.scanned(found, run.work)
        _go(runs, place, listener)
        total = time.perf_counter() - start
        for run in runs:
            run.seconds["total"] = total
        done = zip(requests, runs, strict=True)
        return tuple(ModelStore(request.model, run.writer.path, run.summary(), run.network) for request, run in done)


def _run(found: Scan, writer: StoreWriter, settings: ExtractSettings, loaded: Loaded | None) -> StoreRun:
    try:
        return StoreRun(found, writer, settings, loaded)
    except MismatchError as error:
        what = str(error).rpartition(";")[0] or error
        raise MismatchError(
            f"'{writer.path}' was made otherwise: {what}; ask for what it was made with to go on with it, or give "
            "another folder (-o) for what you ask for"
        ) from error


def _own(settings: ExtractSettings, request: ModelRequest) -> ExtractSettings:
    return replace(settings, model=request.model, weights=request.weights, layers=(), pools=(), taps=request.taps)


def _limited(found: Scan, limit: int, writers: Sequence[StoreWriter]) -> Scan:
    """Files from all over the input, evenly spaced in path order, and all those that are stored."""
    entries = found.entries
    if limit >= len(entries):
        return found
    chosen = {entries[number * len(entries) // limit].path for number in range(limit)}
    for writer in writers:
        if writer.manifest is not None:
            with Snapshot.open(writer.path) as snapshot:
                chosen |= set(snapshot.metadata(["path"])["path"].to_pylist())
    return replace(found, entries=tuple(entry for entry in entries if entry.path in chosen))


def _go(runs: Sequence[StoreRun], place: Path, listener: Listener) -> None:
    pending = [run for run in runs if not run.is_up_to_date]
    for run in runs:
        if run.is_up_to_date:
            run.leave()
    if pending:
        embed(pending, place, listener)
        for run in pending:  # what a plain extraction of this store left when it died was looked at again in this run
            journal.forget(run.writer.path)
    else:
        journal.forget(place)


def _check_requests(requests: Sequence[ModelRequest]) -> None:
    if not requests:
        raise UsageError("no model is asked for; name at least one")
    for request in requests:
        if not request.taps:
            raise UsageError(f"no layer of model '{request.model}' is asked for; name one with its pool")
    name, times = Counter(store_name(request.model) for request in requests).most_common(1)[0]
    if times > 1:
        models = ", ".join(request.model for request in requests if store_name(request.model) == name)
        raise UsageError(f"{models} would share the store '{name}'; name each model once")


@contextmanager
def _held(place: Path) -> Iterator[Path]:
    """Hold the folder of the stores; one that was made and stays empty goes again."""
    missing = [folder for folder in (*reversed(place.parents), place) if not folder.exists()]
    try:
        for folder in missing:
            folder.mkdir(exist_ok=True)
            files.sync_folder(folder.parent)
        with lock.exclusive(place, "folder"):
            try:
                yield place
            finally:
                _remove_if_unused(place, missing)
    except OSError as error:
        raise explain_os_error(error, f"write to folder '{place}'") from error


def _remove_if_unused(place: Path, made: Sequence[Path]) -> None:
    if place not in made or any(item.name != layout.LOCK for item in place.iterdir()):
        return
    with suppress(OSError):
        (place / layout.LOCK).unlink()
        for folder in reversed(made):
            folder.rmdir()
