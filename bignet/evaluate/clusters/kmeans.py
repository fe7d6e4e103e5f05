"""Spherical k-means: centres fitted on a sample, by as many fits at a time as there are cores."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import faiss
import numpy as np

from bignet.evaluate.memory import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.settings import ClusterSettings
    from bignet.evaluate.cosine import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Sample = NDArray[np.float32]

_Task = TypeVar("_Task")
_Found = TypeVar("_Found")

MOST_AT_ONCE = 8  # fits; each holds its sample
TINY = 1e-12  # a sum of unit vectors shorter than this has no direction
_CELLS = 2**17
_DISTINCT_DECIMALS = 6  # float32 tells no more apart


def fit(points: Sample, k: int, settings: ClusterSettings, seed: int) -> Floats:
    """(P, D) unit rows -> (k, D) centres of length one; needs P >= k.

    Spherical k-means (Dhillon and Modha 2001, "Concept decompositions for large sparse text data"): Lloyd's
    iterations by cosine, the centre being the direction of the mean. FAISS by itself would fit on 256 points a
    centre at most and not say so; here it uses all it is given.
    """
    means = faiss.Kmeans(
        points.shape[1],
        k,
        niter=settings.iterations,
        nredo=settings.starts_of(k),
        spherical=True,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),
    )
    means.train(points)
    centres = np.asarray(means.centroids, dtype=np.float64)
    del means  # and its index
    return directions(centres)


def directions(sums: Floats) -> Floats:
    """(k, D) sums -> rows of length one; a sum of nothing stays zero."""
    length = np.sqrt(np.vecdot(sums, sums))[:, None]
    return np.asarray(np.divide(sums, length, out=np.zeros_like(sums), where=length > TINY))


def sampled(rows: UnitRows, positions: Ints) -> Sample:
    """(P,) positions -> (P, D) float32 unit rows, read in pieces."""
    out = pages(len(positions), rows.dim, dtype=np.float32)
    step = max(1, _CELLS // rows.dim)
    for start in range(0, len(positions), step):
        out[start : start + step] = rows.unit(positions[start : start + step])
    return out


def count_distinct(points: Sample) -> int:
    """(P, D) unit rows -> how many directions there are among them."""
    seen: set[int] = set()
    step = max(1, _CELLS // points.shape[1])
    for start in range(0, len(points), step):
        rounded = np.round(points[start : start + step], _DISTINCT_DECIMALS) + np.float32(0)  # -0 is 0
        seen.update(hash(row.tobytes()) for row in rounded)
    return len(seen)


def at_once(
    work: Callable[[_Task], _Found], tasks: Sequence[_Task], large: Callable[[_Task], bool] = lambda _: False
) -> list[_Found]:
    """Each task in a thread that has one core: a fit comes out the same, to the bit, on any number of them.

    Args:
        work: done for each task.
        tasks: in the order of what is returned.
        large: whether a task needs much memory; no more than half of the threads work on such tasks at a time.
    """
    n_threads = min(len(os.sched_getaffinity(0)), MOST_AT_ONCE)
    half = max(1, n_threads // 2)
    much = [place for place, task in enumerate(tasks) if large(task)]
    rest = [place for place, task in enumerate(tasks) if not large(task)]
    rows = [*(much[first::half] for first in range(half)), *([place] for place in rest)]
    with ThreadPoolExecutor(n_threads, "bignet-clusters", initializer=_one_core) as threads:
        found = threads.map(lambda row: [(place, work(tasks[place])) for place in row], rows)
        by_place = dict(chain.from_iterable(found))
    return [by_place[place] for place in range(len(tasks))]


def _one_core() -> None:
    """For the calling thread alone, and for the BLAS in FAISS as well."""
    faiss.omp_set_num_threads(1)


def generator(settings: ClusterSettings, *purpose: int) -> np.random.Generator:
    """Random numbers of their own for each purpose."""
    return np.random.default_rng([settings.seed, *purpose])


def fit_seed(rng: np.random.Generator) -> int:
    """A seed as FAISS takes them."""
    return int(rng.integers(2**31 - 1))
