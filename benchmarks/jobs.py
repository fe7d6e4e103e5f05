"""What a contestant is asked to do, and how it is started: in a process of its own, with its own pools of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
BATCH = 32
SEED = 0


@dataclass(frozen=True)
class Job:
    """One extraction.

    Attributes:
        photos: folder of JPEG files.
        model: torchvision's name of the network.
        weights: file with its state dict.
        layers: names of layers; the plain recipe takes the first.
        pools: BigNet's names of pools; the plain recipe takes the first, ``gap`` or ``flat``.
        precision: passed to BigNet if given.
        decode: likewise.
    """

    photos: str
    model: str
    weights: str
    layers: tuple[str, ...]
    pools: tuple[str, ...]
    precision: str | None = None
    decode: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """The keywords of bignet.extract that were asked for."""
        given = {"precision": self.precision, "decode": self.decode}
        return {name: value for name, value in given.items() if value}

    def paths(self) -> list[Path]:
        """The photos, sorted by name as BigNet does."""
        return sorted(Path(self.photos).iterdir())


@dataclass(frozen=True)
class Outcome:
    """What a contestant did, start-up left out.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of all its threads and processes: what other programs take away hardly changes them.
        vectors: (N, D), photos in order of name.
    """

    seconds: float
    cpu_seconds: float
    vectors: dict[str, np.ndarray]


def read_job(path: str) -> Job:
    """The inverse of what ``start`` writes."""
    job = Job(**json.loads(Path(path).read_text()))
    return replace(job, layers=tuple(job.layers), pools=tuple(job.pools))


def race(name: str, job: Job, work: Path) -> Outcome:
    """Run a contestant in a fresh process.

    Raises:
        RuntimeError: it failed; the message is the end of what it wrote.
    """
    answer = work / "answer.npz"
    start("contestants.py", (name,), job, answer)
    with np.load(answer) as data:
        vectors = {key: data[key] for key in data.files if not key.endswith("seconds")}
        return Outcome(float(data["seconds"]), float(data["cpu_seconds"]), vectors)


def start(script: str, words: tuple[str, ...], job: Job, answer: Path) -> None:
    """Run one of the scripts here on a job; it writes its answer into a file."""
    asked = answer.parent / "job.json"
    asked.write_text(json.dumps(asdict(job)))
    command = [sys.executable, str(HERE / script), *words, str(asked), str(answer)]
    environment: Mapping[str, str] = os.environ | {"TORCH_HOME": str(answer.parent / "torch-home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script} {' '.join(words)} failed:\n{done.stderr[-2000:]}")
