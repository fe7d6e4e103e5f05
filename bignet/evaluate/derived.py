"""Post-processing judged: the same images before and after, query by query, so that no step is switched on unseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.derive.neighbours import expanded
from bignet.derive.rows import gallery
from bignet.errors import UsageError
from bignet.evaluate.evaluate import evaluate
from bignet.evaluate.intervals import DECIMALS, Resampling, micro_interval
from bignet.evaluate.jackknife import of_queries
from bignet.evaluate.labels import code_labels
from bignet.evaluate.paired import paired_difference
from bignet.evaluate.settings import EvaluateSettings
from bignet.evaluate.unit_rows import usable_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bignet.derive.fitted import Fitted
    from bignet.evaluate.result import Evaluation

    Vectors = NDArray[np.float32]
    Ints = NDArray[np.int64]

LABEL_METRIC = "map@r.macro"
NEIGHBOUR_METRIC = "overlap@10"
LOO, SPLIT = "loo", "split"
_K = 10


@dataclass(frozen=True)
class Judgement:
    """What steps did to an embedding.

    Attributes:
        metric: ``map@r.macro``, or ``overlap@10`` where no label can be found again: the share of each image's ten
            nearest that stay among its ten nearest. That says how much changed, not whether for the better.
        mode: ``loo`` = each image against all others; ``split`` = half of the images, drawn by the seed, ask the other
            half, to which the steps were fitted: dba puts a row's neighbours into it, so that in ``loo`` a query would
            be in the rows that it finds.
        value: after less before, or the overlap.
        n_queries: images asked.
        gallery_size: images that could be found.
        estimator: ``exact``, or ``sampled, ...`` with the sample.
        seed: of the sample and of the split.
        before: the metric without the steps; None for an overlap.
        after: with them; None for an overlap.
        lo: lower end of the value's 95 % interval: paired, query by query; None for fewer than two queries.
        hi: upper end.
    """

    metric: str
    mode: str
    value: float
    n_queries: int
    gallery_size: int
    estimator: str
    seed: int
    before: float | None = None
    after: float | None = None
    lo: float | None = None
    hi: float | None = None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``no difference shown``; of an overlap ``no labels``."""
        if self.metric != LABEL_METRIC:
            return "no labels"
        if self.lo is not None and self.lo > 0:
            return "better"
        return "worse" if self.hi is not None and self.hi < 0 else "no difference shown"


@dataclass(frozen=True)
class _Sides:
    """Queries and a gallery, before and after: M rows each, queries first, row for row the same images.

    ``image`` says which image each row is: it cannot find itself.
    """

    before: Vectors
    after: Vectors
    image: Ints
    n_queries: int


def judge(
    vectors: Vectors,
    labels: Sequence[str | None],
    fit: Callable[[Vectors], Fitted],
    seed: int = 0,
) -> Judgement | None:
    """(N, D) vectors, their N labels and steps -> what the steps did; None if nothing can be asked.

    Nothing can where half of the images, which dba is judged by, are too few to fit the steps to.

    Args:
        vectors: before the steps; finite and not zero.
        labels: None = unlabelled.
        fit: fits the steps to the (n, D) vectors of a gallery.
        seed: fixes the split, and the sample above 50,000 images.
    """
    rng = np.random.default_rng([seed, 5])
    fitted = fit(vectors)
    everyone = np.arange(len(vectors))
    if fitted.dba is None:
        sides = _sides(vectors, fitted, everyone, everyone)
    else:
        drawn = rng.permutation(len(vectors))
        asked, found = np.sort(drawn[: len(drawn) // 2]), np.sort(drawn[len(drawn) // 2 :])
        if not len(asked):
            return None
        try:
            by_half = fit(vectors[found])
        except UsageError:
            return None
        sides = _sides(vectors, by_half, asked, found)
    return _judged(sides, [labels[row] for row in sides.image], LOO if fitted.dba is None else SPLIT, seed)


def _sides(vectors: Vectors, fitted: Fitted, asked: Ints, found: Ints) -> _Sides:
    """The same for queries and gallery, but what is done to one side alone."""
    rows, queries = gallery(fitted, vectors[found]), fitted.apply(vectors[asked])
    asked, queries, found, rows = *_left(asked, queries), *_left(found, rows)
    if fitted.qe is not None and len(queries) and len(rows):
        own = asked if fitted.dba is None else None  # places in the gallery, which then is all rows that are left
        queries = expanded(queries, rows, fitted.qe, own if own is None else np.searchsorted(found, own))
    image = np.concatenate([asked, found])
    return _Sides(vectors[image], np.concatenate([queries, rows]), image, len(asked))


def _left(images: Ints, vectors: Vectors) -> tuple[Ints, Vectors]:
    usable = usable_rows(vectors)[0]
    return images[usable], vectors[usable]


def _judged(sides: _Sides, labels: Sequence[str | None], mode: str, seed: int) -> Judgement | None:
    before, after = (_evaluated(each, sides, labels, seed) for each in (sides.before, sides.after))
    headline = before.metric(LABEL_METRIC)
    size = len(sides.image) - sides.n_queries
    if headline.value is None:
        return _overlap(before, after, Judgement(NEIGHBOUR_METRIC, mode, 0.0, 0, size, "exact", seed), sides.n_queries)
    codes = code_labels(tuple(labels)).codes
    first, second = (of_queries(each.per_query.apr, codes, by_class=True) for each in (before, after))
    change = paired_difference(first, second)
    return Judgement(
        metric=LABEL_METRIC,
        mode=mode,
        value=change.value,
        n_queries=change.n_queries,
        gallery_size=size,
        estimator=headline.estimator,
        seed=seed,
        before=round(first.value, DECIMALS),
        after=round(second.value, DECIMALS),
        lo=change.lo,
        hi=change.hi,
    )


def _evaluated(vectors: Vectors, sides: _Sides, labels: Sequence[str | None], seed: int) -> Evaluation:
    """Queries asked of the gallery; a query's own image is in its group, so that it does not find itself."""
    settings = EvaluateSettings(
        k=_K, graph_k=_K, mode="split", seed=seed, bootstrap=0, permutations=0, families=False, clusters=None
    )
    n, m = sides.n_queries, len(sides.image)
    split = ["test"] * n + ["gallery"] * (m - n)
    groups = sides.image.tolist()
    return evaluate(vectors, np.arange(m), labels, settings, groups=groups, split=split)


def _overlap(before: Evaluation, after: Evaluation, empty: Judgement, n_queries: int) -> Judgement | None:
    """The share of each query's ten nearest that stay; of many queries a sample was asked."""
    rows = [each.graph.rows for each in (before, after)]
    known = (rows[0] >= 0).sum(axis=1)
    asked = np.flatnonzero(known)
    if not len(asked):
        return None
    same = [len(set(a[a >= 0].tolist()) & set(b.tolist())) for a, b in zip(rows[0][asked], rows[1][asked], strict=True)]
    shares = np.array(same) / known[asked]
    found = replace(empty, value=round(float(shares.mean()), DECIMALS), n_queries=len(asked))
    if len(rows[0]) < n_queries:
        found = replace(found, estimator=f"sampled, {len(rows[0]):,} of {n_queries:,} queries, full gallery")
    if len(asked) < 2:
        return found
    lo, hi = micro_interval(shares[:, None], Resampling())[:, 0].tolist()
    return replace(found, lo=lo, hi=hi)
