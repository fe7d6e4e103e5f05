"""The contestants of extract.py: each makes the same vectors of the same photos with the same weights.

python benchmarks/contestants.py recipe|img2vec|bignet JOB.json ANSWER.npz
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchvision
from jobs import BATCH, Job, Outcome, read_job
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as F

import bignet as package
from bignet.extractor.run import Listener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bignet.extractor.encoder import Encoder
    from bignet.extractor.prove import Proof


class Clock:
    """Started when it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._cpu = _cpu_seconds()

    def spent(self) -> tuple[float, float]:
        """Seconds by the clock, and of processor time."""
        return time.perf_counter() - self._start, _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Photos(Dataset[Tensor]):
    """Files -> what the network wants, by the preset that comes with its weights."""

    def __init__(self, paths: list[Path], transform: Any) -> None:
        self.paths = paths
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Tensor:
        with Image.open(self.paths[number]) as image:
            return self.transform(image.convert("RGB"))


def recipe(job: Job) -> Outcome:
    """What everybody writes: Dataset, DataLoader with two workers, the whole network in fp32, a forward hook."""
    network = torchvision.models.get_model(job.model, weights=None)
    network.load_state_dict(torch.load(job.weights, weights_only=True))
    network.eval()
    vectors: list[np.ndarray] = []
    _hook(network, job, vectors)
    photos = Photos(job.paths(), preset(job.model))
    with torch.inference_mode():
        network(torch.stack([photos[0]] * BATCH))  # the warm-up
        vectors.clear()
        clock = Clock()
        for batch in DataLoader(photos, batch_size=BATCH, num_workers=2):
            network(batch)
        spent = clock.spent()
    return Outcome(*spent, {"vectors": np.concatenate(vectors)})


def preset(model: str) -> Any:
    """The transform of the model's default weights."""
    return torchvision.models.get_model_weights(model).DEFAULT.transforms()


def _hook(network: nn.Module, job: Job, vectors: list[np.ndarray]) -> None:
    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        pooled = output.mean((2, 3)) if job.pools[0] == "gap" else output.flatten(1)
        vectors.append(pooled.clone().numpy())

    network.get_submodule(job.layers[0]).register_forward_hook(keep)


def img2vec(job: Job) -> Outcome:
    """The package of that name, with a list of pictures at a time.

    It presses the whole picture into 224 x 224 where the others cut the middle out, so its vectors differ; ``squares``
    are those it makes, untimed, of the squares that the others see: these must agree.
    """
    from img2vec_pytorch import Img2Vec

    tool = Img2Vec(model=job.model)
    paths = job.paths()
    tool.get_vec([_opened(paths[0])] * BATCH)  # the warm-up
    clock = Clock()
    parts = [tool.get_vec([_opened(path) for path in some]) for some in _batches(paths)]
    spent = clock.spent()
    transform = preset(job.model)
    squares = [tool.get_vec([_square(path, transform) for path in some]) for some in _batches(paths)]
    return Outcome(*spent, {"vectors": np.concatenate(parts), "squares": np.concatenate(squares)})


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _square(path: Path, transform: Any) -> Image.Image:
    resized = F.resize(_opened(path), transform.resize_size, transform.interpolation)
    return F.center_crop(resized, transform.crop_size)


def _batches(paths: list[Path]) -> list[list[Path]]:
    return [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]


class _WhenReady(Listener):
    """Starts a clock when the network is loaded."""

    clock: Clock

    def encoder_ready(self, encoder: Encoder, proofs: Sequence[Proof], on_record: str | None) -> None:
        self.clock = Clock()


def bignet(job: Job) -> Outcome:
    """BigNet's public verb, writing a store included; once on a few photos, then measured."""

    def extract(images: Path, store: Path) -> tuple[Any, tuple[float, float]]:
        ready = _WhenReady()
        settings = {"model": job.model, "weights": job.weights, **job.options}
        made = package.extract(images, store, layers=job.layers, pools=job.pools, listener=ready, **settings)
        return made, ready.clock.spent()

    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, "few.txt")
        few.write_text("\n".join(str(path.resolve()) for path in job.paths()[: 2 * BATCH]))
        extract(few, Path(folder, "warm-up.bignet"))
        store, (_, cpu_seconds) = extract(Path(job.photos), Path(folder, "photos.bignet"))
        stages = store.summary.seconds
        seconds = stages["total"] - stages["scan"] - stages["load model"]
        if store.summary.decoded != len(job.paths()):
            raise RuntimeError(f"{store.summary.decoded} of {len(job.paths())} photos embedded; give distinct ones")
        order = np.argsort(store.table()["path"].to_pylist())
        vectors = store.vectors(store.embeddings[0].name)[order]
    return Outcome(seconds, cpu_seconds, {"vectors": vectors})


def bignet_fp32(job: Job) -> Outcome:
    """The same in the arithmetic of the others."""
    return bignet(replace(job, precision="fp32"))


CONTESTANTS = {"recipe": recipe, "img2vec": img2vec, "bignet": bignet, "bignet-fp32": bignet_fp32}


def main() -> None:
    """Run one and write what it did."""
    name, asked, answer = sys.argv[1:]
    outcome = CONTESTANTS[name](read_job(asked))
    np.savez(answer, seconds=outcome.seconds, cpu_seconds=outcome.cpu_seconds, **outcome.vectors)


if __name__ == "__main__":
    main()
