"""A report that was written before: its figures, and its scores query by query if they lie beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from bignet.evaluate.result import Metric

_INFLUENCE = "apr_macro_influence"
ALLOWED = "the report.json of a report, or its folder"


@dataclass(frozen=True)
class Figure:
    """One number of a report, as far as it is compared; ``value`` None = undefined for ``reason``.

    ``estimator`` says who was asked, as in ``Metric``.
    """

    id: str
    value: float | None
    lo: float | None
    hi: float | None
    reason: str | None
    estimator: str | None = None


@dataclass(frozen=True)
class QueryScores:
    """What the headline is the mean of, one entry an image.

    Attributes:
        ids: (N,) ascending.
        labels: N labels, None = unlabelled.
        apr: (N,) average precision at R; NaN = no query.
        influences: (N,) what the headline would lose without each image; None = an older report, which has none.
    """

    ids: NDArray[np.int64]
    labels: tuple[str | None, ...]
    apr: NDArray[np.float64]
    influences: NDArray[np.float64] | None = None

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(N,) True for queries."""
        return np.isfinite(self.apr)

    @property
    def codes(self) -> NDArray[np.int64]:
        """(N,) a number for each label, alike for equal labels; -1 = unlabelled."""
        names = dict.fromkeys(label for label in self.labels if label is not None)
        code: dict[str | None, int] = {None: -1, **{label: i for i, label in enumerate(names)}}
        return np.array([code[label] for label in self.labels], dtype=np.int64)


@dataclass(frozen=True)
class PastReport:
    """What is read back of a report.

    Attributes:
        name: of its store and embedding, to tell reports apart.
        fingerprint: of its gallery's ids.
        method: what decides who could be found: mode, unlabelled, and whether groups were kept apart.
        figures: every overall number.
        scores: None where ``per_query.parquet`` is not beside it.
    """

    name: str
    fingerprint: str
    method: Mapping[str, str | None]
    figures: tuple[Figure, ...]
    scores: QueryScores | None


def figures_of(metrics: Iterable[Metric]) -> tuple[Figure, ...]:
    """Metrics as figures."""
    return tuple(Figure(item.id, item.value, item.lo, item.hi, item.reason, item.estimator) for item in metrics)


def read_report(path: Path) -> PastReport:
    """A report.json or its folder -> what it found.

    Raises:
        UsageError: nothing there that can be read, or it is no report.
    """
    file = path / "report.json" if path.is_dir() else path
    record = _record(file)
    try:
        figures = tuple(Figure(*(item.get(field.name) for field in fields(Figure))) for item in record["metrics"])
        return PastReport(
            name=f"{record['store']['name']} {record['store']['embedding']}",
            fingerprint=record["evaluation"]["gallery_fingerprint"],
            method=_method(record),
            figures=figures,
            scores=_scores(file.with_name("per_query.parquet")),
        )
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"'{file}' is no report that can be read; give {ALLOWED}") from None


def _method(record: dict[str, Any]) -> dict[str, str | None]:
    """What two reports must share to be compared."""
    method = {name: record["method"].get(name) for name in ("mode", "unlabelled")}
    return {**method, "groups": "none" if record["labels"]["n_groups"] is None else "kept apart"}


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"report '{file}' cannot be read ({why}); give {ALLOWED}") from None
    if not isinstance(record, dict) or record.get("kind") != "bignet.report":
        raise UsageError(f"'{file}' is no report; give {ALLOWED}")
    return record


def _scores(file: Path) -> QueryScores | None:
    if not file.is_file():
        return None
    try:
        names = pq.read_schema(file).names
        table = pq.read_table(file, columns=["id", "label", "apr", *{_INFLUENCE}.intersection(names)]).sort_by("id")
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"'{file}' cannot be read ({str(error).splitlines()[0]}); make its report again") from None
    labels = tuple(table["label"].cast(pa.string()).to_pylist())
    influences = table[_INFLUENCE].cast(pa.float64()).to_numpy() if _INFLUENCE in names else None
    return QueryScores(table["id"].to_numpy(), labels, table["apr"].cast(pa.float64()).to_numpy(), influences)
