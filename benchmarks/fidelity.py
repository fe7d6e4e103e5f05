"""How far BigNet's vectors are from a plain reference: Pillow, the published preset, fp32, one image at a time, a hook.

    python benchmarks/fidelity.py FOLDER --weights squeezenet1_1=FILE.safetensors
    python benchmarks/fidelity.py FOLDER --models all --images 8

Prints, for each model's default layer, the smallest cosine over the folder's images in fp32 and in the precision asked
for (``auto`` unless given), which arithmetic that was, and how many of the ten nearest neighbours stay the same.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

import bignet
from bignet.extractor import backbones, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bignet.spec import Preprocess

    Vectors = NDArray[np.float64]

MODELS = ("squeezenet1_1", "efficientnet_lite0", "alexnet", "resnet18", "resnet50")
POOLS = ("gap", "max")
NEIGHBOURS = 10


def reference(name: str, request: str, layer: str, paths: Sequence[Path]) -> dict[str, Vectors]:
    """Embedding name -> (N, D), by the recipe everybody writes."""
    backbone = backbones.find(name)
    network, _ = weights.prepare(request, backbone)
    taken: list[Tensor] = []
    network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: taken.append(output.clone()))
    for path in paths:
        with torch.no_grad(), Image.open(path) as image:
            network(_square(image.convert("RGB"), backbone.preprocess)[None])
    last = [output[0] for output in taken[-len(paths) :]] if len(taken) == len(paths) else _last_calls(taken, paths)
    flat = [output.flatten(1) if output.ndim == 3 else output.T for output in last]  # a map (C, H, W), or tokens (T, C)
    gap, most = [value.mean(1).numpy() for value in flat], [value.amax(1).numpy() for value in flat]
    return {f"{layer}.gap": np.stack(gap).astype(float), f"{layer}.max": np.stack(most).astype(float)}


def _last_calls(taken: Sequence[Tensor], paths: Sequence[Path]) -> list[Tensor]:
    a_picture = len(taken) // len(paths)
    return [output[0] for output in taken[a_picture - 1 :: a_picture]]


def _square(picture: Image.Image, how: Preprocess) -> Tensor:
    resized = F.resize(picture, [how.resize], InterpolationMode(how.interpolation))
    return F.normalize(F.to_tensor(F.center_crop(resized, [how.crop, how.crop])), how.mean, how.std)


def ours(
    name: str, request: str, paths: Sequence[Path], precision: str, decode: str
) -> tuple[dict[str, Vectors], str, str]:
    """By BigNet, as anybody calls it -> embedding name to (N, D), the arithmetic it took, the layer."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images.txt")
        images.write_text("".join(f"{path}\n" for path in paths))
        chosen = {"weights": request, "precision": precision, "decode": decode}
        store = bignet.extract(images, Path(folder, "store"), model=name, pools=POOLS, **chosen)
        specs = store.embeddings
        vectors = {spec.name: store.vectors(spec.name).astype(float) for spec in specs}
        return vectors, specs[0].encoder.precision, specs[0].layer


def cosines(left: Vectors, right: Vectors) -> Vectors:
    """(N, D) and (N, D) -> (N,)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.einsum("nd,nd->n", left, right) / lengths


def overlap(left: Vectors, right: Vectors) -> float:
    """Mean share of the ten nearest neighbours by cosine that both have."""
    both = [_neighbours(left), _neighbours(right)]
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(*both, strict=True)]))


def _neighbours(vectors: Vectors) -> NDArray[np.int64]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1)[:, : min(NEIGHBOURS, len(vectors) - 1)]


def row(name: str, request: str, paths: Sequence[Path], asked: str, decode: str) -> list[str]:
    """A line for each pool."""
    faster, precision, layer = ours(name, request, paths, asked, decode)
    is_exact = (precision, decode) == ("fp32", "exact")
    exact = faster if is_exact else ours(name, request, paths, "fp32", "exact")[0]
    expected = reference(name, request, layer, paths)
    kind = request if request.startswith("random") else "trained"
    return [
        f"{name:22} {kind:9} {key:18} {len(paths):>6}  {cosines(exact[key], expected[key]).min():>9.7f}  "
        f"{precision:>5} {cosines(faster[key], expected[key]).min():>9.7f}  "
        f"{overlap(faster[key], expected[key]):>10.4f}"
        for key in exact
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default=",".join(MODELS), help="by commas, or all")
    parser.add_argument("--images", type=int, default=0, help="only so many")
    parser.add_argument("--precision", default="auto", help="of the faster runs")
    parser.add_argument("--decode", default="exact", help="passed to the faster runs")
    parser.add_argument("--weights", action="append", default=[], metavar="MODEL=FILE", help="else random:0")
    given = parser.parse_args()
    files = {"efficientnet_lite0": "default"} | dict(item.split("=", 1) for item in given.weights)
    paths = sorted(path.resolve() for path in given.folder.iterdir() if path.is_file())[: given.images or None]
    header = ("model", "weights", "embedding", "images", "fp32", given.precision, "overlap@10")
    print("{:22} {:9} {:18} {:>6}  {:>9}  {:>15}  {:>10}".format(*header))
    for name in backbones.names() if given.models == "all" else given.models.split(","):
        print("\n".join(row(name, files.get(name, "random:0"), paths, given.precision, given.decode)), flush=True)


if __name__ == "__main__":
    main()
