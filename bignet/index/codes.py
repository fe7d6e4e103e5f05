"""Codes of one bit a number: how good they are, whatever made them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet.index.candidates import innermost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bignet.index.kinds import Kind

_SAMPLE = 20_000
_TIES = 200  # queries
_SEED = 3


@dataclass(frozen=True)
class CodeQuality:
    """What bits are worth: each set half of the time, none like another, no two images with the same.

    Attributes:
        bits: in a code.
        imbalance: mean over bits of |share of ones - 1/2|; 0 is best, 1/2 says nothing.
        correlation: mean over pairs of bits of |correlation|; 0 is best.
        distinct: share of different codes among the rows.
        ties: share of queries whose 10th and 11th rows are at the same Hamming distance.
    """

    bits: int
    imbalance: float
    correlation: float
    distinct: float
    ties: float


def are_bits(kind: Kind) -> bool:
    """Whether codes of a kind are bits compared by Hamming distance."""
    return kind.factory.endswith("LSHt")


def quality(index: Any, unit: NDArray[np.float32]) -> Mapping[str, float]:
    """Of the codes that a FAISS index gives (N, D) unit vectors."""
    rows = np.random.default_rng(_SEED).permutation(len(unit))[:_SAMPLE]
    packed = faiss.downcast_index(index).sa_encode(np.ascontiguousarray(unit[rows]))
    return asdict(measure(packed, innermost(index).nbits))


def measure(packed: NDArray[np.uint8], n_bits: int) -> CodeQuality:
    """(N, bytes) codes of so many bits, the last byte filled up with zeros -> their quality."""
    bits = np.unpackbits(packed, axis=1, count=n_bits, bitorder="little")
    share = bits.mean(axis=0)
    return CodeQuality(
        bits=bits.shape[1],
        imbalance=float(np.abs(share - 0.5).mean()),
        correlation=_mean_correlation(bits),
        distinct=len(np.unique(packed, axis=0)) / len(packed),
        ties=_ties(packed),
    )


def _mean_correlation(bits: NDArray[np.uint8]) -> float:
    centred = bits - bits.mean(axis=0, dtype=np.float32)
    lengths = np.sqrt((centred**2).sum(axis=0))
    unit = centred[:, lengths > 0] / lengths[lengths > 0]
    n_bits = unit.shape[1]
    if n_bits < 2:  # no pair
        return 0.0
    products = np.abs(unit.T @ unit)
    return float((products.sum() - np.trace(products)) / (n_bits * (n_bits - 1)))


def _ties(packed: NDArray[np.uint8], k: int = 10) -> float:
    if len(packed) <= k + 1:
        return 0.0
    index = faiss.IndexBinaryFlat(8 * packed.shape[1])
    index.add(np.ascontiguousarray(packed))
    distances, _ = index.search(np.ascontiguousarray(packed[:_TIES]), k + 2)  # the query itself comes first
    return float((distances[:, k] == distances[:, k + 1]).mean())
