"""What further layers and pools cost: resnet50 layer1 to layer4, three pools each, against layer4.gap alone.

    python benchmarks/layers_cost.py PHOTOS --runs 5

Both in turn, each in a fresh process; the median of the ratios of neighbours in time. It is to be at most 1.20.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import machine
from extract import weights_file
from jobs import Job, race
from photo_sets import make

MODEL = "resnet50"
LAYERS = ("layer1", "layer2", "layer3", "layer4")
POOLS = ("gap", "gem:3", "avg:3")
BAR = 1.20


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos to make the set from")
    parser.add_argument("--images", type=int, default=500, help="web photos in the set")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--precision", help="passed to BigNet: auto, fp32, bf16")
    parser.add_argument("--decode", help="passed to BigNet: exact, fast")
    parser.add_argument("--work", type=Path, help="keep the photo set here from one call to the next")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = options()
    print(machine.line())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        photos = make("web", given.photos, given.images, given.work or work)
        weights = str(weights_file(MODEL, {}, work))
        one = Job(str(photos), MODEL, weights, ("layer4",), ("gap",), given.precision, given.decode)
        many = replace(one, layers=LAYERS, pools=POOLS)
        ratios, cpu_ratios = [], []
        for number in range(given.runs):
            alone, all_of_them = (race("bignet", job, work) for job in (one, many))
            ratios.append(all_of_them.seconds / alone.seconds)
            cpu_ratios.append(all_of_them.cpu_seconds / alone.cpu_seconds)
            times = f"layer4.gap {alone.seconds:6.1f} s  all {all_of_them.seconds:6.1f} s"
            print(f"  run {number + 1}  {times}  {ratios[-1]:.2f}x  ({cpu_ratios[-1]:.2f}x in CPU time)", flush=True)
    verdict = "within" if statistics.median(ratios) <= BAR else "above"
    what = f"{len(LAYERS) * len(POOLS)} embeddings of {MODEL} take {statistics.median(ratios):.2f}x the time of one"
    spread = f"[{min(ratios):.2f}-{max(ratios):.2f}], {statistics.median(cpu_ratios):.2f}x the CPU time"
    print(f"{what} {spread}; {verdict} the bar of {BAR:.2f}x; {given.images} web photos")


if __name__ == "__main__":
    main()
