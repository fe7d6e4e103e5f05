"""Query expansion: a query and its best hits averaged, weighted by how similar they are.

Alpha query expansion (Radenovic, Tolias, Chum 2018, "Fine-tuning CNN image retrieval with no human annotation",
section 3.3): with alpha = 0 all count alike, with a large one only those that are nearly the same; they take 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.index.neighbors import normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHA = 3


def expanded(
    query: NDArray[np.float32], hits: NDArray[np.float32], scores: NDArray[np.float64], alpha: float = ALPHA
) -> NDArray[np.float32]:
    """(D,) query, its (n, D) best hits and their (n,) cosines -> (D,); hits that point away from it count nothing."""
    weights = np.append(1.0, np.where(scores > 0, np.maximum(scores, 0.0) ** alpha, 0.0))
    units = normalised(np.vstack([query[None], hits])).astype(np.float64)
    return (weights @ units).astype(np.float32)
