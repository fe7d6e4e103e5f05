"""The rungs: what each makes of unit vectors, and the FAISS index it is timed with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bignet.evaluate.ladder.result import EXACT, INDEX, STORAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_faiss: Any = faiss  # its type stubs leave functions out
_MOST_BITS = 128
_TRAIN_PER_LIST = 39  # FAISS warns below that
_PQ_CENTROIDS = 256
_PQ_DIMS = 16  # a byte for so many numbers: 1/64 of float32
_LINKS = 32
_CLUSTERING_ROUNDS = 25
_ADDED = 4096  # vectors at a time


@dataclass(frozen=True)
class Made:
    """A rung filled with vectors.

    Attributes:
        search: (Q, D) queries and k -> (Q, k) rows, best first, -1 = none.
        bytes_a_vector: see Rung.
        stored: (n, d) what is left of the vectors; None where they are searched through an index alone.
    """

    search: Callable[[Vectors, int], NDArray[np.int64]]
    bytes_a_vector: float
    stored: Vectors | None = None


@dataclass(frozen=True)
class Kind:
    """A rung before it is filled; see Rung for the fields, ``reason`` says why it cannot be made."""

    id: str
    name: str
    kind: str
    make: Callable[[Vectors], Made]
    params: Mapping[str, float | int | str] = field(default_factory=dict)
    reason: str | None = None


def kinds(n: int, dims: int, nprobe: int, ef_search: int, seed: int) -> tuple[Kind, ...]:
    """Every rung for n vectors of so many dimensions, the exact scan first."""
    return (
        Kind(EXACT, "float32, exact", STORAGE, _scalar("Flat", 4), {"index": "Flat"}),
        Kind("fp16", "float16", STORAGE, _scalar("SQfp16", 2), {"index": "SQfp16"}),
        Kind("bf16", "bfloat16", STORAGE, _scalar("SQbf16", 2), {"index": "SQbf16"}),
        Kind("int8", "8-bit integers", STORAGE, _scalar("SQ8", 1), {"index": "SQ8"}),
        Kind("sign", f"signs, {dims:,} bits", STORAGE, _signs, {"bits": dims, "threshold": "mean"}),
        _itq(n, dims, seed),
        _pq(n, dims, seed),
        _ivf(n, nprobe, seed),
        Kind("hnsw", f"HNSW, {_LINKS} links", INDEX, _graph(ef_search), {"links": _LINKS, "ef_search": ef_search}),
    )


def _scalar(factory: str, width: int) -> Callable[[Vectors], Made]:
    """Every number by itself in so many bytes."""

    def make(unit: Vectors) -> Made:
        index = _filled(_faiss.index_factory(unit.shape[1], factory, faiss.METRIC_INNER_PRODUCT), unit)
        stored = unit if factory == "Flat" else index.reconstruct_n(0, len(unit))
        return Made(_searches(index), float(width * unit.shape[1]), stored)

    return make


def _signs(unit: Vectors) -> Made:
    """One bit a number: above its mean or not."""
    mean = unit.mean(axis=0, dtype=np.float64)
    return _bits(unit, lambda vectors: vectors > mean)


def _itq(n: int, dims: int, seed: int) -> Kind:
    """Iterative quantisation (Gong and Lazebnik 2011): principal axes, rotated so that signs lose least."""
    bits = max(1, min(_MOST_BITS, dims // 2))

    def make(unit: Vectors) -> Made:
        rotation = _faiss.ITQTransform(unit.shape[1], bits, True)
        rotation.itq.seed = seed
        rotation.train(unit)
        return _bits(unit, lambda vectors: rotation.apply(vectors) > 0)

    few = f"{n:,} vectors are too few to rotate {dims:,} dimensions by" if n < dims else None
    return Kind("itq", f"ITQ, {bits} bits", STORAGE, make, {"bits": bits}, few)


def _pq(n: int, dims: int, seed: int) -> Kind:
    """Product quantisation (Jegou, Douze and Schmid 2011): a byte for each run of numbers."""
    parts = max((m for m in range(1, max(1, dims // _PQ_DIMS) + 1) if dims % m == 0), default=1)

    def make(unit: Vectors) -> Made:
        index = _faiss.IndexPQ(unit.shape[1], parts, 8, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.seed, index.pq.cp.niter = seed, _CLUSTERING_ROUNDS
        index.pq.cp.min_points_per_centroid = 1
        return Made(_searches(_filled(index, unit)), float(parts) + 4.0 * _PQ_CENTROIDS * unit.shape[1] / len(unit))

    few = f"{n:,} vectors are too few for {_PQ_CENTROIDS} centroids" if n < _PQ_CENTROIDS else None
    return Kind("pq", f"PQ, {parts} bytes", STORAGE, make, {"parts": parts, "bits": 8}, few)


def _ivf(n: int, nprobe: int, seed: int) -> Kind:
    """Inverted lists: only some of the clusters nearest to the query are looked at."""
    lists = max(1, min(round(4 * math.sqrt(n)), n // _TRAIN_PER_LIST))
    looked = min(nprobe, lists)

    def make(unit: Vectors) -> Made:
        index = _faiss.index_factory(unit.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.min_points_per_centroid = seed, 1
        index.nprobe = looked
        return _indexed(_filled(index, unit), len(unit))

    few = f"{n:,} vectors are too few for several lists" if lists < 2 else None
    return Kind("ivf", f"IVF, {looked} of {lists:,} lists", INDEX, make, {"lists": lists, "nprobe": looked}, few)


def _graph(ef_search: int) -> Callable[[Vectors], Made]:
    """A graph that is walked towards the query (Malkov and Yashunin 2018)."""

    def make(unit: Vectors) -> Made:
        index = _faiss.IndexHNSWFlat(unit.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = ef_search
        return _indexed(_filled(index, unit), len(unit))

    return make


def _filled(index: Any, unit: Vectors) -> Any:
    """In pieces: of each vector added, product quantisation holds its distance to every centroid."""
    index.train(unit)
    for start in range(0, len(unit), _ADDED):
        index.add(unit[start : start + _ADDED])
    return index


def _indexed(index: Any, n: int) -> Made:
    return Made(_searches(index), len(_faiss.serialize_index(index)) / n)


def _bits(unit: Vectors, above: Callable[[Vectors], NDArray[np.bool_]]) -> Made:
    found = above(unit)
    packed = np.packbits(found, axis=1)
    index = _faiss.IndexBinaryFlat(8 * packed.shape[1])
    index.add(packed)

    def search(queries: Vectors, k: int) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = index.search(np.packbits(above(queries), axis=1), k)[1]
        return rows

    return Made(search, float(packed.shape[1]), np.where(found, np.float32(1), np.float32(-1)))


def _searches(index: Any) -> Callable[[Vectors, int], NDArray[np.int64]]:
    def search(queries: Vectors, k: int) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = index.search(queries, k)[1]
        return rows

    return search
