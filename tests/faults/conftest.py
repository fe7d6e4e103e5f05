"""Images to extract, and what an undisturbed run makes of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import oracle
from tests.faults import harness


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """28 pictures in folders, two of them with the same bytes, and four files that are no pictures."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(7)
    for number in range(27):
        place = folder / ("cats", "cats/small", "dogs")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(generator.integers(0, 256, (40 + number, 48, 3), dtype=np.uint8))
        picture.save(place / f"{number:02}.{'png' if number % 2 else 'jpg'}")
    shutil.copy(folder / "cats" / "00.jpg", folder / "dogs" / "same.jpg")
    (folder / "dogs" / "broken.png").write_bytes((folder / "cats" / "03.png").read_bytes()[:900])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"not a picture")
    (folder / "zeros.gif").write_bytes(bytes(500))
    return folder


@pytest.fixture(scope="session")
def golden_store(photos, tmp_path_factory):
    """The store of an undisturbed run; copy it before touching it."""
    store = tmp_path_factory.mktemp("golden") / "store"
    outcome = harness.run(harness.extract_command(photos, store))
    assert (outcome.code, outcome.err) == (10, "")
    assert outcome.summary["decoded"] == 27
    return store


@pytest.fixture(scope="session")
def golden(golden_store):
    """Its content."""
    content = oracle.check(golden_store)
    assert (len(content.rows), len(content.rejected)) == (28, 4)
    assert oracle.leftovers(golden_store) == []
    return content


@pytest.fixture
def images(photos, tmp_path):
    """A copy of the images that a test may change."""
    return shutil.copytree(photos, tmp_path / "images")


@pytest.fixture
def complete(golden_store, tmp_path):
    """A copy of the complete store."""
    return shutil.copytree(golden_store, tmp_path / "store")


def pytest_sessionfinish(session):
    """Fault tests in which nothing went wrong prove nothing: that fails the session."""
    here = Path(__file__).parent
    ran = any(here in item.path.parents for item in session.items)
    if ran and not session.config.option.collectonly and not harness.COUNT.injected:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
