"""What is compiled when BigNet is installed, by which compiler, and what happens where there is none."""

import errno
import importlib.util
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("hatchling")
ROOT = Path(__file__).parents[1]
SOURCES = Path("bignet", "extractor", "native")
COMPILER = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("native_build", ROOT / "scripts" / "native.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(ROOT / SOURCES, tmp_path / SOURCES, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return tmp_path


def build(script, tree):
    """(what is to go into the wheel, what was warned of)."""
    warned, data = [], {"artifacts": []}
    hook = script.NativeHook(
        str(tree), {}, None, None, str(tree), "wheel", SimpleNamespace(display_warning=warned.append)
    )
    hook.initialize("standard", data)
    return data, warned


def names(tree):
    return sorted(path.name for path in (tree / SOURCES).glob("*.so"))


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_every_library_goes_into_a_wheel_of_this_system(script, tree):
    data, warned = build(script, tree)
    assert warned == []
    assert [Path(path).name for path in data["artifacts"]] == names(tree)
    assert "winograd" in " ".join(names(tree))
    assert data["tag"].startswith("py3-none-linux")


@pytest.mark.parametrize("given", ["a wrapper and a compiler", "a compiler that fails", "nothing of this name"])
def test_the_environments_compiler_is_tried_as_it_is_given_then_others(given, script, tree, tmp_path, monkeypatch):
    commands = {
        "a wrapper and a compiler": program(tmp_path, "wrapper", 'exec "$@"') + f" {COMPILER}",
        "a compiler that fails": program(tmp_path, "failing", "echo no; exit 1"),
        "nothing of this name": "nonsense",
    }
    monkeypatch.setenv("CC", commands[given])
    _, warned = build(script, tree)
    assert names(tree)
    assert warned == []


def test_without_a_compiler_it_is_said_and_what_was_there_stays(script, tree, monkeypatch):
    build(script, tree)
    before = names(tree)
    monkeypatch.setenv("PATH", str(tree))
    monkeypatch.delenv("CC", raising=False)
    data, warned = build(script, tree)
    assert "no C compiler" in warned[0]
    assert names(tree) == before
    assert len(data["artifacts"]) == len(before)


def test_a_source_that_does_not_compile_is_left_out_and_named(script, tree):
    (tree / SOURCES / "winograd.c").write_text("this is no C")
    data, warned = build(script, tree)
    assert all(text.startswith("winograd.c was not compiled for") for text in warned)
    assert warned
    assert not any("winograd" in path for path in data["artifacts"])


def test_a_tree_that_cannot_be_written_to_gives_a_package_without(script, tree, monkeypatch):
    def refused(_source, _target):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(script.shutil, "copyfile", refused)
    data, warned = build(script, tree)
    assert "Read-only file system" in warned[0]
    assert data["artifacts"] == []


def test_its_digest_is_the_one_that_is_asked_for_when_it_is_loaded(script):
    from bignet.extractor import native

    for name in native.sources():
        assert script._digest(ROOT / SOURCES / f"{name}.c") == native.digest(name, ROOT / SOURCES)
    assert sys.modules.get("native_build") is None
