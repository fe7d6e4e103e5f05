"""What is installed is judged from what was found, never from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bignet.doctor import software
from bignet.doctor.check import State
from bignet.doctor.software import Kernel

if TYPE_CHECKING:
    from pathlib import Path

PAIR = {"torch": "2.15.0+cpu", "torchvision": "0.30.0+cpu"}


def maps_with(*paths: str) -> str:
    rows = ["7f00-7f01 rw-p 00000000 00:00 0", "7f01-7f02 rw-p 00000000 00:00 0 [heap]"]
    for path in paths:
        rows += [f"7f02-7f03 {how} 00001000 fe:00 12345 {path}" for how in ("r-xp", "rw-p")]
    return "\n".join(rows)


def test_a_torchvision_of_another_torch_is_a_problem_with_its_mend() -> None:
    failed = {"torchvision": "RuntimeError: operator torchvision::nms does not exist"}

    (check,) = software.imports({"torch": "2.15.0"}, failed)

    assert check.state is State.PROBLEM
    assert "torch 2.15.0" in check.found
    assert "pip install" in check.advice


def test_a_pair_that_loads_is_fine() -> None:
    assert [check.state for check in software.imports(PAIR, {})] == [State.OK]


def test_a_pair_built_for_different_machines_is_noted() -> None:
    (check,) = software.imports(PAIR | {"torch": "2.15.0+cu132"}, {})

    assert check.state is State.NOTE


def test_extraction_needs_no_faiss_and_every_other_package() -> None:
    without_faiss = software.imports(PAIR, {"faiss": "ImportError: libgomp"})
    without_pillow = software.imports(PAIR, {"PIL": "ModuleNotFoundError: No module named 'PIL'"})

    assert [check.state for check in without_faiss] == [State.OK, State.NOTE]
    assert [check.state for check in without_pillow] == [State.OK, State.PROBLEM]
    assert without_pillow[1].advice.endswith("pillow")


def test_without_torch_its_absence_is_the_only_thing_said_of_the_pair() -> None:
    failed = {"torch": "ModuleNotFoundError: No module named 'torch'", "torchvision": "ModuleNotFoundError: torch"}

    checks = software.imports({}, failed)

    assert [(check.name, check.state) for check in checks] == [
        ("torch", State.PROBLEM),
        ("torchvision", State.PROBLEM),
    ]


def test_imports_are_tried_and_their_errors_kept_to_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_here.py").write_text("raise RuntimeError('first line\\nsecond line')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(software, "MODULES", ("numpy", "broken_here"))

    found, failed = software.tried_imports()

    assert list(found) == ["numpy"]
    assert failed == {"broken_here": "RuntimeError: first line"}


def test_one_openmp_is_fine() -> None:
    check = software.openmp(maps_with("/venv/torch/lib/libgomp.so.1", "/lib/libompress.so", "/venv/numpy/core.so"))

    assert (check.state, check.found) == (State.OK, "venv/torch/lib/libgomp.so.1".removeprefix("venv/"))


def test_two_copies_of_one_openmp_are_named() -> None:
    check = software.openmp(maps_with("/v/torch/lib/libgomp.so.1", "/v/faiss cpu.libs/libgomp-e985bcbb.so.1.0.0"))

    assert check.state is State.NOTE
    assert "2 copies" in check.found
    assert "faiss cpu.libs" in check.found


@pytest.mark.parametrize("other", ["libiomp5.so", "libomp.so.5"])
def test_two_kinds_of_openmp_are_said_to_be_dangerous(other: str) -> None:
    check = software.openmp(maps_with("/v/torch/lib/libgomp.so.1", f"/conda/lib/{other}"))

    assert check.state is State.NOTE
    assert "hang" in check.advice


def test_no_openmp_at_all_is_fine() -> None:
    assert software.openmp("").found == "none"


def test_weights_that_must_be_downloaded_are_noted_and_cached_ones_are_not() -> None:
    missing = software.weights("resnet50", ["alexnet"], "/cache", published=True)
    cached = software.weights("alexnet", ["alexnet"], "/cache", published=True)
    unpublished = software.weights("mine:build", [], "/cache", published=False)

    assert [check.state for check in (missing, cached, unpublished)] == [State.NOTE, State.OK, State.OK]
    assert "--weights FILE" in missing.advice


def test_a_long_list_of_cached_weights_is_cut() -> None:
    check = software.weights("a", list("abcdefgh"), "/cache", published=True)

    assert check.found == "/cache: a, b, c, d, e, f and 2 more"


def test_cached_weights_are_found_by_the_published_file_name(tmp_path: Path) -> None:
    published = software.published_weights(["resnet18", "alexnet"])
    (tmp_path / published["alexnet"]).touch()

    assert software.cached_weights(tmp_path, published) == ["alexnet"]
    assert software.cached_weights(tmp_path / "nowhere", published) == []


def test_missing_extras_are_noted_with_what_they_are_for() -> None:
    assert software.extras({"timm": True}).state is State.OK
    assert "bignet demo" in software.extras({"timm": False}).advice


def test_kernels_are_named_with_the_processor_they_are_for() -> None:
    found = software.kernels([Kernel("winograd", "avx2", loads=True), Kernel("direct", None, loads=False)])
    assert (found.state, found.found) == (State.OK, "winograd (avx2)")


def test_without_kernels_a_compiler_is_advised() -> None:
    found = software.kernels([Kernel("winograd", None, loads=False)])
    assert found.state is State.NOTE
    assert "install a C compiler" in found.advice


def test_kernels_that_are_there_and_do_not_load_are_named() -> None:
    found = software.kernels([Kernel("winograd", "avx2", loads=False), Kernel("direct", "avx2", loads=True)])
    assert found.state is State.NOTE
    assert found.found.startswith("winograd: ")
    assert "installed again" in found.advice


def test_every_source_in_c_is_looked_for() -> None:
    assert [each.name for each in software.installed_kernels()] == ["direct", "max_pool", "resize", "winograd"]
