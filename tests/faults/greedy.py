"""Networks that find too little memory: ``tests.faults.greedy:small_room`` and its kin, with weights ``random:0``."""

import torch

from tests import tiny


class Greedy(tiny.Tiny):
    """Tiny, for as many images at once as there is room for."""

    def __init__(self, room, error):
        super().__init__()
        self.room = room
        self.error = error

    def forward(self, batch):
        if is_pictures(batch) and len(batch) > self.room:
            raise self.error
        return super().forward(batch)


class Hungry(tiny.Tiny):
    """Tiny, with 256 MB for each image: asked of the system, not used."""

    def forward(self, batch):
        torch.empty((len(batch), 2**28), dtype=torch.uint8)
        return super().forward(batch)


def is_pictures(batch):
    """Pixels lie in -1..1; the noise on which a network is tried goes beyond, the blank picture is 0."""
    return 0 < batch.abs().max() <= 1


def _network(room, error):
    def build():
        return Greedy(room, error)

    build.preprocess = tiny.build.preprocess
    return build


CPU_ERROR = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 12 GB")
GPU_ERROR = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12 GiB.")
small_room = _network(2, CPU_ERROR)
small_gpu = _network(2, GPU_ERROR)
no_room = _network(0, CPU_ERROR)


def hungry():
    """See Hungry."""
    return Hungry()


hungry.preprocess = tiny.build.preprocess
