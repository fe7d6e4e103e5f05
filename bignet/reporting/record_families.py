"""What ``report.json`` says of separation, confusion, hierarchy, geometry and clusters, besides their metrics.

Images are named by id. What has an entry an image, a pair of classes or a dimension is in the Parquet files.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clusters.result import Cluster, Clustering, Clusters
    from bignet.evaluate.confusion_result import Confusion, Hierarchy
    from bignet.evaluate.geometry_result import Geometry, Hubness, Spectrum
    from bignet.evaluate.ladder.result import Ladder
    from bignet.evaluate.result import Evaluation
    from bignet.evaluate.separation_result import PairScores, Separation

    Block = dict[str, Any] | None

MAX_PAIRS = 100  # the most confused; class_pairs.parquet has all


def family_records(evaluation: Evaluation) -> dict[str, Block]:
    """One block a family; None where it was not computed."""
    ids = evaluation.ids
    return {
        "separation": _separation(evaluation.separation),
        "confusion": _confusion(evaluation.confusion),
        "hierarchy": _hierarchy(evaluation.hierarchy),
        "geometry": _geometry(evaluation.geometry, ids),
        "clusters": _clusters(evaluation.clusters, ids),
        "ladder": _ladder(evaluation.ladder),
    }


def _separation(found: Separation | None) -> Block:
    return None if found is None else {"metrics": _ids(found.metrics), "pairs": _pairs(found.pairs)}


def _pairs(pairs: PairScores | None) -> Block:
    if pairs is None:
        return None
    histogram = {name: getattr(pairs, name).tolist() for name in ("edges", "same", "different")}
    numbers = {name: getattr(pairs, name) for name in ("n_same", "n_different", "sampled", "eer", "eer_threshold")}
    return {**numbers, "points": [asdict(point) for point in pairs.points], "histogram": histogram}


def _confusion(found: Confusion | None) -> Block:
    if found is None:
        return None
    return {
        "metrics": _ids(found.metrics),
        "k": found.k,
        "n_pairs": len(found.pairs),
        "pairs": [asdict(pair) for pair in found.pairs[:MAX_PAIRS]],
    }


def _hierarchy(found: Hierarchy | None) -> Block:
    if found is None:
        return None
    levels = [
        {"depth": level.depth, "n_classes": level.n_classes, "p1": level.p1.id, "map_r": level.map_r.id}
        for level in found.levels
    ]
    return {
        "metrics": _ids(found.metrics),
        "levels": levels,
        "severity": list(found.severity),
        "precision": found.precision.tolist(),
    }


def _geometry(found: Geometry | None, ids: NDArray[np.int64]) -> Block:
    if found is None:
        return None
    projections = [
        {
            "method": item.method,
            "n": len(item.rows),
            "trustworthiness": item.trustworthiness,
            "explained": item.explained,
        }
        for item in found.projections
    ]
    return {
        "metrics": _ids(found.metrics),
        "spectrum": _spectrum(found.spectrum),
        "hubness": _hubness(found.hubness, ids),
        "projections": projections,
    }


def _spectrum(found: Spectrum | None) -> Block:
    if found is None:
        return None
    return {"n": found.n, "dims": len(found.eigenvalues), "dead": list(found.dead), "norms": list(found.norms)}


def _hubness(found: Hubness | None, ids: NDArray[np.int64]) -> Block:
    """``histogram[i]`` rows are in i lists; the largest hubs by id."""
    if found is None:
        return None
    largest = np.argsort(-found.counts, kind="stable")[:10]
    hubs = [{"id": int(ids[found.rows[i]]), "lists": int(found.counts[i])} for i in largest]
    return {
        "k": found.k,
        "n": len(found.rows),
        "histogram": np.bincount(found.counts).tolist(),
        "expected": found.expected.tolist(),
        "hubs": hubs,
    }


def _clusters(found: Clusters | None, ids: NDArray[np.int64]) -> Block:
    if found is None:
        return None
    return {
        "metrics": _ids(found.metrics),
        "suggested": found.suggested,
        "reason": found.reason,
        "curve": [asdict(point) for point in found.curve],
        "clustering": _clustering(found.chosen, ids),
    }


def _clustering(found: Clustering, ids: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "method": found.method,
        "k": found.k,
        "noise_share": found.noise_share,
        "warnings": list(found.warnings),
        "clusters": [_card(cluster, ids) for cluster in found.clusters],
    }


def _card(cluster: Cluster, ids: NDArray[np.int64]) -> dict[str, Any]:
    """A cluster with ids where it has rows: ``nearest_rows`` becomes ``nearest_ids``."""
    card = asdict(cluster)
    card["medoid_id"] = int(ids[card.pop("medoid")])
    for name in ("nearest", "boundary", "outlier", "minority"):
        card[f"{name}_ids"] = [int(ids[row]) for row in card.pop(f"{name}_rows")]
    return card


def _ladder(found: Ladder | None) -> Block:
    """Timings stand with the others."""
    if found is None:
        return None
    numbers = {name: getattr(found, name) for name in ("k", "n_rows", "n_queries", "dims", "estimator")}
    return {**numbers, "rungs": [asdict(rung) for rung in found.rungs]}


def _ids(metrics: Sequence[Any]) -> list[str]:
    return [metric.id for metric in metrics]
