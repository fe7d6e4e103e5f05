"""Measures which classes are taken for which: who holds the places among the nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.asked import Asked, asked_rows
from bignet.evaluate.confusion_result import ClassConfusion, ConfusedPair, Confusion
from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.mistakes import plausible_by_class
from bignet.evaluate.records import Records, Values
from bignet.evaluate.result import Metric
from bignet.evaluate.separation import MAX_MATRIX_CLASSES, ClassSpread, class_spread
from bignet.evaluate.seriation import MAX_LINKAGE_CLASSES, class_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.subject import Subject

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SUPPORT = 10  # places below which a lift means nothing
_TOP = 3


def neighbour_confusion(codes: Ints, neighbours: Ints, n_classes: int) -> Ints:
    """(Q,) classes of the queries and (Q, k) classes of their neighbours -> (C, C) places by both classes.

    Row a counts the places among the neighbours of class a, column b those that class b holds; a negative
    neighbour (no neighbour, or an unlabelled one) holds none. Divided by its sum, a row is the share of places,
    as ``sklearn.metrics.confusion_matrix(np.repeat(codes, k), neighbours.ravel(), normalize="true")``.
    """
    if neighbours.ndim != 2 or len(codes) != len(neighbours):
        raise MismatchError(
            f"neighbours: found shape {neighbours.shape}; needed a row for each of {len(codes)} queries"
        )
    if max(codes.max(initial=-1), neighbours.max(initial=-1)) >= n_classes or codes.min(initial=0) < 0:
        raise UsageError(f"classes: found codes outside 0 to {n_classes - 1}")
    held = neighbours >= 0
    pairs = (codes[:, None] * n_classes + neighbours)[held]
    return np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


@dataclass(frozen=True)
class _Places:
    """Places by class and class, sparse: entry i says class ``row[i]`` gives ``count[i]`` to ``column[i]``.

    Attributes:
        row: (E,) classes asked.
        column: (E,) classes that hold places; C = unlabelled.
        count: (E,) places.
        total: (C,) places of each class.
        prior: (C,) mean over the queries of a class of 1 / rows to be found: times the rows of a class, the
            share of places a blind embedding gives it.
    """

    row: Ints
    column: Ints
    count: Ints
    total: Ints
    prior: Floats


def measure_confusion(subject: Subject, spread: ClassSpread | None = None) -> Confusion:
    """A subject -> who holds whose neighbourhoods; ``spread`` = its ``class_spread`` where that is at hand.

    A query's places are its k nearest rows that can be found; with fewer, as many as there are. A row alone in
    its class is no query.
    """
    asked = asked_rows(subject, unlabelled=subject.settings.unlabelled == "distractor")
    asked = asked.only(asked.n_relevant > 0)
    k = min(subject.settings.k, int(asked.n_others.max())) if len(asked.rows) else subject.settings.k
    places = _places(subject, asked, k)
    pairs = _pairs(subject, places)
    counts, unlabelled = _matrix(subject, places)
    order = _display_order(subject, spread)
    names = subject.names
    return Confusion(
        k=k,
        labels=tuple(names[code] for code in order),
        counts=None if counts is None else counts[np.ix_(order, order)],
        pairs=tuple(sorted(pairs, key=lambda pair: (-pair.lift, -pair.n_slots, pair.label, pair.other))),
        classes=_class_rows(subject, places, pairs),
        metrics=_metrics(subject, asked, k),
        unlabelled=None if unlabelled is None else unlabelled[order],
    )


def _places(subject: Subject, asked: Asked, k: int) -> _Places:
    codes, n = subject.coded.codes, len(subject.names)
    own, near = codes[asked.rows], asked.near[:, :k]
    holder = np.where(codes[near] >= 0, codes[near], n)
    keys, count = np.unique((own[:, None] * (n + 1) + holder)[near >= 0], return_counts=True)
    row, column = np.divmod(keys, n + 1)
    queries = np.maximum(np.bincount(own, minlength=n), 1)
    prior = np.bincount(own, weights=1.0 / np.maximum(asked.n_others, 1), minlength=n) / queries
    total = np.bincount(row, weights=count, minlength=n).astype(np.int64)
    return _Places(row, column, count, total, prior)


def _pairs(subject: Subject, places: _Places) -> list[ConfusedPair]:
    """Different classes with enough places to mean something, by code.

    Lift is the share over what a blind embedding would give, n_b / (N - 1) (Church and Hanks 1990 rank words
    by it): raw counts only find the large classes again.
    """
    names, n = subject.names, len(subject.names)
    keep = (places.row != places.column) & (places.column < n) & (places.count >= SUPPORT)
    row, column, count = places.row[keep], places.column[keep], places.count[keep]
    share = count / places.total[row]
    lift = np.round(share / (places.prior[row] * _sizes(subject)[column]), DECIMALS)
    return [
        ConfusedPair(names[a], names[b], int(held), float(part), float(times))
        for a, b, held, part, times in zip(row, column, count, share, lift, strict=True)
    ]


def _sizes(subject: Subject) -> Ints:
    """(C,) rows of each class that can be found."""
    codes = subject.coded.codes
    return np.bincount(codes[subject.found & (codes >= 0)], minlength=len(subject.names))


def _matrix(subject: Subject, places: _Places) -> tuple[Ints | None, Ints | None]:
    """(C, C) places in code order, None for too many classes; (C,) those of unlabelled rows, None if they have none."""
    n = len(subject.names)
    unlabelled = None
    if subject.settings.unlabelled == "distractor":
        other = places.column == n
        unlabelled = np.zeros(n, dtype=np.int64)
        unlabelled[places.row[other]] = places.count[other]
    if n > MAX_MATRIX_CLASSES:
        return None, unlabelled
    counts = np.zeros((n, n + 1), dtype=np.int64)
    counts[places.row, places.column] = places.count
    return counts[:, :n], unlabelled


def _display_order(subject: Subject, spread: ClassSpread | None) -> Ints:
    """Codes in the order of the matrix of distances."""
    names = subject.names
    matrix = np.zeros((0, 0))
    if len(names) <= MAX_LINKAGE_CLASSES:  # beyond, and with hierarchies, names alone decide
        matrix = (class_spread(subject) if spread is None else spread).matrix()
    return np.array(class_order(names, matrix), dtype=np.int64)


def _class_rows(subject: Subject, places: _Places, pairs: Sequence[ConfusedPair]) -> tuple[ClassConfusion, ...]:
    """One row a class, largest first, then by name."""
    names, sizes = subject.names, subject.coded.sizes
    own = np.zeros(len(names))
    diagonal = places.row == places.column
    own[places.row[diagonal]] = places.count[diagonal]
    top: dict[str, list[ConfusedPair]] = {name: [] for name in names}
    for pair in sorted(pairs, key=lambda pair: (-pair.lift, -pair.n_slots, pair.other)):
        top[pair.label].append(pair)
    plausible = plausible_by_class(subject)
    return tuple(
        ClassConfusion(
            label=names[code],
            purity=float(own[code] / places.total[code]) if places.total[code] else None,
            top=tuple(top[names[code]][:_TOP]),
            plausible_fp=plausible[code],
        )
        for code in sorted(range(len(names)), key=lambda code: (-int(sizes[code]), code))
    )


def _metrics(subject: Subject, asked: Asked, k: int) -> tuple[Metric, ...]:
    """Purity over the queries that have all k neighbours."""
    settings, wanted = subject.settings, subject.settings.k
    ids = (f"neighbour_purity@{wanted}", f"neighbour_purity@{wanted}.macro")
    full = asked.only((asked.near[:, :wanted] >= 0).sum(axis=1) == wanted)
    template = Metric(
        "",
        None,
        level=settings.level,
        estimator=asked.estimator,
        k=wanted,
        excluded=replace(subject.excluded, short=len(asked.rows) - len(full.rows)),
        gallery_size=asked.gallery_size,
    )
    records = Records(settings, template, neighbour_params(subject))
    if not len(full.rows):
        why = _why_none(subject, asked)
        return tuple(records.undefined(metric_id, why) for metric_id in ids)
    own = subject.coded.codes[full.rows]
    hits = subject.coded.codes[full.near[:, :k]] == own[:, None]
    values = Values(hits.mean(axis=1), own, full.weight)
    blind = Values(full.n_relevant / full.n_others, own, full.weight)
    return (
        records.mean(ids[0], values, chance=blind.ratio()),
        records.macro(ids[1], values, chance=round(float(blind.class_means()[1].mean()), DECIMALS)),
    )


def neighbour_params(subject: Subject) -> dict[str, object]:
    """How the neighbours of label metrics were found."""
    settings = subject.settings
    taken = {
        "drop": f"passed over, the next labelled ones of {subject.graph.rows.shape[1]} neighbours taken",
        "distractor": "stay, as wrong",
    }
    return {
        "metric": subject.graph.metric,
        "unlabelled": settings.unlabelled,
        "unlabelled_neighbours": taken[settings.unlabelled],
        "groups": "left out" if subject.groups is not None else "none",
        "bootstrap": settings.bootstrap,
        "seed": settings.seed,
    }


def _why_none(subject: Subject, asked: Asked) -> str:
    if not subject.names:
        return "no labels"
    if not len(asked.rows):
        return "every class has one image: nothing to find"
    return f"no query has {subject.settings.k} neighbours that can be found"
