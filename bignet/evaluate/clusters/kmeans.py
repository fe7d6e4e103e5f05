"""Spherical k-means: centres fitted on a sample, by as many fits at a time as there are cores."""

from __future__ import annotations

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import faiss
import numpy as np

from bignet.evaluate.memory import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.settings import ClusterSettings
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Sample = NDArray[np.float32] | NDArray[np.float16]

_Task = TypeVar("_Task")
_Found = TypeVar("_Found")

MOST_AT_ONCE = 8  # fits; each holds its sample
MANY = 128  # centres; of more, FAISS's own 4096 rows at a time give products of up to 16 MiB a thread ...
_COMPARED = 1024  # ... and so many rows a quarter of that
TINY = 1e-12  # a sum of unit vectors shorter than this has no direction
_LARGE = 2**23  # numbers of a sample
_DECODED = 2048  # rows of 16 bits made 32 at a time
_USUALLY_COMPARED = faiss.cvar.distance_compute_blas_query_bs
_CELLS = 2**17
_DISTINCT_DECIMALS = 6  # float32 tells no more apart


def fit(points: Sample, k: int, settings: ClusterSettings, seed: int) -> Floats:
    """(P, D) unit rows -> (k, D) centres of length one; needs P >= k.

    Spherical k-means (Dhillon and Modha 2001, "Concept decompositions for large sparse text data"): Lloyd's
    iterations by cosine, the centre being the direction of the mean. FAISS by itself would fit on 256 points a
    centre at most and not say so; here it uses all it is given.
    """
    how = faiss.ClusteringParameters()
    how.niter, how.nredo, how.spherical, how.seed = settings.iterations, settings.starts_of(k), True, seed
    how.min_points_per_centroid, how.max_points_per_centroid = 1, len(points)
    how.decode_block_size = _DECODED
    means, index = faiss.Clustering(points.shape[1], k, how), faiss.IndexFlatIP(points.shape[1])
    if points.dtype == np.float32:
        means.train(points.astype(np.float32, copy=False), index)
    else:
        halves = faiss.IndexScalarQuantizer(points.shape[1], faiss.ScalarQuantizer.QT_fp16)
        means.train_encoded(points.view(np.uint8), halves, index)
    centres = faiss.vector_to_array(means.centroids).reshape(k, -1).astype(np.float64)
    del means, index
    return directions(centres)


def directions(sums: Floats) -> Floats:
    """(k, D) sums -> rows of length one; a sum of nothing stays zero."""
    length = np.sqrt(np.vecdot(sums, sums))[:, None]
    return np.asarray(np.divide(sums, length, out=np.zeros_like(sums), where=length > TINY))


def sampled(rows: UnitRows, positions: Ints) -> Sample:
    """(P,) positions -> (P, D) unit rows, read in pieces; a large sample in 16 bits, which tells rows 0.0003 apart."""
    shape = len(positions), rows.dim
    large = math.prod(shape) > _LARGE
    out: Sample = pages(*shape, dtype=np.float16) if large else pages(*shape, dtype=np.float32)
    step = max(1, _CELLS // rows.dim)
    for start in range(0, len(positions), step):
        out[start : start + step] = rows.unit(positions[start : start + step])
    return out


def count_distinct(points: Sample, enough: int | None = None) -> int:
    """(P, D) unit rows -> how many directions there are among them; counted no further than to ``enough`` or more."""
    seen: set[int] = set()
    step = max(1, _CELLS // points.shape[1])
    for start in range(0, len(points), step):
        if enough is not None and len(seen) >= enough:
            break
        rounded = np.round(points[start : start + step].astype(np.float32), _DISTINCT_DECIMALS) + np.float32(
            0
        )  # -0 is 0
        seen.update(hash(row.tobytes()) for row in rounded)
    return len(seen)


def at_once(work: Callable[[int, _Task], _Found], tasks: Sequence[tuple[int, _Task]]) -> list[_Found]:
    """What is worked out for each k and whatever goes with it, in the order of the tasks.

    Each has a thread with one core: a fit comes out the same, to the bit, on any number of them. Those of many centres
    come first and hold smaller products, which FAISS knows for all threads only.
    """
    many = [place for place, task in enumerate(tasks) if task[0] > MANY]
    few = [place for place, task in enumerate(tasks) if task[0] <= MANY]
    n_threads = min(len(os.sched_getaffinity(0)), MOST_AT_ONCE)
    found: dict[int, _Found] = {}
    for places, n_compared in ((many, _COMPARED), (few, _USUALLY_COMPARED)):
        if not places:
            continue
        threads = ThreadPoolExecutor(min(n_threads, len(places)), "bignet-clusters", initializer=_one_core)
        with _comparing(n_compared), threads:
            found |= zip(places, threads.map(lambda place: work(*tasks[place]), places), strict=True)
    return [found[place] for place in range(len(tasks))]


class _Comparing:
    """How many rows at a time FAISS multiplies with all centres: it knows one number for all threads.

    Who asks for the number in use goes on at once; others wait until nobody needs it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n_users, self._before = 0, _USUALLY_COMPARED

    @contextmanager
    def __call__(self, n_rows: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._n_users or faiss.cvar.distance_compute_blas_query_bs == n_rows)
            if not self._n_users:
                self._before = faiss.cvar.distance_compute_blas_query_bs
                faiss.cvar.distance_compute_blas_query_bs = n_rows
            self._n_users += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_users -= 1
                if not self._n_users:
                    faiss.cvar.distance_compute_blas_query_bs = self._before
                    self._changed.notify_all()


_comparing = _Comparing()


def _one_core() -> None:
    """For the calling thread alone, and for the BLAS in FAISS as well."""
    faiss.omp_set_num_threads(1)


def generator(settings: ClusterSettings, *purpose: int) -> np.random.Generator:
    """Random numbers of their own for each purpose."""
    return np.random.default_rng([settings.seed, *purpose])


def fit_seed(rng: np.random.Generator) -> int:
    """A seed as FAISS takes them."""
    return int(rng.integers(2**31 - 1))
