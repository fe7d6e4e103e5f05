"""One thread for the network, small as it is: more would only wait for each other. And kernels on any machine."""

import ctypes

import pytest
import torch

from bignet.extractor import native
from tests.extractor.libraries import WIDTHS, compile_for


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """(name, lanes, rows) -> the library as it is for such a processor."""
    made = {}

    def library(name, lanes, rows):
        if (name, lanes, rows) not in made:
            target = compile_for(name, lanes, rows, tmp_path_factory.mktemp("native"))
            made[name, lanes, rows] = ctypes.CDLL(str(target))
        return made[name, lanes, rows]

    return library


@pytest.fixture
def kernels_there(monkeypatch, compiled):
    """The libraries that were installed; where there is none for this processor, one made for the test."""
    installed = native.load
    monkeypatch.setattr(native, "load", lambda name: installed(name) or compiled(name, *WIDTHS[1]))
