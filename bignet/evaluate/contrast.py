"""Whether distances tell anything: near against far for all rows, and how tight same-class pairs are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.labels import check_labels, code_labels
from bignet.evaluate.own_group import own_group
from bignet.evaluate.separation import ClassSpread, check_arrays
from bignet.evaluate.unit_rows import UnitRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.own_group import OwnGroup

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_PART = 512


def relative_contrast(vectors: NDArray[Any], nearest_similarity: Floats, *, groups: Ints | None = None) -> float:
    """(N, D) vectors and (N,) cosines to the nearest other row -> mean distance over nearest distance.

    He, Kumar and Chang 2012, "On the difficulty of nearest neighbor search": the mean over rows of the mean
    distance to all others, 1 - (x.S - 1) / (N - 1) with S the sum of the unit rows, over the mean over rows of
    the distance to the nearest. Near 1 = distances say little; NaN where every row has a copy, or no other.

    Args:
        vectors: any real dtype, finite and non-zero rows.
        nearest_similarity: as ``knn_graph(...).similarity[:, 0]``, NaN = no neighbour.
        groups: (N,) integer codes, negative = in no group: rows of the own group are left out.
    """
    check_arrays(vectors, [None] * len(vectors), groups)
    if nearest_similarity.shape != (len(vectors),):
        raise MismatchError(
            f"nearest_similarity: found shape {nearest_similarity.shape}; the vectors have {len(vectors)} rows"
        )
    rows, every = UnitRows(vectors), np.arange(len(vectors))
    far = mean_distances(rows, row_sum(rows, every), len(rows), every, own_group(rows, np.zeros_like(every), groups))
    known = ~np.isnan(far) & ~np.isnan(nearest_similarity)
    near = float((1.0 - nearest_similarity[known]).sum())
    return float(far[known].sum() / near) if near > 0 else float("nan")


def alignment(vectors: NDArray[Any], labels: Sequence[str | None], *, groups: Ints | None = None) -> float:
    """(N, D) vectors and N labels -> mean of |x - y|^2 over same-class pairs of unit rows, exact; low = tight.

    Wang and Isola 2020, "Understanding contrastive representation learning through alignment and uniformity
    on the hypersphere", with alpha = 2: twice the mean of the distances within classes, each weighed by its
    pairs. Pairs of one group (codes as in ``class_distance``) are left out. NaN without a pair.
    """
    check_arrays(vectors, labels, groups)
    coded, rows = code_labels(check_labels(range(len(labels)), labels)), UnitRows(vectors)
    spread = ClassSpread(rows, coded.codes, None if groups is None else own_group(rows, coded.codes, groups))
    total = float(spread.pairs.sum())
    return float(2.0 * (np.nan_to_num(spread.within) @ spread.pairs) / total) if total else float("nan")


def row_sum(rows: UnitRows, positions: Ints) -> Floats:
    """(P,) positions -> (D,) sum of those unit rows."""
    total = np.zeros(rows.dim)
    for start in range(0, len(positions), _PART):
        total += rows.unit(positions[start : start + _PART]).sum(axis=0)
    return total


def mean_distances(rows: UnitRows, total: Floats, n: int, asked: Ints, own: OwnGroup) -> Floats:
    """(Q,) positions -> (Q,) mean cosine distance to n rows less those of the own group; NaN if there are none.

    Args:
        rows: unit rows.
        total: (D,) sum of the n.
        n: how many they are.
        asked: the positions.
        own: what each row shares with those of its group among the n, all rows counting as one class.
    """
    similarity = np.empty(len(asked))
    for start in range(0, len(asked), _PART):
        part = asked[start : start + _PART]
        similarity[start : start + _PART] = np.vecdot(rows.unit(part), total)
    others = n - own.size[asked]
    mean = (similarity - own.similarity[asked]) / np.where(others > 0, others, np.nan)
    return np.asarray(np.round(np.maximum(1.0 - mean, 0.0), DECIMALS), dtype=np.float64)
