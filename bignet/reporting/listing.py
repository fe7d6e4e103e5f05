"""Ids, labels and paths of many rows, packed for the page's lists and exports."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from bignet.evaluate.result import Evaluation
    from bignet.reporting.settings import ReportSettings
    from bignet.reporting.source import ReportSource

_NO_LABEL = 65535


def packed(values: NDArray[Any], kind: str) -> str:
    """An array -> its bytes as base64; ``kind`` is the little-endian type the script reads, such as ``<u2``."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def lists_every_row(evaluation: Evaluation, settings: ReportSettings) -> bool:
    """Whether the page names all rows, so that whole clusters can be exported from it."""
    return len(evaluation.ids) <= settings.listed_rows


def listing(
    evaluation: Evaluation, source: ReportSource, rows: Iterable[int], settings: ReportSettings
) -> dict[str, Any]:
    """All rows if there are few enough, else those asked for: their ids, labels and, within a budget, paths."""
    every = lists_every_row(evaluation, settings)
    kept = np.arange(len(evaluation.ids)) if every else np.unique(np.fromiter(rows, dtype=np.int64))
    labels = [evaluation.labels[row] for row in kept]
    names = sorted({label for label in labels if label is not None})[:_NO_LABEL]
    code = {name: place for place, name in enumerate(names)}
    codes = np.array([code.get(label, _NO_LABEL) if label is not None else _NO_LABEL for label in labels])
    paths = [visible(source.paths[row]) for row in kept]
    fits = sum(len(path) for path in paths) <= settings.listed_path_bytes
    return {
        "n": len(kept),
        "rows": None if every else packed(kept, "<u4"),
        "ids": packed(evaluation.ids[kept], "<i8"),
        "labels": packed(codes, "<u2"),
        "names": [visible(name) for name in names],
        "paths": paths if fits else None,
    }
