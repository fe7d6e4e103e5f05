"""What an embedding costs here: images a second of decoding and of the network up to a layer, measured as a run works.

A network is cut off after the layer and runs as an extraction does: as many passes side by side, with as many threads
and images each. Files are read and decoded by as many threads as decode in a run.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from bignet.errors import UsageError
from bignet.extractor import backbones, costs, fusion, machine, network
from bignet.extractor.decode import decode
from bignet.extractor.encoder import Blueprint
from bignet.extractor.forward import Seat
from bignet.extractor.network import Plain
from bignet.extractor.peak import PeakMemory
from bignet.extractor.rate import Rate
from bignet.images import Limits, RejectedImage, read_image_file

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from bignet.extractor.encoder import Encoder, Head
    from bignet.spec import EmbeddingSpec, Preprocess

REPEATS = 3
VISITS = 3  # to a layer, the others in between: a machine that was busy for a second shows
FORWARD_SECONDS = 1.0
DECODE_SECONDS = 1.5


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


@dataclass(frozen=True)
class LayerRates:
    """What each tapped layer of a store's network costs.

    Attributes:
        rates: layer -> of the network cut off after it, with the first of the store's pools there.
        flops: layer -> floating-point operations up to it for one image, all its views; without those of no own count.
        device: ``cpu``, or the GPU's name.
        precision: of the arithmetic.
    """

    rates: Mapping[str, ForwardRate]
    flops: Mapping[str, int]
    device: str
    precision: str

    @property
    def setting(self) -> str:
        """What the rates hold for: ``bf16 on cpu, 2 passes of 1 thread side by side, 8 images each``."""
        first = next(iter(self.rates.values()))
        threads = f"{first.threads} thread{'s' * (first.threads > 1)}"
        passes = f"{first.streams} passes of {threads} side by side" if first.streams > 1 else f"passes of {threads}"
        batches = " or ".join(str(size) for size in sorted({rate.batch for rate in self.rates.values()}))
        return f"{self.precision} on {self.device}, {passes}, {batches} images each"


def layer_rates(
    blueprint: Blueprint,
    device: str = "auto",
    seconds: float = FORWARD_SECONDS,
    advanced: Callable[[], None] | None = None,
) -> LayerRates:
    """Each layer of a store's embeddings: the network cut off there, in the store's own precision.

    Every layer is visited VISITS times, one after the other.

    Args:
        blueprint: of the store's encoder.
        device: see encoder.build; of several GPUs the first.
        seconds: measured at a layer; a pass that takes longer is measured once a visit.
        advanced: called after each visit.
    """
    target = machine.devices_for(machine.find_device(device))[0]
    specs = [head.spec for head in blueprint.heads]
    with machine.threads_of_a_pass(target):
        shortened = {layer: cut_off(blueprint, layer).encoder(target) for layer in layers_of(specs)}
    rates: dict[str, ForwardRate] = {}
    for layer in [*shortened] * VISITS:
        found = forward_rate(shortened[layer], seconds / VISITS, warm=layer in rates)
        rates[layer] = rates[layer] + found if layer in rates else found
        if advanced is not None:
            advanced()
    return LayerRates(rates, flops_to(specs), machine.device_name(target), specs[0].computed_by.precision)


def layers_of(specs: Sequence[EmbeddingSpec]) -> list[str]:
    """The layers tapped, the earliest first, as they were asked."""
    return list(dict.fromkeys(spec.layer for spec in specs))


def cut_off(blueprint: Blueprint, layer: str) -> Blueprint:
    """The network up to one of its tapped layers, with the first pool there."""
    plain = blueprint.plain
    at = next(number for number, head in enumerate(blueprint.heads) if head.spec.layer == layer)
    head = blueprint.heads[at]
    shorter = Plain(plain.model, {layer: [head.pool.apply]}, plain.sample, [plain.vectors[at]])
    return Blueprint(shorter, (_with_own_ranges(head, shorter),))


def _with_own_ranges(head: Head, plain: Plain) -> Head:
    """Without the ranges of 8-bit convolutions that come after the layer; in bf16 if none is left."""
    spec = head.spec.computed_by
    if not spec.ranges or not network.can_be_followed(plain):
        return head
    here = {node.name for node, _ in fusion.convolutions(network.folded(plain))}
    ranges = tuple(pair for pair in spec.ranges if pair[0] in here)
    changed = replace(spec, precision="int8" if ranges else "bf16", ranges=ranges)
    return replace(head, spec=replace(head.spec, encoder=changed))


def flops_to(specs: Sequence[EmbeddingSpec]) -> dict[str, int]:
    """Layer -> floating-point operations of a forward pass until it has finished, for one image with all its views."""
    spec = specs[0].computed_by
    wanted = {item.layer for item in specs}
    outline = costs.outline(backbones.find(spec.model), spec.preprocess.crop)
    return {row.name: row.flops_so_far * spec.preprocess.n_views for row in outline.layers if row.name in wanted}


def forward_rate(encoder: Encoder, seconds: float = FORWARD_SECONDS, *, warm: bool = False) -> ForwardRate:
    """Images a second of a network alone.

    Args:
        encoder: made inside ``machine.threads_of_a_pass``; else it is slower than in a run.
        seconds: of measuring; a pass that takes longer is measured once.
        warm: whether it has run before.
    """
    streams = machine.streams_for(encoder.device, machine.available_cores())
    batch, squares = _noise(encoder)
    with (
        machine.freed_memory_kept(),
        machine.threads_of_a_pass(encoder.device),
        ThreadPoolExecutor(streams.number, "bignet-timing") as threads,
        PeakMemory(encoder.device) as memory,
    ):
        seats = [Seat(encoder, streams.threads) for _ in range(streams.number)]

        def run(seat: Seat, passes: int) -> None:
            for _ in range(passes):
                seat.run(squares)

        def timed(passes: int) -> float:
            start = time.perf_counter()
            list(threads.map(run, seats, itertools.repeat(passes)))
            return time.perf_counter() - start

        if not warm:
            timed(1)
        once = timed(1)
        passes = max(int(seconds / REPEATS / once), 1)
        spent = [once if passes == 1 else timed(passes)]
        while len(spent) < REPEATS and sum(spent) + spent[-1] <= 1.5 * seconds:
            spent.append(timed(passes))
    rate = Rate(tuple(batch * passes * streams.number / each for each in spent))
    return ForwardRate(rate, streams.number, streams.threads, batch, memory.n_bytes)


def _noise(encoder: Encoder) -> tuple[int, list[torch.Tensor]]:
    """A run's number of images a pass, and so many that are noise."""
    preprocess = encoder.spec.preprocess
    side, views = preprocess.crop, preprocess.n_views
    batch = machine.batch_size_for(encoder.device, side**2 * views) * encoder.batches_a_pass
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
        seconds: of measuring, in VISITS * REPEATS measurements.

    Raises:
        UsageError: no file.
    """
    if not paths:
        raise UsageError("no files to decode: the rate of decoding is measured on one or more")
    numbers = itertools.count()  # each measurement goes on where the one before it ended

    def load(_: int) -> None:
        decode(read_image_file(paths[next(numbers) % len(paths)]).data, preprocess, Limits())

    times = VISITS * REPEATS
    return Rate(tuple(repeated(load, workers, seconds / times) for _ in range(times)))


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
