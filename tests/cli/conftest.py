"""A command line in this process, and a small store to try it on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from PIL import Image

import bignet
from bignet.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = "tests.tiny:build"


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def bignet_command(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Outcome]]:
    """Runs ``bignet WORDS...`` here -> exit code, stdout, stderr."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    def command(*words: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as leave:
            run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Outcome(int(leave.value.code or 0), out, err)

    yield command
    for number, handler in before.items():
        signal.signal(number, handler)


def draw(path: Path, seed: int, size: tuple[int, int] = (48, 40)) -> None:
    """A smooth random picture, different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse.resize(size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures in three class folders and one file that is no picture."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        draw(root / ("cat", "dog", "owl")[number % 3] / f"{number:02d}.png", number)
    (root / "notes.md").write_text("not a picture")
    return root


@pytest.fixture(scope="session")
def store(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those pictures embedded."""
    path = tmp_path_factory.mktemp("stores") / "pictures.bignet"
    bignet.extract(images, path, model=MODEL, weights="random:0", pools=["gap", "max"])
    return path
