"""``sweep.parquet``: one row a choice, best first, all columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from bignet.names import storable
from bignet.reporting.numbers import finite
from bignet.reporting.sweep.facts import origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bignet.evaluate.result import Metric
    from bignet.evaluate.sweep.result import Scored, Sweep

_SELF_HIT = pa.list_(pa.struct([("transform", pa.string()), ("strength", pa.float64()), ("share", pa.float64())]))
_COSTS = {
    "images_s_forward": pa.float64(),
    "images_s_forward_lo": pa.float64(),
    "images_s_forward_hi": pa.float64(),
    "images_s_end2end": pa.float64(),
    "images_s_end2end_lo": pa.float64(),
    "images_s_end2end_hi": pa.float64(),
    "flops": pa.int64(),
    "bytes_per_vector": pa.int64(),
    "index_qps": pa.float64(),
    "index_qps_lo": pa.float64(),
    "index_qps_hi": pa.float64(),
    "peak_bytes": pa.int64(),
}


def sweep_table(sweep: Sweep) -> pa.Table:
    """Names, scores with intervals, costs, decisions, classes and altered copies; null where undefined."""
    items = sweep.scored
    columns = _names(items) | _intervals("score", [item.reported for item in items])
    columns |= _intervals("chosen_half", [item.chosen_half for item in items])
    columns |= _intervals("to_best", [item.to_best for item in items])
    columns["p_value"] = pa.array([finite(item.p_value) for item in items], pa.float64())
    columns["tied"] = pa.array([item.tied for item in items], pa.bool_())
    columns["on_front"] = pa.array([item.on_front for item in items], pa.bool_())
    columns["presets"] = pa.array([_presets(sweep, item) for item in items], pa.list_(pa.string()))
    for name, kind in _COSTS.items():
        columns[name] = pa.array([getattr(item.cost, name) for item in items], kind)
    for name in dict.fromkeys(name for item in items for name in item.metrics):
        columns |= _intervals(name, [item.metrics.get(name) for item in items])
    columns["classes"] = pa.array(_classes(items), pa.map_(pa.string(), pa.float64()))
    columns["self_hit"] = pa.array([_points(item) for item in items], _SELF_HIT)
    return pa.table(columns)


def _names(items: Sequence[Scored]) -> dict[str, pa.Array]:
    return {
        "choice": _texts(items, lambda item: item.choice.name),
        "model": _texts(items, lambda item: item.choice.model).dictionary_encode(),
        "weights": _texts(items, lambda item: origin(item.choice.weights)).dictionary_encode(),
        "trained": pa.array([item.choice.trained for item in items], pa.bool_()),
        "layer": _texts(items, lambda item: item.choice.layer),
        "pool": _texts(items, lambda item: item.choice.pool),
        "steps": pa.array([[storable(step) for step in item.choice.steps] for item in items], pa.list_(pa.string())),
        "dims": pa.array([item.choice.dims for item in items], pa.int64()),
        "coverage": pa.array([finite(item.choice.coverage) for item in items], pa.float64()),
        "shape": pa.array([list(item.choice.shape) for item in items], pa.list_(pa.int64())),
        "store": _texts(items, lambda item: item.choice.store),
        "embedding": _texts(items, lambda item: item.choice.embedding),
    }


def _texts(items: Sequence[Scored], text: Callable[[Scored], str]) -> pa.Array:
    return pa.array([storable(text(item)) for item in items], pa.string())


def _intervals(name: str, metrics: Sequence[Metric | None]) -> dict[str, pa.Array]:
    values = {"": "value", "_lo": "lo", "_hi": "hi"}
    return {
        f"{name}{end}": pa.array([None if m is None else finite(getattr(m, part)) for m in metrics], pa.float64())
        for end, part in values.items()
    }


def _presets(sweep: Sweep, item: Scored) -> list[str]:
    return [found.preset for found in sweep.recommendations if found.name == item.choice.name]


def _classes(items: Sequence[Scored]) -> list[list[tuple[str, float | None]]]:
    """The scores of each choice by class; a class's name is made storable once, not once a choice."""
    names = {label: storable(label) for label in sorted({label for item in items for label in item.per_class})}
    return [
        [(name, finite(item.per_class[label])) for label, name in names.items() if label in item.per_class]
        for item in items
    ]


def _points(item: Scored) -> list[dict[str, str | float | None]]:
    return [
        {"transform": storable(kind), "strength": strength, "share": finite(share)}
        for kind, line in item.self_hit.items()
        for strength, share in line
    ]
