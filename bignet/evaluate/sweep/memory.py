"""What one choice scored, kept for the next run: equal digests of what is scored mean equal scores."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bignet.evaluate.jackknife import Estimate
from bignet.evaluate.result import Excluded, Metric
from bignet.evaluate.sweep.scoring import ChoiceScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bignet.evaluate.sweep.design import Design
    from bignet.evaluate.sweep.images import AlteredCopies
    from bignet.evaluate.sweep.settings import SweepSettings
    from bignet.evaluate.unit_rows import UnitRows

_VERSION = 2  # of what is written, and of what a score means
_ROWS = 4096  # hashed at a time
_PARTS = ("chosen", "reported", "whole")


class Memory(Protocol):
    """Where scores are kept, by the name of their choice."""

    def load(self, name: str) -> bytes | None:
        """What was saved last; None = nothing."""
        ...

    def save(self, name: str, data: bytes) -> None:
        """Keep something in place of what was there."""
        ...


class Remembered:
    """Scores of one choice after the other: those that are kept, and new ones, which are then kept.

    Args:
        memory: None = nothing is kept.
        design: the images.
        settings: how they are judged.
    """

    def __init__(self, memory: Memory | None, design: Design, settings: SweepSettings) -> None:
        self._memory = memory
        self._common = _digest_of(design, settings)

    def key(self, rows: UnitRows, copies: AlteredCopies | None) -> str:
        """Digest of all that scores of these vectors depend on; empty where nothing is kept."""
        if self._memory is None:
            return ""
        digest = self._common.copy()
        for start in range(0, len(rows), _ROWS):
            _add(digest, rows.span(slice(start, start + _ROWS)))
        if copies is not None:
            _add(digest, copies.ids, np.array(repr(copies.alterations)), copies.vectors)
        return str(digest.hexdigest())

    def load(self, name: str, key: str) -> ChoiceScores | None:
        """Those kept of a choice, if they are of that key."""
        data = None if self._memory is None else self._memory.load(name)
        return None if data is None else _read(data, key)

    def kept(self, name: str, key: str, found: ChoiceScores) -> ChoiceScores:
        """New ones, as ``load`` will give them."""
        if self._memory is None:
            return found
        data = _written(found, key)
        self._memory.save(name, data)
        return _read(data, key) or found


def _digest_of(design: Design, settings: SweepSettings) -> Any:
    versions = [version(name) for name in ("bignet", "numpy", "faiss-cpu")]
    about = [_VERSION, versions, asdict(settings), design.coded.names, design.estimator]
    digest = hashlib.blake2b(json.dumps(about).encode(), digest_size=20)
    groups = np.array([]) if design.groups is None else design.groups
    _add(digest, design.ids, design.coded.codes, groups, design.reported)
    return digest


def _add(digest: Any, *arrays: NDArray[Any]) -> None:
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data if array.size else b"")


def _written(found: ChoiceScores, key: str) -> bytes:
    parts = dict(zip(_PARTS, (*found.halves, found.whole), strict=True))
    estimates = {name: part for name, part in parts.items() if part is not None}
    about = {
        "key": key,
        "metrics": [asdict(metric) for metric in found.metrics.values()],
        "estimates": {name: [part.value, part.n_queries, part.by_class] for name, part in estimates.items()},
        "per_class": list(found.per_class.items()),
        "self_hit": list(found.self_hit.items()),
    }
    arrays: dict[str, Any] = {f"by_image.{name}": values for name, values in found.by_image.items()}
    for name, part in estimates.items():
        arrays |= {f"influences.{name}": part.influences, f"classes.{name}": part.classes}
    text = np.frombuffer(json.dumps(about, default=lambda value: value.item()).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, about=text, lists=found.lists, **arrays)
    return buffer.getvalue()


def _read(data: bytes, key: str) -> ChoiceScores | None:
    """What ``_written`` wrote under that key; None if it is another's, or damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            return _scores(about, dict(file.items())) if about["key"] == key else None
    except Exception:  # whatever zip, JSON or arrays make of a damaged file: it is scored again
        return None


def _scores(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> ChoiceScores:
    metrics = [Metric(**{**each, "excluded": Excluded(**each["excluded"])}) for each in about["metrics"]]
    parts: dict[str, Estimate] = {
        name: Estimate(value, arrays[f"influences.{name}"], arrays[f"classes.{name}"], n_queries, by_class)
        for name, (value, n_queries, by_class) in about["estimates"].items()
    }
    chosen, reported, whole = (parts.get(name) for name in _PARTS)
    return ChoiceScores(
        metrics={metric.id: metric for metric in metrics},
        halves=(chosen, reported),
        whole=whole,
        by_image={name.partition(".")[2]: array for name, array in arrays.items() if name.startswith("by_image.")},
        lists=arrays["lists"],
        per_class=dict(about["per_class"]),
        self_hit={kind: tuple((s, share) for s, share in line) for kind, line in about["self_hit"]},
    )
