"""Labels: paths such as ``fashion#shoes#sneakers``, their integer codes, and tables of them joined by id."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

SEPARATOR = "#"
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_SPLIT = re.compile(r"(?<!\\)#")


def split_label(label: str) -> tuple[str, ...]:
    r"""``fashion#shoes`` -> ``("fashion", "shoes")``; ``\#`` is a literal #, as in ``C\#``."""
    if SEPARATOR not in label:
        return (label,)
    return tuple(part.replace("\\#", "#") for part in _SPLIT.split(label))


@dataclass(frozen=True)
class CodedLabels:
    """N labels as integers: ``names[codes[i]]`` is the label of row i, code -1 = unlabelled.

    Names are sorted by path, so that the classes under one parent have neighbouring codes.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(C,) rows of each class."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


def code_labels(labels: Sequence[str | None]) -> CodedLabels:
    """N labels, None = unlabelled -> integer codes that never pass through a float, and the class names."""
    names = tuple(sorted({label for label in labels if label is not None}, key=lambda name: (split_label(name), name)))
    code: dict[str | None, int] = {name: place for place, name in enumerate(names)}
    code[None] = -1
    return CodedLabels(np.fromiter((code[label] for label in labels), dtype=np.int64, count=len(labels)), names)


def prefix_codes(names: Sequence[str]) -> NDArray[np.int64]:
    """C labels -> (C, L) integers, column l alike where the first l + 1 parts are; -1 beyond a label's last part."""
    paths = [split_label(name) for name in names]
    codes = np.full((len(paths), max(map(len, paths), default=0)), -1, dtype=np.int64)
    for depth in range(codes.shape[1]):
        known: dict[tuple[str, ...], int] = {}
        for row, path in enumerate(paths):
            if len(path) > depth:
                codes[row, depth] = known.setdefault(path[: depth + 1], len(known))
    return codes


def check_labels(ids: Iterable[int], labels: Iterable[object]) -> list[str | None]:
    """N ids and N labels -> the labels as text, None = unlabelled; integers become their digits.

    Raises:
        UsageError: a label is a float (a NaN is not "unlabelled"), of another type, or has an empty part.
    """
    return [_checked(row_id, label) for row_id, label in zip(ids, labels, strict=True)]


def _checked(row_id: int, label: object) -> str | None:
    if label is None:
        return None
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
        return str(label)
    if not isinstance(label, str):
        raise UsageError(
            f"label of id {row_id}: found {label!r} ({type(label).__name__}); "
            "allowed are text and integers, and None for an unlabelled row"
        )
    if not all(part.strip() for part in split_label(label)):
        raise UsageError(
            f"label of id {row_id}: {label!r} has an empty part; parts are separated by {SEPARATOR}, "
            f"a literal one is written \\{SEPARATOR}, and an unlabelled row has no label at all"
        )
    return str(label)


def whole_labels(labels: Sequence[Any], where: str) -> list[Any]:
    """A file's column of labels, None = none -> the same; a column of decimals -> integers.

    Decimals are what tables with gaps make of whole numbers. As numbers or as text, ``1.0`` is then class 1, so that
    files of every format name the same classes. A column with anything else in it is text as it stands.

    Raises:
        UsageError: a column of decimals with one that is not whole.
    """
    known = list(dict.fromkeys(label for label in labels if label is not None))
    if not any(_is_decimal(label) for label in known) or not all(_is_decimal(label, pointless=True) for label in known):
        return list(labels)
    broken = next((label for label in known if not float(label).is_integer()), None)
    if broken is not None:
        raise UsageError(
            f"{where} has the label {broken} among numbers: a label names a class; give whole numbers, or text such as "
            f"'v{broken}'"
        )
    return [None if label is None else int(Decimal(label)) for label in labels]


def _is_decimal(label: object, *, pointless: bool = False) -> bool:
    """Whether it is a number with a point, or if ``pointless`` one without."""
    if isinstance(label, str):
        return _DECIMAL.fullmatch(label) is not None and (pointless or "." in label)
    return isinstance(label, float)


@dataclass(frozen=True)
class JoinedLabels:
    """Labels of a store's rows from an outside table, and what had no partner.

    Attributes:
        labels: one a store row, in store order; None where the table has no row or no label.
        not_in_table: store ids the table does not name.
        not_in_store: table ids the store does not hold.
    """

    labels: tuple[str | None, ...]
    not_in_table: tuple[int, ...]
    not_in_store: tuple[int, ...]


def join_labels(ids: Sequence[int], table_ids: Sequence[int], table_labels: Sequence[object]) -> JoinedLabels:
    """Store ids, and a table of ids and labels -> one label a store row, matched by id and never by position.

    Raises:
        UsageError: an id occurs twice on either side, or a label cannot be used.
        MismatchError: the table's two columns differ in length.
    """
    if len(table_ids) != len(table_labels):
        raise MismatchError(f"label table: {len(table_ids)} ids but {len(table_labels)} labels")
    check_distinct("store", ids)
    check_distinct("label table", table_ids)
    table = {int(i): label for i, label in zip(table_ids, check_labels(table_ids, table_labels), strict=True)}
    known = {int(i) for i in ids}
    return JoinedLabels(
        labels=tuple(table.get(int(i)) for i in ids),
        not_in_table=tuple(int(i) for i in ids if int(i) not in table),
        not_in_store=tuple(i for i in table if i not in known),
    )


def check_distinct(where: str, ids: Iterable[int]) -> None:
    """UsageError naming the first ids that occur more than once."""
    twice = [i for i, count in Counter(int(i) for i in ids).items() if count > 1]
    if twice:
        shown = ", ".join(str(i) for i in twice[:5])
        raise UsageError(f"{where}: {len(twice)} ids occur more than once, first {shown}; every row needs its own id")
