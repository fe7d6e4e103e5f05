"""Which of the compiled libraries is taken, and that they are compiled when BigNet is installed."""

from pathlib import Path

import pytest
import torch

from bignet.extractor import native
from tests.extractor.test_own import COMPILER, NAMES

SOURCES = Path(native.__file__).parent


@pytest.fixture(autouse=True)
def nothing_remembered():
    native.load.cache_clear()
    yield
    native.load.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_what_the_processor_cannot_run_is_not_loaded(name, monkeypatch):
    able = dict.fromkeys(torch.cpu.get_capabilities(), False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert native.load(name) is None or (SOURCES / f"{name}-any.so").exists()


def test_a_name_that_is_not_there_gives_none():
    assert native.load("nothing of this name") is None


def test_a_file_that_is_no_library_is_passed_over(tmp_path, monkeypatch):
    for variant in ("avx512", "avx2", "any"):
        (tmp_path / f"winograd-{variant}.so").write_bytes(b"no library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "__init__.py"))
    assert native.load("winograd") is None


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_winograd_is_there_once_bignet_is_installed():
    assert native.load("winograd") is not None
