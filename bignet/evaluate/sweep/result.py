"""A sweep as plain data: what was tried, how good each is, what it costs, and which to take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from bignet.evaluate.result import ClassDistance, Metric

# What choices are ranked by.
LABELLED = "map@r.macro"
CKA_ROWS = 1_000  # images that CKA is of: it is unbiased, so that a sample tells the same
WITHOUT_LABELS = ("self_hit@1", "overlap_stability")


@dataclass(frozen=True)
class Choice:
    """One way to embed an image.

    Attributes:
        name: ``model/layer.pool``, and ``+step`` for each step after pooling: what everything calls it.
        model: of the network.
        weights: where its weights come from.
        trained: whether they were; False for random ones.
        layer: tapped.
        pool: as ``bignet.spec.parse_pool`` reads it.
        steps: applied to the pooled vectors, such as ``pca:256``; mostly none.
        dims: numbers in a vector.
        coverage: share of the map that the pool looks at.
        shape: of the layer's output for one image.
        store: folder of the store that holds it, below the sweep's own.
        embedding: its column there.
    """

    name: str
    model: str
    weights: str
    trained: bool
    layer: str
    pool: str
    steps: tuple[str, ...]
    dims: int
    coverage: float
    shape: tuple[int, ...]
    store: str
    embedding: str


class Why(StrEnum):
    """The kinds of reasons for which a combination is dropped."""

    UNDEFINED = "not defined there"
    SIZE = "too long or no shorter"
    NO_DIRECTIONS = "without directions"


@dataclass(frozen=True)
class Dropped:
    """A combination that was not tried, and why. ``dims`` is None where it has none."""

    model: str
    layer: str
    pool: str
    dims: int | None
    why: Why
    reason: str


@dataclass(frozen=True)
class Cost:
    """What a choice costs on the machine of the sweep; None = not measured. See ``Sweep.cost_setting``.

    Attributes:
        images_s_forward: images a second through the network up to the layer.
        images_s_end2end: with reading, decoding and resizing, which is shared between models and counted in full here.
        flops: floating-point operations up to the layer for one image; the same on every machine.
        bytes_per_vector: as stored.
        index_qps: exact searches a second among the sweep's images, all at once.
        peak_bytes: most memory the process held while the network ran, all its tapped layers included.
        images_s_forward_lo: between this and ``_hi`` the rate is known: the interval of its median over repeated
            measurements, see ``bignet.extractor.rate``.
        images_s_forward_hi: see there.
        images_s_end2end_lo: likewise, both the network and the decoding at their lower ends.
        images_s_end2end_hi: both at their upper ends.
        index_qps_lo: likewise.
        index_qps_hi: see there.
    """

    images_s_forward: float | None
    images_s_end2end: float | None
    flops: int | None
    bytes_per_vector: int
    index_qps: float | None
    peak_bytes: int | None
    images_s_forward_lo: float | None = None
    images_s_forward_hi: float | None = None
    images_s_end2end_lo: float | None = None
    images_s_end2end_hi: float | None = None
    index_qps_lo: float | None = None
    index_qps_hi: float | None = None

    @property
    def speed(self) -> tuple[float, float]:
        """Images a second end to end, from and to; a rate of unknown spread is taken as it is, none as 0."""
        found = self.images_s_end2end or 0.0
        low, high = self.images_s_end2end_lo, self.images_s_end2end_hi
        return (found if low is None else low, found if high is None else high)


@dataclass(frozen=True)
class Scored:
    """One choice with what it is worth and what it costs.

    Attributes:
        choice: what it is.
        cost: what it costs.
        metrics: by id: ``map@r.macro``, ``map@r``, ``p@1``, ``pair_auroc``, ``margin`` (mean of classes),
            ``plausible_fp``, ``self_hit@1`` (mean over transforms and strengths), ``silhouette``, ``v_measure``,
            ``rankme_centered``, ``hub_skew``, ``overlap_stability``; each a full record whose value is None
            where it has no meaning.
        chosen_half: the ranking score on the half of the queries that choices are made by.
        reported: the ranking score on the other half, with its interval: the one to believe.
        to_best: ``reported`` less the recommended-by-quality choice's, paired query by query; None for that one itself.
        p_value: of that difference, before Holm's correction; None likewise.
        tied: whether the difference cannot be told from none after Holm's correction; True for the best itself.
        on_front: whether no other choice is as good in everything and better in something.
        per_class: class -> its own ranking score (mean AP@R); empty without labels.
        self_hit: transform -> (strength, share) points, falling or not.
    """

    choice: Choice
    cost: Cost
    metrics: Mapping[str, Metric]
    chosen_half: Metric
    reported: Metric
    to_best: Metric | None
    p_value: float | None
    tied: bool
    on_front: bool
    per_class: Mapping[str, float]
    self_hit: Mapping[str, tuple[tuple[float, float], ...]]


@dataclass(frozen=True)
class Recommendation:
    """What to take.

    Attributes:
        preset: ``best``, ``balanced`` or ``cheapest``.
        name: of the choice.
        rule: the sentence of the rule as printed.
        reason: what it scores and costs, and what its runner-up would give and take instead; two sentences.
        changes: what would have to change for another to be taken; one sentence.
        runner_up: name of the choice that it is weighed against; empty = there is no other.
    """

    preset: str
    name: str
    rule: str
    reason: str
    changes: str
    runner_up: str


@dataclass(frozen=True)
class Strip:
    """One query under several choices. Positions are rows of the sweep's images.

    Attributes:
        query: its row.
        neighbours: choice name -> (k,) rows, nearest first.
        similarity: choice name -> (k,).
    """

    query: int
    neighbours: Mapping[str, NDArray[np.int32]]
    similarity: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Sweep:
    """Everything a sweep found.

    Attributes:
        ids: (N,) of the images, the same for all choices: those that every model could embed.
        paths: (N,) relative to the images' root.
        labels: (N,), None = unlabelled.
        ranking: id of the score that choices are ranked by: ``LABELLED``, or one of ``WITHOUT_LABELS``.
        scored: best first, by the half that is chosen by.
        dropped: combinations that were not tried.
        recommendations: one a preset; empty if nothing was scored.
        cka: model -> its layers in order and the (L, L) unbiased linear CKA of their ``gap`` vectors.
        class_distance: of the balanced recommendation; None without two classes.
        strips: the same queries under up to four choices.
        cost_setting: device, threads, batch and number of images behind the costs; one sentence.
        n_left_out: images that some model could not embed.
        gallery_fingerprint: SHA-256 of the sorted ids.
        seconds: wall time by stage, ``decode``, ``forward <model>``, ``score``, ...
        warnings: what a reader must see first.
    """

    ids: NDArray[np.int64]
    paths: tuple[bytes, ...]
    labels: tuple[str | None, ...]
    ranking: str
    scored: tuple[Scored, ...]
    dropped: tuple[Dropped, ...]
    recommendations: tuple[Recommendation, ...]
    cka: Mapping[str, tuple[tuple[str, ...], NDArray[np.float64]]]
    class_distance: ClassDistance | None
    strips: tuple[Strip, ...]
    cost_setting: str
    n_left_out: int
    gallery_fingerprint: str
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    def named(self, name: str) -> Scored:
        """The choice of that name; KeyError if it was not scored."""
        for item in self.scored:
            if item.choice.name == name:
                return item
        raise KeyError(name)
