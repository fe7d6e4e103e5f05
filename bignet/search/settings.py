"""What a search is asked for."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from bignet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_K = 10


@dataclass(frozen=True)
class Opening:
    """What is opened for searching.

    Attributes:
        embedding: which vector column; the store's first if None.
        exact: compare with the stored vectors themselves, whatever index there is.
        stale_ok: answer from an index older than the store.
        weights: where the network's weights are now, if they moved.
        device: where the network runs, if it has to.
    """

    embedding: str | None = None
    exact: bool = False
    stale_ok: bool = False
    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class SearchSettings:
    """How queries are answered.

    Attributes:
        k: hits wanted; fewer come only if there are fewer. None: 10, or with a threshold all that reach it.
        threshold: cosine that a hit must reach, up to one millionth; None for any.
        where: SQL condition over the store's columns that hits must meet; see filters.
        group_by: column or SQL expression: only the best hit of each of its values; null is one of them.
        expand: average the query with so many of its best hits first; see expand.
        exclude_self: leave out the query's own row (for a file from elsewhere: rows with the very same bytes).
    """

    k: int | None = None
    threshold: float | None = None
    where: str | None = None
    group_by: str | None = None
    expand: int = 0
    exclude_self: bool = False

    def __post_init__(self) -> None:
        if self.k is not None and _whole("k", self.k) < 1:
            raise UsageError(f"k is {self.k}; ask for at least 1 neighbour")
        if _whole("expand", self.expand) < 0:
            raise UsageError(f"expand is {self.expand}; allowed: 0 for a query as it is, or a number of hits")
        if self.threshold is not None and not (math.isfinite(self.threshold) and -1 <= self.threshold <= 1):
            raise UsageError(f"threshold {self.threshold:g} cannot be; allowed: -1 to 1, what a cosine can be")

    @property
    def most(self) -> int | None:
        """Hits at most; None for all that reach the threshold."""
        return self.k if self.k is not None or self.threshold is not None else USUAL_K


class SearchOptions(TypedDict, total=False):
    """The keywords of ``Store.search`` besides k; see SearchSettings and Opening, which have the defaults."""

    threshold: float | None
    where: str | None
    group_by: str | None
    expand: int
    exclude_self: bool
    embedding: str | None
    exact: bool
    stale_ok: bool
    weights: str | None
    device: str


def sorted_out(k: int | None, options: Mapping[str, Any]) -> tuple[Opening, SearchSettings]:
    """The keywords of ``Store.search`` -> what to open, how to answer.

    Raises:
        TypeError: a keyword that neither knows.
        UsageError: a value that cannot be.
    """
    names = {field.name for field in fields(Opening)}
    opening = {name: value for name, value in options.items() if name in names}
    rest = {name: value for name, value in options.items() if name not in names}
    return Opening(**opening), SearchSettings(k=k, **rest)


def _whole(name: str, value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type] # what it is for
    except TypeError:
        raise UsageError(f"{name} is {value!r}; give a whole number") from None
