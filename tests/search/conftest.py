"""Stores that several tests search."""

import pytest

from bignet.search.searcher import Searcher
from tests.index.conftest import quick_indexes as quick_indexes
from tests.search.shelf import shelf


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory):
    return shelf(tmp_path_factory.mktemp("shelf") / "store")


@pytest.fixture
def searcher(snapshot):
    return Searcher(snapshot)
