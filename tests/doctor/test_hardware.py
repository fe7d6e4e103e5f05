"""The machine is judged from facts and from the texts of the kernel's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bignet.doctor import hardware
from bignet.doctor.check import State
from bignet.doctor.hardware import GB, CudaFacts, ThreadFacts


def test_a_gpu_that_torch_uses_is_named() -> None:
    check = hardware.cuda(CudaFacts("13.0", ("NVIDIA X",), present=True))

    assert check.state is State.OK
    assert "NVIDIA X" in check.found


def test_a_machine_without_a_gpu_is_fine() -> None:
    assert hardware.cuda(CudaFacts("13.0", (), present=False)).state is State.OK


@pytest.mark.parametrize(("built", "hint"), [(None, "pytorch.org"), ("13.0", "nvidia-smi")])
def test_a_gpu_that_lies_idle_is_noted_with_the_likely_cause(built: str | None, hint: str) -> None:
    check = hardware.cuda(CudaFacts(built, (), present=True))

    assert check.state is State.NOTE
    assert hint in check.advice


@pytest.mark.parametrize(
    ("flags", "state", "hint"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 fma", State.OK, "twice"),
        ("flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile", State.OK, "several times"),
        ("Features\t: fp asimd bf16", State.OK, "bf16"),
        ("flags\t\t: fpu avx2", State.NOTE, "not supported"),
        ("", State.NOTE, "not supported"),
    ],
)
def test_bf16_is_read_from_the_processors_flags(flags: str, state: State, hint: str) -> None:
    check = hardware.bf16(f"processor\t: 0\n{flags}\n")

    assert check.state is state
    assert hint in check.found


@pytest.mark.parametrize(
    ("facts", "hint"),
    [
        (ThreadFacts(8, None, None, 8), ""),
        (ThreadFacts(8, None, None, 4), ""),  # hyperthreads: torch takes a thread a core of its own accord
        (ThreadFacts(8, 8.0, None, 8), ""),
        (ThreadFacts(64, 1.5, None, 64), "OMP_NUM_THREADS=2"),
        (ThreadFacts(64, 2.0, "2", 2), "--workers 2"),
        (ThreadFacts(8, None, "1", 1), "leaves 7 of 8"),
        (ThreadFacts(2, None, "16", 16), "OMP_NUM_THREADS=2"),
        (ThreadFacts(4, 0.2, "1", 1), "--workers 1"),
    ],
)
def test_threads_are_held_against_the_cores_that_are_really_there(facts: ThreadFacts, hint: str) -> None:
    check = hardware.threads(facts)

    assert check.state is (State.NOTE if hint else State.OK)
    assert hint in check.advice


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("150000 100000\n", 1.5),
        ("max 100000\n", None),
        ("-1 100000", None),
        ("", None),
        ("nonsense", None),
        ("1 0", None),
    ],
)
def test_the_quota_is_read_in_cores(text: str, quota: float | None) -> None:
    assert hardware.quota_of(text) == quota


def test_control_groups_of_both_generations_are_looked_for_from_the_inside_out() -> None:
    folders = hardware.control_groups("4:cpu,cpuacct:/job/one\n3:memory:/job\n0::/user", "cpu")

    root = Path("/sys/fs/cgroup")
    assert folders == [root / "cpu/job/one", root / "cpu/job", root / "cpu", root / "user", root]


@pytest.mark.parametrize(
    ("limit", "used", "available"),
    [
        ("", "", 8),
        ("max", "100", 8),
        (str(4 * GB), str(3 * GB), 1),
        (str(4 * GB), str(5 * GB), 0),
        (str(99 * GB), "0", 8),
    ],
)
def test_memory_is_what_machine_and_container_both_allow(limit: str, used: str, available: int) -> None:
    meminfo = f"MemTotal: 99 kB\nMemAvailable: {8 * GB // 1024} kB\n"

    assert hardware.available_memory(meminfo, limit, used) // GB == available


def test_little_memory_is_noted() -> None:
    assert hardware.memory(GB).state is State.NOTE
    assert hardware.memory(4 * GB).state is State.OK


def test_this_machine_can_be_read() -> None:
    facts = hardware.read_threads()

    assert facts.cores >= 1
    assert facts.quota is None or facts.quota > 0
    assert hardware.read_memory() > 0
    assert hardware.read_cuda().names == () or hardware.read_cuda().built
    assert hardware.read_bf16().name == "bf16"
