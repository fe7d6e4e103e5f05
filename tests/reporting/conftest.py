"""Reports that several tests look at, written once."""

from __future__ import annotations

import pytest

from bignet.reporting.write import write_report
from tests.reporting.browser import chromium
from tests.reporting.factory import make_world


@pytest.fixture(scope="session")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def animals(tmp_path_factory):
    """120 pictures in 6 classes under 3 parents, two alone, three unlabelled: (world, files)."""
    folder = tmp_path_factory.mktemp("animals")
    labels = [f"{parent}#{kind}" for parent, kind in (
        ("pet", "cat"), ("pet", "dog"), ("farm", "cow"), ("farm", "pig"), ("wild", "fox"), ("wild", "owl"),
    ) for _ in range(20)]  # fmt: skip
    labels += ["lone#newt", "lone#eel", None, None, None]
    world = make_world(folder / "images", labels, spread=1.6, rejected={"truncated": 4, "corrupt": 1}, families=True)
    return world, write_report(world.evaluation, world.source, folder / "report")


@pytest.fixture(scope="session")
def thousand(tmp_path_factory):
    """The report of two pictures in each of 1,000 classes."""
    folder = tmp_path_factory.mktemp("thousand")
    world = make_world(folder / "images", [f"class-{i % 1000:04d}" for i in range(2000)])
    return write_report(world.evaluation, world.source, folder / "report")


@pytest.fixture
def write(tmp_path):
    """Writes the report of a world into this test's own folder."""
    return lambda world, **options: write_report(world.evaluation, world.source, tmp_path / "report", **options)
