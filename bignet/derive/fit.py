"""Fitting steps to the rows of a gallery, once: means, and principal axes with their eigenvalues.

center: x - m, with m the mean of the gallery. power:p: sign(x) |x|^p, each number alone (Perronnin, Sanchez and
Mensink 2010, "Improving the Fisher kernel", section 3.2). l2: x / |x|. pca:D: the D principal axes of largest variance,
(x - m) V. whiten:D:p: (x - m) V diag(lambda)^-p, with lambda the variances along the axes: p = .5 whitens (Jegou and
Chum 2012, "Negative evidences and co-occurences in image retrieval"), a smaller p shrinks towards plain PCA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from bignet.derive.fitted import Fitted, Part, blocks
from bignet.derive.steps import Step, StepKind
from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def fit(steps: Sequence[Step], vectors: NDArray[Any]) -> Fitted:
    """Steps and the (N, D) rows of a gallery -> the steps fitted to it; sums are float64.

    Args:
        steps: from ``steps.parse_steps``.
        vectors: of any real dtype, never written to. Rows without a direction (all zero, not finite) are passed over.

    Raises:
        UsageError: no vectors, or pca or whiten to more dimensions than the rows spread in.
    """
    usable = _usable(vectors)
    if vectors.ndim != 2 or not usable.any():
        raise UsageError(f"steps are fitted to rows of numbers with a direction; found none in shape {vectors.shape}")
    parts: tuple[Part, ...] = ()
    for step in steps:
        if not step.of_neighbours:
            parts = (*parts, _fitted(step, parts, vectors, usable))
    by_kind = {step.kind: step for step in steps}
    return Fitted(int(vectors.shape[1]), parts, by_kind.get(StepKind.DBA), by_kind.get(StepKind.QE))


def _usable(vectors: NDArray[Any]) -> NDArray[np.bool_]:
    if vectors.ndim != 2:
        return np.zeros(0, dtype=bool)
    found = np.zeros(len(vectors), dtype=bool)
    for part, block in blocks(vectors, ()):
        found[part] = block.any(axis=1)
    return found


def _fitted(step: Step, before: tuple[Part, ...], vectors: NDArray[Any], usable: NDArray[np.bool_]) -> Part:
    """A step with what it needs, worked out from the rows as the steps before leave them."""
    if step.kind in (StepKind.POWER, StepKind.L2):
        return Part(step)
    total, n = 0.0, int(usable.sum())
    for part, block in blocks(vectors, before):
        total = total + block[usable[part]].sum(axis=0)
    mean = np.asarray(total / n)
    if step.kind is StepKind.CENTER:
        return Part(step, {"mean": mean})
    rows = _Rows(vectors, usable, (*before, Part(Step(StepKind.CENTER), {"mean": mean})), n, len(mean))
    variances, axes = rows.principal_axes()
    _check_rank(step, variances, rows)
    kept = axes[:, : step.count] * _signs(axes[:, : step.count])
    if step.kind is StepKind.WHITEN:
        kept = kept * variances[: step.count] ** -step.power
    return Part(step, {"mean": mean, "axes": np.ascontiguousarray(kept)})


class _Rows:
    """Centred rows, read in pieces."""

    def __init__(
        self, vectors: NDArray[Any], usable: NDArray[np.bool_], parts: tuple[Part, ...], n: int, dims: int
    ) -> None:
        self.n, self.dims = n, dims
        self._vectors, self._usable, self._parts = vectors, usable, parts

    def principal_axes(self) -> tuple[Floats, Floats]:
        """Variances falling, and the (D, m) axes they are along, m the smaller of rows and dimensions.

        Of fewer rows than dimensions by way of their products, of which there are fewer than covariances.
        """
        with threadpool_limits(1, user_api="blas"):
            if self.n >= self.dims:
                variances, axes = np.linalg.eigh(self._covariance())
                return variances[::-1], axes[:, ::-1]
            whole = np.concatenate([block[self._usable[part]] for part, block in self._blocks()])
            variances, weights = np.linalg.eigh(whole @ whole.T / self.n)
            axes = whole.T @ weights[:, ::-1]
            lengths = np.sqrt(np.vecdot(axes.T, axes.T))
            return variances[::-1], axes / np.where(lengths > 0, lengths, 1.0)

    def _covariance(self) -> Floats:
        total = np.zeros((self.dims, self.dims))
        for part, block in self._blocks():
            rows = block[self._usable[part]]
            total += rows.T @ rows
        return total / self.n

    def _blocks(self) -> Any:
        return blocks(self._vectors, self._parts)


def _check_rank(step: Step, variances: Floats, rows: _Rows) -> None:
    largest = float(variances.max(initial=0.0))
    noise = largest * max(rows.n, rows.dims) * np.finfo(np.float64).eps  # as numpy.linalg.matrix_rank
    rank = int((variances > noise).sum()) if largest > np.finfo(np.float64).eps ** 2 else 0
    if step.count > rank:
        allowed = f"{step.kind}:1 to {step.kind}:{rank}" if rank else "none, for all rows are equal"
        raise UsageError(
            f"step '{step}' asks for {step.count:,} dimensions, the {rows.n:,} rows of {rows.dims:,} numbers spread "
            f"in {rank:,}; allowed: {allowed}"
        )


def _signs(axes: Floats) -> Floats:
    """(D, d) axes -> (d,) +1 or -1 that make each one's largest number positive: an axis has no sign of its own."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], 0)[0]
    return np.where(largest < 0, -1.0, 1.0)
