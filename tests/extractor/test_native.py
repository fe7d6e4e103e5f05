"""Which of the compiled libraries is taken, and that they are compiled when BigNet is installed."""

import subprocess

import pytest
import torch

from bignet.extractor import native
from tests.extractor.libraries import COMPILER, SOURCES


@pytest.fixture(autouse=True)
def nothing_remembered():
    native.load.cache_clear()
    yield
    native.load.cache_clear()


@pytest.mark.parametrize("name", native.sources())
def test_what_the_processor_cannot_run_is_not_loaded(name, monkeypatch):
    able = dict.fromkeys(torch.cpu.get_capabilities(), False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert native.load(name) is None or (SOURCES / f"{name}-any.so").exists()


def test_a_name_that_is_not_there_gives_none():
    assert native.load("nothing of this name") is None


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("code", "loads"),
    [
        ("", False),
        ('const char *made_of(void) { return "another"; }', False),
        ('const char *made_of(void) { return "DIGEST"; }', True),
    ],
    ids=["says nothing", "of other sources", "of these sources"],
)
def test_a_library_of_other_sources_is_passed_over(code, loads, tmp_path, monkeypatch):
    for name in ("winograd.c", "vectors.h"):
        (tmp_path / name).write_bytes((SOURCES / name).read_bytes())
    code = code.replace("DIGEST", native.digest("winograd", tmp_path))
    for variant in ("avx512", "avx2", "any"):
        target = tmp_path / f"winograd-{variant}.so"
        subprocess.run([COMPILER, "-shared", "-fPIC", "-xc", "-", "-o", str(target)], input=code.encode(), check=True)
    monkeypatch.setattr(native, "__file__", str(tmp_path / "__init__.py"))
    assert (native.load("winograd") is not None) == loads


def test_a_file_that_is_no_library_is_passed_over(tmp_path, monkeypatch):
    for variant in ("avx512", "avx2", "any"):
        (tmp_path / f"winograd-{variant}.so").write_bytes(b"no library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "__init__.py"))
    assert native.load("winograd") is None


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_winograd_is_there_once_bignet_is_installed():
    assert native.load("winograd") is not None
