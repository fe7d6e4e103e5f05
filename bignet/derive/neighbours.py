"""Steps that mix a vector with its nearest neighbours: alpha query expansion, and the same for the gallery.

q' = q + sum over the n nearest x_j of max(s_j, 0)^alpha x_j, all of length 1, s_j their cosine (Radenovic, Tolias and
Chum 2018, "Fine-tuning CNN image retrieval with no human annotation", section 3.3). Done to the rows of a gallery it is
database-side augmentation (Arandjelovic and Zisserman 2012, "Three things everyone should know to improve object
retrieval"): each row then holds its neighbours, so one of them can no longer be asked as if it were new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.derive.fitted import to_units
from bignet.index.neighbors import normalise
from bignet.index.search import Index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.derive.steps import Step

_AT_A_TIME = 1024


def augmented(rows: NDArray[np.float32], step: Step) -> NDArray[np.float32]:
    """(N, D) rows of a gallery -> (N, D) float32, each of length 1 and mixed with its nearest others."""
    return expanded(rows, rows, step, np.arange(len(rows)))


def expanded(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], step: Step, own: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """(Q, D) queries -> (Q, D) float32 of length 1, each mixed with its nearest rows of the gallery.

    Args:
        queries: finite, not zero.
        gallery: (N, D), finite, not zero.
        step: how many neighbours, and the power of their cosine.
        own: (Q,) the row of the gallery that each query is, which is no neighbour of it; None = none is.
    """
    units = _units(gallery)
    index = Index.of_units(units, np.arange(len(units)))
    out = np.empty_like(queries, dtype=np.float32)
    wanted = min(step.count + (own is not None), len(gallery))
    for start in range(0, len(queries), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        asked = _units(queries[part])
        rows, cosines = index.search_many(asked, wanted)
        weights = np.where(cosines > 0, np.maximum(cosines, 0.0) ** step.power, 0.0)  # 0 ** 0 would be 1
        if own is not None:
            weights *= _others(rows, own[part], step.count)
        mixed = asked + np.einsum("qn,qnd->qd", weights, units[rows].astype(np.float64))
        out[part] = to_units(mixed)
    return out


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return normalise(np.array(vectors, dtype=np.float32))


def _others(rows: NDArray[np.int64], own: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """(Q, n) neighbours, best first, and (Q,) rows they are of -> True for the ``count`` best but that row."""
    other = rows != own[:, None]
    return np.asarray(other & (other.cumsum(axis=1) <= count))
