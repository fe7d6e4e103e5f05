"""A network small enough for any test: ask for model ``tests.tiny:build`` with weights ``random:0``."""

from collections import OrderedDict

from torch import Tensor, nn

from bignet.spec import Preprocess


class Tiny(nn.Module):
    """(N, 3, 32, 32) -> stem (8, 16, 16) -> body (12, 8, 8) -> head (16, 4, 4), each after a ReLU -> fc (5,)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _block(3, 8)
        self.body = _block(8, 12)
        self.head = _block(12, 16)
        self.fc = nn.Linear(16, 5)

    def forward(self, batch: Tensor) -> Tensor:
        maps: Tensor = self.head(self.body(self.stem(batch)))
        return self.fc(maps.mean(dim=(2, 3)))


def _block(n_in: int, n_out: int) -> nn.Sequential:
    conv = nn.Conv2d(n_in, n_out, kernel_size=3, stride=2, padding=1)
    return nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU(inplace=True)))


def build() -> Tiny:
    """Fresh parameters from torch's own generator: ``random:0`` seeds it with 0."""
    return Tiny()


build.preprocess = Preprocess(  # type: ignore[attr-defined]
    resize=36, crop=32, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
