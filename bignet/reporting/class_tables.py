"""One row a class, and one a pair of classes, as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bignet.names import storable
from bignet.reporting.measures import class_details
from bignet.reporting.numbers import finite
from bignet.reporting.tables import labels_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.confusion_result import ConfusedPair, Confusion
    from bignet.evaluate.result import Evaluation, Metric
    from bignet.reporting.measures import ClassDetails

    Ints = NDArray[np.int64]


def per_class_table(evaluation: Evaluation) -> pa.Table:
    """One row a class, every class of the store, however small; null where a part was not computed."""
    details = class_details(evaluation)
    rows = [item.row for item in details]
    columns: dict[str, pa.Array] = {
        "class": labels_column([row.label for row in rows]),
        "n": pa.array([row.n for row in rows], pa.int64()),
        "n_queries": pa.array([row.n_queries for row in rows], pa.int64()),
        "n_excluded": pa.array([row.n - row.n_queries for row in rows], pa.int64()),
    }
    for name in ("p1", "r_precision", "map_r"):
        columns |= _interval_columns(name, [getattr(row, name) for row in rows])
    columns["within"] = _numbers([row.within for row in rows])
    columns["margin"] = _numbers([row.margin for row in rows])
    columns["nearest_class"] = labels_column([row.nearest_class for row in rows])
    columns["nearest_distance"] = _numbers([row.nearest_distance for row in rows])
    return pa.table(columns | _spread_columns(details) | _confusion_columns(details))


def _spread_columns(details: Sequence[ClassDetails]) -> dict[str, pa.Array]:
    spread = [item.spread for item in details]
    return {
        "cdnv": _numbers([item.cdnv if item else None for item in spread]),
        "cdnv_class": labels_column([item.cdnv_class if item else None for item in spread]),
        "cdnv_min": _numbers([item.cdnv_min if item else None for item in spread]),
        "silhouette": _numbers([item.silhouette if item else None for item in spread]),
    }


def _confusion_columns(details: Sequence[ClassDetails]) -> dict[str, pa.Array]:
    confusion = [item.confusion for item in details]
    top = [item.top if item else () for item in confusion]
    names = [[storable(pair.other) for pair in pairs] for pairs in top]
    return {
        "purity": _numbers([item.purity if item else None for item in confusion]),
        "plausible_fp": _numbers([item.plausible_fp if item else None for item in confusion]),
        "top3_confused": pa.array(names, pa.list_(pa.string())),
        "top3_share": pa.array([[pair.share for pair in pairs] for pairs in top], pa.list_(pa.float64())),
        "top3_lift": pa.array([[pair.lift for pair in pairs] for pairs in top], pa.list_(pa.float64())),
    }


def class_pairs_table(evaluation: Evaluation) -> pa.Table:
    """One row a pair of classes, each pair once, the diagonal included; null where nothing is known.

    ``share_ab`` of the places near class a's images are held by class b, ``lift_ab`` times what chance gives; ``ba`` is
    the other way round. For more classes than a matrix holds only the pairs that are confused are listed.
    """
    names, a, b, distance = _pairs(evaluation)
    confused = _Confused(evaluation.confusion, names)
    stored = pa.array([storable(name) for name in names], pa.string())
    return pa.table(
        {
            "class_a": pa.DictionaryArray.from_arrays(pa.array(a, pa.int32()), stored),
            "class_b": pa.DictionaryArray.from_arrays(pa.array(b, pa.int32()), stored),
            "distance": _column(distance),
            "share_ab": _column(confused.share(a, b)),
            "share_ba": _column(confused.share(b, a)),
            "lift_ab": _column(confused.of_pairs("lift", a, b)),
            "lift_ba": _column(confused.of_pairs("lift", b, a)),
        }
    )


class _Confused:
    """Looks pairs of classes up by their places in ``names``; NaN where nothing is known."""

    def __init__(self, confusion: Confusion | None, names: Sequence[str]) -> None:
        place = {name: i for i, name in enumerate(names)}
        self._n = len(names)
        self._pairs = [pair for pair in _confused(confusion) if pair.label in place and pair.other in place]
        keys = [place[pair.label] * self._n + place[pair.other] for pair in self._pairs]
        self._order = np.argsort(np.array(keys, dtype=np.int64))
        self._keys = np.array(keys, dtype=np.int64)[self._order]
        self._shares = _shares(confusion, names)

    def share(self, a: Ints, b: Ints) -> NDArray[np.float64]:
        """Of all pairs if they were counted, else of those that are confused."""
        return self.of_pairs("share", a, b) if self._shares is None else self._shares[a, b]

    def of_pairs(self, field: str, a: Ints, b: Ints) -> NDArray[np.float64]:
        """A field of those pairs that have enough places to mean something."""
        values = np.array([getattr(pair, field) for pair in self._pairs] + [np.nan])
        wanted = a * self._n + b
        at = np.searchsorted(self._keys, wanted)
        found = np.append(self._keys, -1)[at] == wanted
        return values[np.where(found, np.append(self._order, len(self._pairs))[at], len(self._pairs))]


def _confused(confusion: Confusion | None) -> tuple[ConfusedPair, ...]:
    return confusion.pairs if confusion else ()


def _pairs(evaluation: Evaluation) -> tuple[tuple[str, ...], Ints, Ints, NDArray[np.float64]]:
    """Names, two places in them for each pair, and their distance."""
    found = evaluation.class_distance
    if found is not None:
        a, b = np.triu_indices(len(found.labels))
        return found.labels, a, b, found.matrix[a, b]
    confused = [(pair.label, pair.other) for pair in _confused(evaluation.confusion)]
    once = list(dict.fromkeys((min(pair), max(pair)) for pair in confused))
    names = tuple(dict.fromkeys(name for pair in once for name in pair))
    place = {name: i for i, name in enumerate(names)}
    ends = np.array([(place[one], place[other]) for one, other in once], dtype=np.int64).reshape(-1, 2)
    return names, ends[:, 0], ends[:, 1], np.full(len(ends), np.nan)


def _shares(confusion: Confusion | None, names: Sequence[str]) -> NDArray[np.float64] | None:
    """(C, C) share of the row's places held by the column's class, in the order of ``names``; NaN without places."""
    if confusion is None or confusion.counts is None or set(confusion.labels) != set(names):
        return None
    place = {name: i for i, name in enumerate(confusion.labels)}
    order = [place[name] for name in names]
    counts = confusion.counts[np.ix_(order, order)].astype(np.float64)
    total = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    return shares


def _column(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _numbers(values: Sequence[float | None]) -> pa.Array:
    return pa.array([finite(value) for value in values], pa.float64())


def _interval_columns(name: str, metrics: Sequence[Metric]) -> dict[str, pa.Array]:
    return {
        name: _numbers([metric.value for metric in metrics]),
        f"{name}_lo": _numbers([metric.lo for metric in metrics]),
        f"{name}_hi": _numbers([metric.hi for metric in metrics]),
    }
