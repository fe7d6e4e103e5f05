"""What the choices of a sweep cost on this machine, each stage measured once for all that share it."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np

from bignet.evaluate.sweep.result import Choice, Cost
from bignet.extractor import machine
from bignet.extractor.altered import spread
from bignet.extractor.timing import LayerRates, decode_rate, end_to_end, layer_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bignet.spec import EmbeddingSpec, Preprocess
    from bignet.store.snapshot import Snapshot

_SECONDS_A_LAYER = 1.0
_FILES_DECODED = 200
# Searches are timed among so many vectors at most, and reckoned in proportion to the rows beyond.
_ROWS_SEARCHED = 20_000
_QUERIES = 256
_REPEATS = 3
_K = 10


@dataclass(frozen=True)
class Costs:
    """What everything costs; ``setting`` says in a sentence what that holds for."""

    of: Mapping[str, Cost]
    setting: str


def measure(
    choices: Sequence[Choice],
    stores: Mapping[str, Snapshot],
    device: str,
    told: Callable[[int, int], None],
) -> Costs:
    """Choices and their open stores -> what each costs.

    Args:
        choices: any number.
        stores: by ``Choice.store``.
        device: see ``machine.find_device``; of several GPUs the first.
        told: how many of so many measurements are done.
    """
    total = len(stores) + 2
    rates: dict[str, LayerRates] = {}
    for number, (name, store) in enumerate(stores.items()):
        told(number, total)
        rates[name] = layer_rates(store.embeddings, device=device, seconds=_SECONDS_A_LAYER)
    told(total - 2, total)
    decoding = _decode_rates(stores)
    told(total - 1, total)
    n_rows = max(len(store) for store in stores.values())
    searching = {dims: _searches_a_second(n_rows, dims) for dims in {choice.dims for choice in choices}}
    told(total, total)
    on_gpu = machine.find_device(device).type == "cuda"
    found = {}
    for choice in choices:
        spec = stores[choice.store].embedding(choice.embedding)
        rate = rates[choice.store].rates[choice.layer]
        decode = decoding[spec.computed_by.preprocess]
        found[choice.name] = Cost(
            images_s_forward=rate.images_s,
            images_s_end2end=end_to_end(rate.images_s, decode, on_gpu=on_gpu),
            flops=rates[choice.store].flops.get(choice.layer),
            bytes_per_vector=_bytes(choice, spec),
            index_qps=searching[choice.dims],
            peak_bytes=rate.peak_bytes,
        )
    return Costs(found, _sentence(rates, n_rows))


def _bytes(choice: Choice, spec: EmbeddingSpec) -> int:
    dtype = np.dtype(np.float32 if choice.steps else spec.dtype)  # derived stores keep float32
    return choice.dims * dtype.itemsize


def _decode_rates(stores: Mapping[str, Snapshot]) -> dict[Preprocess, float]:
    """Images a second from file to each preprocessing's pixels."""
    found: dict[Preprocess, float] = {}
    for store in stores.values():
        preprocess = store.embeddings[0].computed_by.preprocess
        if preprocess not in found:
            paths = store.metadata(["path"]).take(spread(len(store), _FILES_DECODED))["path"].to_pylist()
            root = os.fsencode(store.image_root())
            found[preprocess] = decode_rate([os.path.join(root, path) for path in paths], preprocess)
    return found


def _searches_a_second(n_rows: int, dims: int) -> float:
    """Exact searches among so many vectors of so many numbers, many at a time."""
    base = np.random.default_rng(0).standard_normal((min(n_rows, _ROWS_SEARCHED), dims), dtype=np.float32)
    queries = base[:_QUERIES]
    k = min(_K, len(base))
    faiss.knn(queries, base, k, metric=faiss.METRIC_INNER_PRODUCT)
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        faiss.knn(queries, base, k, metric=faiss.METRIC_INNER_PRODUCT)
        seconds.append(time.perf_counter() - start)
    return len(queries) / statistics.median(seconds) * len(base) / n_rows


def _sentence(rates: Mapping[str, LayerRates], n_rows: int) -> str:
    """What the figures hold for."""
    settings = "; ".join(dict.fromkeys(each.setting for each in rates.values()))
    searched = f"exact search among {n_rows:,} images with {faiss.omp_get_max_threads()} threads"
    return f"{settings}; decoding with {machine.available_cores()} threads; {searched}; one machine, one run"
