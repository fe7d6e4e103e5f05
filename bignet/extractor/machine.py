"""What this machine offers an extraction: cores, devices, arithmetic; and how its threads are shared out."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

# More single-threaded streams than this would fill the memory with activations; beyond, each gets several cores.
MAX_CPU_STREAMS = 8
# A second stream copies and collects while the first computes.
STREAMS_A_GPU = 2
# Pixels of a batch: small enough for a core's caches on a CPU, large enough to fill a GPU.
_CPU_BATCH_PIXELS = 8 * 224 * 224
_GPU_BATCH_PIXELS = 128 * 224 * 224
_LARGEST_BATCH = 256
# Numbers of glibc's mallopt, and what its own adjustment settles at once blocks of 32 MiB, the largest it takes from
# the heap, have been freed.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_HEAP_BLOCK = 32 << 20
_USUAL_TRIM = 2 * _LARGEST_HEAP_BLOCK
_NEVER_TRIM = (1 << 31) - 1


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def find_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` -> a device that is there.

    Raises:
        UsageError: it is not.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, colon, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise UsageError(f"device '{name}' is unknown; allowed: auto, cpu, cuda, cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(f"device '{name}' is not there ({found} CUDA devices found); use --device cpu or auto")
    return torch.device(name)


def devices_for(device: torch.device) -> list[torch.device]:
    """``cuda`` without a number means every GPU, anything else itself."""
    if str(device) == "cuda":
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [device]


def device_name(device: torch.device) -> str:
    """``cpu``, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """As the system calls it: ``Intel(R) Xeon(R) CPU @ 2.20GHz``; its architecture where it has no name."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def fast_precisions(device: torch.device) -> tuple[str, ...]:
    """Arithmetic below fp32 that this device has circuits for, the closest to fp32 first."""
    if device.type == "cuda":
        return ("fp16", "bf16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16",)
    able = torch.cpu.get_capabilities()
    return ("bf16",) if able.get("avx512_bf16") or able.get("amx_bf16") else ()


def has_int8(device: torch.device) -> bool:
    """Whether this device multiplies bytes and adds up the products in one instruction."""
    able = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(able.get("avx512_vnni") or able.get("amx_int8"))


@dataclass(frozen=True)
class Streams:
    """How forward passes run side by side.

    Attributes:
        number: of passes at a time on each device.
        threads: of each pass; their product is the number of cores on a CPU.
    """

    number: int
    threads: int


def streams_for(device: torch.device, cores: int) -> Streams:
    """One core a pass: cores that work on one pass together wait for each other, above all while others decode."""
    if device.type == "cuda":
        return Streams(STREAMS_A_GPU, 1)
    number = min(cores, MAX_CPU_STREAMS)
    return Streams(number, max(cores // number, 1))


@dataclass(frozen=True)
class Workplace:
    """Where a run computes: ``cuda`` without a number stands for every GPU."""

    device: torch.device
    cores: int
    streams: Streams

    @property
    def devices(self) -> list[torch.device]:
        """Each of them."""
        return devices_for(self.device)


def workplace(name: str) -> Workplace:
    """The workplace that a device of that name gives, see find_device.

    Raises:
        UsageError: it is not there.
    """
    device, cores = find_device(name), available_cores()
    return Workplace(device, cores, streams_for(device, cores))


def batch_size_for(device: torch.device, n_pixels: int) -> int:
    """Images a pass so that its memory is about the same for all sizes of input.

    Args:
        device: where it runs.
        n_pixels: of one image's input, all its views together.
    """
    budget = _CPU_BATCH_PIXELS if device.type == "cpu" else _GPU_BATCH_PIXELS
    return min(max(budget // n_pixels, 1), _LARGEST_BATCH)


@contextmanager
def threads_of_torch(number: int) -> Iterator[None]:
    """Torch computes with so many threads in every thread started inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_of_a_pass(device: torch.device) -> Iterator[None]:
    """As many as one of a run's passes has: an encoder is to be made inside, its filters are laid out for them."""
    with threads_of_torch(streams_for(device, available_cores()).threads):
        yield


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Memory that is freed inside the block stays with the process for the next batch; given back at its end.

    Every pass frees some hundred megabytes and asks for them again. glibc would return them to the system each time,
    and clearing new pages would take a tenth to a quarter of the time. Elsewhere this does nothing. One thing glibc
    does not take back: threads started later share an arena, since the heaps of others are too small for maps.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_HEAP_BLOCK)
    libc.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
    try:
        yield
    finally:
        libc.mallopt(_M_TRIM_THRESHOLD, _USUAL_TRIM)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library if it is glibc."""
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # TypeError: Windows has no library of that name
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None
