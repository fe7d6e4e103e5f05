"""Faster arithmetic and faster decoding, tried on a sample of the images before they are used on all of them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from bignet.errors import UsageError
from bignet.extractor import calibrate
from bignet.extractor.calibrate import NEIGHBOURS, Closeness
from bignet.extractor.forward import Seat
from bignet.extractor.machine import fast_precisions, has_int8
from bignet.extractor.settings import AUTO, DEFAULT_PRECISION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from bignet.extractor.encoder import Blueprint, Encoder
    from bignet.extractor.settings import ExtractSettings
    from bignet.spec import EncoderSpec

    Squares = Mapping[bytes, Tensor]
    Vectors = Mapping[str, NDArray[np.float32]]

# Enough to see what becomes of ten nearest neighbours: among 32 images twice as many of them stay as among 160.
N_IMAGES = 160
_BATCH = 8


@dataclass(frozen=True)
class Needed:
    """What ``auto`` accepts: the smallest cosine, and what share of the ten nearest must stay (``overlap_lo``)."""

    cosine: float
    overlap: float

    def __str__(self) -> str:
        return f"{self.cosine:g} and {self.overlap:.1%}"

    def met_by(self, found: Closeness) -> bool:
        """Whether vectors are near enough."""
        return found.cosine >= self.cosine and found.overlap_lo >= self.overlap


NEEDED = Needed(cosine=0.999, overlap=0.98)
# 8 bits are chosen to fit the sample, so other images lose more: they must keep a distance from what is accepted.
NEEDED_INT8 = Needed(cosine=0.9995, overlap=NEEDED.overlap)
# With fewer, finding out what fits would take about as long as the run itself.
WORTH_CALIBRATING = 1000
# Gain of all together: 8 bits for less would not be worth their loss.
_WORTH_IT = 0.1
_BUDGETS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
# Rounding more has to pay: how many times as fast it must be, and the fewest images that can tell.
_FASTER = 1.1
_FEWEST_TIMED = 80


@dataclass(frozen=True)
class Proof:
    """How far a faster way is from fp32 on exactly decoded pictures.

    Attributes:
        way: ``bf16``, ``fast``, ``bf16 fast``, ``int8 for 58% of the arithmetic``.
        closeness: to those vectors, of the embedding that suffers most.
        n_images: how many were tried.
        used: whether the run goes this way.
        needed: what ``auto`` accepts.
        speedup: how many times as fast it was as what it would replace; NaN where that was not looked at.
    """

    way: str
    closeness: Closeness
    n_images: int
    used: bool
    needed: Needed = NEEDED
    speedup: float = np.nan

    @property
    def holds(self) -> bool:
        """Whether the difference is within what ``auto`` accepts."""
        return self.needed.met_by(self.closeness)

    @property
    def pays(self) -> bool:
        """Whether it is faster by more than chance, as far as that was looked at."""
        return not self.speedup < _FASTER

    def __str__(self) -> str:
        if not self.n_images:
            return f"{self.way}: no image to try it on"
        cosine = np.floor(self.closeness.cosine * 1e6) / 1e6  # 0.9999996 is not 1
        found = f"{self.way}: smallest cosine {cosine:.6f} on {self.n_images} image{'s' * (self.n_images > 1)}"
        if self.n_images <= 2 * NEIGHBOURS:  # most of all the others are among the ten nearest
            return found
        kept, at_least = (np.floor(share * 1000) / 10 for share in (self.closeness.overlap, self.closeness.overlap_lo))
        return f"{found}, {kept:.1f}% of the ten nearest among them the same (at least {at_least:.1f}%)"


def choose(
    blueprint: Blueprint,
    device: torch.device,
    settings: ExtractSettings,
    n_pending: int,
    decoded: Callable[[str, int], Squares],
) -> tuple[EncoderSpec, list[Proof]]:
    """How a new store's vectors are to be made, and what was tried.

    Args:
        blueprint: in fp32, decoding exactly.
        device: where it runs.
        settings: what precision and decoder were asked for.
        n_pending: images there are to embed.
        decoded: a decoder's name -> so many sample images by path, (views, 3, crop, crop) uint8 each.

    Raises:
        UsageError: int8 was asked for, and no convolution can be computed so.
    """
    asked = settings.precision or DEFAULT_PRECISION
    precisions = fast_precisions(device) if asked == AUTO else (asked,)
    faster = [precision for precision in precisions if precision != "fp32"]
    decoders = {None: (), "exact": (), AUTO: ("fast",)}.get(settings.decode, ("fast",))
    if not (faster or decoders):
        return blueprint.heads[0].spec.computed_by, []
    goes_further = asked == AUTO and "bf16" in faster and has_int8(device) and n_pending >= WORTH_CALIBRATING
    trial = _Trial(blueprint, device, lambda decoder: decoded(decoder, N_IMAGES))
    for decoder in decoders:
        trial.decoder(decoder, forced=settings.decode == "fast")
    for precision in faster:
        if precision == "int8":
            trial.all_int8()
        elif trial.precision(precision, forced=asked != AUTO):
            if goes_further and precision == "bf16":
                trial.some_int8()
            break
    return trial.best.spec, trial.proofs


class _Trial:
    """Reference vectors, and what other ways give for the same images.

    Attributes:
        best: the fastest encoder so far that holds and pays, or was forced.
        proofs: of all ways tried, in order.
    """

    def __init__(self, blueprint: Blueprint, device: torch.device, decoded: Callable[[str], Squares]) -> None:
        self.best = blueprint.encoder(device)
        self.proofs: list[Proof] = []
        self._blueprint = blueprint
        self._device = device
        self._decoded = decoded
        self._squares = {"exact": decoded("exact")}
        self._reference, self._pace = _vectors(self.best, list(self._squares["exact"].values()))

    def decoder(self, name: str, *, forced: bool) -> bool:
        """Decoding another way, in the arithmetic of the best."""
        self._squares[name] = self._decoded(name)
        spec = self.best.spec
        return self._try(
            self._blueprint.encoder(self._device, spec.precision, name, spec.ranges), NEEDED, forced=forced
        )

    def precision(self, name: str, *, forced: bool) -> bool:
        """Other arithmetic, decoding like the best; whether it holds, or was forced.

        Raises:
            UsageError: it was forced, and the network cannot be computed so.
        """
        try:
            encoder = self._blueprint.encoder(self._device, name, self._decoder)
        except UsageError:
            if forced:
                raise
            return False
        self._try(encoder, NEEDED, forced=forced)
        return forced or self.proofs[-1].holds

    def all_int8(self) -> None:
        """Every convolution that can in 8-bit integers, because it was asked for.

        Raises:
            UsageError: none can.
        """
        if not has_int8(self._device):
            raise UsageError(f"precision int8 needs a processor with VNNI or AMX ({self._device} given); use auto")
        found = self._candidates()
        if not found:
            name = self.best.spec.model
            raise UsageError(f"no convolution of '{name}' can be computed in 8-bit integers on these images; use auto")
        self._int8(found, forced=True)

    def some_int8(self) -> None:
        """As many convolutions in 8-bit integers as can be proved, if that is worth it."""
        if len(self._squares[self._decoder]) < N_IMAGES or not NEEDED_INT8.met_by(self.proofs[-1].closeness):
            return
        found = self._candidates()
        choices = [calibrate.cheapest(found, budget) for budget in _BUDGETS]
        choices = [taken for taken, _ in itertools.groupby(choices) if calibrate.gain_of(taken) >= _WORTH_IT]
        told: list[Proof] = []
        while choices:  # the middle one, then half of the rest: more integers lose more
            middle = len(choices) // 2
            holds = self._int8(choices[middle], forced=False)
            choices = choices[middle + 1 :] if holds else choices[:middle]
            proof = self.proofs.pop()
            if holds or not (told and told[0].used):
                told = [proof]  # what failed beyond it need not be told
        self.proofs += told

    def _candidates(self) -> list[calibrate.Candidate]:
        squares = list(self._squares[self._decoder].values())
        if not squares:
            return []
        parts = [torch.cat(squares[at : at + _BATCH]) for at in range(0, len(squares), _BATCH)]
        batches = [self.best.normalised(part).to(torch.bfloat16) for part in parts]
        return calibrate.candidates(self._blueprint.plain, batches)

    def _int8(self, taken: list[calibrate.Candidate], *, forced: bool) -> bool:
        encoder = self._blueprint.encoder(self._device, "int8", self._decoder, calibrate.ranges_of(taken))
        return self._try(encoder, NEEDED_INT8, forced=forced, share=calibrate.share_of(taken))

    @property
    def _decoder(self) -> str:
        return self.best.spec.preprocess.decode

    def _try(self, encoder: Encoder, needed: Needed, *, forced: bool, share: float = 1.0) -> bool:
        """Whether this way is the best from now on."""
        squares = self._squares[encoder.spec.preprocess.decode]
        names = list(self._squares["exact"])
        both = [number for number, name in enumerate(names) if name in squares]
        found, pace = _vectors(encoder, [squares[names[number]] for number in both])
        closeness = calibrate.worst([Closeness.of(self._reference[key][both], found[key]) for key in found])
        other = encoder.spec.precision != self.best.spec.precision
        speedup = pace / self._pace if other and len(both) >= _FEWEST_TIMED else np.nan
        proof = Proof(_way(encoder, share), closeness, len(both), forced, needed, speedup)
        proof = replace(proof, used=forced or (proof.holds and proof.pays))
        self.proofs.append(proof)
        if proof.used:
            self.best, self._pace = encoder, pace
        return proof.used


def _way(encoder: Encoder, share: float) -> str:
    """``bf16``, ``fast``, ``bf16 fast``, ``int8 for 58% of the arithmetic``."""
    words = (encoder.spec.precision, encoder.spec.preprocess.decode)
    part = "" if share == 1 else f" for {share:.0%} of the arithmetic"
    return " ".join(word for word in words if word not in ("fp32", "exact")) + part


def _vectors(encoder: Encoder, squares: list[Tensor]) -> tuple[Vectors, float]:
    """What an encoder gives, and of how many images in a second, by the median of the batches."""
    seat, parts, paces = Seat(encoder), [], []
    for at in range(0, len(squares), _BATCH):
        start, batch = time.perf_counter(), squares[at : at + _BATCH]
        parts.append(seat.run(batch).vectors)
        paces.append(len(batch) / (time.perf_counter() - start))
    if not parts:
        return {}, np.nan
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, float(np.median(paces))
