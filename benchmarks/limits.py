"""What the machine could do at best: the network alone on ready squares, decoding alone on bytes in memory.

python benchmarks/limits.py [--openvino] JOB.json ANSWER.json
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torchvision
from jobs import BATCH, Job, read_job

import bignet
from bignet.extractor import decode
from bignet.extractor import machine as extractor_machine
from bignet.extractor.run import Listener
from bignet.images import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bignet.extractor.encoder import Encoder
    from bignet.extractor.prove import Proof

SECONDS = 2.0
ROUNDS = 3
CORES = len(os.sched_getaffinity(0))


class _Ready(Exception):  # noqa: N818 - no error: it ends an extraction before its first picture
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder


class _Catch(Listener):
    """Takes the encoder of an extraction: the very one that BigNet would use."""

    def encoder_ready(self, encoder: Encoder, proofs: Sequence[Proof], on_record: str | None) -> None:
        raise _Ready(encoder)


def encoder_of(job: Job) -> Encoder:
    """The encoder that bignet.extract uses for this job, with whatever precision that means."""
    asked: Any = {"model": job.model, "weights": job.weights, "layers": job.layers, "pools": job.pools, **job.options}
    with tempfile.TemporaryDirectory() as folder:
        try:
            bignet.extract(job.photos, Path(folder, "none.bignet"), listener=_Catch(), **asked)
        except _Ready as ready:
            return ready.encoder
    raise RuntimeError("an extraction went by without an encoder")


def together(works: Sequence[Callable[[], int]], n_threads: int, seconds: float = SECONDS) -> float:
    """Repeat each work in a thread of its own -> images a second, all of them together.

    Args:
        works: each does something once and says for how many images.
        n_threads: torch's threads in each of them.
        seconds: how long.
    """

    def loop(work: Callable[[], int]) -> tuple[int, float]:
        torch.set_num_threads(n_threads)
        work()
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            done += work()
        return done, time.perf_counter() - begun

    with ThreadPoolExecutor(len(works)) as threads:
        return sum(done / spent for done, spent in threads.map(loop, works))


def forward_rate(encoder: Encoder, batch: torch.Tensor, seconds: float = SECONDS) -> float:
    """Images a second of the network alone, a thread for each core: in batches of BigNet's size or of ``batch``'s."""
    n_pixels = encoder.spec.preprocess.crop**2
    usual = extractor_machine.batch_size_for(encoder.device, n_pixels) * encoder.batches_a_pass
    parts = {len(part): part for part in (batch, batch[:usual])}
    return max(together([_forward(encoder, part)] * CORES, 1, seconds) for part in parts.values())


def _forward(encoder: Encoder, batch: torch.Tensor) -> Callable[[], int]:
    def work() -> int:
        encoder.encode(batch)
        return len(batch)

    return work


def decode_rate(encoder: Encoder, files: Sequence[bytes]) -> float:
    """Images a second of decoding alone, a thread for each core."""

    def work(first: int) -> Callable[[], int]:
        mine = files[first::CORES] or files

        def once() -> int:
            for data in mine:
                decode.decode(data, encoder.spec.preprocess, Limits())
            return len(mine)

        return once

    return together([work(first) for first in range(CORES)], 1)


def openvino_ratio(job: Job, encoder: Encoder, batch: torch.Tensor) -> tuple[float, float]:
    """The network alone, BigNet's and OpenVINO's in turn -> OpenVINO's images a second, and the median BigNet / it."""
    square = batch[:, 0].float().numpy() / 255  # (N, views, 3, H, W)
    few = BATCH // 4
    latency, throughput = _openvino(job, square, 1), _openvino(job, square[:few], CORES)

    pairs = []
    for _ in range(ROUNDS):
        theirs = max(together([latency], CORES, SECONDS / 2), together([throughput], CORES, SECONDS / 2))
        pairs.append((theirs, forward_rate(encoder, batch, SECONDS / 2) / theirs))
    return statistics.median(rate for rate, _ in pairs), statistics.median(ratio for _, ratio in pairs)


def _openvino(job: Job, square: Any, n_streams: int) -> Callable[[], int]:
    """As many requests at a time as there are streams, which share the cores."""
    try:
        import openvino
    except ImportError:
        raise SystemExit("openvino is not installed; pip install openvino, or leave --openvino out") from None
    network = torchvision.models.get_model(job.model, weights=None)
    network.load_state_dict(torch.load(job.weights, weights_only=True))
    shape = list(square.shape)
    converted = openvino.convert_model(network.eval(), example_input=torch.zeros(shape), input=shape)
    hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": str(CORES), "NUM_STREAMS": str(n_streams)}
    compiled = openvino.Core().compile_model(converted, "CPU", hints)
    requests = openvino.AsyncInferQueue(compiled, n_streams)

    def work() -> int:
        rounds = 2 * n_streams
        for _ in range(rounds):
            requests.start_async(square)
        requests.wait_all()
        return rounds * len(square)

    return work


def main() -> None:
    """Measure and write the rates, with memory managed as in an extraction."""
    with extractor_machine.freed_memory_kept():
        measure()


def measure() -> None:
    """Measure and write the rates."""
    *flags, asked, answer = sys.argv[1:]
    job = read_job(asked)
    encoder = encoder_of(job)
    files = [path.read_bytes() for path in job.paths()[: 2 * BATCH]]
    squares = [decode.decode(data, encoder.spec.preprocess, Limits())[0] for data in files[:BATCH]]
    batch = torch.stack(squares)
    rates = {
        "forward": forward_rate(encoder, batch),
        "decode": decode_rate(encoder, files),
        "precision": encoder.spec.precision,
        "decoder": encoder.spec.preprocess.decode,
    }
    if "--openvino" in flags:
        rates["openvino"], rates["openvino_ratio"] = openvino_ratio(job, encoder, batch)
    Path(answer).write_text(json.dumps(rates))


if __name__ == "__main__":
    main()
