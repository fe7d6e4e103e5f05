"""The sentences of the verdict: plain words first, the numbers behind them after."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from bignet.names import shorten, visible
from bignet.reporting.numbers import counted, decimals, listed, percent, sentence, signed
from bignet.reporting.plain import of_hundred
from bignet.reporting.weakness import NOTABLE, SHOWN, lift_of

if TYPE_CHECKING:
    from bignet.reporting.facts import Facts
    from bignet.reporting.weakness import ClassShare

WIDE = 0.10  # an interval that says too little to choose by
_LONGEST = 32
_APART = "\u2068\u2069"  # the direction of what stands between them stays between them
_FINE = 0.95  # a class whose neighbours are right this often needs no attention


def named(label: str) -> str:
    """A class as it stands in a sentence: short, and set apart where it is written from right to left."""
    text = shorten(visible(label), _LONGEST)
    turns = any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
    return f"{_APART[0]}{text}{_APART[1]}" if turns else text


def queries(facts: Facts) -> str:
    """``2,000 queries``."""
    return counted(facts.n_queries, "query", "queries")


def quoted(facts: Facts) -> str:
    """``macro MAP@R 0.540 (95 % interval 0.528 to 0.551; chance 0.013)``."""
    level = percent(facts.headline.level) if facts.headline else ""
    parts = [] if facts.width is None else [f"{level} interval {decimals(facts.lo)} to {decimals(facts.hi)}"]
    parts += [] if facts.chance is None else [f"chance {decimals(facts.chance)}"]
    return f"{facts.headline_name} {decimals(facts.value)}" + (f" ({'; '.join(parts)})" if parts else "")


def graded(grade: str, facts: Facts) -> str:
    """A word for how good it is, then what it rests on: ``Mixed: of 100 nearest neighbours, 41 show ...``."""
    return f"{grade}: {facts.plain.words if facts.plain else quoted(facts)}."


def like_chance(facts: Facts) -> str:
    """That the score and chance are the same."""
    below = (facts.value or 0.0) <= (facts.chance or 0.0)
    return graded("No better than chance" if below else "Cannot be told from chance", facts)


def too_few(facts: Facts) -> str:
    """That the interval is too wide to choose by."""
    text = f"Too few images to rank models or layers: {quoted(facts)} from {queries(facts)}"
    is_wide = facts.width is not None and facts.width > WIDE
    return f"{text}, an interval {decimals(facts.width)} wide." if is_wide else f"{text}."


def precise(facts: Facts) -> str:
    """The number to quote, and which differences it can show."""
    text = f"The strict score for comparing models is {quoted(facts)}, from {queries(facts)}"
    text += _beside(facts)
    if facts.width is None:
        return f"{text}; no interval was computed."
    return f"{text}. Models that differ by less than {decimals(facts.width)} cannot be told apart."


def _beside(facts: Facts) -> str:
    """That a strict score looks low beside the plain one."""
    if facts.plain is None or not facts.headline_name.startswith("macro MAP@R"):
        return ""
    plain = f"{of_hundred(facts.plain.share)} of 100 is the plain one"
    return f"; {plain}, the strict one is 1 only if all images of a class come before any other"


def contrast(facts: Facts) -> str:
    """What similarities alone can say."""
    if facts.nearest is None or facts.farthest is None:
        return "Neighbours are measured between images: with fewer than two there is nothing to compare."
    near, far = decimals(facts.nearest), decimals(facts.farthest)
    return f"For the median image the nearest neighbour has similarity {near}, the farthest {far}."


def weakest(facts: Facts) -> str:
    """The classes it serves worst, what they are taken for, and the best."""
    ranked = facts.classes_by_share
    if ranked[0].share >= _FINE:
        return (
            f"No class is bad: the weakest, {named(ranked[0].label)}, has {of_hundred(ranked[0].share)} of 100 right."
        )
    worst = [_taken(item) for item in ranked[: min(SHOWN, len(ranked) - 1)]]
    best = ranked[-1]
    return f"Weakest for {listed(worst)}; strongest for {named(best.label)} ({of_hundred(best.share)} of 100 right)."


def _taken(item: ClassShare) -> str:
    label = named(item.label)
    if item.is_spread:
        return f"{label} (spread over {listed([named(other) for other in item.taken_for])})"
    return f"{label} (taken for {named(item.taken_for[0])})" if item.taken_for else label


def _pairs(facts: Facts) -> str:
    worst = [pair for pair in facts.worst_pairs if (pair[2] or 0) < 0]
    return "; ".join(_pair(facts, *pair) for pair in worst)


def _pair(facts: Facts, label: str, other: str | None, margin: float | None) -> str:
    lift = lift_of(facts, label, other)
    more = "" if lift is None or lift < NOTABLE else f", found {_times(lift)} as often as by chance"
    return f"{named(label)} against {named(other or '?')} (margin {signed(margin)}{more})"


def _times(lift: float) -> str:
    return f"{lift:,.0f} times" if lift >= 10 else f"{lift:.1f} times"


def negative_margins(facts: Facts) -> str:
    """Which classes lie nearer to another, and to which."""
    of_all = f"{facts.n_negative_margins:,} of {counted(len(facts.margins), 'class', 'classes')}"
    of_all += " of two or more images" if len(facts.margins) < facts.n_classes else ""
    one = facts.n_negative_margins == 1
    lie, own = ("lies", "its") if one else ("lie", "their")
    return f"By average distance {of_all} {lie} nearer to another class than to {own} own images: {_pairs(facts)}."


def all_separate(facts: Facts) -> str:
    """The narrowest margin when all are at least 0."""
    row = facts.margins[0]
    pair = f"{named(row.label)} against {named(row.nearest_class or '?')}"
    start = "By average distance no class lies nearer to another than to itself"
    return f"{start}; the narrowest margin is {pair} ({signed(row.margin)})."


def inflated(facts: Facts) -> str:
    """How much of the score is images of one group finding each other."""
    return (
        f"Scores would be inflated by {decimals(facts.group_gap)} if images of one group could find each other: "
        f"{facts.headline_name} {decimals(facts.ungrouped)} without the groups, {decimals(facts.value)} with them. "
        "Quote the lower one."
    )


def leaking(facts: Facts) -> str:
    """How many of the images asked can find themselves."""
    return (
        f"{percent(facts.leak_rate)} of the images asked have the same vector as one in the gallery: scores speak for "
        "new images only without them."
    )


def crowded(facts: Facts) -> str:
    """That one image is in too many lists."""
    return f"One image is in {percent(facts.hub_max)} of all lists: try another layer."


def flat(facts: Facts) -> str:
    """That the vectors use few of their directions."""
    return (
        f"The vectors use about {percent(facts.rank_share)} of their {facts.source.dims:,} directions: "
        "try another layer."
    )


def plausible(facts: Facts) -> str:
    """That mistakes stay close to what is right."""
    return f"Mistakes stay inside the parent category: {percent(facts.plausible_fp)} of wrong first neighbours do."


def unscored(facts: Facts) -> str:
    """What is in no score, and why."""
    reasons = {
        "unlabelled": facts.n_unlabelled,
        "alone in their class": facts.n_singleton,
        "with an unusable vector": facts.n_unusable,
    }
    counts = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items() if n)
    return f"{percent(facts.unscored_share)} of the embedded images are not scored: {counts}."


def rejected(facts: Facts) -> str:
    """What could not be embedded."""
    return (
        f"{counted(facts.n_rejected, 'file')} of {facts.n_discovered:,} found "
        f"({percent(facts.rejected_share)}) could not be embedded and are not in any number."
    )


def unusable(facts: Facts) -> str:
    """Vectors that have no direction."""
    n = counted(facts.n_unusable, "vector")
    return f"{n} cannot be compared (not finite, or all zero); such images are in no list."


def twins(facts: Facts) -> str:
    """Images that find themselves again."""
    return (
        f"{counted(facts.n_twins, 'image has', 'images have')} a nearest neighbour with the very same vector "
        f"({percent(facts.twin_share)}): copies make scores too good."
    )


def small(facts: Facts) -> str:
    """Classes of which a score says little."""
    classes = counted(facts.n_classes, "class", "classes")
    return f"Fewer than 5 queries in {facts.n_small_classes:,} of {classes}: such a class's score says little."


def nothing(facts: Facts) -> str:
    """Why there is not a single vector."""
    if facts.n_embedded:
        return "No vector can be compared, so there is nothing to judge."
    if facts.n_rejected:
        found = counted(facts.n_rejected, "file was", "files were")
        return f"{found} found and all were rejected, so there is nothing to judge."
    return "The store holds no images, so there is nothing to judge."


def undefined(facts: Facts) -> str:
    """Why there is no score."""
    return sentence(f"{facts.headline_name} is undefined: {visible(facts.reason or 'nothing to score')}.")
