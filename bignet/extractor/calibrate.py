"""Which convolutions can be computed in 8-bit integers, and what that costs in fidelity: found on a sample of images.

Each convolution is tried alone. Losses of several add up nearly, so those that lose least for the arithmetic they save
are taken until a budget is spent; what they lose together is then proved like any other faster way (``prove.py``).
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bignet.extractor import fusion, int8, network, onednn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.extractor.network import Plain

# What a convolution must save to be worth a trial, as a share of all multiplications; and how many multiplications of
# bf16 in integers save the time that rounding one number of the input takes (0.5 ns against 4 ns a thousand, Zen 4).
_WORTH_A_TRIAL = 0.002
_ROUNDING = 120
# Images that each convolution is tried on; what their inputs reach is found on the whole sample.
_TRIED_ON = 8
NEIGHBOURS = 10
_CHANCE = 1e-4
_ONE_SIDED = NormalDist().inv_cdf(0.95)
_NOTHING = (np.nan,) * 4
# Differences below this are chance: bf16 rounds otherwise when anything before it changes.
_SMALLEST_LOSS = 0.005


@dataclass(frozen=True)
class Candidate:
    """A convolution that could be computed in 8-bit integers.

    Attributes:
        name: of its node.
        largest: of its input, on the sample.
        share: of all multiplications.
        gain: its share less what rounding its input costs.
        loss: what this alone does to the vectors, in UNITs.
    """

    name: str
    largest: float
    share: float
    gain: float
    loss: float


@dataclass(frozen=True)
class Closeness:
    """How near vectors are to those they stand for.

    Attributes:
        cosine: the smallest between an image's vectors; NaN where there is nothing to compare.
        about_mean: the median of the same after the mean vector has been taken off, which all images share.
        overlap: the share of each image's nearest neighbours, ten or however many there are, that stays.
        overlap_lo: the lower end of that share's one-sided 95 % interval over images: what other images promise.
    """

    cosine: float
    about_mean: float
    overlap: float
    overlap_lo: float

    @classmethod
    def of(cls, reference: NDArray[np.floating], found: NDArray[np.floating]) -> Closeness:
        """Of (N, dims) vectors; rows of the reference without a direction do not count."""
        a, b = reference.astype(np.float64), found.astype(np.float64)
        usable = np.isfinite(a).all(axis=1) & (np.linalg.norm(a, axis=1) > 0)
        a, b = a[usable], b[usable]
        if not len(a) or not np.isfinite(b).all():
            return cls(*_NOTHING)
        mean = a.mean(axis=0)
        smallest = float(_cosines(a, b).min())
        about_mean = float(np.median(_cosines(a - mean, b - mean))) if len(a) > 1 else smallest
        kept = _kept(a, b)
        error = float(kept.std(ddof=1)) / math.sqrt(len(kept)) if len(kept) > 1 else 0.0
        return cls(smallest, about_mean, float(kept.mean()), float(kept.mean()) - _ONE_SIDED * error)

    def loss_beyond(self, base: Closeness, unit: Closeness) -> float:
        """What cosines lose more than in ``base``; 1 = as much as ``unit`` is from 1."""
        more = (base.cosine - self.cosine) / (1 - unit.cosine)
        about_mean = (base.about_mean - self.about_mean) / (1 - unit.about_mean)
        return max(more, about_mean, _SMALLEST_LOSS) if np.isfinite(more + about_mean) else np.inf


# A loss that about two of a hundred nearest neighbours do not survive.
UNIT = Closeness(cosine=0.9995, about_mean=0.9996, overlap=1.0, overlap_lo=1.0)


def _kept(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) the share of each of (N, dims)'s nearest neighbours by cosine that are nearest by the other vectors too.

    Neighbours that are as near as the last of them, but for a ten-thousandth of the scores' spread, count as kept:
    among copies, which ones are nearest is chance.
    """
    number = min(NEIGHBOURS, len(ours) - 1)
    if number < 1:
        return np.ones(len(ours))
    before, after = _scores(ours), _scores(theirs)
    last = np.partition(before, -number, axis=1)[:, -number]
    room = _CHANCE * np.ma.masked_invalid(before).std(axis=1).filled(0)
    nearest = np.argpartition(-after, number - 1, axis=1)[:, :number]
    kept = np.take_along_axis(before, nearest, axis=1) >= (last - room)[:, None]
    shares: NDArray[np.float64] = kept.mean(axis=1)
    return shares


def _scores(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, dims) -> (N, N) cosines; -inf to oneself."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores: NDArray[np.float64] = np.nan_to_num(unit @ unit.T)
    np.fill_diagonal(scores, -np.inf)
    return scores


def _cosines(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, dims) twice -> (N,)."""
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = (ours * theirs).sum(axis=1) / norms
    return found


def cheapest(found: Sequence[Candidate], budget: float) -> list[Candidate]:
    """Those whose losses add up to ``budget`` at most: the ones first that lose least for what they save."""
    taken: list[Candidate] = []
    for candidate in sorted(found, key=lambda each: each.loss / each.gain):
        if sum(each.loss for each in taken) + candidate.loss <= budget:
            taken.append(candidate)
    return taken


def ranges_of(taken: Sequence[Candidate]) -> int8.Ranges:
    """What a spec says of them."""
    return tuple((each.name, each.largest) for each in sorted(taken, key=lambda each: each.name))


def share_of(taken: Sequence[Candidate]) -> float:
    """How much of a network's multiplications they are."""
    return sum(each.share for each in taken)


def gain_of(taken: Sequence[Candidate]) -> float:
    """The same less what their roundings cost."""
    return sum(each.gain for each in taken)


def worst(found: Sequence[Closeness]) -> Closeness:
    """The smallest of each figure."""
    if not found:
        return Closeness(*_NOTHING)
    columns = zip(*(astuple(each) for each in found), strict=True)
    return Closeness(*(float(np.min(column)) for column in columns))


def candidates(plain: Plain, batches: Sequence[Tensor]) -> list[Candidate]:
    """Every convolution that can be computed in 8-bit integers here.

    Args:
        plain: the network.
        batches: (N, 3, H, W) bfloat16 each, channels last: the sample as the network is to see it.
    """
    if not network.can_be_followed(plain):
        return []
    with torch.inference_mode():
        try:
            trials = _Trials(plain, batches)
        except (RuntimeError, AttributeError):  # see network: operators that torch keeps to itself
            return []
        return trials.candidates()


class _Trials:
    """The network in bf16, in which one convolution after the other is taken to 8-bit integers and back."""

    def __init__(self, plain: Plain, batches: Sequence[Tensor]) -> None:
        self._batches = batches
        self._few = torch.cat(list(batches))[:_TRIED_ON].contiguous(memory_format=torch.channels_last)
        self._sites: dict[str, onednn.Site] = {}
        self._module = network.folded(plain)
        self._exact = int8.sources(self._module, {node.name: 1.0 for node, _ in fusion.convolutions(self._module)})
        self._reference = [values.numpy() for values in self._module(self._few.float())]
        network.pack(self._module, plain, torch.bfloat16, self._noted)

    def _noted(self, convolution: nn.Conv2d, site: onednn.Site) -> nn.Module:
        self._sites[site.name] = site
        return onednn.Packed(convolution, site)

    def candidates(self) -> list[Candidate]:
        largest, products, numbers = self._watch()
        total = sum(products.values())
        base = self._closeness()
        found = []
        for name in [name for name, site in self._sites.items() if _groups(site) == 1 and 0 < largest[name] < np.inf]:
            gain = (products[name] - _ROUNDING * numbers[name]) / total
            if gain >= _WORTH_A_TRIAL:
                loss = self._loss(name, largest[name], base)
                found.append(Candidate(name, largest[name], products[name] / total, gain, loss))
        return [candidate for candidate in found if np.isfinite(candidate.loss)]

    def _watch(self) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
        """Of each convolution: the largest input over the sample; for one image, multiplications and input numbers."""
        largest = dict.fromkeys(self._sites, 0.0)
        products: dict[str, int] = {}
        numbers: dict[str, int] = {}
        handles = []
        for name in self._sites:

            def watch(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
                largest[name] = max(largest[name], float(inputs[0].abs().max()))
                products[name] = output[0].numel() * self._exact[name].weight[0].numel()
                numbers[name] = inputs[0][0].numel()

            handles.append(self._module.get_submodule(fusion.place_of(name)).register_forward_hook(watch))
        for batch in self._batches:
            self._module(batch)
        for handle in handles:
            handle.remove()
        return largest, products, numbers

    def _loss(self, name: str, largest: float, base: Closeness) -> float:
        """Of this one in 8-bit integers; infinite where oneDNN refuses."""
        place = fusion.place_of(name)
        before = self._module.get_submodule(place)
        exact = self._exact[name]
        source = int8.Source(exact.weight, exact.bias, int8.Grid(largest, exact.grid.signed))
        try:
            self._module.add_submodule(place, int8.Convolution(source, self._sites[name]))
            return self._closeness().loss_beyond(base, UNIT)
        except (RuntimeError, AttributeError):
            return np.inf
        finally:
            self._module.add_submodule(place, before)

    def _closeness(self) -> Closeness:
        """Of the vectors as things stand, the worst over the embeddings."""
        pairs = zip(self._reference, self._vectors(self._few), strict=True)
        return worst([Closeness.of(reference, found) for reference, found in pairs])

    def _vectors(self, batch: Tensor) -> list[NDArray[np.floating]]:
        return [values.float().numpy() for values in self._module(batch)]


def _groups(site: onednn.Site) -> int:
    return int(site.geometry[-1])
