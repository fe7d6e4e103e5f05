"""How clusters are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

METHODS = ("kmeans", "hdbscan")
AUTO = "auto"


@dataclass(frozen=True)
class ClusterSettings:
    """How clusters are looked for; the same settings and vectors give the same clusters, on any number of cores.

    Samples are sized by what they change, measured on 50,000 x 512 in 100 classes: 40 rows a centre instead of 64
    move the V-measure of 512 clusters by less than 0.01; above 128 clusters three starts instead of one lift the
    mean similarity to the centres by 0.0001.

    Attributes:
        method: "kmeans" = every row in one of k round clusters; "hdbscan" = dense groups of any shape and number,
            and noise (needs scikit-learn).
        k: "auto" = 8, 16, ... 512 as far as there are rows for them, and the number of classes; or those to try.
        cards: at most so many k get a full clustering: the suggested one, the number of classes, their neighbours.
        iterations: Lloyd iterations of a start, fewer where nothing moves any more.
        starts: random starts, the best kept, up to ``starts_up_to`` clusters; beyond it one.
        starts_up_to: see starts.
        rows_per_centre: rows that centres are fitted on, times k (FAISS advises at least 39) ...
        least_rows: ... but at least so many, where there are.
        splits: pairs of disjoint parts behind each stability.
        split_rows_per_centre: rows in each part, times k ...
        split_rows: ... but at least so many, where there are.
        density_rows: rows HDBSCAN sees; all others join by the vote of their neighbours among these.
        permutations: shuffles of the labels behind each chance level.
        seed: fixes samples, starts, splits and shuffles.
    """

    method: str = "kmeans"
    k: str | Sequence[int] = AUTO
    cards: int = 4
    iterations: int = 25
    starts: int = 3
    starts_up_to: int = 128
    rows_per_centre: int = 40
    least_rows: int = 16_384
    splits: int = 5
    split_rows_per_centre: int = 16
    split_rows: int = 4096
    density_rows: int = 20_000
    permutations: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"method: found {self.method!r}; allowed are {', '.join(METHODS)}")
        for name, least in (
            ("cards", 1), ("iterations", 1), ("starts", 1), ("starts_up_to", 0), ("rows_per_centre", 1),
            ("least_rows", 1), ("splits", 2), ("split_rows_per_centre", 1), ("split_rows", 1), ("density_rows", 10),
            ("permutations", 0), ("seed", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise UsageError(f"{name}: found {getattr(self, name)}; needed at least {least}")
        if self.k != AUTO:
            object.__setattr__(self, "k", _checked(self.k))

    @property
    def given(self) -> tuple[int, ...]:
        """The k asked for, rising; none = automatic."""
        return () if isinstance(self.k, str) else tuple(self.k)

    def fitted(self, n_rows: int, k: int) -> int:
        """Rows that k centres are fitted on, of n_rows."""
        return min(n_rows, max(self.least_rows, self.rows_per_centre * k))

    def part(self, n_rows: int, k: int) -> int:
        """Rows in each of the three disjoint parts that the stability of k clusters is measured with."""
        return min(n_rows // 3, max(self.split_rows, self.split_rows_per_centre * k))

    def starts_of(self, k: int) -> int:
        """Random starts of a fit of k clusters."""
        return self.starts if k <= self.starts_up_to else 1


def _checked(ks: str | Sequence[int]) -> tuple[int, ...]:
    """The k asked for, each once, rising."""
    if isinstance(ks, str) or not ks or not all(isinstance(k, int) and k >= 1 for k in ks):
        raise UsageError(f"k: found {ks!r}; allowed are {AUTO!r} and whole numbers of at least 1, such as (10, 20)")
    return tuple(sorted(set(ks)))
