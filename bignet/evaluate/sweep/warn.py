"""What a reader of a sweep must see first, by fixed rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.evaluate.findings import FEW_QUERIES
from bignet.evaluate.sweep.free_scores import ONE_DIRECTION
from bignet.evaluate.sweep.result import LABELLED, WITHOUT_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bignet.evaluate.sweep.intake import Intake
    from bignet.evaluate.sweep.ranks import Ranking
    from bignet.evaluate.sweep.result import Scored

_MEANS = dict(
    zip(
        WITHOUT_LABELS,
        ("how often altered copies find their own image", "how far other choices name the same neighbours"),
        strict=True,
    )
)


def warnings(intake: Intake, by: Ranking, scored: Sequence[Scored]) -> Iterator[str]:
    """About the images, then about the labels, then about what can be told from them."""
    yield from _about_images(intake)
    if by.score != LABELLED:
        yield f"{_why_free(intake)}: choices are ranked by {_MEANS[by.score]}; nothing here says neighbours are right"
    if scored:
        yield from _about_ranking(intake, by, scored)


def _about_images(intake: Intake) -> Iterator[str]:
    if intake.n_left_out:
        n = intake.n_left_out
        yield f"{n:,} image{' was' if n == 1 else 's were'} left out of everything: some model could not embed them"
    for item in intake.dropped:
        yield f"not scored: {item.model}/{item.layer}.{item.pool}, since {item.reason}"
    if intake.n_drawn_from > len(intake.design):
        yield f"scored on a sample: {len(intake.design):,} of {intake.n_drawn_from:,} images"


def _why_free(intake: Intake) -> str:
    n = len(intake.design.coded.names)
    if n == 0:
        return "no labels"
    return "one class" if n == 1 else "every class has one image"


def _about_ranking(intake: Intake, by: Ranking, scored: Sequence[Scored]) -> Iterator[str]:
    best = scored[0]
    if best.chosen_half.value is None:
        yield "no choice could be ranked: there are neither labels nor altered copies, and too few images"
        return
    if not by.split:
        yield "too few images to choose by some and report on others: the best score is partly luck"
    if best.reported.n_queries < FEW_QUERIES:
        yield f"fewer than {FEW_QUERIES} queries ({best.reported.n_queries}) to report on: differences are hard to tell"
    if len(intake.design) > 1 and all(item.metrics["rankme_centered"].reason == ONE_DIRECTION for item in scored):
        yield f"of every choice {ONE_DIRECTION}: neighbours are in the order of the files, and scores mean nothing"
    yield from about_halves(scored)
    tied = sum(item.tied for item in scored) - 1
    if tied > 0:
        yield f"{tied} of {len(scored) - 1} other choices cannot be told from the best with these images"
    if all(item.cost.images_s_end2end is None for item in scored):
        yield "speed was not measured: only bytes count as cost"


def about_halves(scored: Sequence[Scored]) -> Iterator[str]:
    """Where the best of the half that chose is surely not the best of the other."""
    higher = [each for each in scored if not each.tied and each.to_best and (each.to_best.value or 0.0) > 0]
    if higher:
        n, most = len(higher), max(higher, key=lambda each: each.reported.value or 0.0)
        others = "another choice scores" if n == 1 else f"{n} other choices score"
        yield (
            f"the images that chose and those that are reported disagree: on the latter {others} higher than the best, "
            f"{most.choice.name} most of all; take more images"
        )
