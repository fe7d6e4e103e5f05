"""Evaluates one embedding: the neighbour graph, retrieval scores with intervals and chance, and classes."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate import findings
from bignet.evaluate.cosine import Cosines, UnitRows, usable_rows
from bignet.evaluate.graph import check_vectors
from bignet.evaluate.labels import CodedLabels, check_distinct, check_labels, code_labels
from bignet.evaluate.ranking import Gallery, Measured, label_gallery, measure
from bignet.evaluate.result import ClassDistance, ClassRow, Evaluation, Excluded
from bignet.evaluate.separation import MAX_MATRIX_CLASSES, ClassSpread
from bignet.evaluate.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

UNLABELLED = ("drop", "distractor")


@dataclass(frozen=True)
class EvaluateSettings:
    """How an evaluation is done; the same settings and vectors give the same numbers.

    Attributes:
        k: depth of precision@k and of the strips of neighbours.
        graph_k: neighbours kept for every row (at least k).
        unlabelled: "drop" = unlabelled rows leave the gallery of label metrics, since such a neighbour is
            neither right nor wrong; "distractor" = they stay and count as wrong.
        bootstrap: resamples behind each interval; 0 = no bootstrap intervals.
        seed: fixes resamples and permutations.
        level: coverage of the intervals.
        permutations: shuffles of the labels behind each chance level; 0 = its exact expectation instead.
    """

    k: int = 10
    graph_k: int = 100
    unlabelled: str = "drop"
    bootstrap: int = 2000
    seed: int = 0
    level: float = 0.95
    permutations: int = 5

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("graph_k", 1), ("bootstrap", 0), ("seed", 0), ("permutations", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}: found {getattr(self, name)}; needed at least {least}")
        if not 0.0 < self.level < 1.0:
            raise UsageError(f"level: found {self.level}; needed a share between 0 and 1, such as 0.95")
        if self.unlabelled not in UNLABELLED:
            raise UsageError(f"unlabelled: found {self.unlabelled!r}; allowed are {', '.join(UNLABELLED)}")

    @property
    def depth(self) -> int:
        """Neighbours in the graph."""
        return max(self.k, self.graph_k)


def evaluate(
    vectors: NDArray[Any],
    ids: Sequence[int] | Ints,
    labels: Sequence[str | None] | None = None,
    settings: EvaluateSettings = EvaluateSettings(),
) -> Evaluation:
    """(N, D) vectors, N ids, N labels or None -> everything known about the embedding, exact, leave-one-out.

    Every row is a query against all others by cosine. A row whose class has no other image is not asked, but
    stays where others can find it. Neither input is written to.

    Args:
        vectors: any real dtype; a memory map is fine. Rows with NaN, infinity or only zeros are listed and
            left out.
        ids: one distinct integer a row, by which results are named.
        labels: text, ``#``-separated from general to particular if hierarchical; None = unlabelled.
        settings: see EvaluateSettings.

    Raises:
        UsageError: repeated ids, labels that are no text, or vectors that are no (N, D) real array.
        MismatchError: ids, labels and vectors differ in length.
    """
    clock = _Clock()
    with clock("vectors"):
        rows = _read(vectors, ids, labels)
        cosines = Cosines(UnitRows(vectors, rows.usable))
    with clock("neighbours"):
        gallery = label_gallery(rows.coded.codes, settings.unlabelled)
        measured = measure(cosines, gallery, settings)
    with clock("intervals"):
        summary = Summary(measured, gallery, settings, excluded=rows.excluded(gallery), reason=rows.reason(gallery))
    with clock("classes"):
        classes, distance = _classes(cosines.rows, rows.coded, summary)
    return _assemble(rows, settings, measured, (summary, classes, distance), clock.seconds)


@dataclass(frozen=True)
class _Rows:
    """The rows that can be evaluated, and those that cannot."""

    usable: Ints
    ids: Ints
    labels: tuple[str | None, ...]
    coded: CodedLabels
    unusable: dict[str, tuple[int, ...]]

    def excluded(self, gallery: Gallery) -> Excluded:
        """Rows that are no queries, counted by reason."""
        unlabelled = int((gallery.codes < 0).sum())
        return Excluded(
            unlabelled=unlabelled,
            singleton=len(self.ids) - unlabelled - len(gallery.queries),
            nonfinite=len(self.unusable["nonfinite"]),
            zero=len(self.unusable["zero"]),
        )

    def reason(self, gallery: Gallery) -> str | None:
        """Why nobody can be asked; None if somebody can."""
        if len(gallery.queries):
            return None
        if not len(self.ids):
            return "no usable rows"
        return "every class has one image: nothing to find" if self.coded.names else "no labels"


def _read(vectors: NDArray[Any], ids: Sequence[int] | Ints, labels: Sequence[str | None] | None) -> _Rows:
    """Checks what came in, once, and separates the rows that can be used."""
    check_vectors(vectors)
    given = [None] * len(vectors) if labels is None else labels
    if not len(vectors) == len(ids) == len(given):
        raise MismatchError(f"found {len(vectors)} vectors, {len(ids)} ids and {len(given)} labels; needed one each")
    if len(ids) and not np.issubdtype(np.asarray(ids).dtype, np.integer):
        raise UsageError(f"ids: found {np.asarray(ids).dtype}; needed integers")
    check_distinct("ids", ids)
    all_ids = np.asarray(ids, dtype=np.int64)
    checked = check_labels(all_ids.tolist(), given)
    usable, nonfinite, zero = usable_rows(vectors)
    kept = tuple(checked[i] for i in usable)
    unusable = {"nonfinite": tuple(all_ids[nonfinite].tolist()), "zero": tuple(all_ids[zero].tolist())}
    return _Rows(usable, all_ids[usable], kept, code_labels(kept), unusable)


def _classes(rows: UnitRows, coded: CodedLabels, summary: Summary) -> tuple[tuple[ClassRow, ...], ClassDistance | None]:
    """A row a class, and the matrix between classes if there are at least two and not too many to show."""
    if not coded.names:
        return (), None
    labelled = np.flatnonzero(coded.codes >= 0)
    spread = ClassSpread(rows.only(labelled), coded.codes[labelled])
    table = summary.class_rows(coded.names, coded.sizes, spread.margins())
    shown = 2 <= len(coded.names) <= MAX_MATRIX_CLASSES
    return table, spread.named(coded.names) if shown else None


def _assemble(
    rows: _Rows,
    settings: EvaluateSettings,
    measured: Measured,
    parts: tuple[Summary, tuple[ClassRow, ...], ClassDistance | None],
    seconds: dict[str, float],
) -> Evaluation:
    summary, classes, distance = parts
    metrics = summary.metrics()
    headline = metrics[0]
    warnings = [
        *findings.rows_left_out(rows.unusable),
        *findings.about_queries(headline.excluded, headline.n_queries, len(rows.ids), len(classes)),
        *findings.about_headline(headline),
        *findings.about_classes(classes),
        *findings.about_ties(measured.graph, settings.k),
    ]
    if len(classes) > MAX_MATRIX_CLASSES:
        warnings.append(f"{len(classes)} classes: the matrix of distances is shown up to {MAX_MATRIX_CLASSES}")
    return Evaluation(
        ids=rows.ids,
        labels=rows.labels,
        k=settings.k,
        metrics=metrics,
        graph=measured.graph,
        per_query=measured.per_query,
        classes=classes,
        class_distance=distance,
        unusable=rows.unusable,
        gallery_fingerprint=gallery_fingerprint(rows.ids),
        seconds=seconds,
        warnings=tuple(warnings),
    )


def gallery_fingerprint(ids: Ints) -> str:
    """(N,) ids -> SHA-256 of the sorted ids as little-endian int64, whatever order they come in."""
    return hashlib.sha256(np.sort(ids).astype("<i8").tobytes()).hexdigest()


class _Clock:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Times the block under it."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
