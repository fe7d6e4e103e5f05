"""What came in, checked and joined: the images that every choice has a vector of, and where each choice keeps them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.every_pair import are_few
from bignet.evaluate.gallery import label_gallery, sampled_queries
from bignet.evaluate.labels import check_distinct, check_labels, code_labels
from bignet.evaluate.sweep.design import Design
from bignet.evaluate.sweep.result import Dropped, Why
from bignet.evaluate.unit_rows import UnitRows, usable_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from bignet.evaluate.sweep.images import SweepImages
    from bignet.evaluate.sweep.result import Choice, Cost
    from bignet.evaluate.sweep.settings import SweepSettings

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Read = Callable[[Choice], NDArray[np.float32]]
    Told = Callable[[int, int], None]

MOST_UNUSABLE = 0.05  # of the images; a choice that embeds fewer is left out, not the images
_KEPT_NUMBERS = 2**27  # float32 of all choices up to which they are read once and kept: 512 MiB
_OF_A_PAIR = 4  # float32 for each pair of few images: their similarity in float64, and rows in float64 meanwhile
_NUMBERS_AT_ONCE = 2**28  # float32 of the choices that are worked on side by side: 1 GiB


@dataclass(frozen=True)
class Intake:
    """What is judged.

    Attributes:
        design: the images.
        positions: (N,) of them among those asked for.
        choices: that can be scored.
        dropped: those that cannot, and why.
        n_left_out: images that some choice has no usable vector of.
        n_drawn_from: images there were before a sample was drawn.
    """

    design: Design
    positions: Ints
    choices: tuple[Choice, ...]
    dropped: tuple[Dropped, ...]
    n_left_out: int
    n_drawn_from: int


class Reader:
    """Reads the vectors of choices, rows in the order of the images asked for; if all are few, each choice once."""

    def __init__(self, images: SweepImages, choices: Sequence[Choice], read: Read) -> None:
        numbers = sum(len(images.held[choice.store]) * choice.dims for choice in choices)
        self._read = cache(read) if numbers <= _KEPT_NUMBERS else read
        self._places = {store: _places(images.ids, held) for store, held in images.held.items()}
        self._n_held = {store: len(held) for store, held in images.held.items()}

    def holds(self, store: str) -> Bools:
        """(N,) True for the images asked for that a store has."""
        return np.asarray(self._places[store] >= 0)

    def vectors(self, choice: Choice) -> NDArray[Any]:
        """(n, D) as the store has them.

        Raises:
            MismatchError: not one row for each id held, or not as wide as the choice says.
        """
        found = self._read(choice)
        wanted = (self._n_held[choice.store], choice.dims)
        if found.shape != wanted:
            raise MismatchError(f"{choice.name}: found vectors of shape {found.shape}; its store holds {wanted}")
        return found

    def rows(self, choice: Choice, positions: Ints) -> UnitRows:
        """(N,) positions among the images asked for, all held and usable -> their vectors."""
        return UnitRows(self.vectors(choice), self._places[choice.store][positions])

    def usable(self, choice: Choice) -> Bools:
        """(N,) True for the images asked for that the choice has a direction for."""
        vectors, places = self.vectors(choice), self._places[choice.store]
        good = np.zeros(len(vectors) + 1, dtype=bool)  # the last stands for images that are not held
        good[usable_rows(vectors)[0]] = True
        return good[places]


def take_in(
    images: SweepImages, choices: Sequence[Choice], reader: Reader, settings: SweepSettings, told: Told
) -> Intake:
    """Images, choices and their vectors -> what is judged; every choice is read once."""
    held = np.ones(len(images.ids), dtype=bool)
    for store in {choice.store for choice in choices}:
        held &= reader.holds(store)
    able, kept, dropped = held.copy(), [], []
    several = _side_by_side(reader.usable, choices, at_once(len(held), choices))
    for number, (choice, found) in enumerate(zip(choices, several, strict=True)):
        usable = found | ~held
        n_bad = int((~usable).sum())
        if n_bad > MOST_UNUSABLE * held.sum():
            dropped.append(_dropped(choice, n_bad, int(held.sum())))
        else:
            kept.append(choice)
            able &= usable
        told(number + 1, len(choices))
    positions = np.flatnonzero(able)
    if not len(positions):
        raise UsageError(
            f"no image is usable under every choice: {len(images.ids):,} were asked for, {int(held.sum()):,} are in "
            "every store; leave out the model that cannot embed the others"
        )
    drawn = _drawn(images, positions, settings)
    return Intake(
        design=_design(images, drawn, len(positions), settings),
        positions=drawn,
        choices=tuple(kept),
        dropped=tuple(dropped),
        n_left_out=len(images.ids) - len(positions),
        n_drawn_from=len(positions),
    )


def at_once(n_images: int, choices: Sequence[Choice]) -> int:
    """How many choices are worked on side by side: as many as there are cores, unless their vectors are large."""
    widest = n_images * max((choice.dims for choice in choices), default=1)
    widest += _OF_A_PAIR * n_images**2 if are_few(n_images, 1) else 0
    return min(len(os.sched_getaffinity(0)), max(1, _NUMBERS_AT_ONCE // max(1, widest)))


def _side_by_side(usable: Callable[[Choice], Bools], choices: Sequence[Choice], n: int) -> Iterator[Bools]:
    """Of each choice in order, ``n`` at a time."""
    with ThreadPoolExecutor(n, "bignet-take-in") as threads:
        yield from threads.map(usable, choices)


def check(images: SweepImages, choices: Sequence[Choice], costs: Mapping[str, Cost]) -> None:
    """UsageError or MismatchError unless everything belongs together; see ``judge``."""
    n = len(images.ids)
    for name in ("paths", "labels", "groups"):
        column = getattr(images, name)
        if column is not None and len(column) != n:
            raise MismatchError(f"{name}: found {len(column)}; there are {n} images")
    check_distinct("ids", images.ids.tolist())
    for store, held in images.held.items():
        check_distinct(f"ids held by {store}", held.tolist())
    names = [choice.name for choice in choices]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"choices: {twice[0]!r} occurs more than once; every choice needs a name of its own")
    for choice in choices:
        if choice.store not in images.held:
            raise UsageError(f"{choice.name}: its store {choice.store!r} is not among those held: {[*images.held]}")
        if choice.name not in costs:
            raise MismatchError(f"{choice.name}: there is no cost of it; needed one for each choice")


def _places(ids: Ints, held: Ints) -> Ints:
    """(N,) ids asked for and (n,) ids held -> (N,) row of each, -1 = not held."""
    order = np.argsort(held, kind="stable")
    if not len(held):
        return np.full(len(ids), -1, dtype=np.int64)
    place = order[np.minimum(np.searchsorted(held[order], ids), len(held) - 1)]
    return np.where(held[place] == ids, place, -1)


def _dropped(choice: Choice, n_bad: int, n: int) -> Dropped:
    reason = f"{n_bad:,} of {n:,} vectors are all zero or not finite: they have no direction"
    return Dropped(choice.model, choice.layer, choice.pool, choice.dims, Why.NO_DIRECTIONS, reason)


def _labels(images: SweepImages, positions: Ints) -> list[str | None]:
    given = [None] * len(images.ids) if images.labels is None else images.labels
    return check_labels(images.ids[positions].tolist(), [given[place] for place in positions])


def _drawn(images: SweepImages, positions: Ints, settings: SweepSettings) -> Ints:
    """Usable positions -> at most about ``exact_rows`` of them, by class in proportion."""
    if len(positions) <= settings.exact_rows:
        return positions
    gallery = label_gallery(code_labels(_labels(images, positions)).codes, "drop")
    return positions[sampled_queries(gallery, settings.exact_rows, settings.seed)]


def _design(images: SweepImages, drawn: Ints, n_before: int, settings: SweepSettings) -> Design:
    ids, coded = images.ids[drawn], code_labels(_labels(images, drawn))
    groups = None if images.groups is None else _codes([images.groups[place] for place in drawn])
    estimator = "exact" if len(drawn) == n_before else f"sampled, {len(drawn):,} of {n_before:,} images by class"
    return Design.of(ids, coded, groups, estimator, settings.seed)


def _codes(names: Sequence[object]) -> Ints:
    """N names, None = none -> (N,) integers by order of appearance, -1 = none."""
    known: dict[object, int] = {}
    codes = [-1 if name is None else known.setdefault(name, len(known)) for name in names]
    return np.array(codes, dtype=np.int64)
