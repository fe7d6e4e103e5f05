"""What the C kernel saves of resizing: the centre of a picture by it, and by Pillow.

    python benchmarks/resize.py

One core, noise for pictures, the shorter side to 256 pixels, of which the 224 x 224 in the middle. Both in turn, the
best of the runs. Pixels that differ are counted: there are none.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import machine
import numpy as np
from PIL import Image

from bignet.extractor import native, resize

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZES = ((500, 375), (375, 500), (1024, 768), (4032, 3024))
RESIZED, CROP = 256, 224


def best_of(make: Callable[[], NDArray[np.uint8]], best: float) -> tuple[float, NDArray[np.uint8]]:
    """Seconds that it takes, if less than the best before, and what it gives."""
    start = time.perf_counter()
    made = make()
    return min(best, time.perf_counter() - start), made


def row(size: tuple[int, int], interpolation: str, runs: int) -> str:
    """A line of the table."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    width, height = (RESIZED * side // min(size) for side in size)
    left, upper = (width - CROP) // 2, (height - CROP) // 2
    box = (left, upper, left + CROP, upper + CROP)

    def ours() -> NDArray[np.uint8]:
        return resize.part(picture, (width, height), box, interpolation)

    def pillows() -> NDArray[np.uint8]:
        resampling = Image.Resampling[interpolation.upper()]
        return np.asarray(picture.resize((width, height), resampling).crop(box))

    before = after = float("inf")
    for _ in range(runs + 1):  # the first warms up
        before, theirs = best_of(pillows, before)
        after, found = best_of(ours, after)
    different = int((theirs != found).any(axis=2).sum())
    what = f"{size[0]} x {size[1]}, {interpolation}"
    return f"{what:24} {before * 1e3:10.2f} {after * 1e3:10.2f} {before / after:8.1f}x {different:17}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    print(machine.line())
    print("C kernel:", native.variant("resize") if native.load("resize") else "none")
    print(f"{'ms on one core':24} {'Pillow':>10} {'BigNet':>10} {'':9} {'different pixels':>17}")
    for size in SIZES:
        for interpolation in ("bilinear", "bicubic"):
            print(row(size, interpolation, runs), flush=True)


if __name__ == "__main__":
    main()
