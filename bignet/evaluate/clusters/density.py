"""Dense groups of any shape and number: HDBSCAN on principal components of a sample, all others by vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import UsageError
from bignet.evaluate.clusters.find import clustering
from bignet.evaluate.clusters.kmeans import generator
from bignet.evaluate.clusters.measures import Judged
from bignet.evaluate.clusters.placement import NOISE, look_around, place_given
from bignet.evaluate.clusters.result import Clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.clusters.settings import ClusterSettings
    from bignet.evaluate.labels import CodedLabels
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

COMPONENTS = 50  # above about a hundred dimensions HDBSCAN stalls
MIN_SAMPLES = 5
LEAST_GROUP = 10  # rows of the smallest group, or a 500th of all
GROUP_SHARE = 500
VOTERS = 5
MUCH_NOISE = 0.5
_DECIMALS = 9  # of a component: hides what the number of threads does to it
_PURPOSE = 3  # of the random numbers
_CELLS = 2**21


def dense_clusters(rows: UnitRows, coded: CodedLabels, settings: ClusterSettings) -> Clusters | None:
    """N rows -> the groups HDBSCAN finds (Campello, Moulavi and Sander 2013); None for under 10 rows.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    if len(rows) < LEAST_GROUP:
        return None
    shown = np.sort(generator(settings, _PURPOSE).permutation(len(rows))[: settings.density_rows])
    axes = Axes.of(rows, shown)
    points = axes.project(rows, shown)
    groups = _dense_groups(points)
    assignment = np.full(len(rows), NOISE, dtype=np.int64)
    assignment[shown] = groups
    others = np.setdiff1d(np.arange(len(rows)), shown)
    for part in _blocks(others, len(points)):
        assignment[part] = vote(axes.project(rows, part), points, groups)
    placement = place_given(rows, assignment, int(groups.max(initial=NOISE)) + 1)
    look_around(rows, [placement])
    judged = Judged(len(placement.centres), placement, coded, settings, len(shown))
    found = clustering("hdbscan", placement, coded, judged.metrics(None), _warnings(judged))
    reason = f"as many dense groups as HDBSCAN found in {len(shown):,} rows"
    return Clusters((), found.k, reason, {found.k: found})


@dataclass(frozen=True)
class Axes:
    """Principal components: (D,) mean and (D, c) directions, the widest first."""

    mean: Floats
    directions: Floats

    @classmethod
    def of(cls, rows: UnitRows, positions: Ints) -> Axes:
        """Of the unit rows at (P,) positions, by their covariance, in pieces."""
        total, squares = np.zeros(rows.dim), np.zeros((rows.dim, rows.dim))
        for part in _blocks(positions, rows.dim):
            unit = rows.unit(part)
            total += unit.sum(axis=0)
            squares += unit.T @ unit
        mean = total / len(positions)
        _, vectors = np.linalg.eigh(squares / len(positions) - np.outer(mean, mean))
        return cls(mean, vectors[:, ::-1][:, :COMPONENTS])

    def project(self, rows: UnitRows, positions: Ints) -> Floats:
        """(P,) positions -> (P, c)."""
        out = np.empty((len(positions), self.directions.shape[1]))
        start = 0
        for part in _blocks(positions, rows.dim):
            out[start : start + len(part)] = (rows.unit(part) - self.mean) @ self.directions
            start += len(part)
        return np.round(out, _DECIMALS)


def vote(points: Floats, voters: Floats, groups: Ints) -> Ints:
    """(M, c) points, (P, c) voters and their groups -> (M,) the group of most of the five nearest; noise votes too.

    On a tie the group of the nearest of them.
    """
    squared = (voters * voters).sum(axis=1) - 2 * points @ voters.T  # but for a constant each row
    n_votes = min(VOTERS, len(voters))
    nearest = np.argpartition(squared, n_votes - 1, axis=1)[:, :n_votes]
    order = np.argsort(np.take_along_axis(squared, nearest, 1), axis=1, kind="stable")
    votes = groups[np.take_along_axis(nearest, order, 1)]
    counts = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    return np.asarray(votes[np.arange(len(votes)), counts.argmax(axis=1)])


def _dense_groups(points: Floats) -> Ints:
    try:
        from sklearn.cluster import HDBSCAN
    except ImportError:
        raise UsageError(
            "method 'hdbscan' needs scikit-learn, which is not installed; pip install 'bignet[eval]', or use kmeans"
        ) from None
    smallest = max(LEAST_GROUP, len(points) // GROUP_SHARE)
    groups = HDBSCAN(min_cluster_size=smallest, min_samples=MIN_SAMPLES, copy=True).fit_predict(points)
    return np.asarray(groups, dtype=np.int64)


def _warnings(judged: Judged) -> tuple[str, ...]:
    share = judged.noise / len(judged.placement.assignment)
    if share == 1:
        return ("HDBSCAN found no dense group: every row is noise",)
    return (
        ("most rows are noise: what is said of the clusters holds for the smaller part",) if share > MUCH_NOISE else ()
    )


def _blocks(positions: Ints, width: int) -> list[Ints]:
    step = max(1, _CELLS // max(1, width))
    return [positions[start : start + step] for start in range(0, len(positions), step)]
