"""Clusters: which k to take, and a card of each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bignet.evaluate.labels import split_label
from bignet.names import visible
from bignet.reporting.definitions import define
from bignet.reporting.listing import lists_every_row, packed
from bignet.reporting.numbers import NOTHING, brief, count, counted, decimals, finite, percent, sentence
from bignet.reporting.sections import commands
from bignet.reporting.sections.advice import add_images
from bignet.reporting.sections.gallery import MINORITY, Gallery, Picture, rows_of_card
from bignet.reporting.sections.parts import Advice, Name, name_of

if TYPE_CHECKING:
    from bignet.evaluate.clusters.result import Cluster, Clustering, Clusters
    from bignet.reporting.facts import Facts
    from bignet.reporting.settings import ReportSettings

_PURE = 0.9
_MIXED = 0.5
_STABLE, _FAIRLY = 0.8, 0.5  # house rules for the agreement of two clusterings
_NOISE = 65535
_METHODS = {"kmeans": "k-means", "hdbscan": "HDBSCAN"}


@dataclass(frozen=True)
class Card:
    """One cluster: its pictures, and what is known of it.

    Attributes:
        number: from 1, as printed.
        title: its label, or its number.
        size: images in it.
        share_bar: the share of its label among its labelled images, in percent; None without labels.
        facts: name, value and meaning of each number.
        medoid: the picture that stands for it.
        groups: name, meaning and pictures.
        mixed: whether its label is a minority of its labelled images.
        raw: what is sorted and copied.
    """

    number: int
    title: Name
    size: str
    share_bar: float | None
    line: str
    facts: list[tuple[str, str, str]]
    medoid: Picture
    groups: list[tuple[str, str, list[Picture]]]
    mixed: bool
    raw: dict[str, float | int | str | None]


@dataclass(frozen=True)
class ClusteringView:
    """All cards of one clustering."""

    key: str
    name: str
    suggested: bool
    line: str
    cards: list[Card]
    warnings: list[str]
    figures: list[tuple[str, str]]


def answer(facts: Facts) -> str:
    """The section's sentence."""
    found = facts.evaluation.clusters
    if found is None:
        if facts.n_evaluated < 2:
            return "There are too few images to form clusters."
        return "No clusters were computed for this report."
    chosen = found.chosen
    known = [card for card in chosen.clusters if finite(card.label_share) is not None]
    if len(known) and facts.n_classes > 1:
        pure = sum((card.label_share or 0.0) >= _PURE for card in known)
        return f"{_split(found)}; {_none_of(pure, len(known))} one label to at least {percent(_PURE)}."
    largest = max((card.size for card in chosen.clusters), default=0) / max(1, facts.n_evaluated)
    return f"{_split(found)}; the largest holds {percent(largest)} of the images."


def advice(facts: Facts) -> Advice:
    """What to do with them."""
    found = facts.evaluation.clusters
    if found is None:
        if facts.n_evaluated < 2:
            return add_images(facts.source, "Add images to the store; some dozens make first clusters.")
        return Advice("Compute clusters and write the report again.", commands.make_report(facts.source))
    cards = found.chosen.clusters
    mixed = [card for card in cards if (finite(card.label_share) or 1.0) < _MIXED]
    if not facts.n_labelled:
        text = (
            "Name clusters whose pictures agree: a few names label most images. Boundary pictures show where they end."
        )
        return Advice(text, commands.search_row(facts.source, cards[0].medoid) if cards else None)
    if mixed:
        text = "Open the most mixed clusters first: what their pictures share is what the embedding sees."
        worst = min(mixed, key=lambda card: (card.label_share or 0.0, card.number))
        return Advice(text, commands.search_row(facts.source, worst.medoid))
    text = (
        "Look at the images with another label than their cluster's: they are wrong labels, or a class that is split."
    )
    return Advice(text, commands.search_row(facts.source, cards[0].medoid) if cards else None)


def views(facts: Facts, gallery: Gallery) -> list[ClusteringView]:
    """Every clustering that came, smallest k first."""
    found = facts.evaluation.clusters
    if found is None:
        return []
    return [_view(key, found.clusterings[key], gallery, key == found.suggested) for key in sorted(found.clusterings)]


def rows_shown(facts: Facts) -> list[int]:
    """Rows of every card."""
    found = facts.evaluation.clusters
    clusterings = found.clusterings.values() if found else ()
    return [row for clustering in clusterings for card in clustering.clusters for row in rows_of_card(card)]


def data(facts: Facts, settings: ReportSettings) -> dict[str, Any]:
    """For the script: which cluster each row is in, where the page names all rows."""
    found = facts.evaluation.clusters
    if found is None or not lists_every_row(facts.evaluation, settings):
        return {}
    return {
        str(key): packed(np.where(c.assignment < 0, _NOISE, c.assignment), "<u2")
        for key, c in found.clusterings.items()
    }


def _split(found: Clusters) -> str:
    """How far the suggested number of clusters can be relied upon."""
    clusters = counted(found.chosen.k, "cluster")
    point = next((point for point in found.curve if point.k == found.suggested), None)
    stability = finite(point.stability) if point else None
    if point is None or stability is None:
        return clusters
    error = finite(point.stability_se)
    spread = "" if error is None else f"\u00a0±\u00a0{decimals(error, 2)}"
    value = f"(stability {decimals(stability, 2)}{spread})"
    if stability < _FAIRLY:
        return f"No split is stable: {clusters} {value} come nearest"
    if len(found.curve) > 1 and found.suggested == min(item.k for item in found.curve):
        value += ", the smallest number tried"
    stays = "stays stable" if stability >= _STABLE else "stays fairly stable"
    return f"{clusters} {'is' if found.chosen.k == 1 else 'are'} the finest split that {stays} {value}"


def _none_of(n: int, of: int) -> str:
    if of == 1:
        return "it holds" if n else "it does not hold"
    return f"none of the {of:,} holds" if not n else f"{n:,} of the {of:,} {'holds' if n == 1 else 'hold'}"


def _view(key: int, clustering: Clustering, gallery: Gallery, suggested: bool) -> ClusteringView:
    method = _METHODS.get(clustering.method, visible(clustering.method))
    titles = {card.number: _title(card) for card in clustering.clusters}
    noise = finite(clustering.noise_share) or 0.0
    line = f"{method}, {counted(len(clustering.clusters), 'cluster')}"
    return ClusteringView(
        key=str(key),
        name=str(key) if clustering.method == "kmeans" else f"{method} {key}",
        suggested=suggested,
        line=f"{line}, {percent(noise)} of the images in none" if noise else line,
        cards=[_card(card, gallery, titles) for card in clustering.clusters],
        warnings=[sentence(visible(text)) for text in clustering.warnings],
        figures=[
            (define(metric).name, decimals(metric.value))
            for metric in clustering.metrics
            if finite(metric.value) is not None and not (metric.id == "cluster_noise" and not noise)
        ],
    )


def _card(card: Cluster, gallery: Gallery, titles: dict[int, Name]) -> Card:
    share, lift = finite(card.label_share), finite(card.label_lift)
    groups = [
        ("Nearest", "nearest to the centre", gallery.pictures(card.nearest_rows, "near the centre")),
        ("Boundary", "nearly in another cluster", gallery.pictures(card.boundary_rows, "at the boundary")),
        ("Outliers", "far from everything in it", gallery.pictures(card.outlier_rows, "an outlier")),
        ("Other label", _others(card), gallery.pictures(card.minority_rows[:MINORITY], "another label")),
    ]
    return Card(
        number=card.number + 1,
        title=_title(card),
        size=counted(card.size, "image"),
        share_bar=None if share is None else round(100 * share, 2),
        line=_line(share, lift),
        facts=_facts(card, titles),
        medoid=gallery.picture(card.medoid, "medoid"),
        groups=[group for group in groups if group[2]],
        mixed=share is not None and share < _MIXED,
        raw=_raw(card),
    )


def _others(card: Cluster) -> str:
    n = len(card.minority_rows)
    return f"{MINORITY} of {n} or more" if n > MINORITY else "than the cluster's"


def _title(card: Cluster) -> Name:
    """Its label; of a label that is a path the last part says most, the whole stands on hover."""
    if card.label is None:
        return name_of(f"Cluster {card.number + 1}")
    return Name(name_of(split_label(card.label)[-1], 28).short, visible(card.label))


def _line(share: float | None, lift: float | None) -> str:
    if share is None:
        return "no labels in it"
    words = f"{percent(share)} of its labelled images"
    return words if lift is None else f"{words}, {decimals(lift, 1)} × chance"  # noqa: RUF001 - times


def _facts(card: Cluster, titles: dict[int, Name]) -> list[tuple[str, str, str]]:
    items = [("cohesion", decimals(card.cohesion), "mean cosine similarity of its pairs")]
    if finite(card.entropy) is not None:
        items.append(("label entropy", decimals(card.entropy, 2), "0 = one label, 1 = all labels alike"))
    if card.unlabelled_share and card.label is not None:
        items.append(("unlabelled", percent(card.unlabelled_share), "share of its images without a label"))
    if card.nearest is not None:
        near = titles.get(card.nearest)
        name = f" ({near.short})" if near and card.label is not None else ""
        text = f"cluster {card.nearest + 1}{name}"
        items.append(("next to", text, "the cluster with the nearest centre"))
    return items


def _raw(card: Cluster) -> dict[str, float | int | str | None]:
    return {
        "cluster": card.number + 1,
        "label": None if card.label is None else visible(card.label),
        "size": card.size,
        "share": brief(card.label_share),
        "lift": brief(card.label_lift),
        "cohesion": brief(card.cohesion),
        "p95": brief(card.p95),
        "entropy": brief(card.entropy),
        "unlabelled": brief(card.unlabelled_share),
        "next": None if card.nearest is None else card.nearest + 1,
    }


def shown(value: float | str | None) -> str:
    """A raw value in a table."""
    if value is None or isinstance(value, str):
        return value or NOTHING
    return count(value) if isinstance(value, int) else decimals(value)
