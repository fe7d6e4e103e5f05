"""Sweeps that several tests look at, written once: (world, files)."""

from __future__ import annotations

import pytest

from bignet.reporting.sweep.write import write_sweep
from tests.reporting.sweep.factory import make_sweep

MODELS = ("resnet50", "squeezenet1_1", "alexnet")


def written(world, out):
    return world, write_sweep(world.sweep, world.source, out)


@pytest.fixture(scope="session")
def twelve(tmp_path_factory):
    """Twelve choices of three models, one of them untrained, on 60 pictures of six classes under two parents."""
    folder = tmp_path_factory.mktemp("twelve")
    labels = [f"{parent}#{kind}" for parent, kind in (
        ("pet", "cat"), ("pet", "dog"), ("pet", "hen"), ("wild", "fox"), ("wild", "owl"), ("wild", "elk"),
    ) for _ in range(10)]  # fmt: skip
    world = make_sweep(folder / "images", 12, labels=labels, models=MODELS, strips_of=6)
    return written(world, folder / "sweep")


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """Three hundred choices of twelve models on 600 images without pictures."""
    labels = [f"class {i % 40}" for i in range(600)]
    return written(make_sweep(None, 300, labels=labels), tmp_path_factory.mktemp("many"))


@pytest.fixture
def write(tmp_path):
    """Writes a world into this test's own folder."""
    return lambda world: written(world, tmp_path / "sweep")[1]
