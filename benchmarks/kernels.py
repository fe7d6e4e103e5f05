"""What the C kernels save: forward passes of networks in fp32 with them, and with oneDNN's and torch's alone.

    python benchmarks/kernels.py --models resnet18,alexnet

One core, noise for images, random weights. Both in turn, the best of the runs: what else the machine does only adds to
them. The smallest cosine is between the two, over the batch, of the default layer's ``gap``.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import machine
import numpy as np
import torch

from bignet.extractor import encoder, native
from bignet.extractor.forward import Seat
from bignet.extractor.machine import freed_memory_kept, threads_of_torch
from bignet.extractor.settings import Form

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MODELS = "resnet18,resnet50,alexnet,squeezenet1_1,vgg11,googlenet,densenet121,mobilenet_v3_large"
CPU = torch.device("cpu")


def seats(model: str) -> tuple[Seat, Seat, int]:
    """A network with oneDNN's convolutions, with ours, and the side of its input."""
    blueprint = encoder.draw(model, "random:0", (), ("gap",), Form())
    with patch.object(native, "load", lambda _name: None):
        without = blueprint.encoder(CPU)
    return Seat(without), Seat(blueprint.encoder(CPU)), blueprint.preprocess.crop


def best_of(seat: Seat, squares: list[Tensor], best: float) -> tuple[float, NDArray[np.float64]]:
    """Seconds of one pass, if that is less than the best before, and its vectors."""
    start = time.perf_counter()
    (vectors,) = seat.run(squares).vectors.values()
    return min(best, time.perf_counter() - start), vectors.astype(np.float64)


def smallest_cosine(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Of (N, D) and (N, D)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float((np.einsum("nd,nd->n", left, right) / lengths).min())


def row(model: str, images: int, runs: int) -> str:
    """A line of the table."""
    without, ours, side = seats(model)
    noise = torch.Generator().manual_seed(0)
    squares = [torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, generator=noise) for _ in range(images)]
    before = after = float("inf")
    for _ in range(runs + 1):  # the first warms up
        before, theirs = best_of(without, squares, before)
        after, found = best_of(ours, squares, after)
    difference = max(0.0, 1 - smallest_cosine(theirs, found))
    return f"{model:20} {images / before:10.1f} {images / after:10.1f} {before / after:8.2f}x {difference:12.0e}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS, help="by commas")
    parser.add_argument("--images", type=int, default=8, help="of a batch")
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    print(machine.line())
    print("C kernels:", ", ".join(f"{name} ({native.variant(name)})" for name in native.sources() if native.load(name)))
    print(f"{'images/s on one core':20} {'oneDNN':>10} {'BigNet':>10} {'':9} {'1 - cosine':>12}")
    with threads_of_torch(1), freed_memory_kept():
        for model in given.models.split(","):
            print(row(model, given.images, given.runs), flush=True)


if __name__ == "__main__":
    main()
