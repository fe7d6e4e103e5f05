"""Several queries in one: each with a weight, which may be negative, and their unit vectors added up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.index.neighbors import normalised
from bignet.search.results import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

# A sum this much shorter than its terms is rounding: it points nowhere.
_NOTHING = 1e-5


def term(text: str, is_there: Callable[[str], bool]) -> tuple[str, float | None]:
    """``a.jpg:0.5`` -> (``a.jpg``, 0.5); (the text, None) unless it is the text without the number that is there.

    Raises:
        UsageError: a weight that is not finite.
    """
    name, colon, number = text.rpartition(":")
    if not colon or is_there(text) or not is_there(name):
        return text, None
    try:
        weight = float(number)
    except ValueError:
        return text, None
    if not math.isfinite(weight):
        raise UsageError(f"weight {number} of '{name}' cannot be; give a finite number")
    return name, weight


def combined(queries: Sequence[Query], weights: Sequence[float]) -> Query:
    """Queries and their weights -> one query in the direction of their weighted sum.

    Raises:
        UsageError: none were given, or they cancel each other out.
    """
    if not queries:
        raise UsageError("there is nothing to combine; give at least one query")
    vector = direction([query.vector for query in queries], weights)
    if vector is None:
        listed = ", ".join(f"'{query.text}'" for query in queries)
        raise UsageError(f"the weighted queries cancel each other out ({listed}); change a weight")
    named = zip(queries, weights, strict=True)
    text = " ".join(query.text if weight == 1 else f"{query.text}:{weight:g}" for query, weight in named)
    own_ids = frozenset[int]().union(*(query.own_ids for query in queries))
    images = tuple(image for query in queries for image in query.images)
    return Query(text, vector, own_ids, images, subtracts=min(weights) < 0)


def direction(vectors: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32] | None:
    """(D,) vectors and their weights -> their unit vectors' weighted sum; None where that is nothing but rounding."""
    units = normalised(np.stack(vectors)).astype(np.float64)
    largest = max(map(abs, weights)) or 1.0
    shares = np.array(weights, np.float64) / largest  # so that no sum of finite weights is infinite
    vector = shares @ units
    if not np.isfinite(vector).all():
        return vector.astype(np.float32)  # a query that is not finite is refused as such
    return None if np.linalg.norm(vector) <= _NOTHING * np.abs(shares).sum() else vector.astype(np.float32)
