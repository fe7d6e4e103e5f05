import platform
import subprocess
import sys

import pytest
import torch

from bignet.errors import UsageError
from bignet.extractor import machine

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize("cores", [1, 2, 3, 7, 8, 12, 16, 64, 200])
def test_streams_share_out_the_cores_and_never_more(cores):
    streams = machine.streams_for(CPU, cores)
    assert 1 <= streams.number <= machine.MAX_CPU_STREAMS
    assert cores - streams.number < streams.number * streams.threads <= cores


@pytest.mark.parametrize("side", [16, 32, 64, 224, 299, 384, 600, 2000])
def test_a_batch_has_about_the_same_pixels_whatever_the_size(side):
    for device in (CPU, GPU):
        size = machine.batch_size_for(device, side**2)
        assert 1 <= size <= 256
        assert size in (1, 256) or 0.5 <= size * side**2 / machine.batch_size_for(device, 224**2) / 224**2 <= 1
    assert machine.batch_size_for(CPU, 10 * 224**2) == 1


def test_every_gpu_is_meant_by_cuda_and_one_by_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert machine.devices_for(machine.find_device("cuda")) == [torch.device("cuda", number) for number in range(3)]
    assert machine.devices_for(machine.find_device("auto")) == [torch.device("cuda", number) for number in range(3)]
    assert machine.devices_for(machine.find_device("cuda:1")) == [torch.device("cuda", 1)]
    assert machine.devices_for(CPU) == [CPU]
    with pytest.raises(UsageError, match="3 CUDA devices found"):
        machine.find_device("cuda:3")


@pytest.mark.parametrize(
    ("able", "expected"),
    [({}, ()), ({"avx512_f": True}, ()), ({"avx512_bf16": True}, ("bf16",)), ({"amx_bf16": True}, ("bf16",))],
)
def test_bf16_is_tried_only_where_the_processor_has_it(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert machine.fast_precisions(CPU) == expected


def test_a_gpu_tries_fp16_first(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert machine.fast_precisions(GPU) == ("fp16", "bf16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert machine.fast_precisions(GPU) == ("fp16",)


def test_torchs_threads_are_as_before_after_a_run():
    before = torch.get_num_threads()

    def fail():
        with machine.threads_of_torch(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before


_PASSES = """
import contextlib, random, resource, sys, threading, torch
from bignet.extractor import machine

def passes(seed, number):
    sizes = random.Random(seed)
    maps = []
    for _ in range(8 * number):
        maps = [*maps[-2:], torch.ones(sizes.randrange(1, 25) << 20, dtype=torch.uint8)]

def in_two_threads(number):
    threads = [threading.Thread(target=passes, args=(seed, number)) for seed in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

with machine.freed_memory_kept() if sys.argv[1] == "kept" else contextlib.nullcontext():
    in_two_threads(30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    in_two_threads(10)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_a_pass_gets_the_memory_of_the_one_before_and_no_pages_to_clear():
    def new_pages(how):
        done = subprocess.run([sys.executable, "-c", _PASSES, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert new_pages("kept") < new_pages("as usual") / 2
