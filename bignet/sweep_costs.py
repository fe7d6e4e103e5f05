"""What the choices of a sweep cost on this machine, each stage measured once for all that share it."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet.evaluate.sweep.result import Choice, Cost
from bignet.extractor import machine
from bignet.extractor.altered import spread
from bignet.extractor.layer_timing import MOST_ROUNDS, VISITS, LayerRates, layer_rates
from bignet.extractor.rate import Rate
from bignet.extractor.timing import ForwardRate, decode_rate, end_to_end
from bignet.sweep_speeds import Speeds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bignet.spec import EmbeddingSpec, Preprocess
    from bignet.store.snapshot import Snapshot
    from bignet.sweep_networks import Networks

    Stores = Mapping[str, Snapshot]

_SECONDS_A_NETWORK = 1.0
_SECONDS_DECODING = 1.0  # by all preprocessings together
_FILES_DECODED = 200
# Searches are timed among so many vectors at most, and reckoned in proportion to the rows beyond.
_ROWS_SEARCHED = 20_000
_QUERIES = 256
_REPEATS = 5
_K = 10


@dataclass(frozen=True)
class CostRequest:
    """How costs are found.

    Attributes:
        folder: of the sweep; speeds are kept there.
        flops: store and layer -> floating-point operations of a forward pass up to it, for one image.
        again: whether speeds that are kept are measured again.
    """

    folder: Path
    flops: Mapping[tuple[str, str], int]
    again: bool


@dataclass(frozen=True)
class Costs:
    """What everything costs.

    Attributes:
        of: by choice.
        setting: what that holds for, in a sentence.
        kept: what was not measured now, in a sentence; empty if nothing.
    """

    of: Mapping[str, Cost]
    setting: str
    kept: str


def measure(
    choices: Sequence[Choice], networks: Networks, request: CostRequest, told: Callable[[int, int], None]
) -> Costs:
    """Choices -> what each costs.

    Args:
        choices: any number.
        networks: of their stores, by ``Choice.store``.
        request: see CostRequest.
        told: how many of so many measurements are done.

    Raises:
        ResourceError: the disk refused.
    """
    stores = networks.stores
    bench = _Bench(networks, request, _Counter(told, _n_measurements(choices, stores)))
    rates = bench.layers()
    decoding = {store.embeddings[0].computed_by.preprocess: store for store in [*stores.values()][::-1]}
    seconds = _SECONDS_DECODING / len(decoding)
    decoded = {preprocess: bench.decoding(preprocess, store, seconds) for preprocess, store in decoding.items()}
    searched = {dims: bench.searching(dims) for dims in sorted({choice.dims for choice in choices})}
    on_gpu = networks.device.type == "cuda"
    found = {}
    for choice in choices:
        spec = stores[choice.store].embedding(choice.embedding)
        forward, decode = rates[choice.store].rates[choice.layer], decoded[spec.computed_by.preprocess]
        found[choice.name] = Cost(
            images_s_forward=forward.images_s,
            images_s_end2end=end_to_end(forward.images_s, decode.value, on_gpu=on_gpu),
            flops=request.flops.get((choice.store, choice.layer)),
            bytes_per_vector=_bytes(choice, spec),
            index_qps=searched[choice.dims].value,
            peak_bytes=forward.peak_bytes,
            images_s_forward_lo=forward.rate.low,
            images_s_forward_hi=forward.rate.high,
            images_s_end2end_lo=end_to_end(forward.rate.low, decode.low, on_gpu=on_gpu),
            images_s_end2end_hi=end_to_end(forward.rate.high, decode.high, on_gpu=on_gpu),
            index_qps_lo=searched[choice.dims].low,
            index_qps_hi=searched[choice.dims].high,
        )
    return Costs(found, _sentence(rates, bench.n_rows), bench.speeds.taken)


def _n_measurements(choices: Sequence[Choice], stores: Stores) -> int:
    decoders = {store.embeddings[0].computed_by.preprocess for store in stores.values()}
    return VISITS * len(stores) + len(decoders) + len({choice.dims for choice in choices})


class _Counter:
    """Tells how many of so many are done, as they are; from the first call on."""

    def __init__(self, told: Callable[[int, int], None], total: int) -> None:
        self._told, self._done, self._total = told, 0, total
        told(0, total)

    def __call__(self) -> None:
        self._done += 1
        self._told(self._done, self._total)


class _Bench:
    """Measures, or takes what is kept."""

    def __init__(self, networks: Networks, request: CostRequest, advance: _Counter) -> None:
        self._networks, self._advance = networks, advance
        self.speeds = Speeds(request.folder, again=request.again)
        self.n_rows = max(len(store) for store in networks.stores.values())
        self._machine = {"processor": machine.processor_name(), "threads": machine.available_cores()}

    def layers(self) -> dict[str, LayerRates]:
        """Each store's network up to each of its layers; those that are not kept are measured in turn."""
        depends = {name: self._network_depends(name) for name in self._networks.stores}
        found = {name: self.speeds.kept(f"forward {name}", on, _layer_rates) for name, on in depends.items()}
        missing = {name: self._networks.blueprint(name) for name, rates in found.items() if rates is None}
        kept = {name: rates for name, rates in found.items() if rates is not None}
        for _ in range(VISITS * len(kept)):
            self._advance()
        if not missing:
            return kept
        measured = layer_rates(missing, self._networks.device, _SECONDS_A_NETWORK, self._advance)
        return kept | {
            name: self.speeds.keep(f"forward {name}", depends[name], asdict(rates), _layer_rates)
            for name, rates in measured.items()
        }

    def _network_depends(self, name: str) -> dict[str, Any]:
        specs = self._networks.stores[name].embeddings
        return {
            **self._machine,
            "device": machine.device_name(self._networks.device),
            "torch": version("torch"),
            "embeddings": {spec.name: spec.fingerprint for spec in specs},
            "seconds": _SECONDS_A_NETWORK,
        }

    def decoding(self, preprocess: Preprocess, store: Snapshot, seconds: float) -> Rate:
        """From file to a preprocessing's pixels, of files from all over a store; measured for so long."""
        table = store.metadata(["path", "sha256"]).take(spread(len(store), _FILES_DECODED))
        root = os.fsencode(store.image_root())
        paths = [os.path.join(root, path) for path in table["path"].to_pylist()]
        contents = hashlib.sha256(b"".join(table["sha256"].to_pylist())).hexdigest()
        how = asdict(preprocess)
        depends = {**self._machine, "pillow": version("pillow"), "preprocess": how, "files": contents}
        name = hashlib.sha256(repr(sorted(how.items())).encode()).hexdigest()[:16]
        found = self.speeds.of(
            f"decode {name}", depends, lambda: asdict(decode_rate(paths, preprocess, seconds=seconds)), _rate
        )
        self._advance()
        return found

    def searching(self, dims: int) -> Rate:
        """Exact searches among as many vectors of so many numbers."""
        depends = {
            **self._machine,
            "faiss": version("faiss-cpu"),
            "threads of faiss": faiss.omp_get_max_threads(),
            "rows": self.n_rows,
        }
        found = self.speeds.of(f"search {dims}", depends, lambda: asdict(_searches_a_second(self.n_rows, dims)), _rate)
        self._advance()
        return found


def _rate(kept: Any) -> Rate:
    measured = tuple(float(each) for each in kept["measured"])
    if not measured or min(measured) <= 0:
        raise ValueError("a rate needs measurements above 0")
    return Rate(measured)


def _layer_rates(kept: Any) -> LayerRates:
    rates = {layer: ForwardRate(**{**each, "rate": _rate(each["rate"])}) for layer, each in kept["rates"].items()}
    return LayerRates(rates, str(kept["device"]), str(kept["precision"]))


def _bytes(choice: Choice, spec: EmbeddingSpec) -> int:
    dtype = np.dtype(np.float32 if choice.steps else spec.dtype)  # derived stores keep float32
    return choice.dims * dtype.itemsize


def _searches_a_second(n_rows: int, dims: int) -> Rate:
    """Exact searches among so many vectors of so many numbers, many at a time."""
    base = np.random.default_rng(0).standard_normal((min(n_rows, _ROWS_SEARCHED), dims), dtype=np.float32)
    queries = base[:_QUERIES]
    k = min(_K, len(base))
    faiss.knn(queries, base, k, metric=faiss.METRIC_INNER_PRODUCT)
    measured = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        faiss.knn(queries, base, k, metric=faiss.METRIC_INNER_PRODUCT)
        measured.append(len(queries) / (time.perf_counter() - start) * len(base) / n_rows)
    return Rate(tuple(measured))


def _sentence(rates: Mapping[str, LayerRates], n_rows: int) -> str:
    """What the figures hold for."""
    settings = "; ".join(dict.fromkeys(each.setting for each in rates.values()))
    searched = f"exact search among {n_rows:,} images with {faiss.omp_get_max_threads()} threads"
    decoded = f"decoding with {machine.available_cores()} threads"
    return f"{settings}; {decoded}; {searched}; one machine, medians of up to {MOST_ROUNDS} rounds of measurements"
