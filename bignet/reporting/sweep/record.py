"""``sweep.json``: every choice with every number; what was measured by the clock stands apart from all else."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bignet.reporting.record import metric_record, without_folders
from bignet.reporting.sweep.facts import origin
from bignet.reporting.sweep.methods import FAIRNESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.evaluate.sweep.result import Scored, Sweep
    from bignet.reporting.sweep.source import SweepSource

SCHEMA_VERSION = 1
_MATRIX_CLASSES = 200  # a larger matrix is in the report of the choice itself, as class_pairs.parquet


def sweep_record(sweep: Sweep, source: SweepSource) -> dict[str, Any]:
    """The whole sweep as plain values.

    Two runs over the same images differ in ``costs``, in ``decision``, which rests on them, and in ``timings`` only.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "bignet.sweep",
        "name": source.name,
        "provenance": without_folders(source.provenance),
        "method": without_folders(source.method),
        "images": _images(sweep),
        "ranking": sweep.ranking,
        "rules": list(FAIRNESS),
        "warnings": list(sweep.warnings),
        "choices": [_choice(item) for item in sweep.scored],
        "classes": _classes(sweep),
        "dropped": [asdict(item) for item in sweep.dropped],
        "cka": {model: {"layers": layers, "matrix": matrix} for model, (layers, matrix) in sweep.cka.items()},
        "costs": {"setting": sweep.cost_setting, "choices": _costs(sweep)},
        "decision": _decision(sweep),
        "timings": {"seconds": dict(sweep.seconds)},
    }


def _images(sweep: Sweep) -> dict[str, Any]:
    labelled = [label for label in sweep.labels if label is not None]
    return {
        "n": len(sweep.ids),
        "n_labelled": len(labelled),
        "n_classes": len(set(labelled)),
        "n_left_out": sweep.n_left_out,
        "gallery_fingerprint": sweep.gallery_fingerprint,
    }


def _choice(item: Scored) -> dict[str, Any]:
    return {
        **asdict(item.choice),
        "weights": origin(item.choice.weights),
        "chosen_half": metric_record(item.chosen_half),
        "reported": metric_record(item.reported),
        "to_best": None if item.to_best is None else metric_record(item.to_best),
        "p_value": item.p_value,
        "tied": item.tied,
        "metrics": {name: metric_record(metric) for name, metric in item.metrics.items()},
        "self_hit": {kind: [[s, share] for s, share in line] for kind, line in item.self_hit.items()},
    }


def _classes(sweep: Sweep) -> dict[str, Any]:
    """Class by class: labels once, then the scores of each choice in their order; null where a class has none."""
    labels = sorted({label for item in sweep.scored for label in item.per_class})
    scores = {item.choice.name: [item.per_class.get(label) for label in labels] for item in sweep.scored}
    return {"labels": labels, "scores": scores if labels else {}}


def _costs(sweep: Sweep) -> Mapping[str, dict[str, Any]]:
    return {item.choice.name: asdict(item.cost) for item in sweep.scored}


def _decision(sweep: Sweep) -> dict[str, Any]:
    """What follows from scores and costs together."""
    found = sweep.class_distance
    fits = found is not None and len(found.labels) <= _MATRIX_CLASSES
    return {
        "recommendations": [asdict(item) for item in sweep.recommendations],
        "front": [item.choice.name for item in sweep.scored if item.on_front],
        "class_distance": {"labels": found.labels, "matrix": found.matrix} if found and fits else None,
    }
