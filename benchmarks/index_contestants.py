"""What finds neighbours: BigNet's kinds of index, hnswlib, usearch, autofaiss, each behind the same four methods."""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import faiss
import numpy as np

from bignet.index import build, kinds
from bignet.index.candidates import candidates_of
from bignet.index.search import Index
from bignet.index.tuning import Aim
from bignet.index.vectors import InMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

K = 10
THREADS = len(os.sched_getaffinity(0))
EFFORTS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)


class Contestant(Protocol):
    """Something that finds neighbours."""

    name: str

    def build(self, unit: NDArray[np.float32], recall: float) -> float:
        """Index (N, D) unit vectors -> seconds."""

    def efforts(self) -> Sequence[Any]:
        """What can be tried, least first; one alone where it tunes itself."""

    def search(self, unit: NDArray[np.float32], effort: Any) -> NDArray[np.int64]:
        """(Q, D) -> (Q, 10) rows."""

    def n_bytes(self) -> int:
        """Memory of the index."""


class BigNet:
    """An index of a kind, as ``bignet index`` builds it.

    Like the others it takes the least effort whose mean recall is enough; ``proved`` takes the one that tuning chose,
    whose lower bound is.
    """

    def __init__(self, kind: str, *, proved: bool = False) -> None:
        self.name = f"BigNet {kind}{', proved' if proved else ''}"
        self._kind = kind
        self._proved = proved

    def build(self, unit: NDArray[np.float32], recall: float) -> float:
        """See Contestant."""
        ids = np.arange(len(unit))
        self._efforts: Sequence[Any] = (None,)
        if self._kind == kinds.FLAT:
            start = time.perf_counter()
            self._index = Index.of_units(unit, ids)
            self._n_bytes = unit.nbytes
            return time.perf_counter() - start
        kind = kinds.find(self._kind, unit.shape[1], len(unit))
        filled = build.fill(kind, unit, ids, Aim(recall, K))
        made = filled.index
        rows = faiss.vector_to_array(made.id_map)
        candidates = candidates_of(made.index, made)
        self._index = Index(rows, InMemory(unit[rows]), candidates, filled.tuning.chosen.effort)
        self._n_bytes = _serialised(made)
        if not self._proved:
            self._efforts = sorted(filled.kind.efforts(made.index, len(unit), K), key=lambda effort: effort.search)
        return filled.seconds

    def efforts(self) -> Sequence[Any]:
        """See Contestant."""
        return self._efforts

    def search(self, unit: NDArray[np.float32], effort: Any) -> NDArray[np.int64]:
        """See Contestant."""
        index = self._index if effort is None else replace(self._index, effort=effort)
        return index.search_many(unit, K)[0]

    def n_bytes(self) -> int:
        """See Contestant."""
        return self._n_bytes


class Hnswlib:
    """hnswlib with M = 16 and its usual ef_construction."""

    name = "hnswlib"

    def build(self, unit: NDArray[np.float32], recall: float) -> float:
        """See Contestant."""
        import hnswlib

        start = time.perf_counter()
        self._index = hnswlib.Index(space="ip", dim=unit.shape[1])
        self._index.init_index(max_elements=len(unit), ef_construction=200, M=16)
        self._index.set_num_threads(THREADS)
        self._index.add_items(unit)
        return time.perf_counter() - start

    def efforts(self) -> Sequence[Any]:
        """See Contestant."""
        return EFFORTS

    def search(self, unit: NDArray[np.float32], effort: Any) -> NDArray[np.int64]:
        """See Contestant."""
        self._index.set_ef(effort)
        return self._index.knn_query(unit, K)[0].astype(np.int64)

    def n_bytes(self) -> int:
        """See Contestant."""
        return int(self._index.index_file_size())


class Usearch:
    """usearch with its defaults but for the number's type."""

    def __init__(self, dtype: str) -> None:
        self.name = f"usearch {dtype}"
        self._dtype = dtype

    def build(self, unit: NDArray[np.float32], recall: float) -> float:
        """See Contestant."""
        from usearch.index import Index as UsearchIndex

        start = time.perf_counter()
        self._index = UsearchIndex(ndim=unit.shape[1], metric="ip", dtype=self._dtype)
        self._index.add(np.arange(len(unit)), unit, threads=THREADS)
        return time.perf_counter() - start

    def efforts(self) -> Sequence[Any]:
        """See Contestant."""
        return EFFORTS

    def search(self, unit: NDArray[np.float32], effort: Any) -> NDArray[np.int64]:
        """See Contestant."""
        self._index.expansion_search = effort
        return self._index.search(unit, K, threads=THREADS).keys.astype(np.int64)

    def n_bytes(self) -> int:
        """See Contestant."""
        return int(self._index.memory_usage)


class Autofaiss:
    """The index that autofaiss chooses for these vectors."""

    name = "autofaiss"

    def build(self, unit: NDArray[np.float32], recall: float) -> float:
        """See Contestant; its own tuning is part of the time, for it cannot be left out."""
        from autofaiss import build_index

        room = {"max_index_memory_usage": "8G", "current_memory_available": "16G"}
        start = time.perf_counter()
        made, facts = build_index(
            embeddings=unit, save_on_disk=False, metric_type="ip", nb_cores=THREADS, verbose=logging.CRITICAL, **room
        )
        self._index = made
        self._n_bytes = int(facts["size in bytes"])
        self._parameter = "efSearch" if "HNSW" in facts["index_key"] else "nprobe"
        return time.perf_counter() - start

    def efforts(self) -> Sequence[Any]:
        """See Contestant."""
        return EFFORTS

    def search(self, unit: NDArray[np.float32], effort: Any) -> NDArray[np.int64]:
        """See Contestant."""
        faiss.omp_set_num_threads(THREADS)
        faiss.ParameterSpace().set_index_parameter(self._index, self._parameter, effort)
        rows: NDArray[np.int64] = self._index.search(unit, K)[1]
        return rows

    def n_bytes(self) -> int:
        """See Contestant."""
        return self._n_bytes


def _serialised(index: Any) -> int:
    writer = faiss.VectorIOWriter()
    faiss.write_index(index, writer)
    return int(writer.data.size())


def contestants(names: Sequence[str]) -> list[Contestant]:
    """All, or those whose names begin so."""
    known: list[Contestant] = [
        BigNet("hnsw"),
        BigNet("hnsw", proved=True),
        BigNet("ivf"),
        BigNet("flat"),
        Hnswlib(),
        Usearch("f32"),
        Usearch("bf16"),
        Autofaiss(),
    ]
    packages = {name: name for name in ("hnswlib", "usearch", "autofaiss")}
    there = [one for one in known if importlib.util.find_spec(packages.get(one.name.split()[0], "faiss"))]
    return [one for one in there if not names or any(one.name.lower().startswith(name.lower()) for name in names)]
