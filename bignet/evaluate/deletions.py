"""What a query's score would change if one image were gone from its gallery, in closed form from its ranking.

Tables of hits are as in ``retrieval``, at least one place deeper than the score looks where the gallery holds more: the
image that would move up. Without a relevant image R falls by one; where it was the only one there is no query left,
and the change is minus the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.intervals import DECIMALS
from bignet.evaluate.votes import TEMPERATURE, VOTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Hits = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """Changes of the scores of Q queries.

    Attributes:
        listed: (Q, K) without the image at each place.
        beyond: (Q,) without a relevant image that is not in the table.
    """

    listed: Floats
    beyond: Floats


@dataclass(frozen=True)
class Cut:
    """Where an average precision ends, (Q,) each: by the places looked at and by what the sum is divided by.

    Attributes:
        places: looked at.
        over: divides the sum.
        places_less: looked at without one relevant image.
        over_less: divides the sum then, at least 1.
    """

    places: Ints
    over: Ints
    places_less: Ints
    over_less: Ints

    @classmethod
    def at_r(cls, n_relevant: Ints) -> Cut:
        """Of MAP@R."""
        less = n_relevant - 1
        return cls(n_relevant, n_relevant, less, np.maximum(less, 1))

    @classmethod
    def at_k(cls, n_relevant: Ints, k: int) -> Cut:
        """Of map@k/minRk."""
        whole = np.full(len(n_relevant), k)
        return cls(whole, np.minimum(n_relevant, k), whole, np.clip(n_relevant - 1, 1, k))

    @classmethod
    def whole(cls, n_relevant: Ints, width: int) -> Cut:
        """Of MAP down a complete ranking."""
        every = np.full(len(n_relevant), width)
        return cls(every, n_relevant, every, np.maximum(n_relevant - 1, 1))


def precision_at_k(hits: Hits, n_relevant: Ints, k: int) -> Effects:
    """P(k): the next image moves up."""
    head = _head(hits, k)
    listed = np.zeros(hits.shape)
    listed[:, :k] = (head[:, k:] * 1.0 - head[:, :k]) / k
    return _emptied(listed, np.zeros(len(hits)), head[:, :k].sum(axis=1) / k, hits, n_relevant)


def hit_at_k(hits: Hits, n_relevant: Ints, k: int) -> Effects:
    """Hit@k: it is lost with its only hit, or found by the next image."""
    head = _head(hits, k)
    found = head[:, :k].sum(axis=1, keepdims=True)
    listed = np.zeros(hits.shape)
    listed[:, :k] = (found - head[:, :k] + head[:, k:] > 0) * 1.0 - (found > 0)
    return _emptied(listed, np.zeros(len(hits)), (found[:, 0] > 0) * 1.0, hits, n_relevant)


def recall_at_k(hits: Hits, n_relevant: Ints, k: int) -> Effects:
    """Hits among the first k over R, or over R - 1."""
    head, less = _head(hits, k), np.maximum(n_relevant - 1, 1)
    found = head[:, :k].sum(axis=1)
    score, listed = found / n_relevant, np.zeros(hits.shape)
    after = (found[:, None] - head[:, :k] + head[:, k:]) / np.where(head[:, :k], less[:, None], n_relevant[:, None])
    listed[:, :k] = after - score[:, None]
    beyond = found / less - score
    listed[:, k:] = np.where(hits[:, k:], beyond[:, None], 0.0)
    return _emptied(listed, beyond, score, hits, n_relevant)


def r_precision(hits: Hits, n_relevant: Ints) -> Effects:
    """P(R): without a relevant image it looks at R - 1 places."""
    total, place = _running(hits), np.arange(1, hits.shape[1] + 1)
    less = np.maximum(n_relevant - 1, 1)
    found = _at(total, n_relevant)
    score, beyond = found / n_relevant, _at(total, n_relevant - 1) / less
    inside = place <= n_relevant[:, None]
    up = (_at(total, n_relevant + 1) - found) / n_relevant
    right = np.where(inside, ((found - 1) / less - score)[:, None], (beyond - score)[:, None])
    return _emptied(np.where(hits, right, inside * up[:, None]), beyond - score, score, hits, n_relevant)


def average_precision(hits: Hits, n_relevant: Ints, cut: Cut) -> Effects:
    """Sum of P(r) over the hits r up to a place, over a number: MAP@R, map@k and MAP, by their cut.

    Behind the missing image every place is one less, and behind a missing hit the number of hits too: sums over the
    rest of the list are differences of running sums.
    """
    place, number = np.arange(1, hits.shape[1] + 1), np.cumsum(hits, axis=1)
    before = np.maximum(place - 1, 1)
    sums = _running(hits * number / place)
    up, up_less = _running(hits * number / before), _running(hits * (number - 1) / before)
    score = _at(sums, cut.places) / cut.over
    beyond = _at(sums, cut.places_less) / cut.over_less
    wrong = (sums[:, :-1] + _at(up, cut.places + 1)[:, None] - up[:, 1:]) / cut.over[:, None] - score[:, None]
    wrong = np.where(place <= cut.places[:, None], wrong, 0.0)
    right = (sums[:, :-1] + _at(up_less, cut.places_less + 1)[:, None] - up_less[:, 1:]) / cut.over_less[:, None]
    right = np.where(place <= cut.places_less[:, None], right, beyond[:, None]) - score[:, None]
    return _emptied(np.where(hits, right, wrong), beyond - score, score, hits, n_relevant)


def reciprocal_rank(hits: Hits, n_relevant: Ints, first: Ints) -> Effects:
    """1 / rank of the first hit, ``first``; a second hit beyond the table counts as at its first place beyond."""
    width, score = hits.shape[1], 1.0 / first
    place = np.arange(1, width + 1)
    later = hits & (place > first[:, None])
    second = np.where(later.any(axis=1), later.argmax(axis=1) + 1, np.maximum(width, first) + 1)
    listed = np.where(place < first[:, None], (1.0 / np.maximum(first - 1, 1) - score)[:, None], 0.0)
    listed = np.where(place == first[:, None], (1.0 / np.maximum(second - 1, 1) - score)[:, None], listed)
    return _emptied(listed, np.zeros(len(hits)), score, hits, n_relevant)


def ndcg_at_k(gains: Floats, ideal: Callable[[Floats], Floats], most: Floats, discounts: Floats) -> Effects:
    """The nDCG of the first k; that an image of less than the highest gain changes the ideal counts up to place k.

    Args:
        gains: (Q, K) of each place.
        ideal: (Q,) gains of an image that is gone, 0 = none -> (Q,) the ideal DCG.
        most: (Q,) gain of a relevant image.
        discounts: (k,).
    """
    k, width = len(discounts), gains.shape[1]
    wide = np.pad(gains, ((0, 0), (0, max(0, k + 1 - width))))
    same, up = _running(wide[:, :k] * discounts), _running(wide[:, 1 : k + 1] * discounts)
    whole, less = ideal(np.zeros(len(gains))), ideal(most)
    score = same[:, -1] / whole
    beyond = np.where(less > 0, same[:, -1] / np.where(less > 0, less, 1.0), 0.0) - score
    listed = np.where(gains == most[:, None], beyond[:, None], 0.0)
    for place in range(min(k, width)):
        left, without = same[:, place] + up[:, -1] - up[:, place], ideal(gains[:, place])
        listed[:, place] = np.where(without > 0, left / np.where(without > 0, without, 1.0), 0.0) - score
    return Effects(listed, beyond)


def knn_vote(codes: Ints, similarity: Floats, own: Ints, n_relevant: Ints) -> Effects:
    """Right or wrong by the vote of the nearest: (Q, K) classes, -1 = none, and similarities; (Q,) true classes.

    Votes are counted once; without a voter its weight goes from its class, and the next neighbour votes.
    """
    codes, similarity = codes[:, : VOTERS + 1], similarity[:, : VOTERS + 1]
    voter, width = codes >= 0, codes.shape[1]
    known = np.where(voter, similarity, -np.inf)
    most = np.max(known, axis=1, keepdims=True, initial=-np.inf)
    weight = np.where(voter, np.exp((known - np.where(np.isfinite(most), most, 0.0)) / TEMPERATURE), 0.0)
    alike = codes[:, :, None] == codes[:, None, :]
    votes = np.einsum("qj,qij->qi", weight[:, :VOTERS], alike[:, :, :VOTERS])
    spare = weight[:, VOTERS:].sum(axis=1)
    extra = alike[:, :, VOTERS] * spare[:, None] if width > VOTERS else np.zeros(codes.shape)
    best = np.argmax(np.where(voter[:, :VOTERS], np.round(votes[:, :VOTERS], DECIMALS), -1.0), axis=1)
    hits = codes == own[:, None]
    score = np.take_along_axis(hits, best[:, None], 1)[:, 0] * 1.0
    listed = np.zeros(codes.shape)
    for place in range(min(VOTERS, width)):
        left = votes - weight[:, place, None] * alike[:, place] + extra
        left = np.where(voter, np.round(left, DECIMALS), -1.0)
        left[:, place] = -1.0
        listed[:, place] = np.take_along_axis(hits, left.argmax(axis=1)[:, None], 1)[:, 0] - score
    return _emptied(listed, np.zeros(len(codes)), score, hits, n_relevant)


def _emptied(listed: Floats, beyond: Floats, score: Floats, hits: Hits, n_relevant: Ints) -> Effects:
    """The same, the score lost where the only relevant image is gone."""
    only = n_relevant == 1
    if only.any():
        listed = np.where(hits & only[:, None], -score[:, None], listed)
        beyond = np.where(only, -score, beyond)
    return Effects(listed, beyond)


def _head(hits: Hits, k: int) -> Hits:
    """(Q, K) hits -> (Q, k + 1), no hits where the table ends."""
    return np.pad(hits[:, : k + 1], ((0, 0), (0, max(0, k + 1 - hits.shape[1]))))


def _running(values: Floats | Hits) -> Floats:
    """(Q, K) values -> (Q, K + 1) sums of the first 0 to K of each."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1, dtype=np.float64)], axis=1)


def _at(sums: Floats, places: Ints) -> Floats:
    """(Q, K + 1) running sums and (Q,) places -> (Q,) sums up to them, or to the end of the table."""
    return np.take_along_axis(sums, np.clip(places, 0, sums.shape[1] - 1)[:, None], 1)[:, 0]
