"""Judges the choices of a sweep: scores each, compares them fairly, and says which to take."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.blas import one_core_each
from bignet.evaluate.clock import Clock
from bignet.evaluate.evaluate import gallery_fingerprint
from bignet.evaluate.sweep.alike import layers_alike
from bignet.evaluate.sweep.free_scores import ONE_DIRECTION
from bignet.evaluate.sweep.intake import Reader, at_once, check, take_in
from bignet.evaluate.sweep.memory import Remembered
from bignet.evaluate.sweep.ranks import Field, ranked, ranking
from bignet.evaluate.sweep.recommend import recommend
from bignet.evaluate.sweep.result import Dropped, Sweep, Why
from bignet.evaluate.sweep.scoring import Scoring
from bignet.evaluate.sweep.settings import SweepSettings
from bignet.evaluate.sweep.strips import distances, neighbours, shown_choices, shown_queries, strips
from bignet.evaluate.sweep.warn import warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from bignet.evaluate.clock import Progress
    from bignet.evaluate.result import ClassDistance
    from bignet.evaluate.sweep.images import AlteredCopies, SweepImages
    from bignet.evaluate.sweep.intake import Intake
    from bignet.evaluate.sweep.memory import Memory
    from bignet.evaluate.sweep.ranks import Ranking
    from bignet.evaluate.sweep.result import Choice, Cost, Recommendation, Strip
    from bignet.evaluate.sweep.scoring import ChoiceScores
    from bignet.evaluate.unit_rows import UnitRows

    Altered = Callable[[Choice], AlteredCopies] | None

BALANCED = "balanced"


def judge(  # noqa: PLR0913 - what was embedded, what it cost, and where to read it
    images: SweepImages,
    choices: Sequence[Choice],
    costs: Mapping[str, Cost],
    read: Callable[[Choice], NDArray[np.float32]],
    altered: Callable[[Choice], AlteredCopies] | None = None,
    settings: SweepSettings = SweepSettings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    memory: Memory | None = None,
) -> Sweep:
    """Images and the choices that embedded them -> which choice is best, what ties with it, and what to take.

    Vectors of all choices are kept if they are few. Else as many are read at a time as there are cores, and held no
    longer than that, but for a sample of each model's layers that are compared with one another. ``Sweep.dropped``
    lists choices that could not be scored, and ``cost_setting`` is empty: whoever made the grid and took the times
    adds theirs (``dataclasses.replace``).

    Args:
        images: what was embedded, and what each store holds of it.
        choices: names distinct.
        costs: by choice name, one each.
        read: choice -> (n, D) vectors of the rows that its store holds, as ``SweepImages.held`` says. Called a few
            times a choice, by several threads.
        altered: choice -> vectors of altered copies; None = there are none.
        settings: see SweepSettings.
        progress: called with a stage, how much of it is done, and how much there is.
        memory: scores that are kept there of the same vectors are taken, new ones are kept there; None = none are.

    Raises:
        UsageError: names or ids repeat, a choice's store is not in ``held``.
        MismatchError: columns differ in length, vectors are not as ``held`` and the choice say, or a cost is missing.
    """
    check(images, choices, costs)
    clock, reader = Clock(progress), Reader(images, choices, read)
    with clock("vectors") as told:
        intake = take_in(images, choices, reader, settings, told)
    scoring = Scoring(intake.design, settings)
    with clock("score") as told:
        found = _scores(intake, reader, scoring, altered, Remembered(memory, intake.design, settings), told)
        intake, found = _telling(intake, found)
    with clock("compare"):
        found = scoring.together(intake.choices, found)
        by = ranking(scoring, found)
        scored = ranked(Field(intake.choices, costs, found), by, scoring, settings.level)
        taken = recommend(scored)
    with clock("layers") as told:
        layers = layers_alike(intake, reader, settings.seed, told)
    with clock("strips"):
        shown, balanced = _Shown(intake, reader, settings), _balanced(taken)
        names = shown_choices(scored, [item.name for item in taken])
        alike = shown.strips(names, _by_image(intake, found, by, balanced))
        distance = None if balanced is None else shown.distances(balanced)
    return Sweep(
        ids=intake.design.ids,
        paths=tuple(images.paths[place] for place in intake.positions),
        labels=intake.design.labels,
        ranking=by.score,
        scored=scored,
        dropped=intake.dropped,
        recommendations=taken,
        cka=layers,
        class_distance=distance,
        strips=alike,
        cost_setting="",
        n_left_out=intake.n_left_out,
        gallery_fingerprint=gallery_fingerprint(intake.design.ids),
        seconds=clock.seconds,
        warnings=tuple(warnings(intake, by, scored)),
    )


def _scores(
    intake: Intake,
    reader: Reader,
    scoring: Scoring,
    altered: Altered,
    remembered: Remembered,
    told: Callable[[int, int], None],
) -> list[ChoiceScores]:
    """Of all choices, several at a time."""
    found: list[ChoiceScores] = []
    waiting: deque[Future[ChoiceScores]] = deque()
    n_choices = len(intake.choices)
    n_at_once = at_once(len(intake.design), intake.choices)
    with one_core_each(n_at_once), ThreadPoolExecutor(n_at_once, "bignet-score") as threads:
        for choice in intake.choices:
            rows = reader.rows(choice, intake.positions)
            copies = None if altered is None else altered(choice)
            waiting.append(threads.submit(_score, scoring, remembered, choice.name, rows, copies))
            if len(waiting) > n_at_once:
                found.append(waiting.popleft().result())
                told(len(found), n_choices)
        while waiting:
            found.append(waiting.popleft().result())
            told(len(found), n_choices)
    return found


def _score(
    scoring: Scoring, remembered: Remembered, name: str, rows: UnitRows, copies: AlteredCopies | None
) -> ChoiceScores:
    """Of one choice: those kept, or new ones."""
    key = remembered.key(rows, copies)
    kept = remembered.load(name, key)
    return remembered.kept(name, key, scoring.score(rows, copies)) if kept is None else kept


def _telling(intake: Intake, found: list[ChoiceScores]) -> tuple[Intake, list[ChoiceScores]]:
    """Choices that tell no image from another are dropped, unless all are so."""
    useful = [not one.tells_nothing for one in found]
    if all(useful) or not any(useful):
        return intake, found
    pairs = zip(intake.choices, useful, strict=True)
    reason = f"{ONE_DIRECTION}, so that they tell no image from another"
    lost = [
        Dropped(one.model, one.layer, one.pool, one.dims, Why.NO_DIRECTIONS, reason) for one, kept in pairs if not kept
    ]
    choices = tuple(itertools.compress(intake.choices, useful))
    return replace(intake, choices=choices, dropped=(*intake.dropped, *lost)), [*itertools.compress(found, useful)]


def _by_image(intake: Intake, found: Sequence[ChoiceScores], by: Ranking, balanced: str | None) -> NDArray[np.float64]:
    """(N,) scores of single images under the balanced recommendation, NaN without one."""
    if balanced is None:
        return np.full(len(intake.design), np.nan)
    names = [choice.name for choice in intake.choices]
    return found[names.index(balanced)].by_image[by.by_image]


def _balanced(taken: Sequence[Recommendation]) -> str | None:
    return next((item.name for item in taken if item.preset == BALANCED), None)


class _Shown:
    """Reads once more what is shown: strips of a few choices, and the classes under one of them."""

    def __init__(self, intake: Intake, reader: Reader, settings: SweepSettings) -> None:
        self._intake, self._reader, self._settings = intake, reader, settings
        self._choices = {choice.name: choice for choice in intake.choices}

    def strips(self, names: Sequence[str], scores: NDArray[np.float64]) -> tuple[Strip, ...]:
        """The same queries under several choices, chosen by their (N,) scores under one."""
        settings, design = self._settings, self._intake.design
        queries = shown_queries(scores, settings.strips, settings.seed)
        return strips({name: neighbours(self._rows(name), design, queries, settings.k) for name in names}, queries)

    def distances(self, name: str) -> ClassDistance | None:
        """Between classes."""
        return distances(self._rows(name), self._intake.design)

    def _rows(self, name: str) -> UnitRows:
        return self._reader.rows(self._choices[name], self._intake.positions)
