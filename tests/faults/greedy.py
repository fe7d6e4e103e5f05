"""Networks that find too little memory: ``tests.faults.greedy:small_room`` and its kin, with weights ``random:0``."""

import torch
import torch.fx

from tests import tiny

CPU_ERROR = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 12 GB")
GPU_ERROR = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12 GiB.")
ERRORS = {"cpu": CPU_ERROR, "gpu": GPU_ERROR}


@torch.fx.wrap  # one step of the graph for whoever follows the network as one
def refused_above(batch, room, kind):
    """The batch, or the error that a memory for ``room`` pictures gives; a network is tried on noise beyond -1..1."""
    if 0 < batch.abs().max() <= 1 and len(batch) > room:
        raise ERRORS[kind]
    return batch


@torch.fx.wrap
def fed(batch):
    """The batch, after 1 GB for each of its images was asked of the system."""
    torch.empty((len(batch), 2**30), dtype=torch.uint8)
    return batch


class Greedy(tiny.Tiny):
    """Tiny, for as many images at once as there is room for."""

    def __init__(self, room, kind):
        super().__init__()
        self.room = room
        self.kind = kind

    def forward(self, batch):
        return super().forward(refused_above(batch, self.room, self.kind))


class Hungry(tiny.Tiny):
    """Tiny, with a great need of memory that it does not use."""

    def forward(self, batch):
        return super().forward(fed(batch))


def _network(room, kind):
    def build():
        return Greedy(room, kind)

    build.preprocess = tiny.build.preprocess
    return build


small_room = _network(2, "cpu")
small_gpu = _network(2, "gpu")
no_room = _network(0, "cpu")


def hungry():
    """See Hungry."""
    return Hungry()


hungry.preprocess = tiny.build.preprocess
