"""Networks that are awkward to follow or to fuse, each small and seeded."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """Blocks as a ResNet's: a shared in-place ReLU, a projection, sums of block and input, batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(2)
        self.first = Block(8, 8)
        self.second = Block(8, 12)
        self.fc = nn.Linear(12, 4)

    def forward(self, batch: Tensor) -> Tensor:
        maps: Tensor = self.second(self.first(self.pool(self.stem(batch))))
        return self.fc(maps.mean(dim=(2, 3)))


class Block(nn.Module):
    """conv, norm, relu, conv, norm, plus what came in, relu."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Sequential(nn.Conv2d(n_in, n_out, 1))

    def forward(self, maps: Tensor) -> Tensor:
        found = self.relu(self.bn1(self.conv1(maps)))
        found = self.bn2(self.conv2(found))
        found += self.shortcut(maps)
        return self.relu(found)


class ReadAgain(nn.Module):
    """What is summed into is needed once more afterwards, also through a view: it must not be overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(n, 6, 3, 1, 1) for n in (3, 6, 6))

    def forward(self, batch: Tensor) -> Tensor:
        first = F.relu(self.one(batch))
        rows = first.flatten(2)
        summed = first + self.two(first)
        return self.three(F.relu(summed + first, inplace=True)).flatten(2) + rows


class Clamped(nn.Module):
    """Overwrites what it goes on with, and throws the result away."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, 1, 1), nn.Conv2d(6, 6, 3, 1, 1)

    def forward(self, batch: Tensor) -> Tensor:
        maps = F.relu(self.one(batch))
        maps.clamp_(max=0.1)
        return F.relu(self.two(maps))


class Alias(nn.Module):
    """Overwrites a map of which a view is read afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, 1, 1), nn.Conv2d(6, 6, 3, 1, 1)

    def forward(self, batch: Tensor) -> Tensor:
        maps = self.one(batch)
        view = maps.flatten(2)
        changed = self.two(maps.mul_(0.5))
        return changed.flatten(2) + view.relu()


class InCompany(nn.Module):
    """A picture's map depends on the others in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2)
        self.norm = nn.BatchNorm2d(6, track_running_stats=False)

    def forward(self, batch: Tensor) -> Tensor:
        return self.norm(self.conv(batch))


class OneByOne(nn.Module):
    """Loops over its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2)

    def forward(self, batch: Tensor) -> Tensor:
        return torch.cat([self.conv(batch[at : at + 1]) for at in range(int(batch.shape[0]))])


class Shared(nn.Module):
    """One convolution called twice, followed by a norm only once; a size-dependent branch in a child."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 6, 1)
        self.conv, self.norm = nn.Conv2d(6, 6, 3, 1, 1), nn.BatchNorm2d(6)
        self.branch = Branching()
        self.leave = nn.Sequential(nn.Conv2d(6, 5, 1), nn.Hardswish(inplace=True))

    def forward(self, batch: Tensor) -> Tensor:
        maps = self.norm(self.conv(self.enter(batch)))
        return self.leave(self.branch(self.conv(maps)))


class Branching(nn.Module):
    """Its code asks for the size in numbers: symbols cannot follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Conv2d(6, 6, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return self.inside(maps) * 2 if int(maps.shape[2]) > 3 and bool(maps.sum() == maps.sum()) else maps


class Unfollowable(nn.Module):
    """The branch is in the outermost code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, batch: Tensor) -> Tensor:
        return self.act(self.conv(batch)) if bool(batch.sum() > -1e9) else batch


class Half(nn.Module):
    """A batch of more than two images is more than its memory holds, unless ``Half.fits`` says otherwise."""

    fits = 2
    error: type[Exception] = RuntimeError

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)

    def forward(self, batch: Tensor) -> Tensor:
        if int(batch.shape[0]) > self.fits:
            raise self.error("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return self.conv(batch)


def seeded(kind: type[nn.Module]) -> nn.Module:
    """In eval mode, with batch statistics that matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind().eval().requires_grad_(False)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = torch.randn(module.num_features) / 4
                module.running_var = torch.rand(module.num_features) + 0.5
                module.weight = nn.Parameter(torch.rand(module.num_features) + 0.5, requires_grad=False)
    return model
