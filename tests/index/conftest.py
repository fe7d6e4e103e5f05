"""Indexes of the tests: what takes time and says nothing about them is done less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import pytest

from bignet.index import cores, tune

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def quick_indexes() -> Iterator[None]:
    """Few single queries are timed, and FAISS takes one core: its threads wait for one another where all are busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "_SINGLE", 4)
        patch.setattr(cores, "use_them", lambda: faiss.omp_set_num_threads(1))
        yield
