"""Faster arithmetic and faster decoding, tried on a sample of the images before they are used on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.extractor.forward import Seat
from bignet.extractor.machine import fast_precisions
from bignet.extractor.settings import AUTO, DEFAULT_PRECISION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from bignet.extractor.encoder import Blueprint, Encoder
    from bignet.extractor.settings import ExtractSettings

    Squares = Mapping[bytes, Tensor]
    Vectors = Mapping[str, NDArray[np.float32]]

N_IMAGES = 32
SMALLEST_COSINE = 0.999
_BATCH = 8


@dataclass(frozen=True)
class Proof:
    """How far a faster way is from fp32 on exactly decoded pictures.

    Attributes:
        way: ``bf16``, ``fast``, ``bf16 fast``.
        cosine: the smallest over images and embeddings; NaN where a vector is not finite.
        n_images: how many were tried.
        used: whether the run goes this way.
        needed: what ``auto`` accepts.
    """

    way: str
    cosine: float
    n_images: int
    used: bool
    needed: float = SMALLEST_COSINE

    @property
    def holds(self) -> bool:
        """Whether the difference is within what ``auto`` accepts."""
        return self.cosine >= self.needed

    def __str__(self) -> str:
        if not self.n_images:
            return f"{self.way}: no image to try it on"
        shown = np.floor(self.cosine * 1e6) / 1e6  # 0.9999996 is not 1
        return f"{self.way}: smallest cosine {shown:.6f} on {self.n_images} image{'s' * (self.n_images > 1)}"


def choose(
    blueprint: Blueprint, device: torch.device, settings: ExtractSettings, decoded: Callable[[str], Squares]
) -> tuple[Encoder, list[Proof]]:
    """The encoder for a new store.

    Args:
        blueprint: in fp32, decoding exactly.
        device: where it runs.
        settings: what precision and decoder were asked for.
        decoded: a decoder's name -> sample images by path, (views, 3, crop, crop) uint8 each.
    """
    plain = blueprint.encoder(device)
    asked = settings.precision or DEFAULT_PRECISION
    precisions = fast_precisions(device) if asked == AUTO else (asked,)
    decoders = {None: (), "exact": (), AUTO: ("fast",)}.get(settings.decode, ("fast",))
    ways = [(precision, "exact") for precision in precisions if precision != "fp32"]
    if not (ways or decoders):
        return plain, []
    trial = _Trial(blueprint, plain, device, decoded)
    encoder, proofs = plain, []
    for decoder in decoders:
        encoder, proof = trial.of("fp32", decoder, encoder, forced=settings.decode == "fast")
        proofs.append(proof)
    for precision, _ in ways:
        decoder = encoder.spec.preprocess.decode
        encoder, proof = trial.of(precision, decoder, encoder, forced=asked != AUTO)
        proofs.append(proof)
        if proof.used:
            break
    return encoder, proofs


class _Trial:
    """Reference vectors, and what other ways give for the same images."""

    def __init__(
        self, blueprint: Blueprint, plain: Encoder, device: torch.device, decoded: Callable[[str], Squares]
    ) -> None:
        self._blueprint = blueprint
        self._device = device
        self._decoded = decoded
        self._squares = {"exact": decoded("exact")}
        self._reference = _vectors(plain, list(self._squares["exact"].values()))

    def of(self, precision: str, decoder: str, otherwise: Encoder, *, forced: bool) -> tuple[Encoder, Proof]:
        """One way tried -> its encoder if it holds or is forced, else the other one."""
        if decoder not in self._squares:
            self._squares[decoder] = self._decoded(decoder)
        squares = self._squares[decoder]
        encoder = self._blueprint.encoder(self._device, precision, decoder)
        names = list(self._squares["exact"])
        both = [number for number, name in enumerate(names) if name in squares]
        found = _vectors(encoder, [squares[names[number]] for number in both])
        cosine = min((_smallest_cosine(self._reference[key][both], found[key]) for key in found), default=np.nan)
        way = " ".join(word for word in (precision, decoder) if word not in ("fp32", "exact"))
        used = forced or cosine >= SMALLEST_COSINE
        return encoder if used else otherwise, Proof(way, float(cosine), len(both), used)


def _vectors(encoder: Encoder, squares: list[Tensor]) -> Vectors:
    seat = Seat(encoder)
    parts = [seat.run(squares[at : at + _BATCH]).vectors for at in range(0, len(squares), _BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _smallest_cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    usable = np.isfinite(a).all(axis=1) & (np.linalg.norm(a, axis=1) > 0)  # others are rejected whatever the precision
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = ((a * b).sum(axis=1) / norms)[usable]
    return float(cosines.min()) if len(cosines) and np.isfinite(cosines).all() else np.nan
