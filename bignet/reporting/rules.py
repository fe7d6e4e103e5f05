"""Every rule of the verdict, in the order in which they are asked; V1 to V6 are the field's usual doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.reporting import sentences as say
from bignet.reporting.next_step import NEXT_STEPS
from bignet.reporting.numbers import counted, percent
from bignet.reporting.plain import GOOD, MIXED, VERY_GOOD
from bignet.reporting.rule import Rule

if TYPE_CHECKING:
    from bignet.reporting.facts import Facts

GAP, LEAK, HUB, RANK, PLAUSIBLE, TWINS = 0.05, 0.01, 0.05, 0.1, 0.7, 0.02


def _is_chance(facts: Facts) -> bool:
    low = facts.value if facts.lo is None else facts.lo
    return facts.n_classes > 1 and low is not None and facts.chance is not None and low <= facts.chance


def _is_flat(facts: Facts) -> bool:
    """Few directions though there are images enough to show more."""
    return facts.rank_share is not None and facts.rank_share < RANK and facts.rank_room >= 1


_GAIN = ("value", "gain", "lo", "hi", "chance")
RULES: tuple[Rule, ...] = (
    Rule(
        "S1-empty", "score", "no vector can be evaluated", ("n_embedded", "n_unusable", "n_rejected"), "trust",
        lambda f: f.n_embedded == f.n_unusable,
        say.nothing,
    ),
    Rule(
        "S2-unlabelled", "score", "no image has a label", ("n_labelled",), "neighbours",
        lambda f: f.n_labelled == 0,
        lambda f: "No labels: nothing here says the neighbours are right.",
    ),
    Rule(
        "S3-undefined", "score", "the headline score is undefined", ("value", "reason"), "scorecard",
        lambda f: f.value is None,
        say.undefined,
    ),
    Rule(
        "V3-chance", "score", "the lower end of the headline's interval is not above chance",
        ("value", "lo", "hi", "chance"), "scorecard",
        _is_chance,
        say.like_chance,
    ),
    Rule(
        "S4-one", "score", "all labelled images are of one class", ("n_classes",), "classes",
        lambda f: f.n_classes == 1,
        lambda f: "Only one class: every labelled neighbour is right by construction, so nothing is measured.",
    ),
    Rule(
        "S5-weak", "score", f"less than {MIXED:g} of the way from chance to perfect", _GAIN, "scorecard",
        lambda f: f.gain is not None and f.gain < MIXED,
        lambda f: say.graded("Weak", f),
    ),
    Rule(
        "S6-mixed", "score", f"less than {GOOD:g} of the way from chance to perfect", _GAIN, "scorecard",
        lambda f: f.gain is not None and f.gain < GOOD,
        lambda f: say.graded("Mixed", f),
    ),
    Rule(
        "S7-good", "score", f"less than {VERY_GOOD:g} of the way from chance to perfect", _GAIN, "scorecard",
        lambda f: f.gain is None or f.gain < VERY_GOOD,
        lambda f: say.graded("Good", f),
    ),
    Rule(
        "S8-very-good", "score", "otherwise", _GAIN, "scorecard",
        lambda f: True,
        lambda f: say.graded("Very good", f),
    ),
    Rule(
        "P1-nothing", "precision", "no query was scored", ("n_queries",), "trust",
        lambda f: f.n_queries == 0 or f.value is None,
        say.contrast,
    ),
    Rule(
        "V2-few", "precision", "fewer than 100 queries, or an interval wider than 0.10",
        ("n_queries", "width"), "scorecard",
        lambda f: f.n_queries < 100 or (f.width or 0.0) > say.WIDE,
        say.too_few,
    ),
    Rule(
        "P2-enough", "precision", "otherwise", ("n_queries", "width"), "scorecard",
        lambda f: True,
        say.precise,
    ),
    Rule(
        "C1-unlabelled", "separation", "no image has a label", ("n_labelled", "n_evaluated"), "neighbours",
        lambda f: f.n_labelled == 0,
        lambda f: "What is below shows what the embedding finds alike; whether that is right, only you can say."
        if f.n_evaluated > 1 else "A report needs at least two images.",
    ),
    Rule(
        "C2-classes", "separation", "two or more classes have at least 5 queries", ("weakest",), "classes",
        lambda f: len(f.classes_by_share) > 1,
        say.weakest,
    ),
    Rule(
        "C3-unknown", "separation", "otherwise", ("n_classes",), "classes",
        lambda f: True,
        lambda f: "Nothing can be said about single classes yet: that takes two of them with five queries or more.",
    ),
    Rule(
        "V1-inflated", "flag", f"the headline without groups is more than {GAP:g} above it",
        ("value", "ungrouped", "group_gap"), "trust",
        lambda f: f.group_gap is not None and f.group_gap > GAP,
        say.inflated,
    ),
    Rule(
        "V1-leak", "flag", f"more than {percent(LEAK)} of the images asked are in the gallery too",
        ("leak_rate",), "trust",
        lambda f: f.leak_rate is not None and f.leak_rate > LEAK,
        say.leaking,
    ),
    Rule(
        "V4-margin", "flag", "a class margin is below 0", ("n_negative_margins", "worst_pairs"), "classes",
        lambda f: f.n_negative_margins > 0,
        say.negative_margins,
    ),
    Rule(
        "V5-hub", "flag", f"an image is in more than {percent(HUB)} of the lists", ("hub_max",), "geometry",
        lambda f: f.hub_max is not None and f.hub_max > HUB and f.n_evaluated > 10 * f.evaluation.k,
        say.crowded,
    ),
    Rule(
        "V5-rank", "flag", f"centred RankMe is below {RANK:g} of the dimensions, with images enough to reach them",
        ("rank_share", "rank_room"), "geometry",
        _is_flat,
        say.flat,
    ),
    Rule(
        "V7-twins", "flag", f"more than {percent(TWINS)} of the images asked have a neighbour with the same vector",
        ("n_twins", "twin_share"), "trust",
        lambda f: f.twin_share > TWINS,
        say.twins,
    ),
    Rule(
        "F1-rejected", "flag", "more than 1 % of the files found were rejected", ("rejected_share",), "trust",
        lambda f: f.rejected_share > 0.01,
        say.rejected,
    ),
    Rule(
        "F2-unscored", "flag", "labels exist and more than 5 % of the embedded images can be no query",
        ("unscored_share", "n_unlabelled", "n_singleton", "n_unusable"), "trust",
        lambda f: f.n_labelled > 0 and f.unscored_share > 0.05,
        say.unscored,
    ),
    Rule(
        "F3-unusable", "flag", "a vector is non-finite or all zero", ("n_unusable",), "trust",
        lambda f: f.n_unusable > 0,
        say.unusable,
    ),
    Rule(
        "F4-ties", "flag", "more than 1 % of the queries have tied neighbours at the edge of a list",
        ("tie_rate",), "trust",
        lambda f: f.tie_rate > 0.01,
        lambda f: f"{percent(f.tie_rate)} of the lists have equally similar images at place 1 or at their end: "
        "there the order is by row.",
    ),
    Rule(
        "F5-small", "flag", "most classes have fewer than 5 queries",
        ("n_small_classes", "n_classes"), "classes",
        lambda f: f.n_classes > 0 and f.n_queries > 0 and f.n_small_classes > f.n_classes / 2,
        say.small,
    ),
    Rule(
        "V6-plausible", "note", f"at least {percent(PLAUSIBLE)} of wrong first neighbours have the same parent",
        ("plausible_fp",), "confusion",
        lambda f: f.plausible_fp is not None and f.plausible_fp >= PLAUSIBLE,
        say.plausible,
    ),
    Rule(
        "F0-warnings", "note", "warnings came with the evaluation that no other rule speaks of",
        ("n_warnings",), "trust",
        lambda f: f.n_warnings > 0,
        lambda f: f"{counted(f.n_warnings, 'warning')} came with the evaluation, listed in section 1.",
    ),
    *NEXT_STEPS,
)  # fmt: skip
