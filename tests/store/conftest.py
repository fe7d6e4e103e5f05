"""A store for every test that wants one."""

import pytest

from tests.store import rows


@pytest.fixture
def store(tmp_path):
    """Ten rows in two shards, two refusals, complete."""
    return rows.make(tmp_path / "store")
