"""The one thing to do next: fixed rules, the first that applies is shown with its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.reporting.plain import GOOD
from bignet.reporting.rule import NEXT, Rule
from bignet.reporting.sections import commands
from bignet.reporting.sentences import WIDE, named

if TYPE_CHECKING:
    from bignet.reporting.facts import Facts


def is_weak(facts: Facts) -> bool:
    """Less than half of the way from chance to perfect."""
    return facts.gain is not None and facts.gain < GOOD


def _add(facts: Facts) -> str:
    return commands.import_vectors(facts.source) if facts.source.imported else commands.extract_folder(facts.source)


def _worst_row(facts: Facts) -> int:
    """The worst image of the worst class."""
    label = facts.classes_by_share[0].label
    scores = facts.evaluation.per_query.apr
    rows = [row for row, other in enumerate(facts.evaluation.labels) if other == label and scores[row] >= 0]
    return min(rows, key=lambda row: (scores[row], row))


def _look(facts: Facts) -> str:
    worst = facts.classes_by_share[0]
    beside = f" beside {named(worst.taken_for[0])}" if worst.taken_for else ""
    return (
        f"Look at {named(worst.label)}{beside}: if people would confuse them too, merge them or collect more "
        "images of both; if not, mend the labels."
    )


NEXT_STEPS: tuple[Rule, ...] = (
    Rule(
        "N1-rejected", NEXT, "more than 10 % of the files found were rejected", ("rejected_share",), "trust",
        lambda f: f.rejected_share > 0.1,
        lambda f: "Look at the files that could not be read and mend or replace them: too many are missing.",
        lambda f: commands.show_rejected(f.source),
    ),
    Rule(
        "N2-empty", NEXT, "no vector can be evaluated", ("n_embedded", "n_unusable"), "trust",
        lambda f: f.n_embedded == f.n_unusable,
        lambda f: "Embed a folder of images, then run the report again.",
        _add,
    ),
    Rule(
        "N3-unlabelled", NEXT, "no image has a label", ("n_labelled",), "neighbours",
        lambda f: f.n_labelled == 0,
        lambda f: "Mark a few dozen neighbours as plausible or not, the quickest way to a first number; "
        "or give the report labels, in a CSV file with the columns path and label.",
        lambda f: commands.report_with_labels(f.source),
    ),
    Rule(
        "N4-undefined", NEXT, "the headline score is undefined, or there is only one class",
        ("value", "n_classes"), "trust",
        lambda f: f.value is None or f.n_classes < 2,
        lambda f: "Add images: a score needs two classes with two images each.",
        _add,
    ),
    Rule(
        "N5-few", NEXT, "fewer than 100 queries, or an interval wider than 0.10", ("n_queries", "width"), "trust",
        lambda f: f.n_queries < 100 or (f.width or 0.0) > WIDE,
        lambda f: "Add images, about 30 for each class, before you compare anything.",
        _add,
    ),
    Rule(
        "N6-weak", NEXT, "less than half of the way from chance to perfect; vectors made elsewhere",
        ("gain",), "neighbours",
        lambda f: is_weak(f) and f.source.imported,
        lambda f: "Try another encoder on the same images, and compare the two reports.",
        lambda f: commands.import_vectors(f.source),
    ),
    Rule(
        "N7-weak", NEXT, "less than half of the way from chance to perfect", ("gain",), "neighbours",
        is_weak,
        lambda f: "Try a stronger network on the same images, and compare the two reports.",
        lambda f: commands.extract_stronger(f.source),
    ),
    Rule(
        "N8-class", NEXT, "a class finds less than half of its own", ("weakest",), "classes",
        lambda f: bool(f.classes_by_share) and f.classes_by_share[0].share < GOOD,
        _look,
        lambda f: commands.search_row(f.source, _worst_row(f)),
    ),
    Rule(
        "N9-use", NEXT, "otherwise", (), "neighbours",
        lambda f: True,
        lambda f: "Look at the worst queries below; if you can live with them, use it.",
        lambda f: commands.build_index(f.source),
    ),
)  # fmt: skip
