"""The shape of an embedding, which needs no labels: spectrum, hubs, intrinsic dimension and a map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from bignet.evaluate import spectrum as formulas
from bignet.evaluate.all_pairs import all_pairs
from bignet.evaluate.dimension import LID_NEIGHBOURS, measure_dimension
from bignet.evaluate.geometry_result import Geometry, Hubness, IntrinsicDimension, Projection, Spectrum
from bignet.evaluate.hubness import measure_hubness
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.memory import give_back
from bignet.evaluate.moments import MAX_SIDE, Columns, Moments, columns, second_moments
from bignet.evaluate.projection import MAX_SHOWN, check_tsne, pca_map, stratified, tsne_map, with_trust
from bignet.evaluate.result import Excluded, Metric
from bignet.evaluate.rounding import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Part = TypeVar("Part", Spectrum, Hubness, IntrinsicDimension)

RANKME_ROWS = 25_600  # as in the paper
_SAME = "all vectors point the same way"
_ALONE = "needs two rows"


def measure_geometry(subject: Subject, *, tsne: bool = False) -> Geometry:
    """One embedding -> its spectrum, hubs, intrinsic dimension and map; the same for the same input, always.

    Args:
        subject: rows, neighbours and settings. With groups, rows of one group are no neighbours here either.
        tsne: also map by t-SNE, for at most 5,000 rows and with scikit-learn installed.

    Raises:
        UsageError: t-SNE was asked for and cannot be had; ``projection.check_tsne`` tells beforehand.
    """
    if tsne:
        check_tsne(len(subject.rows))
    if not len(subject.rows):
        return Geometry(None, None, None, ())
    excluded = Excluded(nonfinite=subject.excluded.nonfinite, zero=subject.excluded.zero)
    read = _read(subject)
    give_back()
    near = all_pairs(subject, max(subject.settings.k, LID_NEIGHBOURS))
    give_back()
    hubness = measure_hubness(near, subject.settings.k)
    dimension = measure_dimension(near)
    del near
    give_back()
    return Geometry(
        spectrum=_with(_spectrum(subject.rows, read), excluded),
        hubness=None if hubness is None else _with(hubness, excluded),
        dimension=None if dimension is None else _with(dimension, excluded),
        projections=tuple(_maps(subject, read, tsne=tsne)),
    )


@dataclass(frozen=True)
class _Read:
    """What was summed up.

    Attributes:
        seed: of everything drawn.
        fitted: the rows the spectrum is of: all, unless rows and dimensions are both too many.
        ranked: moments of the rows of RankMe.
        whole: moments of ``fitted``.
        columns: of all rows.
        n_rows: how many there are.
    """

    seed: int
    fitted: UnitRows
    ranked: Moments
    whole: Moments
    columns: Columns
    n_rows: int

    def estimator(self, n: int) -> str:
        """Of a number from n rows, in words."""
        return "exact" if n == self.n_rows else f"sampled, {n:,} of {self.n_rows:,} rows"


def _read(subject: Subject) -> _Read:
    rows, rng = subject.rows, np.random.default_rng([subject.settings.seed, 1])
    if min(len(rows), rows.dim) > MAX_SIDE:
        rows = rows.only(_drawn(len(rows), MAX_SIDE, rng))
    part = np.zeros(len(rows), dtype=bool)
    part[_drawn(len(rows), RANKME_ROWS, rng)] = True
    ranked, whole = second_moments(rows, part)
    return _Read(subject.settings.seed, rows, ranked, whole, columns(subject.rows), len(subject.rows))


def _drawn(n: int, most: int, rng: np.random.Generator) -> Ints:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _spectrum(rows: UnitRows, read: _Read) -> Spectrum:
    eigenvalues, singular = read.whole.eigenvalues, read.whole.singular_values
    metrics = (
        *_ranks(read),
        *_of_eigenvalues(read, eigenvalues),
        *_of_singular_values(read, singular),
        *_of_pairs(rows, read),
        *_of_columns(read),
    )
    return Spectrum(
        n=read.whole.n,
        eigenvalues=np.round(eigenvalues, DECIMALS),
        singular_values=np.round(np.concatenate([singular, np.zeros(rows.dim - len(singular))]), DECIMALS),
        dead=read.columns.dead,
        zero_share=read.columns.zero_share,
        norms=read.columns.norms,
        metrics=metrics,
    )


def _ranks(read: _Read) -> Iterator[Metric]:
    n = read.ranked.n
    params = {"n": n, "epsilon": formulas.RANKME_EPSILON, "dim": read.ranked.dim, "seed": read.seed}
    for name, values in (
        ("rankme", read.ranked.singular_values),
        ("rankme_centered", read.ranked.centered_singular_values),
    ):
        metric = Metric(name, formulas.rankme(values), n_queries=n, gallery_size=read.n_rows, params=params)
        yield settled(replace(metric, ci="none", estimator=read.estimator(n)), _SAME)


def _of_eigenvalues(read: _Read, eigenvalues: NDArray[np.float64]) -> Iterator[Metric]:
    fit = formulas.alpha_req(eigenvalues)
    first, last = formulas.ALPHA_RANKS
    alpha = {"ranks": [first, last], "weights": "1/rank", "r2": None if fit is None else round(fit[1], 6)}
    yield _whole(read, "effective_rank_var", formulas.effective_rank(eigenvalues), _SAME)
    yield _whole(read, "participation_ratio", formulas.participation_ratio(eigenvalues), _SAME)
    yield _whole(read, "nesum", formulas.nesum(eigenvalues), _SAME)
    reason = f"needs more than {last} dimensions, and variance in at least {last}"
    yield _whole(read, "alpha_req", None if fit is None else fit[0], reason, **alpha)


def _of_singular_values(read: _Read, singular: NDArray[np.float64]) -> Iterator[Metric]:
    yield _whole(read, "stable_rank", formulas.stable_rank(singular), _SAME)


def _of_pairs(rows: UnitRows, read: _Read) -> Iterator[Metric]:
    n, whole = len(rows), read.whole
    uniformity = _whole(read, "uniformity", formulas.uniformity(rows, seed=read.seed), _ALONE)
    params = {"t": formulas.UNIFORMITY_T, "floor": round(formulas.uniformity_floor(rows.dim), 6), "seed": read.seed}
    words = "exact"
    if n > formulas.EXACT_ROWS:
        words = f"sampled, {n * formulas.steps_on_circle(n):,} pairs of {n:,} rows"
    yield replace(uniformity, n_queries=n, estimator=words, params=params)
    yield _whole(read, "mean_cos", formulas.mean_cos(whole.total, whole.n), _ALONE)
    centred = formulas.mean_cos_centered(read.fitted, whole.mean, whole.tolerance)
    yield _whole(read, "mean_cos_centered", centred, _SAME if n > 1 else _ALONE)


def _of_columns(read: _Read) -> Iterator[Metric]:
    zeros = float(read.columns.zero_share.mean())
    for name, value in (("dead_dimensions", float(len(read.columns.dead))), ("zero_share", zeros)):
        yield replace(_whole(read, name, value, ""), n_queries=read.n_rows, estimator="exact")


def _whole(read: _Read, name: str, value: float | None, why_undefined: str, **params: object) -> Metric:
    """A number from every row the spectrum is of."""
    n = read.whole.n
    metric = Metric(name, value, ci="none", n_queries=n, gallery_size=read.n_rows, params=params)
    return settled(replace(metric, estimator=read.estimator(n)), why_undefined)


def _maps(subject: Subject, read: _Read, *, tsne: bool) -> Iterator[Projection]:
    rows, seed = subject.rows, read.seed
    if len(rows) < 2:
        return
    shown = stratified(subject.coded.codes, MAX_SHOWN, seed)
    pca = pca_map(rows, read.whole, shown, read.fitted)
    yield with_trust(pca, rows, seed)
    if tsne:
        yield with_trust(tsne_map(rows, pca.xy, seed), rows, seed)


def _with(part: Part, excluded: Excluded) -> Part:
    """A part of the result, its records naming the rows that had no direction."""
    return replace(part, metrics=tuple(replace(metric, excluded=excluded) for metric in part.metrics))
