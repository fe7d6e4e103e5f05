"""Methods of a sweep: every definition, rule, exclusion and cost setting behind the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.evaluate.sweep.recommend import CHEAPER
from bignet.evaluate.sweep.result import CKA_ROWS
from bignet.evaluate.sweep.weights import FORMULA
from bignet.names import visible
from bignet.reporting.numbers import count, counted, listed, percent
from bignet.reporting.record import without_folders
from bignet.reporting.sections.methods import definition
from bignet.reporting.sweep.facts import PRESETS, choices, origin
from bignet.reporting.sweep.layers import ALIKE

if TYPE_CHECKING:
    from bignet.reporting.sweep.facts import SweepFacts

FAIRNESS = (
    (
        "All choices see the same images and queries and leave out the same ones: an image that one model could not "
        "embed is left out for all."
    ),
    (
        "Choices are ranked and weighed by one half of the images; every score shown is that of the other half, which "
        "had no say: its images are asked and found among themselves. Without that the winner's score would be too "
        "good."
    ),
    CHEAPER,
    "A difference to the best is taken image by image, so that hard images do not blur it.",
    (
        "Tied means that the difference cannot be told from none after Holm's correction over all choices. The "
        "intervals of differences are not corrected: a choice whose own interval leaves out 0 may still not be told "
        "apart, and is then said to be so. More images would decide."
    ),
    (
        "A choice is on the front if no other is as good in quality, speed and bytes and better in one of them; "
        "quality is the score of the half that chooses, so the scores shown, of the other half, may stand otherwise. "
        "Where one of these was not measured for one of two choices, neither beats the other."
    ),
    (
        f"Two layers with a CKA of {ALIKE:g} or above, rounded to two decimals, are one choice: keep the cheaper. CKA "
        f"is linear and unbiased, of the vectors averaged over the map, of at most {CKA_ROWS:,} images."
    ),
    (
        "Weights in the page pick the choice on the front with the highest worth, of equals the better one: worth = "
        f"{FORMULA}. The score is that of the half that chooses, images/s are end to end, and a speed that was not "
        "measured counts as the lowest that was."
    ),
)
LIMITS = (
    (
        "Speed is that of one machine and one setting; its range is that of repeated measurements, and on another "
        "machine the order of two close ones may turn."
    ),
    "Scores depend on the images and their classes: what wins here wins for images like these.",
    "A pool that leaves a border of the map unseen (coverage below 100 %) misses what lies there.",
    "The strips are a small sample of queries, the same for each choice.",
)
FILES = (
    ("sweep.json", "every choice with every number, its interval and its reason if undefined; what was dropped"),
    ("sweep.parquet", "one row a choice, all columns, for a notebook"),
    ("stores", "one ordinary store a model: search it, index it, report on it"),
)


def answer(facts: SweepFacts) -> str:
    """The section's sentence."""
    images = counted(len(facts.sweep.ids), "image")
    models = counted(len(facts.models), "model")
    tried = choices(len(facts.scored)).capitalize()
    return f"{tried} of {models} over {images}: everything needed to repeat or to doubt it."


def definitions(facts: SweepFacts) -> list[tuple[str, str, str, str]]:
    """Name, meaning, formula and parameters of every metric, as of the first choice."""
    if not facts.scored:
        return []
    shown = facts.taken or facts.scored[0]
    return [definition(metric) for metric in shown.metrics.values()]


def undefined(facts: SweepFacts) -> list[tuple[str, str]]:
    """Metrics that have no value for the recommended choice, and why."""
    shown = facts.taken
    if shown is None:
        return []
    return [
        (definition(metric)[0], visible(metric.reason or "undefined"))
        for metric in shown.metrics.values()
        if metric.value is None
    ]


def rules(facts: SweepFacts) -> list[tuple[str, str, str]]:
    """Preset, its rule as printed, and what it took."""
    return [(PRESETS[item.preset], visible(item.rule), visible(item.name)) for item in facts.sweep.recommendations]


def setup(facts: SweepFacts) -> list[tuple[str, str]]:
    """How it was measured: images, queries, exclusions, costs."""
    sweep = facts.sweep
    made = [
        ("images", f"{count(len(sweep.ids))}, {count(sweep.n_left_out)} left out because a model could not embed them")
    ]
    if facts.taken is not None:
        made += _queries(facts)
    made.append(("ranked by", f"{facts.score} ({sweep.ranking})"))
    made.append(("costs", visible(sweep.cost_setting) or "not measured"))
    made.append(("speed in the figure", "network alone" if facts.by_forward else "reading and decoding included"))
    made += [(visible(key).replace("_", " "), visible(str(value))) for key, value in facts.source.method.items()]
    return made


def provenance_rows(facts: SweepFacts) -> list[tuple[str, str]]:
    """All that is known about where the vectors come from."""
    weights = dict.fromkeys((item.choice.model, origin(item.choice.weights)) for item in facts.scored)
    known = without_folders(facts.source.provenance)
    rows = [(f"weights of {model}", held) for model, held in weights]
    rows += [(key.replace("_", " "), str(value)) for key, value in known.items() if value is not None]
    rows.append(("images of the sweep, SHA-256 of their ids", facts.sweep.gallery_fingerprint))
    return [(visible(key), visible(value)) for key, value in rows]


def _queries(facts: SweepFacts) -> list[tuple[str, str]]:
    taken = facts.taken
    if taken is None:
        return []
    chosen, reported = taken.chosen_half, taken.reported
    left_out = {name: n for name, n in vars(reported.excluded).items() if n}
    words = listed([f"{count(n)} {name}" for name, n in left_out.items()]) or "none"
    spread = f"{reported.ci}, {percent(reported.level)}"
    return [
        ("queries", f"{count(chosen.n_queries)} choose, {count(reported.n_queries)} report"),
        ("left out as queries", words),
        ("intervals", visible(spread)),
    ]
