"""Candidates: each kind of index proposes rows for queries, and has a say in how hard it looks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import faiss
import numpy as np

from bignet.index import cores
from bignet.index.neighbors import NONE, SAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.index.tuning import Effort
    from bignet.index.vectors import InMemory


_faiss: Any = faiss  # its type stubs are wrong about search parameters
_NUMBERS_A_BLOCK = 1 << 22  # float64 numbers compared at a time: 32 MB


class Candidates(Protocol):
    """Rows worth comparing with a query."""

    def __len__(self) -> int: ...

    def nearest(
        self, unit: NDArray[np.float32], n: int, effort: Effort, only: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """(Q, n) rows for (Q, D) unit queries, NONE where there are fewer; of those rows alone that ``only`` allows."""


def candidates_of(index: Any, owner: Any = None) -> Candidates:
    """What proposes rows by a FAISS index whose rows are numbered from 0; ``owner`` frees its memory."""
    kind = Bits if isinstance(innermost(index), faiss.IndexLSH) else Approximate
    return kind(unrefined(index), owner)


def innermost(index: Any) -> Any:
    """A FAISS index without the transforms before it and the vectors beside it."""
    inner = unrefined(index)
    return innermost(inner.index) if isinstance(inner, faiss.IndexPreTransform) else inner


def unrefined(index: Any) -> Any:
    """A FAISS index without the vectors that FAISS keeps beside it to re-rank by: here that is done for all kinds."""
    inner: Any = faiss.downcast_index(index)
    return unrefined(inner.base_index) if isinstance(inner, faiss.IndexRefine) else inner


class Bits:
    """Codes of bits, every one compared by Hamming distance."""

    def __init__(self, index: Any, owner: Any = None) -> None:
        self._encoder = index
        self._owner = owner

    def __len__(self) -> int:
        return int(self._encoder.ntotal)

    @property
    def codes(self) -> NDArray[np.uint8]:
        """(N, bytes) one row's bits after the other's."""
        inner = innermost(self._encoder)
        codes: NDArray[np.uint8] = faiss.vector_to_array(inner.codes).reshape(len(self), inner.code_size)
        return codes

    def nearest(
        self, unit: NDArray[np.float32], n: int, effort: Effort, only: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """See Candidates."""
        cores.use_them()
        allowed = None if only is None else np.flatnonzero(only)
        codes = self._codes if allowed is None else self._codes[allowed]
        wanted = min(n * effort.shortlist, len(codes))
        _, found = faiss.knn_hamming(self._encoder.sa_encode(unit), codes, wanted)
        rows: NDArray[np.int64] = found if allowed is None else allowed[found]
        return rows

    @cached_property
    def _codes(self) -> NDArray[np.uint8]:
        return self.codes


class Approximate:
    """A FAISS index whose rows are numbered from 0: a graph, inverted lists, or whatever a factory string names."""

    def __init__(self, index: Any, owner: Any = None) -> None:
        self.index = index
        self._owner = owner  # what frees the index's memory

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def nearest(
        self, unit: NDArray[np.float32], n: int, effort: Effort, only: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """See Candidates."""
        cores.use_them()
        wanted = min(n * effort.shortlist, len(self))
        return _searched(self.index, unit, wanted, parameters(self.index, effort, wanted, only))


def _searched(index: Any, unit: NDArray[np.float32], n: int, chosen: Any) -> NDArray[np.int64]:
    """(Q, n) rows, NONE where there are fewer."""
    # Not index.search: faiss.contrib.torch_utils, which some packages import, replaces it by one without parameters.
    unit = np.ascontiguousarray(unit)
    distances, rows = np.empty((len(unit), n), np.float32), np.empty((len(unit), n), np.int64)
    index.search_c(len(unit), faiss.swig_ptr(unit), n, faiss.swig_ptr(distances), faiss.swig_ptr(rows), chosen)
    return rows


def parameters(index: Any, effort: Effort, n: int, only: NDArray[np.bool_] | None = None) -> Any:
    """FAISS search parameters of an index, whatever is wrapped around its graph or its lists."""
    selector = None if only is None else _faiss.IDSelectorBitmap(np.packbits(only, bitorder="little"))
    allowed = {} if selector is None else {"sel": selector}
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexPreTransform):
        return _faiss.SearchParametersPreTransform(index_params=parameters(inner.index, effort, n, only))
    if isinstance(inner, faiss.IndexHNSW):
        return _faiss.SearchParametersHNSW(efSearch=max(effort.search, n), **allowed)
    if isinstance(inner, faiss.IndexIVF):
        return _faiss.SearchParametersIVF(nprobe=min(max(effort.search, 1), inner.nlist), **allowed)
    return _faiss.SearchParameters(**allowed)


class Exact:
    """Every row, compared in float32; near-ties at the edge are put right in float64."""

    def __init__(self, vectors: InMemory) -> None:
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._vectors)

    def nearest(
        self, unit: NDArray[np.float32], n: int, effort: Effort, only: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """See Candidates; the effort is always all."""
        cores.use_them()
        if only is None:
            return _knn(unit, self._vectors.unit, n)
        allowed = np.flatnonzero(only)
        found = _knn(unit, self._vectors.unit[allowed], n)
        return np.where(found == NONE, NONE, allowed[found]) if len(allowed) else found


# Rows fetched beyond those wanted: float32 may swap near-ties at the edge.
_SPARE = 16


def _knn(unit: NDArray[np.float32], vectors: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """(Q, D) and (N, D) -> (Q, up to n + 16) rows, the n best among them."""
    n = min(n, len(vectors))
    wanted = min(n + _SPARE, len(vectors))
    if wanted == 0 or len(unit) == 0:
        return np.empty((len(unit), 0), np.int64)
    similarity, rows = (_one if len(unit) == 1 else _many)(unit, vectors, wanted)
    if wanted < len(vectors):
        for query in np.flatnonzero(similarity[:, n - 1] - similarity[:, -1] <= SAME):
            rows[query] = NONE
            rows[query, :n] = _best(unit[query], vectors, n, float(similarity[query, n - 1]))
    near_the_edge = similarity >= similarity[:, n - 1 : n] - SAME
    return rows[:, : max(int(near_the_edge.sum(axis=1).max()), n)]


def _many(
    unit: NDArray[np.float32], vectors: NDArray[np.float32], n: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(Q, D) and (N, D) -> (Q, n) similarities in float32, falling, and their rows."""
    similarity, rows = faiss.knn(unit, vectors, n, metric=faiss.METRIC_INNER_PRODUCT)
    return similarity, rows


def _one(
    unit: NDArray[np.float32], vectors: NDArray[np.float32], n: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """As _many, for one query: FAISS gives each query one core, a product takes all of them."""
    similarity = vectors @ unit[0]
    rows = np.argpartition(similarity, len(vectors) - n)[len(vectors) - n :]
    rows = rows[np.argsort(-similarity[rows], kind="stable")]
    return similarity[rows][None], rows[None]


def _best(query: NDArray[np.float32], vectors: NDArray[np.float32], n: int, edge: float) -> NDArray[np.int64]:
    """(n,) the best rows where more tie with the last than float32 can order."""
    tied = np.flatnonzero(vectors @ query >= edge - SAME)
    parts = np.array_split(tied, -(-len(tied) * len(query) // _NUMBERS_A_BLOCK))
    exact = [np.einsum("nd,d->n", vectors[part].astype(np.float64), query.astype(np.float64)) for part in parts]
    best: NDArray[np.int64] = tied[np.argsort(-np.concatenate(exact), kind="stable")[:n]]
    return best
