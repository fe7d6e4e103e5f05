"""Vectors to index: real ones, of patches cut out of photographs, and as many as wanted made from them with noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from bignet.extractor import encoder
from bignet.extractor.settings import Form

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 128  # pixels the network sees: patches are small
SMALLEST = 48
LARGEST = 256
BATCH = 64
_NOISE = 0.4  # of the distance to another image's vector


def of_patches(folder: Path, n: int, model: str, weights: str, work: Path | None) -> NDArray[np.float32]:
    """(n, D) float32: the last map's mean of ``n`` random patches of the photos in a folder; kept in ``work``."""
    kept = work / f"patches-{model}-{n}.npy" if work else None
    if kept is not None and kept.exists():
        return np.load(kept)
    made = encoder.build(model, weights, (), ("gap",), "cpu", Form(size=SIDE))
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())]
    rng = np.random.default_rng(0)
    parts = []
    for start in range(0, n, BATCH):
        squares = [_patch(photos[number % len(photos)], rng) for number in range(start, min(start + BATCH, n))]
        parts.append(next(iter(made.encode(torch.stack(squares)).values())))
    vectors = np.concatenate(parts)
    if kept is not None:
        np.save(kept, vectors)
    return vectors


def _patch(photo: NDArray[np.uint8], rng: np.random.Generator) -> torch.Tensor:
    height, width = photo.shape[:2]
    side = int(rng.integers(SMALLEST, min(height, width, LARGEST) + 1))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    image = Image.fromarray(photo[top : top + side, left : left + side]).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def with_noise(real: NDArray[np.float32], n: int, dims: int) -> NDArray[np.float32]:
    """(N, D) -> (n, dims) float32: each a real one moved part of the way to another, in ``dims`` random directions."""
    rng = np.random.default_rng(1)
    projected = real @ np.linalg.qr(rng.standard_normal((real.shape[1], dims)))[0].astype(np.float32)
    made = np.empty((n, dims), np.float32)
    for start in range(0, n, len(projected)):
        rows = np.arange(start, min(start + len(projected), n)) - start
        others = rng.permutation(len(projected))[rows]
        share = rng.uniform(0, _NOISE, (len(rows), 1)).astype(np.float32)
        made[start : start + len(rows)] = projected[rows] * (1 - share) + projected[others] * share
    return made
