"""Networks that are awkward to follow or to fuse, each small and seeded."""

import warnings

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


class SeenThrough(nn.Module):
    """Overwrites a map after it was flattened: in the order of memory it was written for, the flat one changes too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.end = nn.Conv2d(3, 6, 3, 2, 1), nn.AdaptiveAvgPool2d(3), nn.Linear(54, 7)

    def forward(self, batch: Tensor) -> Tensor:
        maps = self.pool(self.conv(batch))
        flat = maps.flatten(1)
        F.relu_(maps)
        return self.end(flat)


class AuthorsHooks(nn.Module):
    """Hooks, and a method of its own on one module: each changes what its kind of module does."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, 1, 1)
        self.act, self.pool, self.idle = nn.ReLU(), nn.MaxPool2d(2), nn.Identity()
        self.one.register_forward_hook(lambda _module, _inputs, output: output.clamp(-0.3, 0.3))
        self.two.register_forward_pre_hook(lambda _module, inputs: (3 * inputs[0],))
        self.idle.forward = torch.neg

    def forward(self, batch: Tensor) -> Tensor:
        return self.pool(self.act(self.idle(self.two(self.act(self.norm(self.one(batch)))))))


class WeightNormed(nn.Module):
    """A hook of torch's computes the filters before every call."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants it written another way
            self.one = nn.utils.weight_norm(nn.Conv2d(3, 6, 3, 2, 1))
        self.norm, self.two = nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, 1, 1)

    def forward(self, batch: Tensor) -> Tensor:
        return self.two(F.relu(self.norm(self.one(batch))))


class Doubled(nn.Module):
    """Its second half is in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 32, 3, 2, 1), nn.Conv2d(32, 32, 3, 1, 1).double()
        self.pool = nn.MaxPool2d(2)

    def forward(self, batch: Tensor) -> Tensor:
        return self.pool(self.two(F.relu(self.one(batch)).double()))


class ViewInside(nn.Module):
    """A part that cannot be followed asks for channels first in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.cut, self.two = nn.Conv2d(3, 6, 3, 2, 1), Cut(), nn.Conv2d(24, 6, 3, 1, 1)

    def forward(self, batch: Tensor) -> Tensor:
        return self.two(self.cut(self.one(batch)))


class Cut(nn.Module):
    """(N, C, H, W) -> (N, 4 * C, ...): a quarter of the rows to a channel."""

    def forward(self, maps: Tensor) -> Tensor:
        number, channels, height, width = (int(size) for size in maps.shape)
        maps = maps[:, :, : height // 4 * 4].contiguous() if height % 4 else maps
        return maps.view(number, 4 * channels, -1, width)


class Scaled(nn.Module):
    """A sum one term of which is scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, 1, 1)

    def forward(self, batch: Tensor) -> Tensor:
        maps = F.relu(self.one(batch))
        return torch.add(maps, self.two(maps), alpha=0.25).relu()


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
