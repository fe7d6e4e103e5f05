"""The machine: graphics cards, bf16, threads, memory. Judgements are functions of facts; the facts are read below."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from bignet.doctor.check import Check, note, ok

GB = 10**9
LITTLE_MEMORY = 2 * GB  # a network, three batches ahead and a shard of vectors need about one


@dataclass(frozen=True)
class CudaFacts:
    """What torch and the kernel say about graphics cards.

    Attributes:
        built: CUDA version torch was built with, None without.
        names: cards that torch can use.
        present: whether the kernel shows an NVIDIA card.
    """

    built: str | None
    names: tuple[str, ...]
    present: bool


def cuda(facts: CudaFacts) -> Check:
    """Whether there is a GPU, and whether it is used."""
    if facts.names:
        return ok("gpu", f"{', '.join(facts.names)}; used by --device auto")
    if not facts.present:
        return ok("gpu", "none; everything runs on the processor")
    if facts.built is None:
        return note(
            "gpu",
            "an NVIDIA card that is not used: torch was built without CUDA",
            "Install torch with CUDA as pytorch.org says for this machine.",
        )
    return note(
        "gpu",
        f"an NVIDIA card that is not used: torch (CUDA {facts.built}) cannot reach it",
        "Check that nvidia-smi works; if so, its driver is too old for this torch, or CUDA_VISIBLE_DEVICES hides it.",
    )


def bf16(cpuinfo: str) -> Check:
    """What the processor does in bf16.

    Args:
        cpuinfo: text of /proc/cpuinfo.
    """
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    flags = {flag for name, _, value in lines if name.strip() in ("flags", "Features") for flag in value.split()}
    if "amx_bf16" in flags:
        return ok("bf16", "amx_bf16: convolutions in bf16 can be several times as fast as in fp32")
    if flags & {"avx512_bf16", "bf16"}:  # the second is ARM's name
        return ok("bf16", f"{min(flags & {'avx512_bf16', 'bf16'})}: convolutions in bf16 can be twice as fast as fp32")
    advice = "Expect fp32 speed; a processor with avx512_bf16 or amx_bf16, or a GPU, is faster."
    return note("bf16", "not supported by this processor", advice)


@dataclass(frozen=True)
class ThreadFacts:
    """Who thinks there are how many cores.

    Attributes:
        cores: this process may run on.
        quota: the container's share of processor time, in cores; None without a limit.
        omp: the variable OMP_NUM_THREADS, None when unset.
        torch: torch's threads.
    """

    cores: int
    quota: float | None
    omp: str | None
    torch: int

    @property
    def usable(self) -> int:
        """Cores that are really to be had."""
        return self.cores if self.quota is None else max(1, min(self.cores, math.ceil(self.quota)))


def threads(facts: ThreadFacts) -> Check:
    """Whether as many threads run as there are cores."""
    limit = "no quota" if facts.quota is None else f"a quota of {facts.quota:g}"
    found = f"{facts.cores} cores, {limit}, OMP_NUM_THREADS {facts.omp or 'unset'}, torch uses {facts.torch}"
    few = facts.usable
    if facts.torch > few:
        return note("threads", found, f"Set OMP_NUM_THREADS={few} and --workers {few}: more only slow one another.")
    if few < facts.cores:
        return note("threads", found, f"Extract with --workers {few}: one decoder a core would overrun the quota.")
    if facts.omp is not None and facts.torch < few:
        return note("threads", found, f"Unset OMP_NUM_THREADS: it leaves {few - facts.torch} of {few} cores idle.")
    return ok("threads", found)


def memory(n_bytes: int) -> Check:
    """Whether what is free is enough."""
    found = f"{n_bytes / GB:.3g} GB available"
    if n_bytes < LITTLE_MEMORY:
        return note("memory", found, "Extract with --batch-size 8 and --shard-rows 200, or close other programs.")
    return ok("memory", found)


def quota_of(cpu_max: str) -> float | None:
    """cpu.max of a control group, ``"150000 100000"`` -> 1.5 cores; None for ``max``, or what is no quota."""
    limit, _, period = cpu_max.strip().partition(" ")
    try:
        share = int(limit) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None  # the older files say -1 for no limit


def available_memory(meminfo: str, limit: str, used: str) -> int:
    """Bytes that can be had, by the machine and by the control group (both texts empty without one)."""
    fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    free = int(fields.get("MemAvailable", "0 kB").split()[0]) * 1024
    if limit.strip().isdecimal() and used.strip().isdecimal():
        free = min(free, max(int(limit) - int(used), 0))
    return free


_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def control_groups(cgroup: str, controller: str) -> list[Path]:
    """The folders of a process's control group and of those around it, innermost first, of both generations.

    Args:
        cgroup: text of /proc/self/cgroup; inside a container its paths may be the host's and not there.
        controller: ``cpu`` or ``memory``.
    """
    folders = []
    for line in cgroup.splitlines():
        _, controllers, place = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = _CGROUP / controller if controllers else _CGROUP
            inner = top / place.lstrip("/")
            folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(top)]
    return folders


def read_text(path: Path) -> str:
    """A file of the kernel's; empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def read_cuda() -> CudaFacts:
    """Ask torch and the kernel."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = tuple(torch.cuda.get_device_name(number) for number in range(count))
    present = Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()
    return CudaFacts(torch.version.cuda, names, present)


def read_threads() -> ThreadFacts:
    """Ask the scheduler, the control group (both generations), the environment and torch."""
    import torch

    return ThreadFacts(
        len(os.sched_getaffinity(0)), read_quota(), os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()
    )


def read_quota() -> float | None:
    """The smallest quota of the control groups around this process, in cores."""
    quotas = []
    for folder in control_groups(read_text(_OWN_GROUPS), "cpu"):
        older = [read_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        quotas.append(quota_of(read_text(folder / "cpu.max") or " ".join(older)))
    return min((quota for quota in quotas if quota is not None), default=None)


def read_memory() -> int:
    """Bytes available, to the machine and to every control group around this process."""
    meminfo = read_text(Path("/proc/meminfo"))
    found = [available_memory(meminfo, "", "")]
    for folder in control_groups(read_text(_OWN_GROUPS), "memory"):
        for names in (("max", "current"), ("limit_in_bytes", "usage_in_bytes")):
            limit, used = (read_text(folder / f"memory.{name}") for name in names)
            found.append(available_memory(meminfo, limit, used))
    return min(found)


def read_bf16() -> Check:
    """Judge this processor."""
    return bf16(read_text(Path("/proc/cpuinfo")))
