"""Evaluates one embedding: the neighbour graph, retrieval scores with intervals and chance, and classes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate import findings
from bignet.evaluate.class_rows import class_rows
from bignet.evaluate.clock import Clock
from bignet.evaluate.cosine import Cosines
from bignet.evaluate.families import Families, measure_families
from bignet.evaluate.inputs import Columns, Rows, read_rows
from bignet.evaluate.ranking import measure
from bignet.evaluate.result import ClassDistance, ClassRow, Evaluation, Metric
from bignet.evaluate.separation import MAX_MATRIX_CLASSES, class_spread
from bignet.evaluate.settings import EvaluateSettings as EvaluateSettings
from bignet.evaluate.subject import Subject
from bignet.evaluate.summary import Context, Summary
from bignet.evaluate.tie_means import with_tie_means
from bignet.evaluate.unit_rows import UnitRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.clock import Progress
    from bignet.evaluate.labels import CodedLabels
    from bignet.evaluate.separation import ClassSpread

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


def evaluate(  # noqa: PLR0913 - one argument for each column of the table of rows
    vectors: NDArray[Any],
    ids: Sequence[int] | Ints,
    labels: Sequence[str | None] | None = None,
    settings: EvaluateSettings = EvaluateSettings(),  # noqa: B008 - frozen
    *,
    groups: Sequence[object] | None = None,
    split: Sequence[str | None] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """(N, D) vectors, N ids, N labels or None -> everything known about the embedding.

    Every row is a query against all others by cosine, unless the settings say otherwise. A row whose class has no
    other image is not asked, but stays where others can find it. No input is written to. Above
    ``settings.exact_rows`` rows a sample is asked, and each number says so.

    Args:
        vectors: any real dtype; a memory map is fine. Rows with NaN, infinity or only zeros are listed and
            left out.
        ids: one distinct integer a row, by which results are named.
        labels: text, ``#``-separated from general to particular if hierarchical; None = unlabelled.
        settings: see EvaluateSettings.
        groups: what rows of one video, product or session share, None = nothing; they are no neighbours of each
            other, and the headline is given without that rule too.
        split: for the mode "split": test, query or val = asked; train or gallery = can be found.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        UsageError: repeated ids, labels that are no text, a split that is none, or vectors that are no (N, D) real
            array.
        MismatchError: a column and the vectors differ in length.
    """
    clock = Clock(progress)
    with clock("vectors"):
        rows = read_rows(vectors, Columns(ids, labels, groups, split), settings)
        cosines = Cosines(UnitRows(vectors, rows.usable))
        gallery = rows.gallery(settings)
    with clock("neighbours") as told:
        measured = measure(cosines, gallery, rows.coded.names, settings, told)
        unit_rows = cosines.rows
        del cosines  # and its block of scores
    with clock("intervals"):
        context = Context(settings, rows.excluded(gallery), rows.reason(gallery), rows.groups)
        summary = Summary(replace(measured, scored=with_tie_means(measured.scored)), context)
        metrics, influences = summary.metrics(), summary.influences()
    subject = Subject(
        rows=unit_rows,
        ids=rows.ids,
        coded=rows.coded,
        groups=gallery.apart,
        graph=measured.graph,
        per_query=measured.per_query,
        excluded=context.excluded,
        settings=settings,
        findable=None if gallery.findable.all() else gallery.findable,
    )
    with clock("classes"):
        spread = class_spread(subject) if rows.coded.names else None
        classes, distance = _classes(rows.coded, spread, summary)
    del summary, measured  # every score of every query: the families need the memory
    parts = _Parts(metrics, influences, classes, distance, measure_families(subject, spread, clock))
    return _assemble(rows, subject, parts, clock.seconds)


@dataclass(frozen=True)
class _Parts:
    """What the stages after the pass found."""

    metrics: tuple[Metric, ...]
    influences: Mapping[str, Floats]
    classes: tuple[ClassRow, ...]
    distance: ClassDistance | None
    families: Families


def _classes(
    coded: CodedLabels, spread: ClassSpread | None, summary: Summary
) -> tuple[tuple[ClassRow, ...], ClassDistance | None]:
    """A row a class, and the matrix between classes if there are at least two and not too many to show."""
    if spread is None:
        return (), None
    table = class_rows(summary, coded, spread.margins())
    shown = 2 <= len(coded.names) <= MAX_MATRIX_CLASSES
    return table, spread.named(coded.names) if shown else None


def _assemble(rows: Rows, subject: Subject, parts: _Parts, seconds: dict[str, float]) -> Evaluation:
    headline, classes, families = parts.metrics[0], parts.classes, parts.families
    warnings = [
        *findings.rows_left_out(rows.unusable),
        *findings.about_queries(headline.excluded, headline.n_queries, len(rows.ids), len(classes)),
        *findings.about_headline(headline, subject.per_query.apr),
        *findings.about_groups(parts.metrics),
        *findings.about_classes(classes),
        *findings.about_ties(subject.graph, subject.settings.k),
    ]
    if len(classes) > MAX_MATRIX_CLASSES:
        warnings.append(f"{len(classes)} classes: the matrix of distances is shown up to {MAX_MATRIX_CLASSES}")
    return Evaluation(
        ids=rows.ids,
        labels=rows.labels,
        k=subject.settings.k,
        metrics=(*parts.metrics, *families.metrics),
        graph=subject.graph,
        per_query=subject.per_query,
        classes=classes,
        class_distance=parts.distance,
        unusable=rows.unusable,
        gallery_fingerprint=gallery_fingerprint(rows.ids),
        seconds=seconds,
        warnings=tuple(warnings),
        separation=families.separation,
        confusion=families.confusion,
        hierarchy=families.hierarchy,
        geometry=families.geometry,
        clusters=families.clusters,
        influences=parts.influences,
    )


def gallery_fingerprint(ids: Ints) -> str:
    """(N,) ids -> SHA-256 of the sorted ids as little-endian int64, whatever order they come in."""
    return hashlib.sha256(np.sort(ids).astype("<i8").tobytes()).hexdigest()
