"""Which cells of a block of scores can be among the best, found in few passes over the block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Scores = NDArray[np.floating[Any]]

PADDING = np.float32(-9.0)  # below every cosine, so that empty places sort last
LOWEST = np.float32(-2.0)
_SAMPLED = 4096  # scores of a row that are looked at for a first guess
_LONGEST_STRIDE = 64


def rounding_units(dim: int) -> float:
    """Rounding of a dot product of unit vectors: at most D units, in practice a few sqrt(D) (Higham & Mary 2019)."""
    return 8 + min(dim, 8 * math.sqrt(dim))


def candidates(scores: Scores, depth: int, slack: float) -> tuple[Ints, Scores]:
    """(Q, N) scores -> (Q, W) columns ascending and their scores: all within ``slack`` of the depth-th best.

    Places beyond hold column -1 and ``PADDING``, anywhere in a row.
    """
    limit = np.maximum(_below_depth(scores, depth) - scores.dtype.type(slack), LOWEST)
    columns, near = _gathered(scores, limit)
    if 0 < depth < near.shape[1]:
        kth = near.shape[1] - depth
        beyond = near < np.partition(near, kth, axis=1)[:, kth, None] - scores.dtype.type(slack)
        near[beyond], columns[beyond] = PADDING, -1
    return columns, near


def too_close(near: Scores, tolerance: float, exact_depth: int) -> Bools:
    """(Q, W) scores -> (Q, W) True where another score is within tolerance, or the place is a leading one."""
    order = np.argsort(-near, axis=1)
    ranked = np.take_along_axis(near, order, 1)
    close = ranked[:, :-1] - ranked[:, 1:] <= tolerance
    flags = np.zeros(near.shape, dtype=bool)
    flags[:, 1:] |= close
    flags[:, :-1] |= close
    flags[:, :exact_depth] = True
    result = np.empty_like(flags)
    np.put_along_axis(result, order, flags, 1)
    return result


def cells(flags: Bools) -> tuple[Ints, Ints]:
    """(Q, N) flags -> row and column of the True ones; one dimension at a time is several times faster."""
    row, column = np.divmod(np.flatnonzero(flags), max(1, flags.shape[1]))
    return row, column


def _below_depth(scores: Scores, depth: int) -> Scores:
    """(Q, N) scores -> (Q, 1) a score that at least ``depth`` of the row reach, not far below the depth-th best.

    A few evenly spaced columns give a guess; rows where it is too high are looked at in full.
    """
    n = scores.shape[1]
    if not 0 < depth < n:
        return np.full((len(scores), 1), LOWEST, dtype=scores.dtype)
    stride = max(1, min(_LONGEST_STRIDE, n // _SAMPLED))
    expected = depth / stride
    place = math.ceil(expected + 4 * math.sqrt(expected) + 4)
    if stride == 1 or place * stride > n // 2:
        return _best(scores, depth)
    guess = _best(scores[:, ::stride], place)
    short = np.count_nonzero(scores >= guess, axis=1) < depth
    if short.any():
        guess[short] = _best(scores[short], depth)
    return guess


def _best(scores: Scores, depth: int) -> Scores:
    kth = scores.shape[1] - depth
    return np.partition(scores, kth, axis=1)[:, kth, None]


def _gathered(scores: Scores, limit: Scores) -> tuple[Ints, Scores]:
    flags = scores >= limit
    found, counts = np.flatnonzero(flags), np.count_nonzero(flags, axis=1)
    n_rows, width = len(scores), int(counts.max(initial=0))
    starts = np.arange(n_rows) * width - (np.cumsum(counts) - counts)  # one dimension at a time is faster than two
    place = np.arange(len(found)) + np.repeat(starts, counts)
    columns, near = np.full(n_rows * width, -1), np.full(n_rows * width, PADDING, dtype=scores.dtype)
    columns[place] = found - np.repeat(np.arange(n_rows) * scores.shape[1], counts)
    near[place] = scores.ravel()[found]
    return columns.reshape(n_rows, width), near.reshape(n_rows, width)
