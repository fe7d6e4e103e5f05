"""``report.json``: every number with what is needed to believe it, the same bytes for the same store."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.names import storable, text_of
from bignet.reporting.measures import class_details
from bignet.reporting.numbers import finite
from bignet.reporting.record_families import family_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bignet.evaluate.result import Evaluation, Metric
    from bignet.reporting.measures import ClassDetails
    from bignet.reporting.source import ReportSource
    from bignet.reporting.verdict import Finding, Verdict

SCHEMA_VERSION = 2
LISTED = 1000  # ids named one by one; more are counted


def report_record(evaluation: Evaluation, source: ReportSource, verdict: Verdict) -> dict[str, Any]:
    """The whole report as plain values; timings stand apart so that the rest can be compared."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "bignet.report",
        "store": _store(source, len(evaluation.ids)),
        "provenance": provenance(source),
        "labels": _labels(source, evaluation),
        "method": dict(source.method),
        "evaluation": _evaluation(evaluation),
        "warnings": list(evaluation.warnings),
        "verdict": {
            "sentences": [item.sentence for item in verdict.sentences],
            "flags": [item.sentence for item in verdict.flags],
            "rules": [_finding(item) for item in verdict.findings],
        },
        "metrics": [metric_record(metric) for metric in evaluation.metrics],
        "classes": [_class(details) for details in class_details(evaluation)],
        **family_records(evaluation),
        "timings": _timings(evaluation),
    }


def _timings(evaluation: Evaluation) -> dict[str, Any]:
    ladder = evaluation.ladder
    by_rung = {} if ladder is None else {name: asdict(timing) for name, timing in ladder.timings.items()}
    return {"seconds": dict(evaluation.seconds), **({"ladder": by_rung} if by_rung else {})}


def json_text(record: Mapping[str, Any]) -> str:
    """Sorted keys, ASCII, no NaN: an undefined number is null."""
    return json.dumps(_clean(record), sort_keys=True, indent=1, allow_nan=False) + "\n"


def provenance(source: ReportSource) -> dict[str, str | int | float | None]:
    """The store's provenance; of an absolute path only the name is kept, folders are nobody's business."""
    return {
        key: PurePath(value).name if isinstance(value, str) and value.startswith("/") else value
        for key, value in source.provenance.items()
    }


def metric_record(metric: Metric) -> dict[str, Any]:
    """One metric as plain values; a missing value always has a reason."""
    record = asdict(metric)
    record["params"] = dict(metric.params)
    if finite(metric.value) is None and not metric.reason:
        record["reason"] = "undefined"
    return record


def _store(source: ReportSource, n_embedded: int) -> dict[str, Any]:
    return {
        "name": source.store_name,
        "embedding": source.embedding,
        "dims": source.dims,
        "n_discovered": source.n_discovered,
        "n_embedded": n_embedded,
        "rejected": dict(source.rejected),
    }


def _labels(source: ReportSource, evaluation: Evaluation) -> dict[str, Any]:
    """Where the labels come from, what they cover, and what they and the store do not share."""
    given = source.labels
    n_labelled = sum(label is not None for label in evaluation.labels)
    return {
        "file": given.file,
        "n_labelled": n_labelled,
        "n_unlabelled": len(evaluation.labels) - n_labelled,
        "n_groups": _n_different(given.groups),
        "n_split": _n_different(given.split),
        "n_not_in_file": len(given.not_in_file),
        "not_in_file": list(given.not_in_file[:LISTED]),
        "n_not_in_store": len(given.not_in_store),
        "not_in_store": list(given.not_in_store[:LISTED]),
    }


def _n_different(values: Sequence[str | None] | None) -> int | None:
    return None if values is None else len(set(values) - {None})


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "gallery_fingerprint": evaluation.gallery_fingerprint,
        "k": evaluation.k,
        "similarity": evaluation.graph.metric,
        "n_rows": len(evaluation.ids),
        "n_asked": len(evaluation.graph.rows),
        "tie_rate": {str(k): rate for k, rate in evaluation.graph.tie_rate.items()},
        "unusable": {reason: list(ids) for reason, ids in evaluation.unusable.items()},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "id": rule.id,
        "group": rule.group,
        "condition": rule.condition,
        "inputs": finding.inputs,
        "fired": finding.fired,
        "sentence": finding.sentence,
    }


def _class(details: ClassDetails) -> dict[str, Any]:
    row, spread, confusion = details.row, details.spread, details.confusion
    record = {name: getattr(row, name) for name in ("label", "n", "n_queries", "within", "margin")}
    record |= {"nearest_class": row.nearest_class, "nearest_distance": row.nearest_distance}
    record |= {name: metric_record(getattr(row, name)) for name in ("p1", "r_precision", "map_r")}
    record |= {name: getattr(spread, name, None) for name in ("silhouette", "cdnv", "cdnv_class")}
    record |= {name: getattr(confusion, name, None) for name in ("purity", "plausible_fp")}
    top = confusion.top if confusion else ()
    return record | {"taken_for": [{"label": item.other, "share": item.share, "lift": item.lift} for item in top]}


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {storable(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return _clean(value.tolist())
    if isinstance(value, float):
        return finite(value)
    return storable(text_of(value)) if isinstance(value, str | bytes) else value
