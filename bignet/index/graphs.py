"""The graph of ``hnsw``: links between rows by their principal components, in bytes, and the vectors beside it.

A walk through a graph compares the query with some hundred rows to find ten. The components in which the vectors differ
most are enough to find the way, so a step reads some hundred bytes instead of two thousand; the rows that are found are
compared as they are. What that loses is measured when the index is tuned, like all that makes it approximate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import faiss

from bignet.index.candidates import unrefined
from bignet.index.components import principal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.index.components import Components
    from bignet.index.kinds import Kind

NAME = "hnsw"
FACTORY = "HNSW16,SQ8,RFlat"
EF_CONSTRUCTION = 100

_SHARE = 0.8  # of the variance, that the components are to hold
_STEP = 32  # their number is a multiple, as processors like it
_MOST = 256
_WORTH = 0.75  # of the dimensions: with more, nothing is gained


def fitted(kind: Kind, unit: NDArray[np.float32]) -> tuple[Kind, Components | None]:
    """The kind for (N, D) unit vectors, with the components that a graph is to be made over; None for all else."""
    if kind.name != NAME:
        return kind, None
    found = principal(unit, _MOST)
    n = -(-found.needed(_SHARE) // _STEP) * _STEP
    if n > min(_MOST, _WORTH * unit.shape[1]):
        return kind, None
    return replace(kind, factory=f"PCA{n},{FACTORY}"), found


def install(index: Any, components: Components) -> None:
    """Give an untrained FAISS index that begins with a PCA its components."""
    first: Any = faiss.downcast_VectorTransform(unrefined(index).chain.at(0))
    directions = components.directions[: first.d_out]
    faiss.copy_array_to_vector(directions.ravel(), first.A)
    faiss.copy_array_to_vector(-directions @ components.mean, first.b)
    first.have_bias = first.is_orthonormal = first.is_trained = True
