"""How far BigNet's vectors are from a plain reference: Pillow, torchvision's preset, fp32, one image at a time, a hook.

    python benchmarks/fidelity.py FOLDER --weights squeezenet1_1=FILE.safetensors

Prints, for each model, layer and pool, the smallest cosine over all images of the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from bignet.extractor import decode, encoder, weights
from bignet.images import Limits

LAYERS = {
    "squeezenet1_1": ("features.9", "features"),
    "alexnet": ("features.7", "features"),
    "resnet18": ("layer3", "layer4"),
    "resnet50": ("layer3", "layer4"),
}
POOLS = ("gap", "max")
BATCH = 32


def reference(name: str, request: str, layers: tuple[str, ...], paths: list[Path]) -> dict[str, np.ndarray]:
    """Embedding name -> (N, D) float64, by the recipe everybody writes."""
    if request.startswith("random:"):
        torch.manual_seed(int(request.partition(":")[2]))
        network = torchvision.models.get_model(name, weights=None)
    else:
        network = torchvision.models.get_model(name, weights=None)
        network.load_state_dict(weights.read_state(Path(request)))
    network.eval()
    taken: dict[str, Tensor] = {}
    for layer in layers:
        _keep(network, layer, taken)
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    vectors: dict[str, list[np.ndarray]] = {f"{layer}.{pool}": [] for layer in layers for pool in POOLS}
    for path in paths:
        with torch.no_grad(), Image.open(path) as image:
            network(transform(image.convert("RGB"))[None])
        for layer in layers:
            vectors[f"{layer}.gap"].append(taken[layer].mean((2, 3))[0].numpy())
            vectors[f"{layer}.max"].append(taken[layer].amax((2, 3))[0].numpy())
    return {key: np.stack(value).astype(np.float64) for key, value in vectors.items()}


def _keep(network: nn.Module, layer: str, taken: dict[str, Tensor]) -> None:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        taken[layer] = output.clone()

    dict(network.named_modules())[layer].register_forward_hook(hook)


def ours(name: str, request: str, layers: tuple[str, ...], paths: list[Path]) -> dict[str, np.ndarray]:
    """Embedding name -> (N, D) float64, by BigNet, in batches."""
    built = encoder.build(name, request, layers, POOLS, "cpu")
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(paths), BATCH):
        batch = [decode.decode(path.read_bytes(), built.spec.preprocess, Limits())[0] for path in paths[start:][:BATCH]]
        for key, value in built.encode(torch.stack(batch)).items():
            parts.setdefault(key, []).append(value)
    return {key: np.concatenate(value).astype(np.float64) for key, value in parts.items()}


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, D) and (N, D) -> (N,)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.einsum("nd,nd->n", left, right) / lengths


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", action="append", default=[], metavar="MODEL=FILE", help="else random:0")
    given = parser.parse_args()
    files = dict(item.split("=", 1) for item in given.weights)
    paths = sorted(path for path in given.folder.iterdir() if path.is_file())
    print(f"{'model':15} {'weights':10} {'embedding':16} {'images':>6}  {'min cosine':>10}")
    for name, layers in LAYERS.items():
        request = files.get(name, "random:0")
        expected, found = reference(name, request, layers, paths), ours(name, request, layers, paths)
        for key, vectors in found.items():
            lowest = cosines(vectors, expected[key]).min()
            kind = "random:0" if request == "random:0" else "trained"
            print(f"{name:15} {kind:10} {key:16} {len(paths):>6}  {lowest:>10.7f}")


if __name__ == "__main__":
    main()
