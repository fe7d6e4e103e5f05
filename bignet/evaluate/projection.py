"""Flat maps of rows: the two directions of most variance, or t-SNE of small stores."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.geometry_result import Projection
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.moments import Moments, principal_axes
from bignet.evaluate.rounding import significant
from bignet.evaluate.spectrum import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MAX_SHOWN = 20_000
MAX_TSNE = 5_000
TSNE_LEAST = 4
TSNE_PERPLEXITY = 30.0
_TSNE_SPREAD = 1e-4  # of the start, as scikit-learn's own start from PCA
TRUST_ROWS = 2_000
TRUST_NEIGHBOURS = 5
_CELLS = 2**17


def stratified(codes: NDArray[np.int64], most: int, seed: int) -> Ints:
    """(N,) class codes -> at most ``most`` ascending positions drawn at random, every class at the same rate.

    Each class keeps at least one row as long as there are no more classes than places; unlabelled rows (-1)
    count as a class.
    """
    if len(codes) <= most:
        return np.arange(len(codes))
    order = np.random.default_rng([seed, 0]).permutation(len(codes))
    grouped = order[np.argsort(codes[order], kind="stable")]
    _, start, size = np.unique(codes[grouped], return_index=True, return_counts=True)
    # The share of its class that comes before a row: the smallest shares are as many of each class as is fair
    share = (np.arange(len(codes)) - np.repeat(start, size)) / np.repeat(size, size)
    place = np.empty(len(codes))
    place[grouped] = share
    return np.sort(order[np.argsort(place[order], kind="stable")[:most]])


def pca_map(rows: UnitRows, moments: Moments, shown: Ints, fitted: UnitRows | None = None) -> Projection:
    """Rows, their moments and (M,) positions to show -> places on the two axes of most variance.

    Args:
        rows: all rows.
        moments: of the rows the axes are fitted to.
        shown: positions in ``rows``.
        fitted: the rows behind ``moments``, where they are not all.
    """
    axes, variances = principal_axes(rows if fitted is None else fitted, moments)
    xy = np.empty((len(shown), 2))
    for place in blocks(np.arange(len(shown)), rows.dim):
        xy[place] = (rows.unit(shown[place]) - moments.mean) @ axes
    total = float(moments.eigenvalues.sum())
    explained = float(variances.sum()) / total if total > 0 else None
    return Projection("pca", shown, np.round(xy, DECIMALS), None, significant(explained))


def check_tsne(n_rows: int) -> None:
    """Can that many rows be mapped by t-SNE here?

    Raises:
        UsageError: scikit-learn is not installed, or there are too many or too few rows.
    """
    if not TSNE_LEAST <= n_rows <= MAX_TSNE:
        raise UsageError(f"t-SNE: found {n_rows:,} rows; needed {TSNE_LEAST} to {MAX_TSNE:,}, the PCA map takes any")
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError("t-SNE needs scikit-learn, which is not installed; install bignet[eval]")


def tsne_map(rows: UnitRows, start: NDArray[Any], seed: int) -> Projection:
    """N rows, (N, 2) places on the PCA map -> their places by t-SNE of the unit vectors, started from there.

    Van der Maaten and Hinton 2008. Perplexity is 30, or a third of the other rows where that is less.

    Raises:
        UsageError: as ``check_tsne``.
    """
    check_tsne(len(rows))
    from sklearn.manifold import TSNE  # an extra, and slow to load

    shown = np.arange(len(rows))
    perplexity = min(TSNE_PERPLEXITY, (len(rows) - 1) / 3)
    spread = float(start[:, 0].std())
    init = np.asarray(start / spread * _TSNE_SPREAD if spread > 0 else start, dtype=np.float32)
    model = TSNE(perplexity=perplexity, init=init, random_state=seed % 2**32)
    return Projection("tsne", shown, model.fit_transform(rows.unit(shown)).astype(np.float64), None, None)


def trustworthiness(vectors: NDArray[Any], xy: NDArray[Any], k: int = TRUST_NEIGHBOURS) -> float | None:
    """(N, D) vectors and (N, 2) places -> how far near on the map means near in truth, 0 to 1.

    1 - 2 / (N k (2N - 3k - 1)) times the sum, over rows and those of their k nearest on the map that are not
    among the k nearest in truth, of their rank in truth less k (Venna and Kaski 2001). Both by Euclidean
    distance; equally far rows keep their order. None unless N > 2 k.
    """
    n = len(vectors)
    if n <= 2 * k:
        return None
    penalty = 0
    for part in blocks(np.arange(n), n, _CELLS):
        near = np.argsort(_distances(xy, part), axis=1, kind="stable")[:, :k]
        order = np.argsort(_distances(vectors, part), axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.broadcast_to(np.arange(1, n + 1), order.shape), axis=1)
        penalty += int(np.maximum(0, np.take_along_axis(rank, near, 1) - k).sum())
    return 1 - penalty * 2 / (n * k * (2 * n - 3 * k - 1))


def _distances(vectors: NDArray[Any], part: Ints) -> Floats:
    """(N, D) vectors, (Q,) rows -> (Q, N) squared distances less the row's own square, infinite to itself."""
    scores = np.vecdot(vectors, vectors) - 2 * (vectors[part] @ vectors.T)
    scores = np.round(scores, DECIMALS)
    scores[np.arange(len(part)), part] = np.inf
    return np.asarray(scores)


def with_trust(made: Projection, rows: UnitRows, seed: int) -> Projection:
    """A map -> the same with its trustworthiness, judged on at most 2,000 of its rows."""
    chosen = np.arange(len(made.rows))
    if len(chosen) > TRUST_ROWS:
        chosen = np.sort(np.random.default_rng([seed, 0]).choice(len(chosen), TRUST_ROWS, replace=False))
    found = trustworthiness(rows.unit(made.rows[chosen]), made.xy[chosen])
    return Projection(made.method, made.rows, made.xy, significant(found), made.explained)
