"""The same queries under several choices, and how far apart classes lie under one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.cosine import Cosines
from bignet.evaluate.own_group import own_group
from bignet.evaluate.separation import MAX_MATRIX_CLASSES, ClassSpread
from bignet.evaluate.sweep.result import Strip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.result import ClassDistance
    from bignet.evaluate.sweep.design import Design
    from bignet.evaluate.sweep.result import Scored
    from bignet.evaluate.unit_rows import UnitRows

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_CHOICES = 4
_KINDS = 3  # worst, middling, any


def shown_choices(scored: Sequence[Scored], recommended: Sequence[str]) -> tuple[str, ...]:
    """Up to four choices to lay side by side: those recommended, then the best of each other model, then the best."""
    firsts = {item.choice.model: item.choice.name for item in reversed(scored)}
    others = sorted(firsts.values(), key=[item.choice.name for item in scored].index)
    names = dict.fromkeys([*recommended, *others, *(item.choice.name for item in scored)])
    return tuple(names)[:MOST_CHOICES]


def shown_queries(scores: Floats, n: int, seed: int) -> Ints:
    """(N,) scores by image, NaN = none -> ``n`` images: a third the worst, a third from the middle, a third any.

    In that order and each once. Of equal scores a random one comes first. Where no image has a score, any.
    """
    order = np.random.default_rng([seed, 7]).permutation(len(scores))
    known = order[~np.isnan(scores[order])]
    if not len(known):
        return order[:n]
    rising = known[np.argsort(scores[known], kind="stable")]
    part = -(-n // _KINDS)
    middle = max(0, len(rising) // 2 - part // 2)
    wanted = [*rising[:part], *rising[middle : middle + part]]
    return np.array([*dict.fromkeys([*wanted, *known.tolist()])][:n], dtype=np.int64)


def strips(looked: Mapping[str, tuple[Ints, Floats]], queries: Ints) -> tuple[Strip, ...]:
    """Choice name -> (Q, k) neighbours and similarities of the (Q,) queries -> one strip a query."""
    return tuple(
        Strip(
            query=int(query),
            neighbours={name: rows[place].astype(np.int32) for name, (rows, _) in looked.items()},
            similarity={name: similarity[place] for name, (_, similarity) in looked.items()},
        )
        for place, query in enumerate(queries)
    )


def neighbours(rows: UnitRows, design: Design, queries: Ints, k: int) -> tuple[Ints, Floats]:
    """(Q,) queries -> (Q, k) nearest others outside their group, labelled or not, and how similar; fewer if few."""
    cosines = Cosines(rows)
    scores = cosines.block(queries)
    scores[np.arange(len(queries)), queries] = -np.inf
    hidden = design.gallery.hidden(queries)
    if hidden is not None:
        scores[hidden] = -np.inf
    ranked = cosines.nearest(queries, scores, k, k)
    found = ranked.rows[:, :k]
    return found, np.where(found >= 0, ranked.similarity[:, :k], np.nan)


def distances(rows: UnitRows, design: Design) -> ClassDistance | None:
    """Mean distances between classes and within; None for fewer than two classes, or too many to show."""
    names = design.coded.names
    if not 2 <= len(names) <= MAX_MATRIX_CLASSES:
        return None
    codes, groups = design.coded.codes, design.groups
    return ClassSpread(rows, codes, None if groups is None else own_group(rows, codes, groups)).named(names)
