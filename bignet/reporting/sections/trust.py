"""Can these numbers be trusted: what came of every file that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bignet.names import visible
from bignet.reporting.facts import UNGROUPED
from bignet.reporting.numbers import count, counted, decimals, percent
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import label_images
from bignet.reporting.sections.parts import Advice

if TYPE_CHECKING:
    from bignet.reporting.facts import Facts


@dataclass(frozen=True)
class Part:
    """Some of the files found: how many, and what that means for the numbers."""

    kind: str
    name: str
    n: int
    share: float
    meaning: str

    @property
    def percent(self) -> str:
        """Its share of all files found."""
        return percent(self.share)


def parts(facts: Facts) -> list[Part]:
    """Files found, split into what came of them; the parts add up."""
    total = max(1, facts.n_discovered)
    return [Part(kind, name, n, n / total, why) for kind, name, n, why in _scored(facts) + _left_out(facts) if n]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    if not facts.n_discovered:
        return "No image files were found, so no number can be computed."
    if not facts.n_embedded:
        found = counted(facts.n_rejected, "file was", "files were")
        return f"{found} found and all were rejected: there is nothing to evaluate."
    found = f"Of {counted(facts.n_discovered, 'file')} found, {facts.n_embedded:,} are embedded"
    if facts.n_unusable == facts.n_embedded:
        return f"{found}, but none of their vectors can be compared: they are not finite, or all zero."
    if not facts.n_labelled:
        return f"{found} and {_none(facts.n_rejected)} rejected; none has a label, so nothing could be scored."
    return f"{found}, {facts.n_queries:,} of them scored, and {_none(facts.n_rejected)} rejected."


def advice(facts: Facts) -> Advice:
    """What to do about it."""
    source = facts.source
    if not facts.n_discovered:
        return Advice("Point the store at a folder of images.", commands.extract_folder(source))
    if facts.n_rejected:
        return Advice("Look at the rejected files, mend or remove them.", commands.show_rejected(source))
    if not facts.n_labelled:
        text = "To get scores, sort the images into one folder per class and extract them again."
        return label_images(source, text)
    if facts.n_unlabelled or facts.n_singleton:
        text = "Label the unlabelled images, or add a second image to classes of one, and run the report again."
        return Advice(text, commands.make_report(source))
    return Advice("The images are all accounted for: what follows is about the embedding, not about lost data.")


def inflation(facts: Facts) -> list[tuple[str, str, str, str]]:
    """The headline as it is and as it would be if images of one group found each other; empty without groups."""
    metrics = {metric.id: metric for metric in facts.metrics}
    both = {"groups kept apart": facts.headline, "groups ignored": metrics.get(UNGROUPED)}
    if facts.ungrouped is None or facts.headline is None:
        return []
    return [
        (name, decimals(metric.value), f"{decimals(metric.lo)} to {decimals(metric.hi)}", count(metric.n_queries))
        for name, metric in both.items()
        if metric is not None
    ]


def twins(facts: Facts) -> str:
    """How many images find a copy of themselves; empty if none does."""
    if not facts.n_twins:
        return ""
    found = counted(facts.n_twins, "image has", "images have")
    return f"{found} a nearest neighbour with the very same vector: copies, or pictures the network cannot tell apart."


def rejected(facts: Facts) -> list[tuple[str, str]]:
    """Reasons for rejection, most frequent first."""
    items = sorted(facts.source.rejected.items(), key=lambda item: (-item[1], item[0]))
    return [(visible(reason).replace("_", " "), count(n)) for reason, n in items if n]


def ties(facts: Facts) -> list[tuple[str, str]]:
    """Share of queries whose list of k ends in a tie."""
    if not facts.n_embedded:
        return []
    rates = sorted(facts.evaluation.graph.tie_rate.items())
    return [(f"lists of {k}", percent(rate)) for k, rate in rates if k <= facts.evaluation.k]


def _none(n: int) -> str:
    return "none was" if n == 0 else counted(n, "was", "were")


def _scored(facts: Facts) -> list[tuple[str, str, int, str]]:
    unusable = facts.evaluation.unusable
    used = facts.n_queries if facts.n_labelled else facts.n_embedded - facts.n_unusable
    meaning = "queries of every score" if facts.n_labelled else "in every neighbour list"
    known = [
        ("used", "scored" if facts.n_labelled else "embedded, unlabelled", used, meaning),
        ("single", "alone in their class", facts.n_singleton, "no query; still a possible wrong neighbour"),
        ("open", "unlabelled", _open(facts), "no query, and not counted as a neighbour in scores"),
        ("bad", "not finite", len(unusable.get("nonfinite", ())), "left out of everything"),
        ("bad", "all zero", len(unusable.get("zero", ())), "left out of everything"),
    ]
    rest = facts.n_embedded - sum(item[2] for item in known)
    if facts.is_sampled:
        return [*known, ("sample", "not asked", max(0, rest), "found by the sample of queries, but no query itself")]
    return [*known, ("single", "not scored", max(0, rest), "embedded, but no query of the headline score")]


def _open(facts: Facts) -> int:
    """Unlabelled rows that are not already counted as unusable."""
    if not facts.n_labelled:
        return 0
    bad = {row_id for ids in facts.evaluation.unusable.values() for row_id in ids}
    pairs = zip(facts.evaluation.ids.tolist(), facts.evaluation.labels, strict=True)
    return sum(label is None and row_id not in bad for row_id, label in pairs)


def _left_out(facts: Facts) -> list[tuple[str, str, int, str]]:
    lost = facts.n_discovered - facts.n_embedded - facts.n_rejected
    return [
        ("lost", "rejected", facts.n_rejected, "could not be read; in no number"),
        ("other", "not evaluated", lost, "found, but not part of this evaluation"),
    ]
