"""``bignet doctor``: the table, the JSON, the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bignet.doctor import disk, software, speed
from tests.cli.conftest import MODEL, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here_and_quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(speed, "DECODE_SECONDS", 0.05)
    monkeypatch.setattr(speed, "FORWARD_SECONDS", 0.05)


def test_a_healthy_machine_gets_a_table_a_rate_and_code_0(
    bignet_command: Callable[..., Outcome], images: Path, tmp_path: Path
) -> None:
    done = bignet_command("doctor", images, "--model", MODEL)

    assert done.code == 0
    names = {line.split()[0] for line in done.out.splitlines() if line.strip() and not line.startswith(" ")}
    assert {"python", "packages", "torchvision", "openmp", "gpu", "bf16", "threads", "memory", "disk"} <= names
    assert {"weights", "extras", "decoding", "network", "together"} <= names
    assert "12 photos" in done.out
    assert "1 file passed over" in done.out
    assert list(tmp_path.iterdir()) == []


def test_json_says_the_same_and_nothing_else(bignet_command: Callable[..., Outcome]) -> None:
    done = bignet_command("doctor", "--model", MODEL, "--json")

    data = json.loads(done.out)
    assert data["healthy"] is True
    assert all(set(check) == {"name", "state", "found", "advice"} for check in data["checks"])
    assert all(bool(check["advice"]) is (check["state"] != "ok") for check in data["checks"])
    assert data["speed"]["expected"] <= min(data["speed"]["decode"], data["speed"]["forward"])
    assert data["speed"]["bottleneck"]
    assert done.err == ""


def test_a_torchvision_that_cannot_be_imported_ends_with_code_4_and_its_mend(
    bignet_command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"torchvision": "RuntimeError: operator torchvision::nms does not exist"}
    monkeypatch.setattr(software, "tried_imports", lambda: ({"torch": "2.15.0"}, failed))

    done = bignet_command("doctor", "--model", MODEL)

    assert done.code == 4
    assert "--force-reinstall torch torchvision" in done.out
    assert "img/s" not in done.out


def test_without_any_library_it_still_says_what_is_missing(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'faiss', 'PIL', 'pyarrow', 'numpy')))\n"
        "from bignet.cli.main import run\nrun(['doctor'])"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 4
    assert all(f"--force-reinstall {name}\n" in done.stdout for name in ("torch", "pillow", "pyarrow", "numpy"))
    assert done.stderr == ""


def test_a_missing_faiss_stops_no_extraction(
    bignet_command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = software.tried_imports()
    del found["faiss"]
    monkeypatch.setattr(software, "tried_imports", lambda: (found, {"faiss": "ImportError: no such library"}))

    done = bignet_command("doctor", "--model", MODEL)

    assert done.code == 0
    assert "search and report do not" in done.out
    assert "img/s" in done.out


def test_a_folder_that_cannot_hold_a_store_ends_with_code_4(
    bignet_command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_tried", lambda _: {"flock": "No locks available"})

    done = bignet_command("doctor", "--model", MODEL)

    assert done.code == 4
    assert "flock (No locks available)" in done.out


@pytest.mark.parametrize(
    ("words", "hint"), [(["nowhere"], "does not exist"), (["--model", "resnet5000"], "nearest: 'resnet")]
)
def test_a_wrong_folder_or_model_is_a_usage_error(
    bignet_command: Callable[..., Outcome], words: list[str], hint: str
) -> None:
    done = bignet_command("doctor", *words)

    assert done.code == 2
    assert hint in done.err
