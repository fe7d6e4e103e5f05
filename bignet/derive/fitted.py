"""Steps with what was fitted for them, ready to be applied to any vectors of the same embedding."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from bignet.derive.steps import Step, StepKind, joined
from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CELLS = 2**20  # float64 numbers worked on at a time
# What centring leaves of a vector, as a share of it: less is what rounding to float32 left of a row that is the mean.
_NOTHING = 2.0**-23


@dataclass(frozen=True, eq=False)
class Part:
    """One step and its parameters.

    Attributes:
        step: what is done.
        fitted: ``mean`` (D,) of center, pca and whiten; ``axes`` (D, d) of pca and whiten, a column each.
    """

    step: Step
    fitted: Mapping[str, Floats] = field(default_factory=dict)

    def applied(self, block: Floats) -> Floats:
        """(n, D) float64 -> (n, d) float64."""
        kind = self.step.kind
        if kind is StepKind.POWER:
            return np.asarray(np.sign(block) * np.abs(block) ** self.step.power)
        if kind is StepKind.L2:
            return to_units(block)
        centred = block - self.fitted["mean"]
        centred[_lengths(centred) <= _NOTHING * _lengths(block)] = 0.0
        return centred @ self.fitted["axes"] if "axes" in self.fitted else centred

    def dims_after(self, dims: int) -> int:
        """Numbers in a vector of so many."""
        return self.step.count if self.step.kind in (StepKind.PCA, StepKind.WHITEN) else dims


@dataclass(frozen=True, eq=False)
class Fitted:
    """Steps fitted once, on a gallery; the same are done to queries.

    Attributes:
        dims: D, numbers in a vector before the first step.
        parts: the steps that look at each vector alone, in order.
        dba: database-side augmentation, of gallery rows after those; see ``neighbours.augmented``.
        qe: expansion of queries after those; see ``neighbours.expanded``.
    """

    dims: int
    parts: tuple[Part, ...]
    dba: Step | None = None
    qe: Step | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them, in order."""
        return (*(part.step for part in self.parts), *(step for step in (self.dba, self.qe) if step))

    @property
    def dims_after(self) -> int:
        """d, numbers in a vector after the last step."""
        dims = self.dims
        for part in self.parts:
            dims = part.dims_after(dims)
        return dims

    @property
    def sha256(self) -> str:
        """Digest of the steps and of every fitted number."""
        digest = hashlib.sha256(f"{self.dims};{joined(self.steps)}".encode())
        for place, name, array in self.arrays():
            digest.update(f";{place};{name};{array.shape};".encode())
            digest.update(np.ascontiguousarray(array, "<f8").tobytes())
        return digest.hexdigest()

    def arrays(self) -> Iterator[tuple[int, str, Floats]]:
        """Every fitted array: the place of its step, its name, its numbers."""
        for place, part in enumerate(self.parts):
            for name in sorted(part.fitted):
                yield place, name, part.fitted[name]

    def apply(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """(N, D) vectors -> (N, d) float32 after the steps that look at each vector alone; queries and gallery alike.

        The first step sees each vector at length 1, for only directions are ever compared. A vector that has none (all
        zero, or not finite) comes out as zeros.

        Args:
            vectors: of any real dtype, never written to.

        Raises:
            UsageError: another number of dimensions than was fitted.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dims:
            raise UsageError(
                f"steps '{joined(self.steps)}' were fitted to vectors of {self.dims:,} dimensions, "
                f"these have shape {vectors.shape}; give vectors as they are before the steps"
            )
        out = np.empty((len(vectors), self.dims_after), dtype=np.float32)
        for part, block in blocks(vectors, self.parts):
            out[part] = block
        return out


def blocks(vectors: NDArray[Any], parts: tuple[Part, ...]) -> Iterator[tuple[slice, Floats]]:
    """(N, D) vectors -> runs of rows, as float64 after those steps; rows without a direction are zeros."""
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    with threadpool_limits(1, user_api="blas"):  # more threads would round otherwise, and the digest says it all
        for start in range(0, len(vectors), step):
            part = slice(start, min(len(vectors), start + step))
            given = vectors[part].astype(np.float64)
            wrong = ~np.isfinite(given).all(axis=1) | ~given.any(axis=1)
            given[wrong] = 0.0
            block = to_units(given)
            for each in parts:
                block = each.applied(block)
            block[wrong] = 0.0
            yield part, block


def _lengths(block: Floats) -> Floats:
    return np.asarray(np.sqrt(np.vecdot(block, block)))


def to_units(block: Floats) -> Floats:
    """(n, D) float64 -> rows of length 1; zero rows stay zero."""
    largest = np.abs(block).max(axis=1, keepdims=True, initial=0.0)
    scaled = block / np.where(largest > 0, largest, 1.0)  # squares neither vanish nor overflow
    lengths = np.sqrt(np.vecdot(scaled, scaled))[:, None]
    return np.asarray(scaled / np.where(lengths > 0, lengths, 1.0))
