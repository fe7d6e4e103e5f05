"""What each tapped layer costs here: images a second of the network up to it, from passes of the whole network.

The clock is read where a layer ends: before its first pool and after it. A layer costs what had passed by then in its
pass, less the pools of the layers before it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bignet.extractor import machine
from bignet.extractor.encoder import Blueprint
from bignet.extractor.network import Plain
from bignet.extractor.rate import Rate
from bignet.extractor.timing import FORWARD_SECONDS, Bench, ForwardRate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from bignet.extractor.forward import Seat

    Pool = Callable[[Tensor], Tensor]

VISITS = 3
MOST_ROUNDS = 9


@dataclass(frozen=True)
class LayerRates:
    """What each tapped layer of a store's network costs.

    Attributes:
        rates: layer -> of the network up to it, with the first of the store's pools there; the memory is that of the
            whole network.
        device: ``cpu``, or the GPU's name.
        precision: of the arithmetic.
    """

    rates: Mapping[str, ForwardRate]
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
    blueprints: Mapping[str, Blueprint],
    device: torch.device,
    seconds: float = FORWARD_SECONDS,
    advanced: Callable[[], None] | None = None,
) -> dict[str, LayerRates]:
    """Each layer of the embeddings of several stores, in the stores' own precisions.

    Networks are visited in turn, VISITS times: a machine that was busy for some seconds shows.

    Args:
        blueprints: of the stores' encoders, by name.
        device: where they run.
        seconds: measured at a network, after a pass to warm up; VISITS passes a stream at least, MOST_ROUNDS at most.
        advanced: called after each visit.
    """
    clocks = {name: _LayerClock(blueprint, device) for name, blueprint in blueprints.items()}
    for each in [*clocks.values()] * VISITS:
        each.visit(seconds / VISITS)
        if advanced is not None:
            advanced()
    return {name: each.rates() for name, each in clocks.items()}


class _LayerClock:
    """A network whose layers are timed."""

    def __init__(self, blueprint: Blueprint, device: torch.device) -> None:
        self._stamps = _Stamps(device)
        with machine.threads_of_a_pass(device):
            self._encoder = _with_first_pools(blueprint, self._stamps.around).encoder(device)
        self._found: dict[str, ForwardRate] = {}

    def visit(self, seconds: float) -> None:
        """Measure for so long, or one pass a stream."""
        with Bench(self._encoder) as bench:

            def timed(seat: Seat) -> dict[str, tuple[int, float]]:
                return _pass_by_layer(seat, bench.squares, self._encoder.batches_a_pass, self._stamps)

            if not self._found:
                bench.together(timed)
            start = time.perf_counter()
            rounds = [bench.together(timed)]
            while len(rounds) < MOST_ROUNDS // VISITS and time.perf_counter() - start < seconds / 2:
                rounds.append(bench.together(timed))
        for layer, (batch, _) in rounds[0][0].items():
            rate = Rate(tuple(sum(batch / seat[layer][1] for seat in seats) for seats in rounds))
            found = bench.rate(rate, batch)
            self._found[layer] = self._found[layer] + found if layer in self._found else found

    def rates(self) -> LayerRates:
        """What all visits found."""
        encoder = self._encoder
        device = machine.device_name(encoder.device)
        return LayerRates(self._found, device, encoder.spec.precision)


def _with_first_pools(blueprint: Blueprint, around: Callable[[str, Pool], Pool]) -> Blueprint:
    """The same network with the first pool of each layer, and something around it."""
    plain, heads = blueprint.plain, blueprint.heads
    first = {head.spec.layer: number for number, head in reversed([*enumerate(heads)])}
    pools = {layer: [around(layer, heads[first[layer]].pool.apply)] for layer in plain.pools}
    vectors = [plain.vectors[first[layer]] for layer in plain.pools]
    return Blueprint(
        Plain(plain.model, pools, plain.sample, vectors), tuple(heads[first[layer]] for layer in plain.pools)
    )


def _pass_by_layer(seat: Seat, squares: list[Tensor], n_parts: int, stamps: _Stamps) -> dict[str, tuple[int, float]]:
    """Layer -> images, and seconds until it was done for them; in the order they end.

    What comes before large linear layers takes its images in parts (see ``tail``), so that it is timed on one part.
    """
    found, in_pieces = stamps.of(lambda: seat.run(squares))
    timed = {layer: (len(squares), seconds) for layer, seconds in found.items()}
    if n_parts > 1 and in_pieces:
        part = squares[: len(squares) // n_parts]
        alone, _ = stamps.of(lambda: seat.run(part))
        timed |= {layer: (len(part), alone[layer]) for layer in in_pieces}
    return timed


@dataclass(frozen=True)
class _Note:
    """When a layer ended, and when its pool had."""

    layer: str
    done: float
    pooled: float


class _Stamps:
    """Notes when the layers of a pass end, in the thread that runs it."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu, self._device = device.type == "cuda", device
        self._here = threading.local()

    def around(self, layer: str, pool: Pool) -> Pool:
        """A pool that notes when it begins and ends."""

        def stamped(output: Tensor) -> Tensor:
            done = self._now()
            vectors = pool(output)
            notes: list[_Note] | None = getattr(self._here, "notes", None)
            if notes is not None:
                notes.append(_Note(layer, done, self._now()))
            return vectors

        return stamped

    def of(self, run: Callable[[], object]) -> tuple[dict[str, float], list[str]]:
        """Seconds until each layer was done, and the layers that ended more than once: for some images at a time.

        Of those the first time counts, as often as there were others.
        """
        notes: list[_Note] = []
        self._here.notes, begin = notes, self._now()
        run()
        self._here.notes = None
        found: dict[str, float] = {}
        pooling = 0.0  # of layers before
        times = Counter(note.layer for note in notes)
        for note in notes:
            found.setdefault(note.layer, (note.pooled - begin - pooling) * times[note.layer])
            pooling += note.pooled - note.done
        return found, [layer for layer in found if times[layer] > 1]

    def _now(self) -> float:
        if self._on_gpu:
            torch.cuda.current_stream(self._device).synchronize()
        return time.perf_counter()
