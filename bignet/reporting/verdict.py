"""Three sentences and the red flags, from fixed rules that the page prints: nothing else judges."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from bignet.names import visible
from bignet.reporting.numbers import brief, counted, decimals, percent, sentence, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bignet.reporting.facts import Facts

WIDE = 0.10  # an interval that says too little to choose by
GROUPS = ("score", "precision", "separation")


@dataclass(frozen=True)
class Rule:
    """When a sentence is said.

    Attributes:
        id: its name in the report and in ``report.json``.
        group: of "score", "precision" and "separation" the first rule that applies speaks; every "flag" does.
        condition: in words, as printed.
        inputs: the facts it looks at.
        section: where on the page to read on.
        applies: the condition.
        say: the sentence.
    """

    id: str
    group: str
    condition: str
    inputs: tuple[str, ...]
    section: str
    applies: Callable[[Facts], bool]
    say: Callable[[Facts], str]


@dataclass(frozen=True)
class Finding:
    """What a rule came to."""

    rule: Rule
    fired: bool
    sentence: str | None
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """All rules' findings; ``sentences`` speak first, ``flags`` warn."""

    findings: tuple[Finding, ...]

    @property
    def sentences(self) -> tuple[Finding, ...]:
        """One finding for each group, in the order of GROUPS."""
        fired = [item for item in self.findings if item.fired]
        return tuple(item for group in GROUPS for item in fired if item.rule.group == group)

    @property
    def flags(self) -> tuple[Finding, ...]:
        """What must be known before the numbers are believed."""
        return tuple(item for item in self.findings if item.fired and item.rule.group == "flag")


def judge(facts: Facts) -> Verdict:
    """Every rule against the facts; in a group of sentences only the first that applies fires."""
    spoken: set[str] = set()
    findings = []
    for rule in RULES:
        fired = rule.group not in spoken and rule.applies(facts)
        if fired and rule.group in GROUPS:
            spoken.add(rule.group)
        inputs = {name: _plain(getattr(facts, name)) for name in rule.inputs}
        findings.append(Finding(rule, fired, rule.say(facts) if fired else None, inputs))
    return Verdict(tuple(findings))


def _plain(value: object) -> object:
    if isinstance(value, float):
        return brief(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return visible(value)
    return None if is_dataclass(value) else value


def interval(facts: Facts) -> str:
    """``(95 % interval 0.528 to 0.551)``, or nothing."""
    if facts.headline is None or facts.width is None:
        return ""
    return f" ({percent(facts.headline.level)} interval {decimals(facts.lo)} to {decimals(facts.hi)})"


def _score(facts: Facts) -> str:
    against = "" if facts.chance is None else f", where chance gives {decimals(facts.chance)}"
    return f"{facts.headline_name} is {decimals(facts.value)}{interval(facts)}{against}"


def _too_few(facts: Facts) -> str:
    images = counted(facts.n_queries, "query", "queries")
    if facts.width is None or facts.width <= WIDE:
        return f"Only {images} could be scored: too few to rank models or layers."
    return f"{images}, interval {decimals(facts.width)} wide: too few images to rank models or layers."


def _precise(facts: Facts) -> str:
    images = counted(facts.n_queries, "query", "queries")
    if facts.width is None:
        return f"It rests on {images}; no interval was computed."
    wide = decimals(facts.width)
    return f"It rests on {images}; the interval is {wide} wide, so smaller differences between models are noise."


def _pairs(facts: Facts) -> str:
    worst = [pair for pair in facts.worst_pairs if (pair[2] or 0) < 0]
    return "; ".join(f"{visible(a)} against {visible(b or '?')} ({signed(margin)})" for a, b, margin in worst)


def negative_margins(facts: Facts) -> str:
    """Which classes lie nearer to another, and to which."""
    of_all = f"{facts.n_negative_margins:,} of {counted(len(facts.margins), 'class', 'classes')}"
    of_all += " of two or more images" if len(facts.margins) < facts.n_classes else ""
    lie = "lies" if facts.n_negative_margins == 1 else "lie"
    return f"{of_all} {lie} nearer to another class than to their own images: {_pairs(facts)}."


def all_separate(facts: Facts) -> str:
    """The narrowest margin when all are at least 0."""
    row = facts.margins[0]
    pair = f"{visible(row.label)} against {visible(row.nearest_class or '?')}"
    return f"No class lies nearer to another than to itself; the narrowest margin is {pair} ({signed(row.margin)})."


def _contrast(facts: Facts) -> str:
    if facts.nearest is None or facts.farthest is None:
        return "Neighbours are measured between images: with fewer than two there is nothing to compare."
    near, far = decimals(facts.nearest), decimals(facts.farthest)
    return f"For the median image the nearest neighbour has similarity {near}, the farthest {far}."


def _unscored(facts: Facts) -> str:
    return (
        f"{percent(facts.unscored_share)} of the embedded images are not scored: "
        f"{facts.n_unlabelled:,} unlabelled, {facts.n_singleton:,} alone in their class, "
        f"{facts.n_unusable:,} with an unusable vector."
    )


def _is_chance(facts: Facts) -> bool:
    low = facts.value if facts.lo is None else facts.lo
    return facts.n_classes > 1 and low is not None and facts.chance is not None and low <= facts.chance


def _like_chance(facts: Facts) -> str:
    below = (facts.value or 0.0) <= (facts.chance or 0.0)
    return f"{'No better than chance' if below else 'Cannot be told from chance'}: {_score(facts)}."


def _small(facts: Facts) -> str:
    classes = counted(facts.n_classes, "class", "classes")
    return f"Fewer than 5 queries in {facts.n_small_classes:,} of {classes}: such a class's score says little."


RULES: tuple[Rule, ...] = (
    Rule(
        "S1-empty", "score", "no vector can be evaluated", ("n_embedded", "n_unusable", "n_rejected"), "trust",
        lambda f: f.n_embedded == 0 or f.n_embedded == f.n_unusable,
        lambda f: "No vector can be compared, so there is nothing to judge."
        if f.n_embedded else "The store holds no images, so there is nothing to judge.",
    ),
    Rule(
        "S2-unlabelled", "score", "no image has a label", ("n_labelled",), "neighbours",
        lambda f: f.n_labelled == 0,
        lambda f: "No labels: nothing here says the neighbours are right.",
    ),
    Rule(
        "S3-undefined", "score", "the headline score is undefined", ("value", "reason"), "scorecard",
        lambda f: f.value is None,
        lambda f: sentence(f"{f.headline_name} is undefined: {visible(f.reason or 'nothing to score')}."),
    ),
    Rule(
        "S4-chance", "score", "the lower end of the headline's interval is not above chance",
        ("value", "lo", "hi", "chance"), "scorecard",
        _is_chance,
        _like_chance,
    ),
    Rule(
        "S5-score", "score", "otherwise", ("value", "lo", "hi", "chance"), "scorecard",
        lambda f: True,
        lambda f: sentence(f"{_score(f)}."),
    ),
    Rule(
        "P1-nothing", "precision", "no query was scored", ("n_queries",), "trust",
        lambda f: f.n_queries == 0 or f.value is None,
        _contrast,
    ),
    Rule(
        "P2-few", "precision", "fewer than 100 queries, or an interval wider than 0.10",
        ("n_queries", "width"), "scorecard",
        lambda f: f.n_queries < 100 or (f.width or 0.0) > WIDE,
        _too_few,
    ),
    Rule(
        "P3-enough", "precision", "otherwise", ("n_queries", "width"), "scorecard",
        lambda f: True,
        _precise,
    ),
    Rule(
        "C1-unlabelled", "separation", "no image has a label", ("n_labelled", "n_evaluated"), "neighbours",
        lambda f: f.n_labelled == 0,
        lambda f: "Mark neighbours below as plausible or not: the quickest way to a first number."
        if f.n_evaluated > 1 else "Embed a folder of images and run the report again.",
    ),
    Rule(
        "C2-one", "separation", "all labelled images are of one class", ("n_classes",), "classes",
        lambda f: f.n_classes == 1,
        lambda f: "There is only one class: every labelled neighbour is right by construction.",
    ),
    Rule(
        "C3-negative", "separation", "a class margin is below 0",
        ("n_negative_margins", "worst_pairs"), "classes",
        lambda f: f.n_negative_margins > 0,
        negative_margins,
    ),
    Rule(
        "C4-separate", "separation", "every class margin is at least 0", ("worst_pairs",), "classes",
        lambda f: bool(f.margins),
        all_separate,
    ),
    Rule(
        "C5-unknown", "separation", "otherwise", ("n_classes",), "classes",
        lambda f: True,
        lambda f: "No class has enough images for a margin: two are needed in it, and one in another class.",
    ),
    Rule(
        "F0-warnings", "flag", "warnings came with the evaluation", ("n_warnings",), "trust",
        lambda f: f.n_warnings > 0,
        lambda f: f"{counted(f.n_warnings, 'warning')} came with the evaluation, listed under trust.",
    ),
    Rule(
        "F1-rejected", "flag", "more than 1 % of the files found were rejected", ("rejected_share",), "trust",
        lambda f: f.rejected_share > 0.01,
        lambda f: f"{counted(f.n_rejected, 'file')} of {f.n_discovered:,} found "
        f"({percent(f.rejected_share)}) could not be embedded and are not in any number.",
    ),
    Rule(
        "F2-unscored", "flag", "labels exist and more than 5 % of the embedded images are no queries",
        ("unscored_share", "n_unlabelled", "n_singleton", "n_unusable"), "trust",
        lambda f: f.n_labelled > 0 and f.unscored_share > 0.05,
        _unscored,
    ),
    Rule(
        "F3-unusable", "flag", "a vector is non-finite or all zero", ("n_unusable",), "trust",
        lambda f: f.n_unusable > 0,
        lambda f: f"{counted(f.n_unusable, 'vector')} cannot be compared (not finite, or all zero); "
        "such images are in no list.",
    ),
    Rule(
        "F4-ties", "flag", "more than 1 % of the queries have tied neighbours at the edge of a list",
        ("tie_rate",), "trust",
        lambda f: f.tie_rate > 0.01,
        lambda f: f"{percent(f.tie_rate)} of the lists end in a tie: there the order is by row.",
    ),
    Rule(
        "F5-small", "flag", "most classes have fewer than 5 queries",
        ("n_small_classes", "n_classes"), "classes",
        lambda f: f.n_classes > 0 and f.n_small_classes > f.n_classes / 2,
        _small,
    ),
)  # fmt: skip
