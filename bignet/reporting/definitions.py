"""What each metric is called, says and computes: the words of the scorecard and the methods."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric


@dataclass(frozen=True)
class Definition:
    """A metric in words.

    Attributes:
        name: as printed.
        meaning: what the number says, in one plain clause.
        formula: how it is computed.
        unit_scale: True when it lives between 0 and 1 and may be drawn on the common axis.
        tile: place in the row of score tiles; 0 = never there.
    """

    name: str
    meaning: str
    formula: str
    unit_scale: bool = True
    tile: int = 0


_CATALOGUE = {
    "map@r": Definition(
        "MAP@R",
        "how pure the R nearest are, right ones first",
        "(1/R) Σ over r ≤ R of precision@r · [neighbour r is relevant]; R = relevant images of the query",
        tile=4,
    ),
    "p@k": Definition(
        "P@{k}",
        "share of the {k} nearest with the query's label",
        "relevant among the {k} nearest / {k}",
        tile=1,
    ),
    "hit@k": Definition(
        "Hit@{k}",
        "share of queries with at least one relevant image among the {k} nearest (papers: Recall@{k})",
        "1 if any of the {k} nearest is relevant, else 0",
        tile=6,
    ),
    "recall@k": Definition(
        "Recall@{k}",
        "share of all relevant images found in the {k} nearest",
        "relevant among the {k} nearest / R",
    ),
    "r_precision": Definition(
        "R-precision",
        "share of the R nearest with the query's label, where R is how many exist",
        "relevant among the R nearest / R",
        tile=2,
    ),
    "map": Definition(
        "mAP", "average precision over the full ranking", "(1/R) Σ over all ranks of precision@r · [relevant]"
    ),
    "map@k/minrk": Definition(
        "MAP@{k}/min(R,k)",
        "average precision over the {k} nearest",
        "(1/min(R, {k})) Σ over r ≤ {k} of precision@r · [relevant]",
    ),
    "mrr": Definition(
        "MRR", "one over the rank of the first relevant image", "mean of 1 / rank of the first relevant image"
    ),
    "ndcg@k": Definition("nDCG@{k}", "graded gain of the {k} nearest", "discounted gain / best possible gain"),
    "knn_acc": Definition(
        "k-NN accuracy",
        "share of images whose label their neighbours vote for",
        "label with the largest Σ exp(similarity / T) among the k nearest",
        tile=5,
    ),
    "ncc_acc": Definition(
        "Centroid accuracy",
        "share of images nearest to their own class centre",
        "nearest class mean, the image's own vector taken out of its class",
        tile=7,
    ),
    "pair_auroc": Definition(
        "Pair AUROC",
        "how often a same-class pair is more similar than a different-class pair",
        "P(same > different) + ½ P(tie), classes weighted equally",
        tile=3,
    ),
    "silhouette_cosine": Definition(
        "Silhouette (cosine)",
        "how much nearer the own class is than the next one, −1 to 1",  # noqa: RUF001 - a minus sign
        "(b − a) / max(a, b); a = mean distance within, b = to the nearest other class",  # noqa: RUF001
        unit_scale=False,
    ),
    "relative_contrast": Definition(
        "Relative contrast",
        "how much farther a random image is than the nearest; near 1 the distances say little",
        "mean distance to all images / mean distance to the nearest",
        unit_scale=False,
    ),
    "alignment": Definition(
        "Alignment",
        "mean squared distance of same-class pairs; low is tight",
        "mean |x - y|²",
        unit_scale=False,
    ),
    "uniformity": Definition(
        "Uniformity",
        "how evenly vectors fill the sphere; low is even",
        "log mean exp(-2 |x - y|²)",
        unit_scale=False,
    ),
    "plausible_fp": Definition(
        "Plausible mistakes",
        "share of wrong first neighbours that stay inside the parent class",
        "wrong first neighbours with the same parent / wrong first neighbours",
    ),
    "neighbour_purity@k": Definition(
        "Neighbour purity@{k}",
        "share of neighbour slots held by the own class",
        "same-class slots / all slots",
    ),
}

_FIRST = Definition(
    "P@1",
    "share of queries whose nearest image has their label",
    "1 if the nearest image has the query's label, else 0",
    tile=1,
)
_WITH_K = re.compile(r"@(\d+)")


def define(metric: Metric) -> Definition:
    """The words for a metric; an unknown one is named by its id."""
    base, _, average = metric.id.lower().partition(".")
    k = _k_of(base, metric.k)
    known = _CATALOGUE.get(base) or _CATALOGUE.get(_WITH_K.sub("@k", base))
    if known is None:
        inside = metric.value is None or 0 <= metric.value <= 1
        return Definition(metric.id, "", "", unit_scale=inside)
    if base == "p@1":
        known = _FIRST
    filled = replace(
        known,
        name=known.name.replace("{k}", k),
        meaning=known.meaning.replace("{k}", k),
        formula=known.formula.replace("{k}", k),
    )
    return _averaged(filled, average)


def _k_of(base: str, k: int | None) -> str:
    found = _WITH_K.search(base)
    return found.group(1) if found else str(k) if k is not None else "k"


def _averaged(definition: Definition, average: str) -> Definition:
    if average == "macro":
        formula = f"{definition.formula}; mean of the classes' means"
        return replace(definition, name=f"macro {definition.name}", formula=formula)
    return replace(definition, name=f"{definition.name}, {average}") if average else definition
