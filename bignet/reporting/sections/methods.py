"""Methods: every definition, parameter, exclusion, rule and limit behind the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.atlas import has_map
from bignet.reporting.definitions import define
from bignet.reporting.numbers import counted, percent
from bignet.reporting.plain import GOOD, MIXED, VERY_GOOD
from bignet.reporting.record import provenance

if TYPE_CHECKING:
    from bignet.evaluate.result import Metric
    from bignet.reporting.facts import Facts
    from bignet.reporting.source import ReportSource
    from bignet.reporting.verdict import Finding, Verdict

CONVENTIONS = (
    "Similarity is the cosine of two vectors; higher is more similar. Distance is 1 minus similarity.",
    "An image is never its own neighbour. Equal similarities are ordered by their place in the store.",
    "Unlabelled images are no queries and do not count as neighbours in scores.",
    "An image that is alone in its class is no query, but stays a possible wrong neighbour of others.",
    "Vectors that are not finite or all zero are left out of everything.",
    "Macro is the mean of the classes' means: a rare class weighs as much as a common one.",
    (
        f"Plain words (weak, mixed, good, very good) say how far precision is on the way from chance to perfect: "
        f"below {MIXED:g}, below {GOOD:g}, below {VERY_GOOD:g}, above. A house rule: read the numbers beside them."
    ),
    (
        "A person's verdict (human_plausible) is marked plausible / (marked plausible + implausible) among neighbours "
        "of another label, with Wilson's interval; neighbours marked as wrong labels are no mistakes of the embedding."
    ),
    "Chance is what the same lists would score with the labels shuffled.",
    (
        "An interval answers: the same classes, other images, each of them a query and a neighbour of others. The "
        "query bootstrap's ends are moved out as the standard error grows when each image is left out of the queries "
        "and of everyone's neighbours (delete-one jackknife, what pairs do to each other counted once). Near 0 and 1 "
        "it is Wilson's, with as many queries as would vary as much. MAP above 1,000 images is widened as MAP@R is."
    ),
    (
        "An interval 'of queries only' or 'of the queries asked' (above 50,000 images) is for other queries among "
        "these same images; with other images to be found too the spread is up to about twice as wide. So it is for "
        "scores of the parts after the scorecard. For other classes or groups see the interval beside."
    ),
    (
        "A class's margin is its distance to the nearest other class minus the distance within; below 0 the class lies "
        "nearer to another than to itself. A class of one image has no distance within: it stands in the matrix, but "
        "is nobody's nearest class and no margin is judged by it, for a single image would decide."
    ),
    "Under labels that are paths (animal#dog), two classes with the same path above them share a parent.",
)
LIMITS = (
    "Scores depend on the number of images and classes: compare them only over the same images.",
    "Labels are taken as true. A neighbour marked as a wrong label counts as a mistake until it is mended.",
    "The strips are a selection; all neighbours are in neighbours.parquet, all queries in per_query.parquet.",
)
_SETTINGS = {"k": "neighbours listed for each image", "mode": "who is compared", "unlabelled": "images without a label"}
_PLAIN = {
    ("mode", "loo"): "each image against all others",
    ("mode", "split"): "the images to ask against those that can be found",
    ("mode", "folds"): "each image against those of the other folds",
    ("unlabelled", "drop"): "left out of the scores",
}
_FILES = {
    "report.json": "every number with its interval, its reason if undefined, and the verdict's rules",
    "per_query.parquet": "one row an image: its scores and its farthest image",
    "neighbours.parquet": "one row a listed neighbour: id, rank, nn_id, sim, relation",
    "per_class.parquet": "one row a class: scores with intervals, spread, margin, nearest class",
    "class_pairs.parquet": "one row a pair of classes: their mean distance",
}
_SPECTRUM = {"spectrum.parquet": "one row a dimension: its share of the variance, its singular value"}
_CLUSTERS = {
    "clusters.parquet": "one row a cluster: its size, label, cohesion and medoid",
    "cluster_members.parquet": "one row an image in a cluster: how central it is, and how nearly it belongs to another",
}
_LADDER = {"ladder.parquet": "one row a storage or index: its bytes, the neighbours it keeps, what P@1 does"}
_ATLAS = {"atlas.parquet": "one row an image, its place on the map and its neighbours, for Embedding Atlas"}


def files(facts: Facts) -> list[tuple[str, str]]:
    """What lies beside the page."""
    geometry = facts.evaluation.geometry
    spectrum = _SPECTRUM if geometry and geometry.spectrum else {}
    clusters = _CLUSTERS if facts.evaluation.clusters else {}
    ladder = _LADDER if facts.evaluation.ladder else {}
    atlas = _ATLAS if has_map(facts.evaluation) else {}
    return list((_FILES | spectrum | clusters | ladder | atlas).items())


def answer(facts: Facts) -> str:
    """The section's sentence."""
    n, images = counted(len(facts.metrics), "metric"), counted(facts.n_embedded, "image")
    return f"{n} over {images}, by cosine similarity: everything needed to repeat or to doubt it."


def definitions(facts: Facts) -> list[tuple[str, str, str, str]]:
    """Name, meaning, formula and parameters of every metric on the page."""
    return [_definition(metric) for metric in facts.metrics]


def rules(verdict: Verdict) -> list[tuple[str, str, str, str, bool]]:
    """Id, group, condition, inputs and whether it spoke, for every rule of the verdict."""
    return [_rule(finding) for finding in verdict.findings]


def provenance_rows(source: ReportSource, fingerprint: str) -> list[tuple[str, str]]:
    """All that is known about where the vectors come from."""
    rows = [("store", source.store_name), ("embedding", source.embedding), ("dims", str(source.dims))]
    rows += [(key, str(value)) for key, value in provenance(source).items() if value is not None]
    rows.append(("evaluated images, SHA-256 of their ids", fingerprint))
    return [(visible(key).replace("_", " "), visible(value)) for key, value in rows]


def setup(facts: Facts) -> list[tuple[str, str]]:
    """How it was measured: what was asked for, and what was left to chance."""
    rows = [_asked_for(key, str(value)) for key, value in facts.source.method.items()]
    if facts.is_sampled:
        rows.append(("queries asked", f"{len(facts.evaluation.graph.rows):,} of {facts.n_evaluated:,} images"))
    return [(visible(key), visible(value)) for key, value in rows]


def _asked_for(key: str, value: str) -> tuple[str, str]:
    """A setting in plain words, its own name in brackets."""
    words = _PLAIN.get((key, value))
    return _SETTINGS.get(key, key.replace("_", " ")), value if words is None else f"{words} ({value})"


def _definition(metric: Metric) -> tuple[str, str, str, str]:
    words = define(metric)
    items = [f"{key} = {value}" for key, value in sorted(metric.params.items())]
    if metric.lo is not None:
        items.append(f"{metric.ci}, {percent(metric.level)}")
    items.append(f"gallery {metric.gallery_size:,}")
    left_out = {name: n for name, n in vars(metric.excluded).items() if n}
    items += [f"{n:,} {name} left out" for name, n in left_out.items()]
    return words.title, words.meaning, words.formula, visible("; ".join(items))


def _rule(finding: Finding) -> tuple[str, str, str, str, bool]:
    inputs = ", ".join(f"{name} = {_value(value)}" for name, value in finding.inputs.items())
    return finding.rule.id, finding.rule.group, finding.rule.condition, visible(inputs), finding.fired


def _value(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_value(item) for item in value) or "none"
    return "none" if value is None else str(value)
