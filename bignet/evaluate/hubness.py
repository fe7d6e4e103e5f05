"""Hubs: rows that are among the nearest neighbours of far more rows than their share, and rows of nobody.

Radovanovic et al. 2010, "Hubs in space"; the measures beside skewness are those of Feldbauer et al. 2018.
N_k of a row is in how many others' lists of k nearest it is. Every row of the sample is asked: with a sample
of queries against all rows the counts are sparse, and skewness comes out too high.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.geometry_result import Hubness
from bignet.evaluate.result import Metric
from bignet.evaluate.rounding import settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.all_pairs import Neighbours

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

HUB = 2  # times the mean makes a hub
_TAIL = 1e-12


def hub_skew(counts: NDArray[Any]) -> float | None:
    """(n,) N_k -> their population skewness, 0 = symmetric, 1.5 = look at the hubs; None where all are equal."""
    moved = counts - counts.mean() if len(counts) else np.zeros(0)
    variance = float((moved**2).mean()) if len(counts) else 0.0
    return float((moved**3).mean()) / variance**1.5 if variance > 0 else None


def robin_hood(counts: NDArray[Any]) -> float | None:
    """(n,) N_k -> share of list places to move for every row to be in equally many (the Hoover index), 0 to 1."""
    total = float(counts.sum())
    return 0.5 * float(np.abs(counts - total / len(counts)).sum()) / total if total > 0 else None


def antihub_rate(counts: NDArray[Any]) -> float | None:
    """(n,) N_k -> share of rows in no list at all, 0 to 1; None without rows."""
    return float((counts == 0).mean()) if len(counts) else None


def hub_occupancy(counts: NDArray[Any], k: int) -> float | None:
    """(n,) N_k -> share of list places held by rows with N_k >= 2 k, 0 to 1; None where there are no places."""
    total = float(counts.sum())
    return float(counts[counts >= HUB * k].sum()) / total if total > 0 else None


def random_graph(n: int, mean: float) -> Floats:
    """Of n rows with lists of ``mean`` others drawn at random, the shares in 0, 1, ..., n - 1 lists.

    Each of the n - 1 others lists a row with chance mean / (n - 1): the binomial distribution. Zeros at the end
    are left out.
    """
    others, p = n - 1, min(1.0, mean / (n - 1))
    if p == 1.0:
        return np.concatenate([np.zeros(others), [1.0]])
    times = np.arange(1, others + 1)
    grown = np.cumsum(np.log((others - times + 1) / times * p / (1 - p)))
    shares = np.exp(others * np.log1p(-p) + np.concatenate([[0.0], grown]))
    return np.asarray(shares[: np.flatnonzero(shares)[-1] + 1])


def random_graph_values(shares: Floats, n: int, k: int) -> dict[str, float | None]:
    """Share of rows in 0, 1, ... lists -> what each measure is for n such rows, by metric id."""
    times = np.arange(len(shares))
    mean = float(shares @ times)
    variance = float(shares @ (times - mean) ** 2)
    below = np.minimum(np.cumsum(shares), 1.0)
    return {
        "hub_skew": float(shares @ (times - mean) ** 3) / variance**1.5 if variance > _TAIL else None,
        "robin_hood": 0.5 * float(shares @ np.abs(times - mean)) / mean,
        "antihub_rate": float(shares[0]),
        "hub_occupancy": float(shares[HUB * k :] @ times[HUB * k :]) / mean,
        "hub_max": float((1 - below**n).sum()),  # of n counts taken as independent
    }


def measure_hubness(near: Neighbours, k: int) -> Hubness | None:
    """Neighbours at least k deep -> hubs among them; None where there are no more than k rows."""
    if len(near) <= k or not (near.rows[:, :k] >= 0).any():
        return None
    listed = near.rows[:, :k]
    counts = np.bincount(listed[listed >= 0], minlength=len(near))
    expected = random_graph(len(near), float(counts.mean()))
    return Hubness(
        k=k,
        rows=near.positions,
        counts=counts,
        expected=_shown(expected, int(counts.max())),
        metrics=_metrics(near, counts, k, random_graph_values(expected, len(near), k)),
    )


def _shown(expected: Floats, most: int) -> Floats:
    """As many shares as are needed for the counts found, or for nearly all of what was expected."""
    nearly_all = int(np.searchsorted(np.cumsum(expected), 1 - _TAIL))
    length = max(most, min(nearly_all, len(expected) - 1)) + 1
    return np.pad(expected[:length], (0, max(0, length - len(expected))))


def _metrics(near: Neighbours, counts: Ints, k: int, chance: dict[str, float | None]) -> tuple[Metric, ...]:
    found = {
        "hub_skew": hub_skew(counts),
        "robin_hood": robin_hood(counts),
        "antihub_rate": antihub_rate(counts),
        "hub_occupancy": hub_occupancy(counts, k),
        "hub_max": float(counts.max()),
    }
    params = {"seed": near.seed, "copies": near.copies, "ties": "shuffled", "chance": "lists drawn at random"}
    n = len(near)
    return tuple(
        settled(
            Metric(
                name,
                value,
                estimator=near.estimator,
                k=k,
                n_queries=n,
                gallery_size=n,
                chance=chance[name],
                params=params,
            ),
            "every row is in equally many lists",
        )
        for name, value in found.items()
    )
