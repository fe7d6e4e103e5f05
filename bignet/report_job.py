"""One report from a store: labels joined, vectors evaluated, everything named and written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from bignet.derive.steps import warnings_about
from bignet.errors import UsageError
from bignet.evaluate.clusters.settings import AUTO, ClusterSettings
from bignet.evaluate.evaluate import EvaluateSettings, evaluate
from bignet.evaluate.label_file import LabelTable, plain_values, read_label_table
from bignet.evaluate.ladder.settings import LadderSettings
from bignet.evaluate.marks import Marks
from bignet.evaluate.memory import give_back
from bignet.imported import ImportedEncoder
from bignet.names import visible
from bignet.reporting.origin import origin_of
from bignet.reporting.settings import ReportSettings
from bignet.reporting.source import GivenLabels, ReportSource
from bignet.reporting.write import write_report

if TYPE_CHECKING:
    import os

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from bignet.evaluate.clock import Progress
    from bignet.evaluate.result import Evaluation
    from bignet.reporting.write import ReportFiles
    from bignet.spec import EmbeddingSpec
    from bignet.store.snapshot import Snapshot

    Texts = tuple[str | None, ...]


@dataclass(frozen=True)
class ReportRequest:
    """What a report is asked for.

    Attributes:
        labels: CSV or Parquet with ``id`` or ``path``, and ``label``, ``group``, ``split``; the store's own labels
            (folder names) if None, or where the file has none.
        embedding: which vector column; the first if None.
        images: where the pictures are now, if they moved.
        k: depth of precision@k and of the strips.
        mode: ``loo`` = each image against all others; ``split`` = those whose split is test, query or val against those
            of train or gallery; ``folds`` = each fold against the others, groups kept whole.
        unlabelled: see EvaluateSettings.
        seed: fixes resamples, permutations and samples.
        thumbs: pictures on the page at most; as ReportSettings has it if None.
        clusters: numbers of clusters to try; none given = a grid is tried; None = no clusters.
        marks: the ``marks.json`` that a page exported.
        ladder: whether storages and indexes are compared too.
    """

    labels: str | os.PathLike[str] | None = None
    embedding: str | None = None
    images: str | os.PathLike[str] | None = None
    k: int = EvaluateSettings.k
    mode: str = EvaluateSettings.mode
    unlabelled: str = EvaluateSettings.unlabelled
    seed: int = EvaluateSettings.seed
    thumbs: int | None = None
    clusters: tuple[int, ...] | None = ()
    marks: str | os.PathLike[str] | None = None
    ladder: bool = False

    @property
    def evaluation(self) -> EvaluateSettings:
        """How to evaluate."""
        clusters = None if self.clusters is None else ClusterSettings(k=self.clusters or AUTO, seed=self.seed)
        return EvaluateSettings(k=self.k, mode=self.mode, unlabelled=self.unlabelled, seed=self.seed, clusters=clusters)

    @property
    def page(self) -> ReportSettings:
        """How to write."""
        settings = ReportSettings(neighbours=self.k, seed=self.seed)
        return settings if self.thumbs is None else replace(settings, max_thumbnails=self.thumbs)


class ReportOptions(TypedDict, total=False):
    """The keywords of ``bignet.report``; see ReportRequest, which has the defaults."""

    labels: str | os.PathLike[str] | None
    embedding: str | None
    images: str | os.PathLike[str] | None
    k: int
    mode: str
    unlabelled: str
    seed: int
    thumbs: int | None
    clusters: tuple[int, ...] | None
    marks: str | os.PathLike[str] | None
    ladder: bool


def run(
    snapshot: Snapshot, out: Path, request: ReportRequest, progress: Progress | None = None
) -> tuple[Evaluation, ReportFiles]:
    """Measure one embedding of a store and write its report into the folder ``out``.

    Args:
        snapshot: of the store.
        out: made if it does not exist.
        request: what is asked for.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        UsageError: no such embedding; labels, marks or settings that do not fit.
        ResourceError: the disk refused.
    """
    tell = progress or _tell_nobody
    tell("reading", 0, 1)
    spec = snapshot.embedding(request.embedding)
    names = _Names.of(snapshot, request)
    marks = None if request.marks is None else _read_marks(Path(request.marks), snapshot, spec)
    give_back()
    evaluation = _evaluated(snapshot, spec, names, request, progress)
    if marks is not None:
        marks.check_images(evaluation)
        evaluation = replace(evaluation, metrics=(*evaluation.metrics, marks.metric(evaluation)))
    if request.ladder:
        evaluation = _with_ladder(snapshot, spec, names, evaluation, request.seed, progress)
    give_back()
    tell("writing", 0, 1)
    source = _source(snapshot, spec, names, evaluation, request)
    return evaluation, write_report(evaluation, source, out, request.page)


def _tell_nobody(stage: str, n_done: int, n_total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class _Names:
    """What the N rows are called, in store order; paths as Arrow has them, a tenth of what Python makes of them."""

    ids: NDArray[np.int64]
    paths: pa.ChunkedArray
    labels: Texts
    table: LabelTable | None

    @classmethod
    def of(cls, snapshot: Snapshot, request: ReportRequest) -> _Names:
        known = snapshot.metadata(["id", "path", "label"])
        ids, paths, labels = known["id"].to_numpy(), known["path"], tuple(plain_values(known["label"]))
        table = None if request.labels is None else read_label_table(Path(request.labels), ids, paths.to_pylist())
        if request.mode == "split" and (table is None or table.split is None):
            raise UsageError("--mode split needs to know the sides; give --labels FILE with a column 'split'")
        if table is not None and table.labels is not None:
            labels = table.labels
        return cls(ids, paths, labels, table)

    def given(self, evaluation: Evaluation) -> GivenLabels:
        """Groups and split of the evaluated rows, and what had no partner."""
        if self.table is None:
            return GivenLabels()
        row_of = {row_id: row for row, row_id in enumerate(self.ids.tolist())}
        rows = [row_of[row_id] for row_id in evaluation.ids.tolist()]
        groups, split = self.table.groups, self.table.split
        return GivenLabels(
            file=self.table.name,
            groups=None if groups is None else tuple(groups[row] for row in rows),
            split=None if split is None else tuple(split[row] for row in rows),
            not_in_file=self.table.not_in_file,
            not_in_store=self.table.not_in_store,
        )


def _read_marks(file: Path, snapshot: Snapshot, spec: EmbeddingSpec) -> Marks:
    marks = Marks.read(file)
    marks.check_origin(
        {
            "store": visible(snapshot.path.resolve().name),
            "store_uuid": snapshot.manifest.store_uuid,
            "embedding": visible(spec.name),
            "embedding_fingerprint": spec.fingerprint,
        }
    )
    return marks


def _evaluated(
    snapshot: Snapshot, spec: EmbeddingSpec, names: _Names, request: ReportRequest, progress: Progress | None
) -> Evaluation:
    """The one place that hands everything to ``evaluate``; the vectors live no longer than it runs."""
    evaluation = evaluate(
        snapshot.vectors(spec.name),
        names.ids,
        names.labels,
        request.evaluation,
        groups=None if names.table is None else names.table.groups,
        split=None if names.table is None else names.table.split,
        progress=progress,
    )
    left_out = () if snapshot.left_out is None else (str(snapshot.left_out),)
    joined = () if names.table is None else names.table.warnings
    steps = () if spec.derived is None else warnings_about(spec.derived.steps)
    return replace(evaluation, warnings=(*left_out, *steps, *joined, *evaluation.warnings))


def _with_ladder(
    snapshot: Snapshot, spec: EmbeddingSpec, names: _Names, evaluation: Evaluation, seed: int, progress: Progress | None
) -> Evaluation:
    """The vectors are read once more: none of what evaluates them stays in memory."""
    from bignet.evaluate.ladder.climb import climb  # and FAISS with it

    found = climb(snapshot.vectors(spec.name), names.labels, LadderSettings(seed=seed), progress)
    return replace(evaluation, ladder=found)


def _source(
    snapshot: Snapshot, spec: EmbeddingSpec, names: _Names, evaluation: Evaluation, request: ReportRequest
) -> ReportSource:
    path_of = dict(zip(names.ids.tolist(), names.paths.to_pylist(), strict=True))
    return ReportSource(
        store_name=snapshot.path.resolve().name,
        embedding=spec.name,
        dims=spec.dims,
        paths=tuple(path_of[row_id] for row_id in evaluation.ids.tolist()),
        image_root=snapshot.image_root(request.images),
        provenance=origin_of(snapshot.manifest, spec),
        imported=isinstance(spec.encoder, ImportedEncoder),
        n_discovered=snapshot.manifest.counts.discovered,
        rejected=Counter(snapshot.rejected()["reason"].to_pylist()),
        labels=names.given(evaluation),
        method={name: getattr(request, name) for name in ("k", "mode", "unlabelled", "seed")},
    )
