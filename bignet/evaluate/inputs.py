"""What came in, checked once: ids, labels, groups and splits of the rows that can be evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.gallery import Gallery, label_gallery, stratified_folds
from bignet.evaluate.graph import check_vectors
from bignet.evaluate.labels import CodedLabels, check_distinct, check_labels, code_labels
from bignet.evaluate.result import Excluded
from bignet.evaluate.unit_rows import usable_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.settings import EvaluateSettings

    Ints = NDArray[np.int64]

QUERY_WORDS = ("test", "query", "val")
GALLERY_WORDS = ("train", "gallery")


@dataclass(frozen=True)
class Columns:
    """What is known of N rows besides their vectors; None = nothing is."""

    ids: Sequence[int] | Ints
    labels: Sequence[str | None] | None
    groups: Sequence[object] | None
    split: Sequence[str | None] | None


@dataclass(frozen=True)
class Rows:
    """The rows that can be evaluated, and those that cannot.

    Attributes:
        usable: positions among the vectors given.
        ids: (N,) of the usable.
        labels: N labels.
        coded: the same as integers.
        groups: (N,) integer codes, -1 = in no group; None = no groups were given.
        is_query: (N,) True for rows on the side of the queries; None = no split was given.
        unusable: ids left out of everything.
    """

    usable: Ints
    ids: Ints
    labels: tuple[str | None, ...]
    coded: CodedLabels
    groups: Ints | None
    is_query: NDArray[np.bool_] | None
    unusable: dict[str, tuple[int, ...]]

    def gallery(self, settings: EvaluateSettings) -> Gallery:
        """Who may be asked and what can be found, in the mode asked for."""
        every = label_gallery(self.coded.codes, settings.unlabelled)
        apart = self.groups
        asked, findable = every.asked, every.findable
        if settings.mode == "split" and self.is_query is not None:
            asked, findable = self.is_query, ~self.is_query
        if settings.mode == "folds":
            units = np.full(len(self.ids), -1) if self.groups is None else self.groups
            apart = stratified_folds(self.coded.codes, units, settings.folds, settings.seed)
        return Gallery(self.coded.codes, asked, findable, every.member & findable, apart)

    def excluded(self, gallery: Gallery) -> Excluded:
        """Rows that are no queries though they could be asked, counted by reason."""
        asked = gallery.asked
        unlabelled = int((asked & (gallery.codes < 0)).sum())
        return Excluded(
            unlabelled=unlabelled,
            singleton=int(asked.sum()) - unlabelled - len(gallery.queries),
            nonfinite=len(self.unusable["nonfinite"]),
            zero=len(self.unusable["zero"]),
        )

    def reason(self, gallery: Gallery) -> str | None:
        """Why nobody can be asked; None if somebody can."""
        if len(gallery.queries):
            return None
        if not len(self.ids):
            return "no usable rows"
        if not self.coded.names:
            return "no labels"
        if self.coded.sizes.max() == 1:
            return "every class has one image: nothing to find"
        return "no query has an image of its class to find"


def read_rows(vectors: NDArray[Any], columns: Columns, settings: EvaluateSettings) -> Rows:
    """Checks what came in and separates the rows that can be used.

    Raises:
        UsageError: repeated ids, labels that are no text, a split that is none, or vectors that are no real matrix.
        MismatchError: columns and vectors differ in length.
    """
    check_vectors(vectors)
    ids = columns.ids
    given = [None] * len(vectors) if columns.labels is None else columns.labels
    if not len(vectors) == len(ids) == len(given):
        raise MismatchError(f"found {len(vectors)} vectors, {len(ids)} ids and {len(given)} labels; needed one each")
    for name in ("groups", "split"):
        column = getattr(columns, name)
        if column is not None and len(column) != len(vectors):
            raise MismatchError(f"{name}: found {len(column)}; the vectors have {len(vectors)} rows")
    if len(ids) and not np.issubdtype(np.asarray(ids).dtype, np.integer):
        raise UsageError(f"ids: found {np.asarray(ids).dtype}; needed integers")
    check_distinct("ids", ids)
    all_ids = np.asarray(ids, dtype=np.int64)
    checked = check_labels(all_ids.tolist(), given)
    usable, nonfinite, zero = usable_rows(vectors)
    kept = tuple(checked[i] for i in usable)
    sides = _sides(all_ids, columns.split, settings)
    return Rows(
        usable=usable,
        ids=all_ids[usable],
        labels=kept,
        coded=code_labels(kept),
        groups=None if columns.groups is None else _codes([columns.groups[i] for i in usable]),
        is_query=None if sides is None else sides[usable],
        unusable={"nonfinite": tuple(all_ids[nonfinite].tolist()), "zero": tuple(all_ids[zero].tolist())},
    )


def _sides(ids: Ints, split: Sequence[str | None] | None, settings: EvaluateSettings) -> NDArray[np.bool_] | None:
    """(N,) True = query, False = gallery."""
    if settings.mode != "split":
        return None
    allowed = f"{', '.join(QUERY_WORDS)} for queries, {', '.join(GALLERY_WORDS)} for the gallery"
    if split is None:
        raise UsageError(f"mode 'split' needs the column 'split', one word a row; allowed are {allowed}")
    for row_id, word in zip(ids.tolist(), split, strict=True):
        if word not in QUERY_WORDS + GALLERY_WORDS:
            found = "nothing" if word is None else repr(word)
            raise UsageError(f"split of id {row_id}: found {found}; every row needs a side, allowed are {allowed}")
    return np.array([word in QUERY_WORDS for word in split], dtype=bool)


def _codes(names: Sequence[object]) -> Ints:
    """N names, None = none -> (N,) integers by order of appearance, -1 = none."""
    known: dict[object, int] = {}
    codes = [-1 if name is None else known.setdefault(name, len(known)) for name in names]
    return np.array(codes, dtype=np.int64)
