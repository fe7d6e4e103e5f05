"""Kinds of index: what a person may ask for, as FAISS builds it, and how hard each can be made to look."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import faiss

from bignet.errors import UsageError
from bignet.index import factory, graphs, tune
from bignet.index.candidates import innermost
from bignet.index.tuning import FLAT_KIND, USUAL_KIND, Effort

ALLOWED = (
    "auto, flat, hnsw, ivf, bits:sign, bits:lsh:N, bits:itq:N, bits:rabitq (N bits), or a FAISS factory string such as "
    f"{factory.EXAMPLE}"
)
AUTO, FLAT = USUAL_KIND, FLAT_KIND
_GRAPH = (16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768, 1024)
_SHORTLISTS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512)
_TRAIN_PER_LIST = 39  # FAISS warns below that


@dataclass(frozen=True)
class Kind:
    """A kind of index for vectors of some dimension.

    Attributes:
        name: as asked for: ``hnsw``, ``bits:itq:128``, ``IVF256,SQ8``.
        factory: FAISS's string for it.
        metric: FAISS's number of it.
    """

    name: str
    factory: str
    metric: int = faiss.METRIC_INNER_PRODUCT

    @property
    def keeps_vectors(self) -> bool:
        """Whether the index holds the float vectors themselves."""
        return self.is_lossless or self.factory.endswith(",RFlat")

    @property
    def is_lossless(self) -> bool:
        """Whether it compares the float vectors themselves, so that longer lists of rows hold nothing better."""
        return re.fullmatch(r"(IVF\d+(_HNSW\d+)?,|HNSW\d+,)?Flat|HNSW\d+", self.factory) is not None

    def make(self, dims: int) -> Any:
        """An empty, untrained FAISS index.

        Raises:
            UsageError: there is no such index, or none that can be served.
        """
        try:
            return factory.made(self.factory, dims, self.metric)
        except ValueError as reason:
            raise UsageError(f"index kind '{self.name}' {reason}; allowed: {ALLOWED}") from None

    def efforts(self, index: Any, rows: int, k: int) -> list[Effort]:
        """Ways to search it, least effort first."""
        searches = _searches(index, rows)
        factors = (1,) if self.is_lossless else tuple(each for each in _SHORTLISTS if (each - 1) * k < rows)
        if isinstance(innermost(index), faiss.IndexHNSW):  # a walk that is to bring n rows keeps n in sight
            able = {Effort(max(search, factor * k), factor) for factor in factors for search in searches}
            return sorted(able, key=lambda effort: (effort.shortlist, effort.search))
        return [Effort(search, factor) for factor in factors for search in searches]


def find(name: str, dims: int, rows: int) -> Kind:
    """The kind of that name for so many rows.

    Raises:
        UsageError: no such kind; the message lists those there are.
    """
    if name == graphs.NAME:
        return Kind(name, graphs.FACTORY, faiss.METRIC_L2)
    if name == "ivf":
        return Kind(name, f"IVF{lists_for(rows)},Flat")
    if name.startswith("bits:"):
        return _bits(name, dims)
    if name in (AUTO, FLAT) or not name:
        raise UsageError(f"index kind '{name}' is none to build by a string; allowed: {ALLOWED}")
    check_lists(name, factory.lists_in(name), rows)
    kind = Kind(name, name, factory.metric_of(name))
    kind.make(dims)
    return kind


def check_lists(name: str, lists: int, rows: int) -> None:
    """Whether a store of so many rows can train a kind's inverted lists.

    Raises:
        UsageError: it has fewer rows than lists.
    """
    trained_on = rows - tune.n_held_out(rows)
    if lists > trained_on:
        raise UsageError(
            f"index kind '{name}' cannot be trained on {trained_on:,} rows, fewer than its {lists:,} inverted lists; "
            f"allowed: IVF1 to IVF{trained_on}, or ivf, which here takes IVF{lists_for(rows)}"
        )


def lists_for(rows: int) -> int:
    """Inverted lists for so many rows: 4 sqrt(n), as FAISS recommends, as long as each can be trained."""
    trained_on = rows - tune.n_held_out(rows)
    return max(min(round(4 * math.sqrt(rows)), trained_on // _TRAIN_PER_LIST), 1)


def _bits(name: str, dims: int) -> Kind:
    """Codes of one bit a number; thresholds are medians, for activations after a ReLU are never negative."""
    method, _, number = name.removeprefix("bits:").partition(":")
    factories = {"sign": "LSHt", "rabitq": "RaBitQ"}
    if method in factories and not number:
        metric = faiss.METRIC_INNER_PRODUCT if method == "rabitq" else faiss.METRIC_L2
        return Kind(name, factories[method], metric)
    if method in ("lsh", "itq") and number.isascii() and number.isdigit() and 0 < int(number) <= dims:
        return Kind(name, f"ITQ{number},LSHt" if method == "itq" else f"RR{number},LSHt", faiss.METRIC_L2)
    limit = f" with N from 1 to {dims}, the dimension of the vectors" if method in ("lsh", "itq") else ""
    raise UsageError(f"index kind '{name}' is unknown; allowed: bits:sign, bits:rabitq, bits:lsh:N, bits:itq:N{limit}")


def _searches(index: Any, rows: int) -> tuple[int, ...]:
    inner = innermost(index)
    if isinstance(inner, faiss.IndexHNSW):
        return tuple(each for each in _GRAPH if each <= max(rows, _GRAPH[0]))
    if isinstance(inner, faiss.IndexIVF):
        powers = [2**power for power in range(inner.nlist.bit_length())]
        return (*(each for each in powers if each < inner.nlist), inner.nlist)
    return (0,)
