"""From the scores of all choices to their order, what ties with the best, and which are on the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.jackknife import of_queries
from bignet.evaluate.sweep.compare import compare
from bignet.evaluate.sweep.front import on_front
from bignet.evaluate.sweep.label_scores import chance_levels
from bignet.evaluate.sweep.result import LABELLED, WITHOUT_LABELS, Scored
from bignet.evaluate.sweep.templates import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.jackknife import Estimate
    from bignet.evaluate.result import Metric
    from bignet.evaluate.sweep.compare import Compared
    from bignet.evaluate.sweep.result import Choice, Cost
    from bignet.evaluate.sweep.scoring import ChoiceScores, Scoring

    Floats = NDArray[np.float64]
    Pair = tuple[Estimate | None, Estimate | None]


@dataclass(frozen=True)
class Ranking:
    """The score that choices are ranked by, in both halves.

    Attributes:
        score: its id.
        by_image: the score of single images, as ``ChoiceScores.by_image`` calls it.
        pairs: one a choice: in the half that chooses and in the one that is reported; None = no score.
        split: False where there were too few images for halves, so that both are all images.
    """

    score: str
    by_image: str
    pairs: tuple[Pair, ...]
    split: bool


def ranking(scoring: Scoring, found: Sequence[ChoiceScores]) -> Ranking:
    """All choices' scores -> what they are ranked by.

    MAP@R over classes where labels tell right from wrong; else how often altered copies find their own; else how far
    choices agree on who is whose neighbour.
    """
    design = scoring.design
    if len(design.coded.names) > 1 and len(design.gallery.queries):
        split = all(half is not None for one in found for half in one.halves)
        pairs = tuple(one.halves if split else (one.whole, one.whole) for one in found)
        return Ranking(LABELLED, "map@r", pairs, split)
    for name in WITHOUT_LABELS:
        tables = [one.by_image[name] for one in found]
        if any(not np.isnan(table).all() for table in tables):
            pairs, split = _free_pairs(tables, design.reported)
            return Ranking(name, name, pairs, split)
    return Ranking(WITHOUT_LABELS[-1], WITHOUT_LABELS[-1], tuple((None, None) for _ in found), split=True)


@dataclass(frozen=True)
class Field:
    """Choices, their costs and their scores, in the order they came."""

    choices: Sequence[Choice]
    costs: Mapping[str, Cost]
    found: Sequence[ChoiceScores]


def ranked(field: Field, by: Ranking, scoring: Scoring, level: float) -> tuple[Scored, ...]:
    """All choices, best first: by the half that chooses, then agreement with others, then size, then name.

    Nothing that a clock measured has a say, so that the order is the same in every run.
    """
    order = sorted(range(len(field.choices)), key=lambda place: _key(field, by, place))
    if not order:
        return ()
    compared = compare([by.pairs[place][1] for place in order], 0, level)
    costs = [field.costs[field.choices[place].name] for place in order]
    known = [place for place, number in enumerate(order) if by.pairs[number][0] is not None]
    points = [(_value(by.pairs[order[i]][0]), _speed(costs[i]), -costs[i].bytes_per_vector) for i in known]
    front = dict(zip(known, on_front(points).tolist(), strict=True))
    records = _Records(field, by, scoring)
    return tuple(
        records.scored(number, compared[place], on_front=front.get(place, False)) for place, number in enumerate(order)
    )


class _Records:
    def __init__(self, field: Field, by: Ranking, scoring: Scoring) -> None:
        self._field, self._by, self._scoring = field, by, scoring
        best = min(range(len(field.choices)), key=lambda place: _key(field, by, place))
        self._best = field.choices[best].name

    def scored(self, number: int, compared: Compared, *, on_front: bool) -> Scored:
        """One choice with everything known of it."""
        field, choice = self._field, self._field.choices[number]
        found, (chosen, reported) = field.found[number], self._by.pairs[number]
        return Scored(
            choice=choice,
            cost=field.costs[choice.name],
            metrics=found.metrics,
            chosen_half=self._half(chosen, 0),
            reported=self._half(reported, 1),
            to_best=self._to_best(compared),
            p_value=compared.p_value,
            tied=compared.tied,
            on_front=on_front,
            per_class=found.per_class,
            self_hit=found.self_hit,
        )

    def _half(self, estimate: Estimate | None, which: int) -> Metric:
        """A record of the ranking score in one half."""
        part = ("the half that chooses", "the half that is reported")[which] if self._by.split else "all images"
        params = {"images": part, "gallery": part if self._by.score == LABELLED else "all images"}
        templates = self._scoring.templates
        if estimate is None:
            return templates.free(self._by.score, None, "no score", n_queries=0, params=params)
        if self._by.score != LABELLED:
            return templates.mean(self._by.score, estimate, templates.free("", None), params=params)
        gallery = self._scoring.design.halves[which] if self._by.split else self._scoring.design.gallery
        chance = chance_levels(gallery)[LABELLED]
        return templates.mean(self._by.score, estimate, templates.over(gallery), chance=chance, params=params)

    def _to_best(self, compared: Compared) -> Metric | None:
        change, templates = compared.difference, self._scoring.templates
        if change is None:
            return None
        params = {"images": "the half that is reported" if self._by.split else "all images", "less": self._best}
        return templates.free(
            self._by.score,
            change.value,
            lo=change.lo,
            hi=change.hi,
            ci="none" if change.lo is None else INTERVAL,
            n_queries=change.n_queries,
            params=params,
        )


def _key(field: Field, by: Ranking, place: int) -> tuple[float, float, int, float, str]:
    choice, stability = field.choices[place], field.found[place].metrics["overlap_stability"].value
    chosen, cost = _value(by.pairs[place][0]), field.costs[choice.name]
    agreed = 0.0 if by.score == LABELLED or stability is None else stability
    flops = np.inf if cost.flops is None else cost.flops
    return (np.inf if chosen is None else -chosen, -agreed, cost.bytes_per_vector, flops, choice.name)


def _speed(cost: Cost) -> tuple[float, float] | None:
    return None if cost.images_s_end2end is None else cost.speed


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else round(estimate.value, DECIMALS)


def _free_pairs(tables: Sequence[Floats], reported: NDArray[np.bool_]) -> tuple[tuple[Pair, ...], bool]:
    """Scores by image of all choices -> their means in both halves, over the images that all of them have."""
    has = [not np.isnan(table).all() for table in tables]
    known = ~np.isnan([table for table, some in zip(tables, has, strict=True) if some]).any(axis=0)
    parts = [np.flatnonzero(known & half) for half in (~reported, reported)]
    split = all(len(part) for part in parts)
    parts = parts if split else [np.flatnonzero(known)] * 2
    pairs = []
    for table, some in zip(tables, has, strict=True):
        both = [_mean(table[part]) if some and len(part) else None for part in parts]
        pairs.append((both[0], both[1]))
    return tuple(pairs), split


def _mean(values: Floats) -> Estimate:
    return of_queries(values, np.full(len(values), -1), by_class=False)
