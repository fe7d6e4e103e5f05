"""How an evaluation is done."""

from __future__ import annotations

from dataclasses import dataclass

from bignet.errors import UsageError
from bignet.evaluate.clusters.settings import ClusterSettings
from bignet.evaluate.limits import check_least, check_level

UNLABELLED = ("drop", "distractor")
MODES = ("loo", "split", "folds")
_LEAST = {
    "k": 1,
    "graph_k": 1,
    "bootstrap": 0,
    "seed": 0,
    "permutations": 0,
    "folds": 2,
    "exact_rows": 0,
    "sample_queries": 1,
    "class_cap": 2,
}


@dataclass(frozen=True)
class EvaluateSettings:
    """How an evaluation is done; the same settings and vectors give the same numbers.

    Attributes:
        k: depth of precision@k and of the strips of neighbours.
        graph_k: neighbours kept for every row (at least k); intrinsic dimension looks at 20, and at whether more tie.
        unlabelled: "drop" = unlabelled rows leave the gallery of label metrics, since such a neighbour is
            neither right nor wrong; "distractor" = they stay and count as wrong.
        bootstrap: resamples behind each interval; 0 = no bootstrap intervals.
        seed: fixes resamples and permutations.
        level: coverage of the intervals.
        permutations: shuffles of the labels behind each chance level; 0 = its exact expectation instead, as also
            with groups, splits, folds and samples.
        mode: "loo" = every row against all others; "split" = rows named test, query or val against those named
            train or gallery; "folds" = every row against the other folds, groups kept whole.
        folds: how many.
        exact_rows: up to so many rows every row is asked; above, a sample.
        sample_queries: rows asked of more, by class in proportion.
        class_cap: rows of each class that can be found, when a sample is asked, by the metrics that rank as deep as
            the class is large (R-precision, MAP@R).
        families: whether separation, confusion, hierarchy, geometry and clusters are measured besides retrieval.
        clusters: how clusters are looked for, among the families; None = not at all.
        several_k: further depths of precision, hit and recall, where some query has as many neighbours.
    """

    k: int = 10
    graph_k: int = 25
    unlabelled: str = "drop"
    bootstrap: int = 2000
    seed: int = 0
    level: float = 0.95
    permutations: int = 5
    mode: str = "loo"
    folds: int = 5
    exact_rows: int = 50_000
    sample_queries: int = 10_000
    class_cap: int = 1_000
    families: bool = True
    clusters: ClusterSettings | None = ClusterSettings()  # noqa: RUF009 - frozen
    several_k: tuple[int, ...] = (1, 5, 10, 20)

    def __post_init__(self) -> None:
        check_least(self, _LEAST)
        check_level(self.level)
        for name, allowed in (("unlabelled", UNLABELLED), ("mode", MODES)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name}: found {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        if any(k < 1 for k in self.several_k):
            raise UsageError(f"several_k: found {min(self.several_k)}; needed at least 1")

    @property
    def depth(self) -> int:
        """Neighbours in the graph."""
        return max(self.k, self.graph_k)
