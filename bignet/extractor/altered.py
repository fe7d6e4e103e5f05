"""Altered copies of images that stores hold, embedded as the images were: each decoded once for all networks."""

from __future__ import annotations

import os
import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.extractor import decode, machine
from bignet.extractor import encoder as encoders
from bignet.extractor.alterations import SHORTER_SIDE, reduced
from bignet.extractor.forward import Seat
from bignet.images import Reason, RejectedImage, load_rgb, open_header, read_image_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from bignet.extractor.alterations import Alteration
    from bignet.extractor.encoder import Blueprint, Encoder
    from bignet.spec import Preprocess
    from bignet.store.snapshot import Snapshot

    Vectors = dict[str, NDArray[np.float32]]
    Squares = dict[Preprocess, list[Tensor]]

# Between images the share of usual copies that find their own has a standard deviation of 0.06 to 0.13 (SqueezeNet on
# photographs and on thumbnails), so that of this many is known to about 0.02, at the cost of embedding 1,200 images.
USUAL_IMAGES = 100


@dataclass(frozen=True)
class Originals:
    """Image files as they were when they were embedded.

    Attributes:
        root: what the paths are relative to.
        paths: n of them.
        digests: SHA-256 of their bytes, 32 bytes each.
    """

    root: Path
    paths: tuple[bytes, ...]
    digests: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def of(
        cls, store: Snapshot, rows: NDArray[np.int64], image_root: str | os.PathLike[str] | None = None
    ) -> Originals:
        """The files of some rows of a store.

        Raises:
            UsageError: ``image_root`` is not a folder.
        """
        table = store.metadata(["path", "sha256"]).take(rows)
        paths, digests = (tuple(table[name].to_pylist()) for name in ("path", "sha256"))
        return cls(store.image_root(image_root), paths, digests)

    def picture(self, number: int) -> Image.Image:
        """The upright RGB picture that copies are made from; see ``alterations.reduced``.

        Raises:
            RejectedImage: the file cannot be read any more, or is another one now.
        """
        file = read_image_file(os.path.join(os.fsencode(self.root), self.paths[number]))
        if file.sha256 != self.digests[number]:
            raise RejectedImage(Reason.CHANGED_WHILE_READING, "the file is another one than was embedded")
        return reduced(load_rgb(open_header(file.data), (SHORTER_SIDE, SHORTER_SIDE))[0])


@dataclass(frozen=True)
class Altered:
    """Vectors of altered copies.

    Attributes:
        alterations: A of them.
        rows: (n,) of the originals whose files could be read, in the order asked for.
        vectors: embedding -> (A, n, D) float32, not normalised.
        unread: row -> why its file could not be read.
    """

    alterations: tuple[Alteration, ...]
    rows: NDArray[np.int64]
    vectors: Mapping[str, NDArray[np.float32]]
    unread: Mapping[int, str]


def spread(n_rows: int, n_images: int = USUAL_IMAGES) -> NDArray[np.int64]:
    """At most so many rows from all over a store, ascending."""
    count = min(n_rows, n_images)
    return np.arange(count, dtype=np.int64) * n_rows // max(count, 1)


def embed_altered(
    store: Snapshot,
    image_root: str | os.PathLike[str] | None,
    rows: NDArray[np.int64],
    alterations: Sequence[Alteration],
    *,
    weights: str | None = None,
    device: str = "auto",
) -> Altered:
    """Altered copies of some rows of one store, under all of its embeddings.

    Args:
        store: made by an extraction.
        image_root: where the images are now; None = where they were.
        rows: (n,) of the store.
        alterations: each of them applied to each image.
        weights: where the weights are now, if they moved.
        device: see encoder.build.

    Raises:
        UsageError: no alteration, or ``image_root`` is not a folder.
        MismatchError: what can be built today is not what made the store.
    """
    target = machine.devices_for(machine.find_device(device))[0]
    encoder = encoder_for(encoders.redraw(store.embeddings, weights), target)
    found = embed_copies([encoder], Originals.of(store, rows, image_root), alterations)[0]
    unread = {int(rows[number]): reason for number, reason in found.unread.items()}
    return replace(found, rows=rows[found.rows], unread=unread)


def encoder_for(blueprint: Blueprint, device: torch.device) -> Encoder:
    """A store's encoder, its filters laid out for as many threads as a run gives a pass."""
    with machine.threads_of_a_pass(device):
        return blueprint.encoder(device)


def embed_copies(
    networks: Sequence[Encoder],
    originals: Originals,
    alterations: Sequence[Alteration],
    advanced: Callable[[int], None] | None = None,
) -> tuple[Altered, ...]:
    """Altered copies under several networks on one device; rows are positions among the originals.

    A file is read and decoded once, a copy made once; a pass takes all copies of an image, or of several.

    Args:
        networks: from ``encoder_for``, one or more.
        originals: the files.
        alterations: one or more.
        advanced: told how many more originals are done.

    Raises:
        UsageError: no alteration, or no network.
        ResourceError: the memory does not suffice for a single image.
    """
    if not (alterations and networks):
        raise UsageError(f"{len(alterations)} alterations under {len(networks)} networks; give one or more of each")
    work = _Work(networks, originals, tuple(alterations))
    shape = len(alterations), len(originals)
    tables = [{spec.name: np.empty((*shape, spec.dims), np.float32) for spec in each.specs} for each in networks]
    unread: dict[int, str] = {}
    for done in work.groups():
        unread |= done.unread
        for table, vectors in zip(tables, done.vectors, strict=True):
            for name, values in vectors.items():
                table[name][:, done.rows] = values
        if advanced is not None:
            advanced(len(done.rows) + len(done.unread))
    rows = np.array([number for number in range(len(originals)) if number not in unread], dtype=np.int64)
    if unread:
        tables = [{name: values[:, rows] for name, values in table.items()} for table in tables]
    return tuple(Altered(work.alterations, rows, table, unread) for table in tables)


@dataclass(frozen=True)
class _Done:
    """A few originals: those read, for each network name -> (A, rows, D), and why others were not read."""

    rows: list[int]
    vectors: list[Vectors]
    unread: dict[int, str]


class _Work:
    """Threads that each take a few originals from file to vectors; places for passes are shared between them."""

    def __init__(self, networks: Sequence[Encoder], originals: Originals, alterations: tuple[Alteration, ...]) -> None:
        self.alterations = alterations
        self._networks = networks
        self._originals = originals
        self._streams = machine.streams_for(networks[0].device, machine.available_cores())
        self._seats = [self._seats_of(network) for network in networks]

    def groups(self) -> Iterator[_Done]:
        """All originals, in order."""
        size = max(min(network.usual_batch for network in self._networks) // len(self.alterations), 1)
        numbers = range(len(self._originals))
        parts = [numbers[at : at + size] for at in numbers[::size]]
        n_threads = max(machine.available_cores(), self._streams.number)
        with (
            machine.freed_memory_kept(),
            machine.threads_of_a_pass(self._networks[0].device),
            ThreadPoolExecutor(n_threads, "bignet-altered") as threads,
        ):
            yield from threads.map(self._group, parts)

    def _seats_of(self, network: Encoder) -> queue.SimpleQueue[Seat]:
        seats: queue.SimpleQueue[Seat] = queue.SimpleQueue()
        for _ in range(self._streams.number):
            seats.put(Seat(network, self._streams.threads))
        return seats

    def _group(self, numbers: Sequence[int]) -> _Done:
        rows, unread = [], {}
        squares: Squares = {network.spec.preprocess: [] for network in self._networks}
        for number in numbers:
            try:
                picture = self._originals.picture(number)
            except RejectedImage as refusal:
                unread[number] = str(refusal)
            else:
                rows.append(number)
                self._add_copies(picture, squares)
        return _Done(rows, [self._vectors(at, squares) for at in range(len(self._networks))] if rows else [], unread)

    def _add_copies(self, picture: Image.Image, squares: Squares) -> None:
        for alteration in self.alterations:
            copy = alteration.apply(picture)
            for preprocess, found in squares.items():
                found.append(decode.squares(copy, preprocess))

    def _vectors(self, at: int, squares: Squares) -> Vectors:
        """Name -> (A, originals, D) of one network."""
        with _taken(self._seats[at]) as seat:
            passed = seat.run(squares[self._networks[at].spec.preprocess])
        n = len(self.alterations)
        return {name: values.reshape(-1, n, values.shape[1]).swapaxes(0, 1) for name, values in passed.vectors.items()}


@contextmanager
def _taken(seats: queue.SimpleQueue[Seat]) -> Iterator[Seat]:
    seat = seats.get()
    try:
        yield seat
    finally:
        seats.put(seat)
