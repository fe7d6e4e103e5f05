"""How fast networks run and files decode here, measured as a run works.

As many passes side by side, with as many threads and images each; as many threads that read and decode.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch

from bignet.errors import UsageError
from bignet.extractor import machine
from bignet.extractor.decode import decode
from bignet.extractor.forward import Seat
from bignet.extractor.peak import PeakMemory
from bignet.extractor.rate import Rate
from bignet.images import Limits, RejectedImage, read_image_file

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from bignet.extractor.encoder import Encoder
    from bignet.spec import Preprocess

Found = TypeVar("Found")

REPEATS = 4
FORWARD_SECONDS = 1.0
DECODE_SECONDS = 1.5
_DECODED_TIMES = 8


@dataclass(frozen=True)
class ForwardRate:
    """How fast a network runs.

    Attributes:
        rate: images a second, after a pass to warm up: REPEATS measurements, fewer where the time was up before.
        streams: passes side by side.
        threads: of each.
        batch: images of a pass.
        peak_bytes: most memory held meanwhile: by the process, libraries and weights included; on a GPU, there.
    """

    rate: Rate
    streams: int
    threads: int
    batch: int
    peak_bytes: int

    @property
    def images_s(self) -> float:
        """Images a second: the median."""
        return self.rate.value

    def __add__(self, other: ForwardRate) -> ForwardRate:
        """Both measurements of the same network."""
        return replace(self, rate=self.rate + other.rate, peak_bytes=max(self.peak_bytes, other.peak_bytes))


class Bench:
    """A network that runs on noise as in an extraction; use it in a ``with`` block.

    Attributes:
        batch: images of a pass.
        squares: so many that are noise.
        streams: passes side by side, and threads of each.

    Args:
        encoder: made inside ``machine.threads_of_a_pass``; else it is slower than in a run.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.streams = machine.streams_for(encoder.device, machine.available_cores())
        self.batch, self.squares = _noise(encoder)
        self._encoder, self._memory = encoder, PeakMemory(encoder.device)

    def __enter__(self) -> Bench:
        with ExitStack() as stack:
            stack.enter_context(machine.freed_memory_kept())
            stack.enter_context(machine.threads_of_a_pass(self._encoder.device))
            self._threads = stack.enter_context(ThreadPoolExecutor(self.streams.number, "bignet-timing"))
            stack.enter_context(self._memory)
            self._seats = [Seat(self._encoder, self.streams.threads) for _ in range(self.streams.number)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def together(self, work: Callable[[Seat], Found]) -> list[Found]:
        """What each stream's work on its seat gives, all at the same time."""
        return list(self._threads.map(work, self._seats))

    def rate(self, rate: Rate, batch: int) -> ForwardRate:
        """Images a second, measured in this block with so many images a pass."""
        return ForwardRate(rate, self.streams.number, self.streams.threads, batch, self._memory.n_bytes)


def forward_rate(encoder: Encoder, seconds: float = FORWARD_SECONDS) -> ForwardRate:
    """Images a second of a network alone.

    Args:
        encoder: see Bench.
        seconds: of measuring; a pass that takes longer is measured once.
    """
    with Bench(encoder) as bench:

        def timed(passes: int) -> float:
            start = time.perf_counter()
            bench.together(lambda seat: [seat.run(bench.squares) for _ in range(passes)])
            return time.perf_counter() - start

        timed(1)
        once = timed(1)
        passes = max(int(seconds / REPEATS / once), 1)
        spent = [once if passes == 1 else timed(passes)]
        while len(spent) < REPEATS and sum(spent) + spent[-1] <= 1.5 * seconds:
            spent.append(timed(passes))
    n_images = bench.batch * bench.streams.number
    return bench.rate(Rate(tuple(n_images * passes / each for each in spent)), bench.batch)


def _noise(encoder: Encoder) -> tuple[int, list[torch.Tensor]]:
    """A run's number of images a pass, and so many that are noise."""
    preprocess = encoder.spec.preprocess
    side, views = preprocess.crop, preprocess.n_views
    batch = encoder.usual_batch
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (batch, views, side, side, 3), dtype=torch.uint8, generator=generator)
    return batch, list(pixels.permute(0, 1, 4, 2, 3))


def decode_rate(
    paths: Sequence[str | bytes | os.PathLike[str]],
    preprocess: Preprocess,
    workers: int = 0,
    seconds: float = DECODE_SECONDS,
) -> Rate:
    """Images a second from file to the network's input; files that are no pictures take their time, too.

    What the system still holds in its cache is not read from the disk again.

    Args:
        paths: files, read one after the other, and again from the first.
        preprocess: what to decode to.
        workers: threads; 0 = one a core.
        seconds: of measuring, in eight measurements.

    Raises:
        UsageError: no file.
    """
    if not paths:
        raise UsageError("no files to decode: the rate of decoding is measured on one or more")
    numbers = itertools.count()  # each measurement goes on where the one before it ended

    def load(_: int) -> None:
        decode(read_image_file(paths[next(numbers) % len(paths)]).data, preprocess, Limits())

    return Rate(tuple(repeated(load, workers, seconds / _DECODED_TIMES) for _ in range(_DECODED_TIMES)))


def repeated(work: Callable[[int], object], workers: int, seconds: float) -> float:
    """How often a second threads finish ``work`` on 0, 1, 2, ..., whether or not an image is rejected.

    Args:
        work: what to do.
        workers: threads; 0 = one a core.
        seconds: after which nothing new is begun, but for the first of each thread.
    """
    numbers = itertools.count()  # one for all threads: each number once

    def loop(_: int) -> int:
        done = 0
        while not done or time.perf_counter() < end:  # one at least: a busy machine may begin when the time is up
            with suppress(RejectedImage):
                work(next(numbers))
            done += 1
        return done

    workers = workers or machine.available_cores()
    start = time.perf_counter()
    end = start + seconds
    with ThreadPoolExecutor(workers, "bignet-timing") as threads:
        done = sum(threads.map(loop, range(workers)))
    return done / (time.perf_counter() - start)


def end_to_end(forward: float, decode: float, *, on_gpu: bool) -> float:
    """Images a second of both: on shared cores the times add up, beside a GPU the slower one counts."""
    return min(decode, forward) if on_gpu else 1 / (1 / decode + 1 / forward)
