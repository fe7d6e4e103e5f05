"""A sweep's grid two ways: as a loop over models and layers, and by BigNet in one pass; the README's table.

The loop is what feature-extraction packages are used for (thingsvision's extractor takes one layer at a time): for
every layer of every model it decodes all images, runs the whole network in fp32 with a hook on the layer, pools and
saves. All pools of a layer come from one pass of it. BigNet's time is all of it: grid, proof of faster arithmetic,
stores.

python benchmarks/sweep.py IMAGES [--models M,M] [--weights MODEL=WEIGHTS ...] [--limit N] [--runs N] [--out FILE]
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bignet.extractor import backbones, pools, weights
from bignet.extractor.grid import draw_grid
from bignet.extractor.settings import ExtractSettings
from bignet.extractor.several import extract_several
from bignet.store.snapshot import Snapshot

if TYPE_CHECKING:
    from bignet.extractor.grid import Combination, Grid
    from bignet.spec import Preprocess

MODELS = ("squeezenet1_1", "alexnet", "resnet18", "efficientnet_lite0")
BATCH = 32
NAMES = {"loop": "one layer at a time, DataLoader, fp32", "bignet": "BigNet, one pass"}


@dataclass(frozen=True)
class Task:
    """What both contestants do.

    Attributes:
        paths: the images.
        models: names.
        weights: model -> its weights; random ones where it has none.
        folder: where vectors go.
    """

    paths: tuple[str, ...]
    models: tuple[str, ...]
    weights: dict[str, str]
    folder: str

    def grid(self) -> Grid:
        """What is tried."""
        return draw_grid(self.models, weights_of=self.weights)


@dataclass
class Row:
    """A contestant's runs: seconds by the clock, of processor time, and how often each image was decoded."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    passes: int = 0


class Photos(Dataset[torch.Tensor]):
    """Files -> what a network wants."""

    def __init__(self, paths: tuple[str, ...], preprocess: Preprocess) -> None:
        modes = {"bilinear": transforms.InterpolationMode.BILINEAR, "bicubic": transforms.InterpolationMode.BICUBIC}
        self._paths = paths
        self._transform = transforms.Compose(
            [
                transforms.Resize(preprocess.resize, modes[preprocess.interpolation]),
                transforms.CenterCrop(preprocess.crop),
                transforms.ToTensor(),
                transforms.Normalize(preprocess.mean, preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        with Image.open(self._paths[number]) as image:
            return self._transform(image.convert("RGB"))


def loop(task: Task) -> int:
    """Every layer of every model by itself -> passes over the images."""
    torch.set_num_threads(multiprocessing.cpu_count())
    passes = 0
    for (model, layer), items in _by_layer(task.grid()).items():
        backbone = backbones.find(model)
        network, _ = weights.prepare(task.weights[model], backbone)
        found: dict[str, list[np.ndarray]] = {item.pool: [] for item in items}

        def keep(_module: object, _inputs: object, output: torch.Tensor, found: dict = found) -> None:
            for pool, parts in found.items():
                parts.append(pools.find(pool).apply(output).numpy())

        network.get_submodule(layer).register_forward_hook(keep)
        with torch.inference_mode():
            for batch in DataLoader(Photos(task.paths, backbone.preprocess), BATCH, num_workers=2):
                network(batch)
        for item in items:
            np.save(f"{task.folder}/{_file(item)}", np.concatenate(found[item.pool]))
        passes += 1
    return passes


def _by_layer(grid: Grid) -> dict[tuple[str, str], list[Combination]]:
    groups = itertools.groupby(grid.choices, key=lambda item: (item.model, item.layer))
    return {key: list(items) for key, items in groups}


def _file(item: Combination) -> str:
    return f"{item.model}-{item.embedding}.npy"


def bignet(task: Task) -> int:
    """All of it in one pass."""
    images = Path(task.folder) / "images.txt"
    images.write_text("\n".join(task.paths))
    extract_several(images, task.folder, task.grid().requests, ExtractSettings())
    return 1


CONTESTANTS = {"loop": loop, "bignet": bignet}


def timed(name: str, task: Task) -> tuple[float, float, int]:
    """In a process of its own: seconds by the clock and of processor time, passes."""
    start, passes = time.perf_counter(), CONTESTANTS[name](task)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter() - start, sum(each.ru_utime + each.ru_stime for each in used), passes


def agreement(task: Task, ours: str, theirs: str) -> float:
    """The smallest cosine between the two ways' vectors of one image, over all choices."""
    smallest = 1.0
    for item in task.grid().choices:
        with Snapshot.open(Path(ours) / item.store) as store:
            order = {path: row for row, path in enumerate(store.metadata(["path"])["path"].to_pylist())}
            rows = [order[path.encode()] for path in task.paths]
            a, b = store.vectors(item.embedding)[rows], np.load(f"{theirs}/{_file(item)}")
        cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        smallest = min(smallest, float(cosines.min()))
    return smallest


def table(rows: dict[str, Row], n_images: int, n_choices: int) -> str:
    """Markdown."""
    slowest = statistics.median(rows["loop"].seconds)
    lines = [
        f"| {n_choices} choices, {n_images:,} images | passes | seconds | processor seconds | times faster |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        seconds, cpu = statistics.median(row.seconds), statistics.median(row.cpu)
        lines.append(f"| {NAMES[name]} | {row.passes} | {seconds:.1f} | {cpu:.1f} | {slowest / seconds:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--weights", action="append", default=[], metavar="MODEL=WEIGHTS")
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    models = tuple(given.models.split(","))
    requests = dict.fromkeys(models, "random:0") | dict(item.split("=", 1) for item in given.weights)
    every = sorted(str(item.resolve()) for item in given.images.rglob("*") if item.is_file())
    paths = tuple(every[:: max(len(every) // given.limit, 1)][: given.limit])
    rows = {name: Row() for name in CONTESTANTS}
    print(machine.line())
    with tempfile.TemporaryDirectory() as work:
        for run in range(given.runs):
            tasks = {name: Task(paths, models, requests, f"{work}/{name}{run}") for name in CONTESTANTS}
            for name, task in tasks.items():
                Path(task.folder).mkdir()
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                    seconds, cpu, rows[name].passes = process.submit(timed, name, task).result()
                rows[name].seconds.append(seconds)
                rows[name].cpu.append(cpu)
                print(f"  run {run + 1}  {name:7} {seconds:7.1f} s  {cpu:7.1f} s of processor time", flush=True)
        cosine = agreement(tasks["bignet"], tasks["bignet"].folder, tasks["loop"].folder)
        shown = table(rows, len(paths), len(tasks["loop"].grid().choices))
    print(f"{shown}\n\nsmallest cosine between the two: {cosine:.6f}")
    if given.out:
        given.out.write_text(f"{machine.line()}\n\n{shown}\n")


if __name__ == "__main__":
    main()
